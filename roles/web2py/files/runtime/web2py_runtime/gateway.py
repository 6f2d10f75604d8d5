# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The answer of CGI, whoever brings the request: a web server that starts a script, or a front end on a socket."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from typing import Any, BinaryIO
from wsgiref.handlers import BaseCGIHandler

from web2py_runtime.guard import Application


class Body(io.RawIOBase):
    """The body of a request, which ends where its length says: the connection stays open, and may be what is read.

    `read` returns at most so many bytes, and waits for no more of them than there are.
    """

    def __init__(self, read: Callable[[int], bytes], length: int) -> None:
        self.read_some, self.left = read, length

    def readable(self) -> bool:
        return True

    def readinto(self, room: Any) -> int:
        block = self.read_some(min(len(room), self.left)) if self.left else b""
        room[: len(block)] = block
        self.left -= len(block)
        return len(block)


def hear_out(body: BinaryIO) -> None:
    """Read what is left of a body that nobody wants: to hang up on something unread takes along what was said."""
    while body.read(1 << 16):
        pass


class Handler(BaseCGIHandler):
    """The standard library's CGI, without the environment of the process in the request's."""

    os_environ: dict[str, str] = {}  # noqa: RUF012  so it is declared there
    wsgi_run_once = True

    def _write(self, data: bytes) -> None:
        """Answer when the request was taken in as a whole: a web server sends all of it before it reads the answer."""
        hear_out(self.stdin)
        super()._write(data)


def respond(application: Application, environ: dict[str, str], body: BinaryIO, target: BinaryIO) -> None:
    """Write the answer to the only request that this process is for."""
    Handler(body, target, sys.stderr, environ, False, True).run(application)
