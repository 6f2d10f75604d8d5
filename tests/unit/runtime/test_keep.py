"""A keeper without systemd: one of them, which holds the socket while servers come and go."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from web2py_runtime import keep

RUNTIME = Path(keep.__file__).parents[1]
SERVER = """
import os, signal, socket
assert (os.environ["LISTEN_FDS"], os.environ["LISTEN_PID"]) == ("1", str(os.getpid()))
door = socket.socket(fileno=3)
while True:
    connection, _address = door.accept()
    connection.recv(65536)
    connection.sendall(f"HTTP/1.0 200 OK\\r\\n\\r\\n{os.getpid()} {os.path.basename(os.environ['RELEASE'])}".encode())
    connection.close()
"""
# Says how it does, as serve.py does: its first life hangs, the others take their time to load.
TALKING = """
import os, pathlib, signal, socket, sys, time
lives = pathlib.Path(sys.argv[1])
life = len(lives.read_text()) + 1 if lives.exists() else 1
lives.write_text("x" * life)
def tell(words):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
        line.sendto(words, os.environ["NOTIFY_SOCKET"])
def leave(*_):
    tell(b"STOPPING=1")
    os._exit(0)
signal.signal(signal.SIGTERM, leave)
if life > 1:
    time.sleep(float(sys.argv[2]))
tell(b"READY=1")
if life == 1:
    time.sleep(60)
for _number in range(10):
    tell(b"WATCHDOG=1")
    time.sleep(0.1)
pathlib.Path(sys.argv[3]).touch()
while True:
    tell(b"WATCHDOG=1")
    time.sleep(0.1)
"""
Run = Callable[..., str]


@pytest.fixture
def port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.fixture
def run(tmp_path: Path, port: int) -> Iterator[Run]:
    for release in ("one", "two"):
        (tmp_path / release).mkdir()
        (tmp_path / release / "runtime").symlink_to(RUNTIME)
    (tmp_path / "current").symlink_to("one")
    script = tmp_path / "server.py"
    script.write_text(SERVER.replace("os.environ['RELEASE']", f"os.path.realpath({str(tmp_path / 'current')!r})"))

    def ask(word: str, *more: str) -> str:
        command = [sys.executable, "-m", "web2py_runtime.keep", word, str(tmp_path / "lock"), str(tmp_path / "log")]
        command += ["127.0.0.1", str(port), sys.executable, str(script), *more]
        environment = {**os.environ, "PYTHONPATH": str(tmp_path / "current/runtime")}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=90, check=True)
        return done.stdout.strip()

    yield ask
    ask("stop")


def page(port: int) -> list[str]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=30) as answer:
        return str(answer.read().decode()).split()


def test_it_starts_once_and_stops(run: Run, port: int) -> None:
    assert run("start") == "started"
    number = page(port)[0]
    assert run("start") == "same" and page(port)[0] == number
    assert run("stop") == "stopped" and run("stop") == ""
    with pytest.raises(OSError):
        page(port)


def test_a_killed_server_is_started_anew_and_nobody_is_refused(run: Run, port: int) -> None:
    run("start")
    number = page(port)[0]
    os.kill(int(number), 9)
    while Path(f"/proc/{number}/fd").exists() and os.path.exists(f"/proc/{number}/exe"):
        time.sleep(0.01)
    assert page(port)[0] != number


def test_a_new_release_is_taken_by_the_keeper_and_the_server(run: Run, port: int, tmp_path: Path) -> None:
    run("start")
    assert page(port)[1] == "one"
    keeper = keep.noted(str(tmp_path / "lock"))["number"]
    keep_link = tmp_path / "next"
    keep_link.symlink_to("two")
    keep_link.rename(tmp_path / "current")
    assert run("start") == "renewed"
    assert page(port)[1] == "two" and keep.noted(str(tmp_path / "lock"))["number"] == keeper
    assert run("start") == "same"


def test_other_arguments_are_another_keeper(run: Run, port: int, tmp_path: Path) -> None:
    run("start")
    keeper = keep.noted(str(tmp_path / "lock"))["number"]
    assert run("start", "--more") == "started"
    assert keep.noted(str(tmp_path / "lock"))["number"] != keeper


def test_what_a_keeper_that_is_gone_has_left_is_not_believed(run: Run, tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as stranger:
        keep.note(os.open(tmp_path / "lock", os.O_RDWR | os.O_CREAT), keep.about(stranger.pid, []))
        descriptor = keep.lock(str(tmp_path / "lock"))
        assert descriptor is not None and keep.noted(str(tmp_path / "lock")) == {}
        os.close(descriptor)
        assert run("start") == "started" and stranger.poll() is None
        stranger.communicate(b"\n")


def test_a_server_is_heard_or_not(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
        line.bind(str(tmp_path / "line"))
        begun = time.monotonic()
        assert not keep.heard(line, 0.05) and time.monotonic() - begun < 2
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
            server.sendto(b"WATCHDOG=1", str(tmp_path / "line"))
        assert keep.heard(line, 0.05)


class Words:
    """What a signal would have asked for."""

    word = ""

    def hear(self, word: str) -> None:
        self.word = word


def test_a_server_that_hangs_is_replaced_once_by_one_that_has_its_time_to_load(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(keep, "WATCH_SECONDS", 1.5)
    lives, steady, asked = tmp_path / "lives", tmp_path / "steady", Words()

    def wait() -> None:
        limit = time.monotonic() + 30
        while not steady.exists() and time.monotonic() < limit:
            time.sleep(0.05)
        asked.hear("end")

    watcher = threading.Thread(target=wait)
    watcher.start()
    command = [sys.executable, "-c", TALKING, str(lives), "3", str(steady)]
    with socket.socket() as door:
        keep.serve(command, door.fileno(), asked, str(tmp_path))  # type: ignore[arg-type]
    watcher.join()
    assert steady.exists() and lives.read_text() == "xx"
    assert capfd.readouterr().err.count("is started anew") == 1


def test_a_keeper_ends_after_its_lock(run: Run, port: int, tmp_path: Path) -> None:
    """A site whose release is broken can be taken away only in this way."""
    run("start")
    number = page(port)[0]
    (tmp_path / "lock").unlink()
    limit = time.monotonic() + 20
    while Path(f"/proc/{number}").exists() and time.monotonic() < limit:
        time.sleep(0.05)
    with pytest.raises(OSError):
        page(port)


def test_a_server_does_not_outlive_its_keeper(run: Run, port: int, tmp_path: Path) -> None:
    """It would hold the port, and nobody could keep another."""
    run("start")
    number = page(port)[0]
    os.kill(keep.noted(str(tmp_path / "lock"))["number"], 9)
    assert run("start") == "started" and page(port)[0] != number
