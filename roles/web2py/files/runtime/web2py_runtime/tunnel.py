# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a front end does for others, done here for whoever comes to admin through an SSH tunnel.

That way ends in plain http on the loopback address, which every user of the host can reach, and every page in the
browser at its other end.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable
from time import monotonic
from typing import Any
from urllib.parse import unquote

Headers = list[tuple[str, str]]
Environ = dict[str, Any]
Application = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]

# Set for what came through the tunnel. No client can set it: a header of his would begin with HTTP_.
MARK = "web2py_runtime.tunnel"
NAMES = ("127.0.0.1", "localhost", "[::1]")
METHODS = ("GET", "HEAD", "POST")
MEGABYTE = 1 << 20
# What a client claims about himself or his request.
CLAIMS = (
    "HTTP_X_FORWARDED",
    "HTTP_X_REAL_IP",
    "HTTP_FORWARDED",
    "HTTP_CLIENT_IP",
    "HTTP_PROXY",
    "HTTP_X_ORIGINAL_URL",
    "HTTP_X_REWRITE_URL",
    "HTTP_X_HTTP_METHOD_OVERRIDE",
)
HEADERS: Headers = [
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "SAMEORIGIN"),
    ("Referrer-Policy", "same-origin"),
    # A browser keeps a connection for its next request; nobody could tell then when admin is in use no more.
    ("Connection", "close"),
]
MINUTE = 60.0


class Forms:
    """Counts what may hold a password: so many a minute, then no more until the minute of the oldest is over."""

    def __init__(self, limit: int) -> None:
        self.times: deque[float] = deque(maxlen=limit)
        self.guard = threading.Lock()

    def taken(self) -> bool:
        """Whether one more is taken."""
        now = monotonic()
        with self.guard:
            if len(self.times) == self.times.maxlen and now - self.times[0] < MINUTE:
                return False
            self.times.append(now)
            return True


def forget_claims(environ: Environ) -> None:
    """What a client claims is gone: it comes from no front end of ours."""
    for name in [name for name in environ if name.startswith(CLAIMS)]:
        del environ[name]


def asked_by_name(environ: Environ) -> bool:
    """Whether the loopback address itself was asked. A stranger's name that leads here was put there by a stranger."""
    host = str(environ.get("HTTP_HOST", "")).lower()
    name = host if host.endswith("]") else host.rpartition(":")[0] or host
    return name in NAMES


def may_hold_a_password(environ: Environ) -> bool:
    """web2py takes it from forms, from the address, and from JSON under every method."""
    if environ.get("REQUEST_METHOD") == "POST" or environ.get("CONTENT_TYPE"):
        return True
    return "password" in unquote(str(environ.get("QUERY_STRING", "")))


def from_another_page(environ: Environ) -> bool:
    """Whether a page of somebody else's asks in the keeper's name. A plain link is none of that; it shows a page."""
    if environ.get("HTTP_SEC_FETCH_SITE", "none") in ("none", "same-origin"):
        return False
    shows = environ.get("REQUEST_METHOD") == "GET" and environ.get("HTTP_SEC_FETCH_MODE") == "navigate"
    return not shows or bool(environ.get("QUERY_STRING"))


def too_long(environ: Environ, limit: int) -> str:
    """The status for a body that is longer than so many bytes, or of which nobody knows; "" for all others."""
    length = str(environ.get("CONTENT_LENGTH") or "0")
    if environ.get("HTTP_TRANSFER_ENCODING"):
        return "411 Length Required"
    if not (length.isascii() and length.isdigit()):
        return "400 Bad Request"
    return "413 Content Too Large" if int(length[:20]) > limit else ""


def refused(start_response: Callable[..., Any], status: str, words: str) -> Iterable[bytes]:
    body = words.encode()
    start_response(status, [("Content-Type", "text/plain"), ("Content-Length", str(len(body))), *HEADERS])
    return [body]


def tunnelled(application: Application, port: int, forms_per_minute: int, body_mb: int) -> Application:
    """The application for those who come through the tunnel to this port."""
    forms = Forms(forms_per_minute)

    def answer(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        if not asked_by_name(environ):
            return refused(start_response, "400 Bad Request", "This is 127.0.0.1 and answers to no other name.\n")
        if environ.get("REQUEST_METHOD") not in METHODS:
            return refused(start_response, "405 Method Not Allowed", "This page cannot be used that way.\n")
        if from_another_page(environ):
            return refused(start_response, "403 Forbidden", "Another page asked for this. Type its address yourself.\n")
        status = too_long(environ, body_mb * MEGABYTE)
        if status:
            return refused(start_response, status, f"At most {body_mb} MB, and of a length that is told.\n")
        if may_hold_a_password(environ) and not forms.taken():
            return refused(start_response, "429 Too Many Requests", "Please wait a minute and try again.\n")
        if environ.get("PATH_INFO") == "/":
            return redirected(start_response, "/admin")
        forget_claims(environ)
        environ.pop("HTTPS", None)
        environ.update({MARK: True, "wsgi.url_scheme": "http", "SERVER_NAME": NAMES[0], "SERVER_PORT": str(port)})
        environ.setdefault("QUERY_STRING", "")

        def start(status: str, headers: Headers, *exc_info: Any) -> Any:
            own = {name.lower() for name, _value in HEADERS}
            kept = [(name, value) for name, value in headers if name.lower() not in own]
            return start_response(status, [*kept, *HEADERS], *exc_info)

        return application(environ, start)

    return answer


def redirected(start_response: Callable[..., Any], path: str) -> Iterable[bytes]:
    start_response("303 See Other", [("Location", path), ("Content-Length", "0"), *HEADERS])
    return []
