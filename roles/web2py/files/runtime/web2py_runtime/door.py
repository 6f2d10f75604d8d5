# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The listening socket that systemd keeps, so that a server can be replaced without losing a request.

Whatever waits in it when one process stops is served by the next one.
"""

from __future__ import annotations

import os
import socket
import threading

# By name: servers with green threads replace what the module holds.
from select import select
from time import monotonic, sleep
from typing import Any

# Where systemd puts the first socket of a service (sd_listen_fds(3)).
FIRST = 3
# Servers want to know who connects. A unix socket does not tell; the front end does, in its headers.
NOBODY = ("127.0.0.1", 0)


class Connection(socket.socket):
    """An accepted connection that tells its door when it is closed."""

    door: Door | None = None

    def setsockopt(self, level: int, *rest: Any) -> None:  # type: ignore[override]
        """Some servers set options of TCP without asking what they have."""
        if level != socket.IPPROTO_TCP or self.family != socket.AF_UNIX:
            super().setsockopt(level, *rest)

    def _real_close(self, *arguments: Any) -> None:
        super()._real_close(*arguments)  # type: ignore[misc]
        door, self.door = self.door, None
        if door:
            door.left()

    def detach(self) -> int:
        """Somebody else takes the descriptor and closes it."""
        door, self.door = self.door, None
        if door:
            door.left()
        return super().detach()


class Door(socket.socket):
    """A listening socket that counts who is inside and can be shut at an exact moment."""

    def __init__(self, descriptor: int) -> None:
        super().__init__(fileno=descriptor)
        # The system's call never waits, as it is made under the guard; `accept` waits before it.
        super().setblocking(False)
        self.patience: float | None = None
        self.guard = threading.Lock()
        self.inside = 0
        self.quiet_since = monotonic()

    def settimeout(self, value: float | None) -> None:
        """How long `accept` waits, as in socket.settimeout."""
        self.patience = value

    def setblocking(self, flag: bool) -> None:
        """Whether `accept` waits, as in socket.setblocking."""
        self.patience = None if flag else 0

    def gettimeout(self) -> float | None:
        """How long `accept` waits, as in socket.gettimeout."""
        return self.patience

    def accept(self) -> tuple[Any, Any]:
        """The next connection, in the words of socket.accept."""
        limit = None if self.patience is None else monotonic() + self.patience
        while True:
            with self.guard:
                try:
                    descriptor, address = self._accept()  # type: ignore[attr-defined]
                except BlockingIOError:
                    if self.patience == 0:
                        raise
                else:
                    self.inside += 1
                    break
            left = None if limit is None else max(0.0, limit - monotonic())
            if not select([self], [], [], left)[0]:
                raise TimeoutError("timed out")
        connection = Connection(self.family, self.type, self.proto, fileno=descriptor)
        connection.door = self
        connection.setblocking(True)
        return connection, address or NOBODY

    def left(self) -> None:
        """A connection is closed."""
        with self.guard:
            self.inside -= 1
            self.quiet_since = monotonic()

    def shut(self, quiet_seconds: float = 0) -> bool:
        """Take no more connections; those that wait are left for the next process.

        The server goes on with a socket to which nobody connects. With a time of quiet: only if nobody is inside, nor
        has been for that long; what comes meanwhile is either inside or left, never lost.
        """
        with self.guard:
            if quiet_seconds and (self.inside > 0 or monotonic() - self.quiet_since < quiet_seconds):
                return False
            empty = socket.socket(self.family, self.type)
            loopback = {socket.AF_INET: ("127.0.0.1", 0), socket.AF_INET6: ("::1", 0)}
            empty.bind(loopback.get(self.family, ""))
            empty.listen(1)
            empty.setblocking(False)
            os.dup2(empty.fileno(), self.fileno())
        return True

    def emptied(self, seconds: float) -> bool:
        """Whether everybody has left within that time."""
        limit = monotonic() + seconds
        while self.inside > 0 and monotonic() < limit:
            sleep(0.01)
        return self.inside <= 0


def bound(address: str, port: int) -> socket.socket:
    """A listening socket of our own, where no systemd keeps one."""
    own = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    own.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    own.bind((address, port))
    own.listen(1024)
    return own


def given(descriptor: int) -> Door:
    """The socket that a web server hands over in place of a file, such as standard input."""
    door = Door(os.dup(descriptor))
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), descriptor)
    return door


def handed() -> range:
    """The descriptors of the sockets that systemd hands over, once; RuntimeError when there is none."""
    count = int(os.environ.get("LISTEN_FDS", "0"))
    if os.environ.get("LISTEN_PID") != str(os.getpid()) or count < 1:
        raise RuntimeError("No socket from systemd. Start the service by its unit.")
    # Libraries that know these words would take the sockets a second time.
    for name in ("LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"):
        os.environ.pop(name, None)
    return range(FIRST, FIRST + count)


def inherited() -> list[Door]:
    """The sockets that systemd hands over, as doors."""
    return [Door(descriptor) for descriptor in handed()]
