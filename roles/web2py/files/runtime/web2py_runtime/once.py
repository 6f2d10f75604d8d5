# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""CGI: each request has a process of its own, forked from one that has loaded web2py and never serves itself.

The front end speaks SCGI, which is CGI on a socket. There is one program, so no request can name another; and what a
request says is given to it as a mapping, never as the environment of a process, where a header could pass for a
setting (httpoxy).
"""

from __future__ import annotations

import io
import os
import select
import signal
import socket
import sys
import traceback
from collections.abc import Callable
from time import monotonic
from typing import BinaryIO, NoReturn

from web2py_runtime.door import Door
from web2py_runtime.gateway import Body, respond
from web2py_runtime.guard import Application

PULSE_SECONDS = 1.0
# Front ends let through far less.
LARGEST_HEAD = 1 << 20


class Unreadable(Exception):
    """What came is no request."""


def variables(source: BinaryIO) -> dict[str, str]:
    """The head of a request: one netstring of names and values."""
    digits = b""
    while (digit := source.read(1)) != b":":
        digits += digit
        if not digit.isdigit() or int(digits) > LARGEST_HEAD:
            raise Unreadable(f"a head of the length {digits!r}")
    length = int(digits or b"0")
    head = source.read(length)
    if len(head) != length or source.read(1) != b"," or not head.endswith(b"\0"):
        raise Unreadable(f"{len(head)} bytes of a head of {length}")
    words = head[:-1].decode("latin-1").split("\0")
    found = dict(zip(words[::2], words[1::2]))
    length_told = found.get("CONTENT_LENGTH") or "0"
    if not (length_told.isascii() and length_told.isdigit()):
        raise Unreadable(f"a body of the length {length_told!r}")
    return {"SCRIPT_NAME": "", "PATH_INFO": "", "QUERY_STRING": "", **found, "CONTENT_LENGTH": length_told}


def answer(application: Application, connection: socket.socket) -> None:
    """Read the request of a connection and write its answer."""
    with connection.makefile("rb") as source, connection.makefile("wb") as target:
        environ = variables(source)
        body = io.BufferedReader(Body(source.read1, int(environ["CONTENT_LENGTH"])))
        respond(application, environ, body, target)


def live_once(application: Application, connection: socket.socket) -> NoReturn:
    """The life of a process of a request."""
    status = 1
    try:
        # Whatever the page starts ends with it, when its time is over.
        os.setsid()
        answer(application, connection)
        status = 0
    except Exception:  # it must never come back into the loop of its parent
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


class Crew:
    """The processes of the requests that run now: at most so many, each for so long."""

    def __init__(self, application: Application, door: Door, most: int, seconds: float) -> None:
        self.application, self.door, self.most, self.seconds = application, door, most, seconds
        # By the descriptor that tells of the end of a process: its number, and when it has to end.
        self.running: dict[int, tuple[int, float]] = {}

    @property
    def room(self) -> bool:
        return len(self.running) < self.most

    def take(self) -> None:
        """Begin the next request, if there is one."""
        try:
            connection, _address = self.door.accept()
        except BlockingIOError:
            return
        with connection:
            try:
                number = os.fork()
            except OSError as error:  # no room for one more: this visitor alone is told so
                print(f"No process for a request: {error}", flush=True)
                return
            if not number:
                signal.set_wakeup_fd(-1)
                for word in (signal.SIGTERM, signal.SIGINT):
                    signal.signal(word, signal.SIG_DFL)
                self.door.close()
                live_once(self.application, connection)
            self.running[os.pidfd_open(number)] = (number, monotonic() + self.seconds)

    def ended(self, descriptor: int) -> None:
        """Let go of a process that has ended."""
        number, _limit = self.running.pop(descriptor)
        os.close(descriptor)
        _number, status = os.waitpid(number, 0)
        if os.WIFSIGNALED(status):
            print(f"The process {number} of a request was ended by signal {os.WTERMSIG(status)}", flush=True)

    def end_overdue(self) -> None:
        """End the processes whose time is over, with all that they have started."""
        now = monotonic()
        for number, limit in self.running.values():
            if limit <= now:
                for end in (os.killpg, os.kill):
                    try:
                        end(number, signal.SIGKILL)
                    except ProcessLookupError:  # it has just ended, or has no group yet
                        pass

    def wait(self, wake: int, taking: bool) -> None:
        """Until something happens, one round of what is to do."""
        watched = [wake, *self.running] + ([self.door.fileno()] if taking and self.room else [])
        overdue = min((limit for _number, limit in self.running.values()), default=monotonic() + PULSE_SECONDS)
        ready = select.select(watched, [], [], max(0.0, min(PULSE_SECONDS, overdue - monotonic())))[0]
        for descriptor in set(ready) & set(self.running):
            self.ended(descriptor)
        self.end_overdue()
        if self.door.fileno() in ready:
            self.take()


def serve(
    application: Application, door: Door, processes: int, seconds: float, mercy: float, tell: Callable[[str], None]
) -> None:
    """Serve until systemd says stop; then end after the requests that run. Those that wait are the next one's."""
    door.settimeout(0)
    crew = Crew(application, door, processes, seconds)
    wake, woken = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(woken)
    stops: list[int] = []
    for word in (signal.SIGTERM, signal.SIGINT):
        signal.signal(word, lambda number, _frame: stops.append(number))
    tell("READY=1")
    pulse = 0.0
    while not stops:
        if monotonic() >= pulse:
            tell("WATCHDOG=1")
            pulse = monotonic() + PULSE_SECONDS
        crew.wait(wake, True)
    tell("STOPPING=1")
    os.read(wake, 1024)
    limit = monotonic() + mercy
    while crew.running and monotonic() < limit:
        crew.wait(wake, False)
    if crew.running:
        print(f"{len(crew.running)} requests did not end within {mercy:g} s", flush=True)
