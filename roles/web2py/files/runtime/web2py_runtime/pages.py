# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a front end that keeps pages has to know of an answer: which release made it, and when."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from email.utils import formatdate
from typing import Any

# For the front end, which keeps it to itself. While a switch goes on, old processes answer beside new ones: only a page
# of the release that the front end sees as the present one is kept.
RELEASE = "X-Web2py-Release"

# A length of theirs is forbidden, or that of a page which is not sent.
WITHOUT_BODY = ("1", "204", "304")

Headers = list[tuple[str, str]]
Begin = tuple[str, Headers, tuple[Any, ...]]
Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def marked(application: Application, release: str, dated: bool) -> Application:
    """The application with its answers marked; `dated`, where the server does not say when they were made."""

    def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        waiting: list[Begin] = []
        writes: list[Any] = []

        def start(status: str, headers: Headers, *exc_info: Any) -> Any:
            if writes:
                return start_response(status, headers, *exc_info)
            waiting[:] = [(status, headers, exc_info)]
            return write

        def write(data: bytes) -> Any:
            begin([])
            return writes[0](data)

        def begin(more: Headers) -> None:
            """Hand on what waits. Later words go their way unmarked: they are an error's, or of a body in parts."""
            if not writes:
                status, headers, exc_info = waiting[0]
                writes.append(start_response(status, [*headers, *more], *exc_info))

        body = application(environ, start)
        if waiting:
            begin(marks(*waiting[0][:2], body, environ.get("REQUEST_METHOD")))
        else:
            writes.append(None)
        return body

    def marks(status: str, headers: Headers, body: Any, method: Any) -> Headers:
        """Only what comes whole: of a page without a length a front end cannot tell that its end is missing."""
        names = {name.lower() for name, _value in headers}
        if not isinstance(body, (list, tuple)) or len(body) > 1:
            return []
        told = [(RELEASE, release)]
        if dated and "date" not in names:
            told.append(("Date", formatdate(usegmt=True)))
        if method != "HEAD" and "content-length" not in names and not status.startswith(WITHOUT_BODY):
            told.append(("Content-Length", str(sum(map(len, body)))))
        return told

    return answer
