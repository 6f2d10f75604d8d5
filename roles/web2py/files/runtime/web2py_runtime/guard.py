# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands between the server and web2py: health answer, clean headers, closed administration."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Any

from web2py_runtime.maintenance import Flag
from web2py_runtime.tunnel import MARK, forget_claims

Headers = list[tuple[str, str]]
Environ = dict[str, Any]
Application = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]

# The product, and the number of a ticket or the reason of a refusal in web2py's own words.
INTERNAL = ("x-powered-by", "web2py_error")

# The cookie that is a session, where sessions are kept with visitors.
DATA = "session_data_"
CLOSED = ("HttpOnly", "SameSite=Lax")


def health(environ: Environ, start_response: Callable[..., Any], drains: bool = False) -> Iterable[bytes]:
    """'ok' as long as a worker takes requests and is to be sent some. No session, no database, no web2py."""
    body = b"maintenance\n" if drains else b"ok\n"
    start_response(
        "503 Service Unavailable" if drains else "200 OK",
        [("Content-Type", "text/plain"), ("Content-Length", str(len(body))), ("Cache-Control", "no-store")],
    )
    return [] if environ.get("REQUEST_METHOD") == "HEAD" else [body]


def cleaned(headers: Headers, secure: bool) -> Headers:
    """Headers as HTTP wants them: web2py's cookies start with a space; what is inside is nobody's business."""
    result = []
    for name, value in headers:
        lower = name.lower()
        if lower == "set-cookie":
            value = value.strip()
            if secure and "; secure" not in value.lower():
                value += "; Secure"
            if value.startswith(DATA):
                # web2py gives these to its other cookie of a session only.
                value += "".join(f"; {word}" for word in CLOSED if word.partition("=")[0].lower() not in value.lower())
        elif lower in INTERNAL:
            continue
        result.append((name, value))
    return result


def rebuild_forwarded(environ: Environ) -> None:
    """Say who asks and how, by what the server knows, where the front end passes on whatever a client claims."""
    forget_claims(environ)
    host = environ.get("HTTP_HOST", "").partition(":")[0].rstrip(".").lower()
    scheme = "https" if environ.get("HTTPS", "").lower() in ("on", "1") else "http"
    environ["wsgi.url_scheme"] = scheme
    environ["HTTP_HOST"] = host
    environ["HTTP_X_FORWARDED_FOR"] = environ["HTTP_X_REAL_IP"] = environ.get("REMOTE_ADDR", "")
    environ["HTTP_X_FORWARDED_PROTO"] = scheme
    environ["HTTP_X_FORWARDED_HOST"] = host
    environ["HTTP_X_FORWARDED_PORT"] = environ.get("SERVER_PORT", "")


def guarded(application: Application, settings: dict[str, Any], flag: Flag | None = None) -> Application:
    """The application behind the health answer and clean headers."""
    always_secure = bool(settings["secure_cookies"])
    writes_forwarded = bool(settings["writes_forwarded"])

    def answer(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ.get("PATH_INFO") == "/healthz":
            return health(environ, start_response, flag is not None and flag.drains())
        # No front end stands before the tunnel.
        if writes_forwarded and MARK not in environ:
            rebuild_forwarded(environ)
        # The tunnel ends in plain http on the loopback: a Secure cookie would not come back there.
        secure = always_secure and MARK not in environ

        def start(status: str, headers: Headers, *exc_info: Any) -> Any:
            return start_response(status, cleaned(headers, secure), *exc_info)

        return application(environ, start)

    return answer


def admin_open(mode: str, environ: Environ, root: str) -> bool:
    """Whether administration may answer this request. Only what the server says counts, no header of a client.

    Whoever takes the password file away closes admin at once, whatever was chosen.
    """
    if mode == "https":
        chosen = MARK not in environ and environ.get("wsgi.url_scheme") == "https"
    else:
        chosen = mode == "tunnel" and MARK in environ
    return chosen and os.path.exists(os.path.join(root, f"parameters_{environ.get('SERVER_PORT')}.py"))


def close_admin(main: Any, mode: str, root: str) -> None:
    """Make `admin` and every `appadmin` an unknown page unless the policy opens them; through the tunnel, all else.

    The hook stands behind the rewriting, so no route can go round it, and before the session: a refused request
    costs neither a session nor a ticket.
    """
    url_in = main.url_in

    def closed_url_in(request: Any, environ: Environ) -> Any:
        result = url_in(request, environ)
        asked = request.application == "admin" or request.controller == "appadmin" or is_admin_file(result[0])
        # Pages for local visitors only would be open to all users of the host there. Database pages need styles.
        elsewhere = MARK in environ and not asked and result[0] is None
        if elsewhere or (asked and not admin_open(mode, environ, root)):
            text = main.rwthread.routes.error_message % "invalid request"
            raise main.HTTP(404, text, web2py_error="invalid application")
        return result

    main.url_in = closed_url_in


def refuse_dots(main: Any) -> None:
    """Make a path that climbs an invalid request, as front ends do that take paths apart themselves.

    Those that hand a path on as it came would let its dots into an application's arguments.
    """
    url_in = main.url_in

    def level_url_in(request: Any, environ: Environ) -> Any:
        result = url_in(request, environ)
        if ".." in (request.args or ()):
            text = main.rwthread.routes.error_message % "invalid request"
            raise main.HTTP(400, text, web2py_error="invalid arg")
        return result

    main.url_in = level_url_in


def is_admin_file(path: str | None) -> bool:
    """Whether a static file belongs to the administration: some routes name no application for it."""
    return path is not None and "/applications/admin/static/" in path
