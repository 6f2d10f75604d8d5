from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import types
from collections.abc import Callable
from pathlib import Path

import pytest
from web2py_runtime import retire


class Uwsgi(types.ModuleType):
    """What retire needs of uWSGI's module."""

    def __init__(self, cores: int) -> None:
        super().__init__("uwsgi")
        self.cores = cores
        self.registered: list[tuple[int, str]] = []
        self.post_fork_hook: Callable[[], None] | None = None
        self.worker_id = lambda: 1

    def register_signal(self, number: int, receiver: str, handler: Callable[[int], None]) -> None:
        assert handler is retire.end
        self.registered.append((number, receiver))


def test_nothing_is_done_outside_uwsgi(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uwsgi", None)
    assert retire.between_requests() is False


def test_nothing_is_done_with_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    uwsgi = Uwsgi(cores=4)
    monkeypatch.setitem(sys.modules, "uwsgi", uwsgi)
    assert retire.between_requests() is False
    assert uwsgi.registered == []
    assert uwsgi.post_fork_hook is None


def test_the_signal_is_registered_in_the_master(monkeypatch: pytest.MonkeyPatch) -> None:
    uwsgi = Uwsgi(cores=1)
    monkeypatch.setitem(sys.modules, "uwsgi", uwsgi)
    assert retire.between_requests() is True
    assert uwsgi.registered == [(retire.RETIRE, "worker")]
    assert uwsgi.post_fork_hook


def test_who_has_no_connections_gets_its_signals(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mule, or a spooler."""
    uwsgi = Uwsgi(cores=1)
    monkeypatch.setitem(sys.modules, "uwsgi", uwsgi)
    assert retire.between_requests() is True
    uwsgi.worker_id = lambda: 0
    assert uwsgi.post_fork_hook
    before = threading.active_count()
    uwsgi.post_fork_hook()
    assert signal.SIGHUP not in signal.pthread_sigmask(signal.SIG_BLOCK, [])
    assert threading.active_count() == before


# A loop like uWSGI's: one epoll for connections and for the master's line; "request" is a connection being read.
WORKER = """
import select, signal, socket, sys, types
uwsgi = types.ModuleType("uwsgi")
uwsgi.cores, uwsgi.worker_id = 1, lambda: 1
uwsgi.register_signal = lambda *args: None
sys.modules["uwsgi"] = uwsgi
from web2py_runtime import retire
retire.between_requests()
uwsgi.post_fork_hook()

listening = socket.socket(socket.AF_UNIX)
listening.bind(sys.argv[1])
listening.listen()
master, line = socket.socketpair()
descriptor = line.detach()
queue = select.epoll()
queue.register(listening, select.EPOLLIN)
queue.register(descriptor, select.EPOLLIN)
print("ready", flush=True)
while True:
    for ready, _ in queue.poll(maxevents=1):
        if ready == descriptor:
            number = socket.socket(fileno=descriptor).recv(1)
            print("signal", number[0], flush=True)
            retire.end(number[0])
        connection, _ = listening.accept()
        text = b""
        while not text.endswith(b"."):
            text += connection.recv(100)
        connection.sendall(text)
        connection.close()
"""


@pytest.mark.parametrize("busy", [False, True])
def test_a_worker_ends_where_it_looks_for_connections(busy: bool, tmp_path: Path) -> None:
    address = str(tmp_path / "socket")
    with subprocess.Popen(
        [sys.executable, "-c", WORKER, address],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    ) as worker:
        assert worker.stdout
        assert worker.stdout.readline() == "ready\n"
        with socket.socket(socket.AF_UNIX) as client:
            if busy:
                client.connect(address)
                client.sendall(b"half ")
            worker.send_signal(signal.SIGHUP)
            if busy:
                with pytest.raises(subprocess.TimeoutExpired):
                    worker.wait(0.3)
                client.sendall(b"and whole.")
                assert client.recv(100) == b"half and whole."
        assert worker.stdout.readline() == f"signal {retire.RETIRE}\n"
        assert worker.wait(10) == retire.AS_WISHED
