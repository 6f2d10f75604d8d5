# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""CGI as a web server of a hoster runs it, one process for one request: python -m web2py_runtime.script SECONDS"""

from __future__ import annotations

import os
import signal
import sys

from web2py_runtime.gateway import respond


def request() -> dict[str, str]:
    """The variables of the request, taken out of the environment, where a header could pass for a setting (httpoxy)."""
    found = {name: os.fsencode(value).decode("latin-1") for name, value in os.environ.items()}
    for name in list(os.environ):
        if name.startswith(("HTTP_", "REDIRECT_")):
            del os.environ[name]
    return found


def main() -> None:
    environ = request()
    # Nothing but the answer goes to the visitor.
    target = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    from web2py_runtime.entry import application

    # A page that takes too long ends with its process.
    signal.alarm(int(sys.argv[1]))
    respond(application, environ, sys.stdin.buffer, target)
    target.flush()


if __name__ == "__main__":
    main()
