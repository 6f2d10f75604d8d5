# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a front end of ours sees to, where there is none: in an account without root the runtime faces the visitors.

Nothing that a client says of itself is believed: the scheme is the site's, the host one of its names, and the client's
address the connection's, or what the hoster's proxy has put last.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import unquote, urlsplit

from web2py_runtime.guard import Application, Environ, Headers
from web2py_runtime.tunnel import MEGABYTE, forget_claims, too_long

REASONS = {
    400: "Bad Request",
    404: "Not Found",
    405: "Method Not Allowed",
    411: "Length Required",
    413: "Too Large",
    416: "Range Not Satisfiable",
}
# web2py looks for the word only.
NO_GZIP = re.compile(r"\bgzip\s*;\s*q=0(?:\.0*)?\s*(?:,|$)", re.IGNORECASE)


def refusal(status: int, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
    """A short answer that says no more than it must; to HEAD without a body, which would pass for the next answer."""
    body = f"{status} {REASONS[status]}\n".encode()
    headers = [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))]
    start_response(f"{status} {REASONS[status]}", headers)
    return [] if environ.get("REQUEST_METHOD") == "HEAD" else [body]


def path_of(environ: Environ) -> str:
    """The path that was asked for, decoded once. A rewriting web server tells only there what the visitor wrote."""
    raw = environ.get("REQUEST_URI")
    if raw is None:
        path = environ.get("PATH_INFO", "")
    else:
        if not raw.startswith("/"):
            raw = urlsplit(raw).path
        path = unquote(raw.partition("?")[0], "latin-1")
    return re.sub("/{2,}", "/", path) or "/"


def fault(environ: Environ, path: str, facing: dict[str, Any]) -> int:
    """The status of a request that web2py does not get to see; 0 for a sound one."""
    reads = environ.get("REQUEST_METHOD") in ("GET", "HEAD")
    if environ.get("REQUEST_METHOD") not in facing["methods"] or (re.search(facing["static_any"], path) and not reads):
        return 405
    if re.search(r"[\0-\x1f\x7f\\\\]", path) or re.search(facing["encoded_twice"], path) or dotted(path):
        return 400
    if re.search(facing["hidden"], path, re.IGNORECASE):
        return 404
    return int(too_long(environ, facing["body_mb"] * MEGABYTE)[:3] or 0)


def dotted(path: str) -> bool:
    """Whether a path goes up or stays."""
    return any(part in (".", "..") for part in path.split("/"))


def cleaned(environ: Environ, path: str, facing: dict[str, Any], url: str) -> None:
    """The variables of the request as they are, not as a client has them."""
    site = urlsplit(url)
    told = environ.get("HTTP_X_FORWARDED_FOR", "").rpartition(",")[2].strip() if facing["proxied"] else ""
    hosts = (environ.get("HTTP_X_FORWARDED_HOST" if facing["proxied"] else "HTTP_HOST") or "").rpartition(",")[2]
    host = hosts.strip().partition(":")[0].lower()
    forget_claims(environ)
    if told:
        environ["REMOTE_ADDR"] = told
    if NO_GZIP.search(environ.get("HTTP_ACCEPT_ENCODING", "")):
        del environ["HTTP_ACCEPT_ENCODING"]
    host = host if host in facing["names"] else str(site.hostname)
    environ["HTTP_HOST"] = f"{host}:{site.port}" if site.port else host
    environ["SERVER_NAME"] = host
    environ["SERVER_PORT"] = str(site.port or (443 if site.scheme == "https" else 80))
    environ["wsgi.url_scheme"] = site.scheme
    environ.pop("HTTPS", None)
    if site.scheme == "https":
        environ["HTTPS"] = "on"
    environ.update(PATH_INFO=path, SCRIPT_NAME="")
    environ.setdefault("QUERY_STRING", "")
    # web2py would take its path from there.
    environ["REQUEST_URI"] = path + ("?" if environ["QUERY_STRING"] else "") + environ["QUERY_STRING"]


def completed(path: str, headers: Headers, facing: dict[str, Any], status: str = "200") -> Headers:
    """Headers of an answer, with those that every answer has."""
    names = {name.lower() for name, _value in headers}
    own = {name.lower() for name in facing["headers"]}
    found = [(name, value) for name, value in headers if name.lower() not in own]
    if re.search(facing["static_any"], path) and status.startswith(("200", "206", "304")):
        found = [(name, value) for name, value in found if name.lower() not in ("cache-control", "expires", "pragma")]
        cache = facing["cache_versioned" if re.search(facing["static_versioned"], path) else "cache"]
        found.append(("Cache-Control", cache))
        ending = path.rpartition(".")[2].lower()
        if ending in facing["packed"] and "vary" not in names:
            found.append(("Vary", "Accept-Encoding"))
        kind = facing["types"].get(ending)
        if kind and not status.startswith("304"):
            found = [(name, value) for name, value in found if name.lower() != "content-type"]
            found.append(("Content-Type", kind))
    found += facing["headers"].items()
    return found + [(name, value) for name, value in facing["headers_unless_set"].items() if name.lower() not in names]


def beyond(status: str, headers: Headers) -> bool:
    """Whether web2py answers with a part that the file has not, which it does not notice itself."""
    told = next((value for name, value in headers if name.lower() == "content-range"), "")
    part = re.match(r"bytes (\d+)-(-?\d+)/", told)
    return status.startswith("206") and part is not None and int(part[1]) > int(part[2])


def faced(application: Application, facing: dict[str, Any], url: str) -> Application:
    """The application behind what it must not be without."""

    def answer(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        path, lacking = path_of(environ), False

        def start(status: str, headers: Headers, *exc_info: Any) -> Any:
            nonlocal lacking
            lacking = beyond(status, headers)
            if not lacking:
                return start_response(status, completed(path, headers, facing, status), *exc_info)
            return lambda _block: None

        status = fault(environ, path, facing)
        if status:
            return refusal(status, environ, start)
        cleaned(environ, path, facing, url)
        found = application(environ, start)
        return refusal(416, environ, start) if lacking else found

    return answer
