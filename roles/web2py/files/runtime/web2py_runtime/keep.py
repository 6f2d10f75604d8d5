# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keep a server running where there is no systemd for it.

python -m web2py_runtime.keep start|stop LOCK LOG ADDRESS PORT COMMAND...

Does what a unit and its socket would: one keeper at a time, which holds the listening socket, starts the server on it,
starts it anew when it ends or says no more that all is well, and replaces it and itself for a new release. Meanwhile
requests wait in the socket, so none is lost. `start` ends at once and says what it found: run it as often as you like.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from time import monotonic, sleep
from typing import Any

from web2py_runtime.door import FIRST, bound

PAUSE_SECONDS = 0.3
LONGEST_PAUSE_SECONDS = 10.0
STOP_SECONDS = 10
START_SECONDS = 60
WATCH_SECONDS = 6
# How a keeper that replaces itself tells the next one what it holds.
HELD = "WEB2PY_KEEPER_HOLDS"


def lock(path: str) -> int | None:
    """The open lock; None when another keeper has it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    # What is in it speaks of a keeper that is gone; its number may be somebody else's by now.
    os.ftruncate(descriptor, 0)
    return descriptor


def about(number: int, arguments: list[str]) -> dict[str, Any]:
    """What stands in the lock of a keeper: its number, what it runs, and of which release."""
    # Above this file by name, not by target, as in entry.py.
    return {"number": number, "arguments": arguments, "release": str(Path(__file__).parents[2].resolve())}


def note(descriptor: int, told: dict[str, Any]) -> None:
    text = json.dumps(told).encode()
    os.pwrite(descriptor, text, 0)
    os.ftruncate(descriptor, len(text))


def noted(path: str) -> dict[str, Any]:
    """What the keeper that runs has written; {} while it writes."""
    try:
        return dict(json.loads(Path(path).read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return {}


def start(command: list[str], door: int, line: str) -> subprocess.Popen[bytes]:
    """Start the server in the way systemd would: with the socket, its number, and a line to tell how it does."""
    # It ends with its keeper, whatever that dies of (prctl(2), PR_SET_PDEATHSIG): the next one needs the port.
    code = "import ctypes, os, sys; ctypes.CDLL(None).prctl(1, 9); door = int(sys.argv[1]);"
    code += f" os.dup2(door, {FIRST}); door == {FIRST} or os.close(door);"
    code += " os.environ['LISTEN_PID'] = str(os.getpid()); os.execv(sys.argv[2], sys.argv[2:])"
    environment = {**os.environ, "LISTEN_FDS": "1", "NOTIFY_SOCKET": line}
    launcher = [sys.executable, "-c", code, str(door), *command]
    return subprocess.Popen(launcher, env=environment, pass_fds=(door,), stdin=subprocess.DEVNULL)


def stop(server: subprocess.Popen[bytes]) -> None:
    """End the server after its requests."""
    if server.poll() is None:
        server.terminate()
        try:
            server.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def heard(line: socket.socket, seconds: float) -> bool:
    """Whether the server said something within that time."""
    line.settimeout(seconds)
    try:
        line.recv(1024)
    except OSError:
        return False
    return True


class Asked:
    """What a signal has asked for."""

    def __init__(self) -> None:
        self.word = ""
        for number, word in ((signal.SIGTERM, "end"), (signal.SIGINT, "end"), (signal.SIGHUP, "renew")):
            signal.signal(number, lambda _number, _frame, word=word: self.hear(word))

    def hear(self, word: str) -> None:
        self.word = self.word if self.word == "end" else word


def gone(path: str) -> bool:
    """Whether the site was taken away, lock and all, by who could not say so: a broken release has no `stop`."""
    try:
        os.stat(path)
    except FileNotFoundError:
        return True
    except OSError:  # a file system may be away for a while
        pass
    return False


def live(command: list[str], door: int, asked: Asked, path: str) -> int:
    """The life of one server, until it ends, or says no more that all is well, or nobody wants it; how it ended."""
    told = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    # Each has a line of its own: the last words of the one before say nothing of the next.
    with tempfile.TemporaryDirectory(prefix="web2py-") as folder, told as line:
        line.bind(os.path.join(folder, "line"))
        heard_at = monotonic()
        server = start(command, door, line.getsockname())
        patience = START_SECONDS
        while not asked.word and server.poll() is None and monotonic() - heard_at < patience:
            if heard(line, 0.5):
                heard_at, patience = monotonic(), WATCH_SECONDS
            if gone(path):
                asked.hear("end")
        stop(server)
    return int(server.returncode)


def serve(command: list[str], door: int, asked: Asked, path: str) -> None:
    """Keep the server running until a signal asks for something, or the lock is gone."""
    pause = PAUSE_SECONDS
    while not asked.word:
        begun = monotonic()
        status = live(command, door, asked, path)
        if not asked.word:
            print(f"The server ended with {status} and is started anew.", file=sys.stderr, flush=True)
            pause = PAUSE_SECONDS if monotonic() - begun > START_SECONDS else min(2 * pause, LONGEST_PAUSE_SECONDS)
            sleep(pause)


def ask(number: int, word: signal.Signals) -> None:
    """Ask a keeper for something, unless it has just ended."""
    with suppress(ProcessLookupError):
        os.kill(number, word)


def ended(path: str) -> int:
    """End the keeper that holds the lock; the lock, which is ours then."""
    limit = monotonic() + START_SECONDS
    while True:
        descriptor = lock(path)
        if descriptor is not None:
            return descriptor
        if monotonic() > limit:
            sys.exit(f"The keeper of {path} does not end.")
        number = noted(path).get("number")
        if number:
            ask(number, signal.SIGTERM)
        sleep(0.2)


def renewed(path: str, wanted: dict[str, Any]) -> bool:
    """Let a keeper with the same arguments take the present release; False when there is none of that kind."""
    limit = monotonic() + START_SECONDS
    asked = False
    while monotonic() < limit:
        running = noted(path)
        if running and running["arguments"] != wanted["arguments"]:
            return False
        if running and running["release"] == wanted["release"]:
            print("renewed" if asked else "same", flush=True)
            return True
        if running and not asked:
            ask(running["number"], signal.SIGHUP)
            asked = True
        sleep(0.1)
    sys.exit(f"The keeper of {path} does not take the new release.")


def apart(log: str, locked: int, arguments: list[str]) -> None:
    """Go on without the terminal and the program that started us, which learns that all is well."""
    number = os.fork()
    if number:
        # Whoever is told of it finds it.
        note(locked, about(number, arguments))
        print("started", flush=True)
        os._exit(0)
    os.setsid()
    for descriptor, path, flags in ((0, os.devnull, os.O_RDONLY), (1, log, os.O_WRONLY), (2, log, os.O_WRONLY)):
        opened = os.open(path, flags | (os.O_CREAT | os.O_APPEND if descriptor else 0), 0o600)
        os.dup2(opened, descriptor)
        os.close(opened)


def main() -> int:
    word, path, log, address, port, *command = sys.argv[1:]
    wanted = about(os.getpid(), sys.argv[2:])
    held = [int(number) for number in os.environ.pop(HELD, "").split()]
    if held:
        locked, door = held
        asked = Asked()
        for descriptor in held:
            os.set_inheritable(descriptor, False)
    else:
        found = lock(path)
        if word == "stop":
            if found is None:
                ended(path)
                print("stopped", flush=True)
            return 0
        if found is None and renewed(path, wanted):
            return 0
        locked = ended(path) if found is None else found
        door = bound(address, int(port)).detach()
        # Before anybody is told where to send signals.
        asked = Asked()
        apart(log, locked, sys.argv[2:])
    note(locked, about(os.getpid(), sys.argv[2:]))
    serve(command, door, asked, path)
    if asked.word == "renew":
        # Until the next one listens to signals.
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        for descriptor in (locked, door):
            os.set_inheritable(descriptor, True)
        os.environ[HELD] = f"{locked} {door}"
        os.execv(sys.executable, [sys.executable, "-m", "web2py_runtime.keep", *sys.argv[1:]])  # noqa: S606  our own words
    return 0


if __name__ == "__main__":
    sys.exit(main())
