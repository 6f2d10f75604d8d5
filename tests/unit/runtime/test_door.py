"""The listening socket that outlives its servers."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from web2py_runtime import door as module
from web2py_runtime.door import Door


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[socket.socket]:
    """The socket as systemd holds it."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(tmp_path / "s"))
        sock.listen(8)
        yield sock


@pytest.fixture
def door(listener: socket.socket) -> Iterator[Door]:
    with Door(os.dup(listener.fileno())) as made:
        yield made


def visitor(listener: socket.socket) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX)
    sock.connect(listener.getsockname())
    return sock


def test_who_comes_and_goes_is_counted(listener: socket.socket, door: Door) -> None:
    with visitor(listener):
        connection, address = door.accept()
        assert (door.inside, address) == (1, module.NOBODY)
        file = connection.makefile("rb")
        connection.close()
        assert not door.emptied(0)  # the file keeps it open
        file.close()
        assert door.emptied(0)


def test_a_shut_door_leaves_visitors_to_the_next_process(listener: socket.socket, door: Door) -> None:
    door.shut()
    with visitor(listener) as outside:
        door.setblocking(False)
        with pytest.raises(BlockingIOError):
            door.accept()
        taken, _address = listener.accept()
        taken.sendall(b"served")
        assert outside.recv(9) == b"served"
        taken.close()


def test_waiting_keeps_nobody_from_leaving(listener: socket.socket, door: Door) -> None:
    with visitor(listener):
        connection, _address = door.accept()
        door.settimeout(5)
        waiting = threading.Thread(target=lambda: door.accept()[0].close(), daemon=True)
        waiting.start()
        connection.close()
        assert door.emptied(1)
    with visitor(listener):
        waiting.join(5)
        assert not waiting.is_alive()


def test_patience_ends(door: Door) -> None:
    door.settimeout(0.05)
    with pytest.raises(TimeoutError):
        door.accept()


def test_options_of_tcp_are_no_error(listener: socket.socket, door: Door) -> None:
    with visitor(listener):
        connection, _address = door.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        connection.close()


def test_without_systemd_the_remedy_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LISTEN_PID", raising=False)
    with pytest.raises(RuntimeError, match="Start the service by its unit"):
        module.inherited()


def test_a_door_is_shut_after_quiet_only(listener: socket.socket, door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(module, "monotonic", lambda: now[0])
    with visitor(listener):
        connection, _address = door.accept()
        assert not door.shut(quiet_seconds=5)  # somebody is inside, for however long
        now[0] += 60
        assert not door.shut(quiet_seconds=5)
        connection.close()
    now[0] += 4
    assert not door.shut(quiet_seconds=5)
    now[0] += 2
    with visitor(listener) as late:
        assert door.shut(quiet_seconds=5)
        taken, _address = listener.accept()  # who came just then is left for the next process
        late.sendall(b"x")
        assert taken.recv(1) == b"x"
        taken.close()
