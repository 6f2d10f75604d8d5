from __future__ import annotations

import types
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from web2py_runtime import guard

CLOSED = {"mode": "disabled", "tunnel_port": 8002}
TUNNEL = {"mode": "tunnel", "tunnel_port": 8002}
HTTPS = {"mode": "https", "tunnel_port": 8002}


def ask(environ: dict[str, Any], admin: dict[str, Any] = CLOSED, secure: bool = True) -> tuple[str, list[Any], bytes]:
    """Status, headers and body of one request to an application that sets what web2py sets."""
    answer: list[Any] = []

    def application(_environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        cookies = [" session_id_shop=1; HttpOnly; Path=/", "theme=dark; secure"]
        start_response("200 OK", [("X-Powered-By", "web2py"), ("web2py_error", "ticket shop/1"), ("ETag", "1"),
                                  *(("Set-Cookie", cookie) for cookie in cookies)])  # fmt: skip
        return [b"page"]

    guarded = guard.guarded(application, {"secure_cookies": secure, "admin": admin})
    body = b"".join(guarded(environ, lambda status, headers, *_: answer.extend((status, headers))))
    return answer[0], answer[1], body


@pytest.mark.parametrize(("method", "body"), [("GET", b"ok\n"), ("HEAD", b"")])
def test_health_is_answered_without_web2py(method: str, body: bytes) -> None:
    status, headers, found = ask({"PATH_INFO": "/healthz", "REQUEST_METHOD": method})
    assert (status, found) == ("200 OK", body)
    assert ("Content-Type", "text/plain") in headers
    assert "Set-Cookie" not in dict(headers)


def test_headers_are_clean() -> None:
    _status, headers, body = ask({"PATH_INFO": "/healthz/x", "SERVER_PORT": "443"})
    assert body == b"page"
    assert headers == [
        ("ETag", "1"),
        ("Set-Cookie", "session_id_shop=1; HttpOnly; Path=/; Secure"),
        ("Set-Cookie", "theme=dark; secure"),
    ]


@pytest.mark.parametrize(
    ("admin", "port", "secure", "expected"),
    [
        (CLOSED, "443", True, True),
        (CLOSED, "8002", True, True),
        (TUNNEL, "8002", True, False),
        (TUNNEL, "443", True, True),
        (CLOSED, "80", False, False),
    ],
)
def test_cookies_are_secure_but_where_the_way_is_plain(
    admin: dict[str, Any], port: str, secure: bool, expected: bool
) -> None:
    headers = ask({"PATH_INFO": "/", "SERVER_PORT": port}, admin, secure)[1]
    session = next(value for name, value in headers if name == "Set-Cookie" and value.startswith("session"))
    assert session.endswith("; Secure") is expected


LOCAL = {"REMOTE_ADDR": "127.0.0.1", "SERVER_PORT": "8002", "wsgi.url_scheme": "http"}


@pytest.mark.parametrize(
    ("admin", "environ", "client", "opened"),
    [
        (CLOSED, {**LOCAL, "wsgi.url_scheme": "https"}, "127.0.0.1", False),
        (HTTPS, {"wsgi.url_scheme": "https"}, "192.0.2.1", True),
        (HTTPS, {"wsgi.url_scheme": "http", "HTTP_X_FORWARDED_PROTO": "https"}, "192.0.2.1", False),
        (TUNNEL, LOCAL, "127.0.0.1", True),
        (TUNNEL, {**LOCAL, "REMOTE_ADDR": "::1"}, "::1", True),
        (TUNNEL, LOCAL, "192.0.2.1", False),
        (TUNNEL, {**LOCAL, "REMOTE_ADDR": "192.0.2.1"}, "127.0.0.1", False),
        (TUNNEL, {**LOCAL, "REMOTE_ADDR": ""}, "127.0.0.1", False),
        (TUNNEL, {**LOCAL, "SERVER_PORT": "443"}, "127.0.0.1", False),
        (TUNNEL, {}, "", False),
    ],
)
def test_admin_opens_only_as_chosen(admin: dict[str, Any], environ: dict[str, Any], client: str, opened: bool) -> None:
    assert guard.admin_open(admin, environ, client) is opened


class Refused(Exception):
    def __init__(self, status: int, _text: str, **_headers: str) -> None:
        super().__init__(status)


def main_of(application: str | None, controller: str | None, static: str | None) -> Any:
    """gluon.main after it has rewritten a request to this application, controller or static file."""

    def url_in(request: Any, environ: dict[str, Any]) -> Any:
        request.application, request.controller = application, controller
        return static, None, environ

    routes = types.SimpleNamespace(error_message="<h1>%s</h1>")
    return types.SimpleNamespace(
        url_in=url_in,
        get_client=lambda env: env["client"],
        HTTP=Refused,
        rwthread=types.SimpleNamespace(routes=routes),
    )


@pytest.mark.parametrize(
    ("application", "controller", "static", "closed"),
    [
        ("admin", "default", None, True),
        ("shop", "appadmin", None, True),
        ("shop", "default", None, False),
        ("admin", "static", "/x/applications/admin/static/a.css", True),
        (None, None, "/x/applications/admin/static/a.css", True),
        (None, None, "/x/applications/shop/static/admin/a.css", False),
    ],
)
@pytest.mark.parametrize("admin", [CLOSED, HTTPS])
def test_admin_is_an_unknown_page_whatever_the_routes(
    application: str | None, controller: str | None, static: str | None, closed: bool, admin: dict[str, Any]
) -> None:
    main = main_of(application, controller, static)
    guard.close_admin(main, admin)
    request = types.SimpleNamespace(env={"client": "192.0.2.1"}, application=None, controller=None)
    environ = {"wsgi.url_scheme": "http"}
    if closed:
        with pytest.raises(Refused, match="404"):
            main.url_in(request, environ)
    else:
        assert main.url_in(request, environ) == (static, None, environ)


def test_admin_answers_where_it_is_open() -> None:
    main = main_of("admin", "default", None)
    guard.close_admin(main, HTTPS)
    request = types.SimpleNamespace(env={"client": "192.0.2.1"}, application=None, controller=None)
    assert main.url_in(request, {"wsgi.url_scheme": "https"})[0] is None
