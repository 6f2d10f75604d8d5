# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The answer of CGI, whoever brings the request: a web server that starts a script, or a front end on a socket."""

from __future__ import annotations

import sys
from typing import BinaryIO
from wsgiref.handlers import BaseCGIHandler

from web2py_runtime.guard import Application


class Handler(BaseCGIHandler):
    """The standard library's CGI, without the environment of the process in the request's."""

    os_environ: dict[str, str] = {}  # noqa: RUF012  so it is declared there
    wsgi_run_once = True

    def _write(self, data: bytes) -> None:
        """Answer when the request was taken in as a whole, also the rest of a body that nobody wants.

        A web server sends all of it before it reads the answer, and reads none from who hangs up on it.
        """
        while self.stdin.read(1 << 16):
            pass
        super()._write(data)


def respond(application: Application, environ: dict[str, str], body: BinaryIO, target: BinaryIO) -> None:
    """Write the answer to the only request that this process is for."""
    Handler(body, target, sys.stderr, environ, False, True).run(application)
