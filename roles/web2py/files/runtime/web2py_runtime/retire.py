# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""uWSGI workers that end between two requests only.

uWSGI tells its workers to end (reload, stop) by SIGHUP. That signal finds a worker anywhere: after it accepted a
connection and before it counts as busy, the worker ends and the visitor gets an error; while it reads a body, the
read is interrupted and the request fails. (uWSGI 2.0.21 and 2.0.28: gracefully_kill in core/uwsgi.c, wsgi_req_accept
and wsgi_req_recv in core/utils.c.)

So requests never see the signal: it is blocked for them, and a thread takes it. The thread then tells the worker where
it looks for new connections, in its epoll: there uWSGI also reads signals of its own kind, one byte each, from the
master. That line is put on a pair of sockets of ours. (The master cannot be asked to send the byte: while 2.0.28
stops, it only waits.)
"""

from __future__ import annotations

import atexit
import importlib
import os
import select
import signal
import socket
import stat
import threading
import time
from typing import Any

# The exit status that tells the master "as you wished": UWSGI_RELOAD_CODE of uwsgi.h.
AS_WISHED = 17
# Our number among uWSGI's own signals. Applications count from 0.
RETIRE = 254
# Between looks of a signal that came before the worker waits for connections.
LOOK_SECONDS = 0.02
_FINDING = threading.Lock()


def end(_number: int) -> None:
    """End this worker, which has no request now."""
    # uWSGI's exit would ask for the interpreter lock that this call holds.
    atexit._run_exitfuncs()
    os._exit(AS_WISHED)


def accepts(descriptor: int) -> bool | None:
    """Whether a descriptor is a listening socket; None when it is no stream socket."""
    if not stat.S_ISSOCK(os.fstat(descriptor).st_mode):
        return None
    with socket.socket(fileno=os.dup(descriptor)) as stream:
        if stream.type != socket.SOCK_STREAM:
            return None
        return bool(stream.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))


def watched(epoll: str) -> list[int]:
    """The descriptors in an epoll of this process."""
    with open(f"/proc/self/fdinfo/{epoll}", encoding="ascii") as lines:
        return [int(line.split()[1]) for line in lines if line.startswith("tfd:")]


class Queue:
    """The epoll in which a worker of uWSGI waits: for connections, and for signals of uWSGI's own kind."""

    kept: Queue | None = None

    def __init__(self, name: str, descriptors: dict[int, bool | None]) -> None:
        self.number = int(name)
        self.sockets = [descriptor for descriptor, listening in descriptors.items() if listening]
        self.lines = [descriptor for descriptor, listening in descriptors.items() if listening is False]

    @classmethod
    def found(cls) -> Queue:
        """That of this process; uWSGI makes it after the fork."""
        while cls.kept is None:
            queue = cls.sought()
            with _FINDING:
                # Another thread may have taken sockets out of it since.
                cls.kept = cls.kept or queue
            if cls.kept is None:
                time.sleep(LOOK_SECONDS)
        return cls.kept

    @classmethod
    def sought(cls) -> Queue | None:
        for name in os.listdir("/proc/self/fd"):
            try:
                if os.readlink(f"/proc/self/fd/{name}") != "anon_inode:[eventpoll]":
                    continue
                queue = cls(name, {descriptor: accepts(descriptor) for descriptor in watched(name)})
            except OSError:  # closed since it was listed
                continue
            if queue.lines and queue.sockets:
                return queue
        return None

    def look(self, wanted: bool) -> None:
        """Have the worker look for new connections, which it does at first, or not."""
        with select.epoll.fromfd(os.dup(self.number)) as epoll:
            for descriptor in self.sockets:
                if wanted:
                    epoll.register(descriptor, select.EPOLLIN)
                else:
                    epoll.unregister(descriptor)

    def end(self) -> None:
        """Have the worker call `end` as soon as it looks for its next connection."""
        line = self.lines[0]
        ours, theirs = socket.socketpair()
        ours.send(bytes([RETIRE]))
        os.dup2(theirs.fileno(), line)
        with select.epoll.fromfd(os.dup(self.number)) as epoll:
            epoll.register(line, select.EPOLLIN)
        # Kept open until the process ends: a closed line is an error to uWSGI.
        threading.Event().wait()


def between_requests() -> bool:
    """Called in the master before the fork. False where it is not uWSGI, or one with threads, which all must end."""
    try:
        uwsgi: Any = importlib.import_module("uwsgi")
    except ImportError:
        return False
    if uwsgi.cores > 1:
        return False
    uwsgi.register_signal(RETIRE, "worker", end)

    def wait() -> None:
        signal.sigwait({signal.SIGHUP})
        Queue.found().end()

    def begin() -> None:
        if not uwsgi.worker_id():  # a mule, or a spooler, which has no connections
            return
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
        threading.Thread(target=wait, name="retire", daemon=True).start()

    uwsgi.post_fork_hook = begin
    return True
