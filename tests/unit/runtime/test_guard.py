from __future__ import annotations

import types
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from web2py_runtime import guard
from web2py_runtime.tunnel import MARK

HTTPS = {"wsgi.url_scheme": "https", "SERVER_PORT": "443"}
TUNNEL = {"wsgi.url_scheme": "http", "SERVER_PORT": "8002", MARK: True}


@pytest.fixture
def root(tmp_path: Path) -> str:
    """web2py's root with a password for both ways to admin."""
    for port in (443, 8002):
        (tmp_path / f"parameters_{port}.py").write_text("")
    return str(tmp_path)


def ask(environ: dict[str, Any], secure: bool = True) -> tuple[str, list[Any], bytes]:
    """Status, headers and body of one request to an application that sets what web2py sets."""
    answer: list[Any] = []

    def application(_environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        cookies = [" session_id_shop=1; HttpOnly; Path=/", "theme=dark; secure"]
        start_response("200 OK", [("X-Powered-By", "web2py"), ("web2py_error", "ticket shop/1"), ("ETag", "1"),
                                  *(("Set-Cookie", cookie) for cookie in cookies)])  # fmt: skip
        return [b"page"]

    guarded = guard.guarded(application, {"secure_cookies": secure, "writes_forwarded": False})
    body = b"".join(guarded(environ, lambda status, headers, *_: answer.extend((status, headers))))
    return answer[0], answer[1], body


@pytest.mark.parametrize(("method", "body"), [("GET", b"ok\n"), ("HEAD", b"")])
def test_health_is_answered_without_web2py(method: str, body: bytes) -> None:
    status, headers, found = ask({"PATH_INFO": "/healthz", "REQUEST_METHOD": method})
    assert (status, found) == ("200 OK", body)
    assert ("Content-Type", "text/plain") in headers
    assert "Set-Cookie" not in dict(headers)


@pytest.mark.parametrize(
    ("cookie", "expected"),
    [
        (" session_data_shop=x; Path=/", "session_data_shop=x; Path=/; Secure; HttpOnly; SameSite=Lax"),
        ("session_data_shop=x; httponly; samesite=Strict", "session_data_shop=x; httponly; samesite=Strict; Secure"),
        ("data=x; Path=/", "data=x; Path=/; Secure"),
    ],
)
def test_a_session_in_a_cookie_is_closed_to_scripts_and_strangers(cookie: str, expected: str) -> None:
    assert guard.cleaned([("Set-Cookie", cookie)], True) == [("Set-Cookie", expected)]


def test_headers_are_clean() -> None:
    _status, headers, body = ask({"PATH_INFO": "/healthz/x", "SERVER_PORT": "443"})
    assert body == b"page"
    assert headers == [
        ("ETag", "1"),
        ("Set-Cookie", "session_id_shop=1; HttpOnly; Path=/; Secure"),
        ("Set-Cookie", "theme=dark; secure"),
    ]


@pytest.mark.parametrize(
    ("environ", "secure", "expected"),
    [
        ({}, True, True),
        (HTTPS, True, True),
        ({"SERVER_PORT": "8002"}, True, True),
        (TUNNEL, True, False),
        ({}, False, False),
    ],
)
def test_cookies_are_secure_but_where_the_way_is_plain(environ: dict[str, Any], secure: bool, expected: bool) -> None:
    headers = ask({"PATH_INFO": "/", **environ}, secure)[1]
    session = next(value for name, value in headers if name == "Set-Cookie" and value.startswith("session"))
    assert session.endswith("; Secure") is expected


@pytest.mark.parametrize(
    ("mode", "environ", "opened"),
    [
        ("disabled", HTTPS, False),
        ("disabled", TUNNEL, False),
        ("https", HTTPS, True),
        ("https", {**HTTPS, "wsgi.url_scheme": "http", "HTTP_X_FORWARDED_PROTO": "https"}, False),
        ("https", TUNNEL, False),
        ("https", {**TUNNEL, **HTTPS}, False),
        ("https", {**HTTPS, "SERVER_PORT": "444"}, False),  # there is no password for that one
        ("https", {"wsgi.url_scheme": "https"}, False),
        ("tunnel", TUNNEL, True),
        ("tunnel", HTTPS, False),
        ("tunnel", {"wsgi.url_scheme": "http", "SERVER_PORT": "8002", "REMOTE_ADDR": "127.0.0.1"}, False),
        ("tunnel", {"HTTP_" + MARK.upper(): "1", "SERVER_PORT": "8002"}, False),
    ],
)
def test_admin_opens_only_as_chosen(mode: str, environ: dict[str, Any], opened: bool, root: str) -> None:
    assert guard.admin_open(mode, environ, root) is opened


@pytest.mark.parametrize(("mode", "environ"), [("https", HTTPS), ("tunnel", TUNNEL)])
def test_without_its_password_file_admin_is_closed(mode: str, environ: dict[str, Any], tmp_path: Path) -> None:
    assert not guard.admin_open(mode, environ, str(tmp_path))


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
@pytest.mark.parametrize("mode", ["disabled", "https", "tunnel"])
def test_admin_is_an_unknown_page_whatever_the_routes(
    application: str | None, controller: str | None, static: str | None, closed: bool, mode: str, root: str
) -> None:
    main = main_of(application, controller, static)
    guard.close_admin(main, mode, root)
    environ = {"wsgi.url_scheme": "http", "SERVER_PORT": "8002"}
    if closed:
        with pytest.raises(Refused, match="404"):
            main.url_in(types.SimpleNamespace(), environ)
    else:
        assert main.url_in(types.SimpleNamespace(), environ) == (static, None, environ)


@pytest.mark.parametrize(("words", "refused"), [(["a", ".."], True), (["..a", "."], False), ([], False), (None, False)])
def test_paths_that_climb_are_refused(words: list[str] | None, refused: bool) -> None:
    main = main_of("shop", "default", None)
    guard.refuse_dots(main)
    request = types.SimpleNamespace(args=words)
    if refused:
        with pytest.raises(Refused, match="400"):
            main.url_in(request, {})
    else:
        assert main.url_in(request, {})[0] is None


@pytest.mark.parametrize(("mode", "environ"), [("https", HTTPS), ("tunnel", TUNNEL)])
def test_admin_answers_where_it_is_open(mode: str, environ: dict[str, Any], root: str) -> None:
    main = main_of("admin", "default", None)
    guard.close_admin(main, mode, root)
    assert main.url_in(types.SimpleNamespace(), environ)[0] is None


@pytest.mark.parametrize(
    ("application", "controller", "static", "opened"),
    [
        ("shop", "default", None, False),
        ("shop", "appadmin", None, True),
        ("shop", "static", "/x/applications/shop/static/a.css", True),
        ("admin", "static", "/x/applications/admin/static/a.css", True),
    ],
)
def test_the_tunnel_leads_to_admin_and_what_it_is_drawn_with(
    application: str, controller: str, static: str | None, opened: bool, root: str
) -> None:
    main = main_of(application, controller, static)
    guard.close_admin(main, "tunnel", root)
    if opened:
        assert main.url_in(types.SimpleNamespace(), TUNNEL)[0] == static
    else:
        with pytest.raises(Refused, match="404"):
            main.url_in(types.SimpleNamespace(), TUNNEL)


FORGED = {
    "HTTP_HOST": "WWW.example.org.:443",
    "HTTP_X_FORWARDED_FOR": "127.0.0.1",
    "HTTP_X_FORWARDED_SERVER": "evil.example",
    "HTTP_X_REAL_IP": "127.0.0.1",
    "HTTP_FORWARDED": "for=127.0.0.1",
    "HTTP_PROXY": "http://evil.example",
    "HTTP_COOKIE": "a=1",
    "REMOTE_ADDR": "192.0.2.7",
    "SERVER_PORT": "443",
    "HTTPS": "on",
}


@pytest.mark.parametrize(("https", "scheme"), [("on", "https"), ("off", "http"), ("", "http")])
def test_what_a_client_claims_is_replaced_by_what_the_server_knows(https: str, scheme: str) -> None:
    environ: dict[str, Any] = {**FORGED, "HTTPS": https, "HTTP_X_FORWARDED_PROTO": "https"}
    guard.rebuild_forwarded(environ)
    assert environ == {
        "HTTP_HOST": "www.example.org",
        "HTTP_X_FORWARDED_FOR": "192.0.2.7",
        "HTTP_X_FORWARDED_HOST": "www.example.org",
        "HTTP_X_FORWARDED_PORT": "443",
        "HTTP_X_FORWARDED_PROTO": scheme,
        "HTTP_X_REAL_IP": "192.0.2.7",
        "HTTP_COOKIE": "a=1",
        "REMOTE_ADDR": "192.0.2.7",
        "SERVER_PORT": "443",
        "HTTPS": https,
        "wsgi.url_scheme": scheme,
    }


@pytest.mark.parametrize(
    ("writes", "more", "told"),
    [(True, {}, "192.0.2.7"), (False, {}, "127.0.0.1"), (True, {MARK: True}, "127.0.0.1")],
)
def test_forwarded_headers_are_written_only_for_a_front_end_that_does_not(
    writes: bool, more: dict[str, Any], told: str
) -> None:
    seen: list[str] = []

    def application(environ: dict[str, Any], _start: Callable[..., Any]) -> Iterable[bytes]:
        seen.append(environ["HTTP_X_FORWARDED_FOR"])
        return []

    settings = {"secure_cookies": True, "writes_forwarded": writes}
    guard.guarded(application, settings)({**FORGED, **more}, lambda *_: None)
    assert seen == [told]
