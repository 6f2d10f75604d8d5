# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask a release for its first pages before it serves: `python -m web2py_runtime.check SITE_URL PATH...`

Prints one line of JSON: `{"failures": [...], "performance": {...}}`, the second is what `faster` told. The exit status
is 0 when every page answered below 500.
"""

from __future__ import annotations

import io
import json
import logging
import sys
import traceback
from typing import Any
from urllib.parse import urlsplit

from web2py_runtime import faster
from web2py_runtime.maintenance import OURS


class Records(logging.Handler):
    """Keeps what is logged, so that a failure is told with its traceback."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


def environ_for(url: str, path: str) -> dict[str, Any]:
    """The request of a visitor on the host itself."""
    site = urlsplit(url)
    port = site.port or (443 if site.scheme == "https" else 80)
    return {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": "",
        "SERVER_NAME": site.hostname or "localhost",
        "SERVER_PORT": str(port),
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": site.netloc,
        "HTTP_USER_AGENT": "web2py.deploy check",
        "REMOTE_ADDR": "127.0.0.1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": site.scheme,
        "wsgi.input": io.BytesIO(),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": False,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
        # What is checked may be closed to visitors.
        OURS: True,
    }


def ask(application: Any, url: str, path: str) -> int:
    """The status of one page, its body read to the end."""
    answer: list[str] = []

    def start_response(status: str, headers: list[tuple[str, str]], *exc_info: Any) -> None:
        answer.append(status)

    body = application(environ_for(url, path), start_response)
    for _chunk in body:
        pass
    if hasattr(body, "close"):
        body.close()
    return int(answer[0].split()[0])


def failures(url: str, paths: list[str]) -> list[str]:
    """What is wrong with the release, in words with tracebacks; empty when it serves."""
    records = Records()
    logging.captureWarnings(True)
    try:
        from web2py_runtime.entry import application
    except BaseException:
        return ["web2py cannot be imported:\n" + traceback.format_exc()]
    for logger in (logging.getLogger(), logging.getLogger("web2py")):
        logger.addHandler(records)
    found = []
    for path in paths:
        records.lines.clear()
        try:
            status = ask(application, url, path)
        except BaseException:
            found.append(f"{path} raised:\n{traceback.format_exc()}")
            continue
        if status >= 500:
            told = dict.fromkeys(line.strip() for line in records.lines)
            found.append("\n".join([f"{path} answered {status}:", *told]))
    return found


def main() -> int:
    """Check the pages named on the command line."""
    out, sys.stdout = sys.stdout, sys.stderr  # what applications print is not our answer
    found = failures(sys.argv[1], sys.argv[2:])
    out.write(json.dumps({"failures": found, "performance": faster.told}) + "\n")
    out.flush()
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
