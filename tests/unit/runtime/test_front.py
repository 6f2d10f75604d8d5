"""The policy of a site without a web server: what passes, what is refused, and what an answer carries."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from web2py_runtime import front as module
from web2py_runtime.front import Forms, Front, Refused, Request, normal

from ansible_collections.web2py.deploy.plugins.module_utils._policy import error_pages, policy

CHOICES = {"web2py_tls": {"provider": "self_signed"}, "web2py_hsts_seconds": 63072000, "web2py_static_seconds": 3600}
CHOICES["web2py_compress_pages"] = False
Change = Callable[..., Front]


@pytest.fixture
def made() -> Change:
    """A front with the policy of every front end, and some settings changed."""

    def front(**changes: Any) -> Front:
        words = policy(CHOICES, ["shop", "blog"], False)
        settings = {
            "hosts": [
                {"name": "www.example.org", "aliases": ["example.org"], "application": "shop"},
                {"name": "blog.example.org", "aliases": [], "application": "blog"},
            ],
            "ports": {"http": 80, "https": 443},
            "limits": {
                "body_mb": 1,
                "methods": ["GET", "HEAD", "POST"],
                "connections_per_address": 2,
                "login_posts_per_minute": 3,
                "admin_posts_per_minute": 1,
            },
            "admin": {"mode": "disabled", "networks": []},
            "trusted_proxies": [],
            "policy": words,
            "pages": {row["path"]: row["content"] for row in error_pages(words["errors"], "")[1:]},
        }
        return Front(json.loads(json.dumps({**settings, **changes})))

    return front


@pytest.fixture
def front(made: Change) -> Front:
    return made()


def head(target: str = "/", *headers: str, method: str = "GET", host: str | None = "www.example.org") -> bytes:
    hosts = [] if host is None else [f"Host: {host}"]
    return "\r\n".join([f"{method} {target} HTTP/1.1", *hosts, *headers, "", ""]).encode("latin-1")


def asked(front: Front, words: bytes, port: int = 443, peer: str = "192.0.2.7") -> Request:
    return front.request(words, peer, port)


def status(front: Front, words: bytes, port: int = 443, peer: str = "192.0.2.7") -> int:
    """200 for what passes."""
    try:
        asked(front, words, port, peer)
    except Refused as refused:
        return refused.status
    return 200


def told(request: Request) -> dict[str, str]:
    lines = request.head.decode("latin-1").split("\r\n")[1:-2]
    assert len(lines) == len({line.partition(":")[0].lower() for line in lines}), "a header came twice"
    return {name.lower(): value for name, _colon, value in (line.partition(": ") for line in lines)}


@pytest.mark.parametrize(
    "path, wanted",
    [
        (b"/", b"/"),
        (b"//a//b/", b"/a/b/"),
        (b"/a/./b/../c", b"/a/c"),
        (b"/%61dmin%2f", b"/admin/"),
        (b"/a%20b", b"/a b"),
        (b"/a/..", b"/"),
        (b"/%2561", b"/%61"),
    ],
)
def test_a_path_has_one_spelling(path: bytes, wanted: bytes) -> None:
    assert normal(path) == wanted


@pytest.mark.parametrize(
    "path", ["/..", "/a/../../b", "/%2e%2e/x", "/a%00", "/%zz", "/%", "/a\\b", "/a#b", "/x/%2e%2e%2f..%2fetc"]
)
def test_a_path_that_leads_out_or_is_none_is_refused(path: str, front: Front) -> None:
    with pytest.raises(ValueError):
        normal(path.encode())
    assert status(front, head(path)) == 400


def test_the_server_reads_the_path_that_was_judged(front: Front) -> None:
    request = asked(front, head("/shop//default/%C3%BC%20%2b/./x?a=%2F&b"))
    assert request.head.split(b" ")[1] == b"/shop/default/%C3%BC%20+/x?a=%2F&b"


@pytest.mark.parametrize(
    "words, wanted",
    [
        (head(host=None), 400),
        (head(host=""), 400),
        (head("/", "Host: www.example.org"), 400),
        (head("/", "host: evil.example"), 400),
        (head(host="unknown.example"), 400),
        (head(host="www.example.org.evil.example"), 400),
        (head(host="www.example.org/x"), 400),
        (head(host="192.0.2.1"), 400),
        (head(host="WWW.example.org:443"), 200),
        (b"GET / HTTP/1.1\nHost: www.example.org\r\n\r\n", 400),
        (b"GET  / HTTP/1.1\r\nHost: www.example.org\r\n\r\n", 400),
        (b"GET / HTTP/2.0\r\nHost: www.example.org\r\n\r\n", 400),
        (b"GET http://evil.example/ HTTP/1.1\r\nHost: www.example.org\r\n\r\n", 400),
        (head("/", " folded"), 400),
        (head("/", "Name : x"), 400),
        (head("/", "no colon"), 400),
        (head("/", "X: a\x00b"), 400),
        (head("/", "X: a\nb"), 400),
        (head("/" + "x" * 9000), 414),
        (head("/", "X: " + "x" * 9000), 431),
        (head("/", *(f"X-{number}: 1" for number in range(1000))), 431),
        (head("/", *(f"X-{number}: 1" for number in range(900))), 200),
        (head(method="TRACE"), 405),
        (head(method="get"), 405),
        (head(method="PUT"), 405),
    ],
)
def test_doubtful_heads_are_refused(words: bytes, wanted: int, front: Front) -> None:
    assert status(front, words) == wanted


@pytest.mark.parametrize(
    "headers, wanted",
    [
        (["Content-Length: 5"], 200),
        (["Content-Length: 1048576"], 200),
        (["Content-Length: 1048577"], 413),
        (["Content-Length: 5", "Content-Length: 5"], 400),
        (["Content-Length: 5, 5"], 400),
        (["Content-Length: +5"], 400),
        (["Content-Length: -1"], 400),
        (["Content-Length: "], 400),
        (["Transfer-Encoding: chunked"], 411),
        (["Transfer-Encoding: chunked", "Content-Length: 5"], 400),
        (["transfer-encoding: identity"], 411),
    ],
)
def test_a_body_has_one_length(headers: list[str], wanted: int, front: Front) -> None:
    assert status(front, head("/", *headers, method="POST")) == wanted


def test_what_is_expected_of_the_body_is_known(front: Front) -> None:
    request = asked(front, head("/", "Content-Length: 7", "Expect: 100-continue", method="POST"))
    assert (request.length, request.expects) == (7, True)
    assert told(request)["content-length"] == "7" and "expect" not in told(request)
    assert asked(front, head(method="POST")).length == 0


@pytest.mark.parametrize(
    "path",
    [
        "/admin",
        "/ADMIN/",
        "/admin.html",
        "/%61dmin/x",
        "//admin//",
        "/x/../admin/default",
        "/admin%2fdefault",
        "/%2561dmin",
        "/shop/appadmin",
        "/shop/appadmin/index",
        "/shop/./appadmin.html",
        "/en/shop/AppAdmin/x",
        "/shop/static/.git/config",
        "/shop/static/notes.bak",
        "/shop/static/_1.2.3/x.pyc",
    ],
)
def test_what_is_closed_has_no_spelling(path: str, front: Front) -> None:
    assert status(front, head(path)) == 404


def test_admin_opens_to_its_networks_only(made: Change) -> None:
    front = made(admin={"mode": "https", "networks": ["192.0.2.0/24"]})
    assert status(front, head("/admin")) == 200
    assert status(front, head("/shop/appadmin"), peer="::ffff:192.0.2.9") == 200
    assert status(front, head("/admin", "X-Forwarded-For: 192.0.2.7"), peer="198.51.100.1") == 403


def test_http_leads_to_https_and_an_alias_to_the_name(front: Front) -> None:
    for words, port, wanted in (
        (head("//evil.example/?x=1"), 80, "https://www.example.org//evil.example/?x=1"),
        (head("/a%2Fb", host="example.org", method="POST"), 80, "https://www.example.org/a%2Fb"),
        (head("/a?b", host="example.org"), 443, "https://www.example.org/a?b"),
    ):
        with pytest.raises(Refused) as caught:
            asked(front, words, port)
        assert (caught.value.status, caught.value.location) == (301, wanted)


def test_a_site_without_tls_serves_http(made: Change) -> None:
    words = policy({**CHOICES, "web2py_tls": {"provider": "none"}}, ["shop"], False)
    front = made(ports={"http": 80, "https": None}, policy=words)
    assert told(asked(front, head(), 80))["x-forwarded-proto"] == "http"
    with pytest.raises(Refused) as caught:
        asked(front, head("/a", host="example.org"), 80)
    assert caught.value.location == "http://www.example.org/a"
    for top in (front.page(404, port=80)[0], front.answer(b"HTTP/1.1 200 OK\r\n\r\n")[1]):
        assert b"Strict" not in top and b"X-Content-Type-Options" in top


def test_what_a_visitor_claims_is_overwritten(front: Front) -> None:
    claims = [
        "X-Forwarded-For: 127.0.0.1",
        "x-forwarded-proto: http",
        "X-Forwarded-Port: 1",
        "X-Forwarded-Ssl: off",
        "X_Forwarded_For: 127.0.0.1",
        "X-Real-IP: ::1",
        "Forwarded: for=127.0.0.1",
        "Proxy: http://evil.example",
        "Connection: keep-alive, Content-Length",
        "Upgrade: h2c",
        "TE: trailers",
        "Cookie: a=b",
    ]
    assert told(asked(front, head("/", *claims))) == {
        "host": "www.example.org",
        "x-forwarded-for": "192.0.2.7",
        "x-forwarded-proto": "https",
        "x-forwarded-host": "www.example.org",
        "x-forwarded-port": "443",
        "x-real-ip": "192.0.2.7",
        "connection": "close",
        "cookie": "a=b",
    }


@pytest.mark.parametrize(
    "ways, wanted",
    [
        ("198.51.100.1", "198.51.100.1"),
        ("127.0.0.1, 198.51.100.1", "198.51.100.1"),
        ("198.51.100.1, 10.0.0.2", "198.51.100.1"),
        ("no address", "10.0.0.1"),
        ("", "10.0.0.1"),
    ],
)
def test_a_trusted_proxy_is_believed(ways: str, wanted: str, made: Change) -> None:
    front = made(trusted_proxies=["10.0.0.0/8"])
    assert asked(front, head("/", f"X-Forwarded-For: {ways}"), peer="10.0.0.1").client == wanted
    assert asked(front, head("/", f"X-Forwarded-For: {ways}"), peer="192.0.2.9").client == "192.0.2.9"


def test_files_at_the_top_are_those_of_the_application(front: Front) -> None:
    assert asked(front, head("/robots.txt")).head.startswith(b"GET /shop/static/robots.txt HTTP/1.1")
    assert b" /blog/static/favicon.ico " in asked(front, head("/favicon.ico", host="blog.example.org")).head


def test_requests_of_an_address_are_counted(front: Front) -> None:
    one = asked(front, head())
    front.enter(one, 0)
    front.enter(one, 0)
    with pytest.raises(Refused) as caught:
        front.enter(one, 0)
    assert caught.value.status == 429
    front.enter(asked(front, head(), peer="192.0.2.8"), 0)
    for _ in range(3):
        front.leave(one)
    front.enter(one, 0)
    assert front.busy == {"192.0.2.7": 1, "192.0.2.8": 1}


def test_forms_are_counted_by_the_page(front: Front) -> None:
    login = asked(front, head("/shop/default/user/login", method="POST"))
    assert (login.form, asked(front, head("/shop/default/user/login")).form) == ("login", "")
    for _ in range(3):
        front.enter(login, 0)
        front.leave(login)
    with pytest.raises(Refused):
        front.enter(login, 0)
    front.leave(login)
    front.enter(login, 60)


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (head("/shop/default/user/login?a=1&PASSword=x"), "login"),
        (head("/shop/default/user/login?p%61ssw%6Frd=x"), "login"),
        (head("/shop/default/user/login", "content-type: application/json", "Content-Length: 2"), "login"),
        (head("/shop/default/user/login", method="PUT"), "login"),
        (head("/shop/default/user/login?a=1", "Content-Type: "), ""),
        (head("/shop/default/user/login", method="HEAD"), ""),
        (head("/shop/default/index?password=x"), ""),
        (head("/admin/default/index?password=x"), "admin"),
    ],
)
def test_a_password_is_counted_wherever_it_stands(words: bytes, wanted: str, made: Change) -> None:
    front = made(admin={"mode": "https", "networks": ["192.0.2.0/24"]})
    front.limits["methods"].append("PUT")
    assert asked(front, words).form == wanted


def test_an_address_that_was_silent_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KEPT_ADDRESSES", 2)
    forms = Forms(1)
    assert [forms.over(name, 0) for name in ("a", "a", "b", "c", "a")] == [False, True, False, False, False]
    assert len(forms.known) == 2


def lines(words: bytes) -> list[str]:
    return words.decode("latin-1").split("\r\n")[:-2]


def test_an_answer_tells_what_every_front_end_tells(front: Front) -> None:
    status, words = front.answer(
        b"HTTP/1.1 200 OK\r\nServer: Rocket 1.2\r\nX-Powered-By: web2py\r\nConnection: keep-alive\r\n"
        b"X-Frame-Options: DENY\r\nx-frame-options: ALLOW\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nDate: now\r\n\r\n"
    )
    assert status == 200
    assert lines(words) == [
        "HTTP/1.1 200 OK",
        "X-Frame-Options: DENY",
        "Set-Cookie: a=1",
        "Set-Cookie: b=2",
        "Date: now",
        "Referrer-Policy: strict-origin-when-cross-origin",
        "X-Content-Type-Options: nosniff",
        "Strict-Transport-Security: max-age=63072000",
        "Connection: close",
    ]


def test_an_answer_that_is_none_is_told_apart(front: Front) -> None:
    for words in (b"", b"nonsense\r\n\r\n", b"HTTP/1.1 99 x\r\n\r\n"):
        with pytest.raises(ValueError):
            front.answer(words)


def test_a_page_of_our_own_has_its_words_and_headers(front: Front) -> None:
    top, page = front.page(503, port=443)
    assert lines(top)[0] == "HTTP/1.1 503 Service Unavailable"
    assert {"Retry-After: 5", f"Content-Length: {len(page)}", "X-Frame-Options: SAMEORIGIN"} <= set(lines(top))
    assert b"Back in a moment" in page
    top, page = front.page(301, "https://www.example.org/", 80)
    assert "Location: https://www.example.org/" in lines(top) and "Strict" not in top.decode()
    assert front.page(431)[1] == front.page(400)[1]


@pytest.fixture
def challenged(made: Change, tmp_path: Path) -> Front:
    """An ACME authority is being asked; a secret lies above what it looks for, and a link leads there."""
    (tmp_path / "run").mkdir()
    (tmp_path / "run/a-token_1").write_text("the answer")
    (tmp_path / "secret").write_text("never")
    (tmp_path / "run/link").symlink_to("../secret")
    (tmp_path / "run/folder").mkdir()
    os.mkfifo(tmp_path / "run/pipe")
    words = policy({**CHOICES, "web2py_tls": {"provider": "acme"}, "web2py_site": "shop"}, ["shop"], False)
    words["challenge"]["folder"] = str(tmp_path / "run")
    return made(policy=words)


@pytest.mark.parametrize("name", ["www.example.org", "example.org", "blog.example.org"])
def test_an_authority_finds_its_challenge_by_plain_http(name: str, challenged: Front) -> None:
    with pytest.raises(Refused) as found:
        asked(challenged, head("/.well-known/acme-challenge/a-token_1", host=name), 80)
    assert (found.value.status, found.value.words) == (200, b"the answer")
    top, body = challenged.page(200, port=80, words=found.value.words)
    assert top.startswith(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n") and body == b"the answer"


@pytest.mark.parametrize(
    "path",
    ["", "unknown", "link", "folder", "pipe", ".", "..", "../secret", "..%2fsecret", "a-token_1/", "a-token_1%00"],
)
def test_nothing_but_a_challenge_is_found_there(path: str, challenged: Front) -> None:
    with pytest.raises(Refused) as found:
        asked(challenged, head("/.well-known/acme-challenge/" + path), 80)
    assert (found.value.status, found.value.words) == (404, None)


def test_a_challenge_has_no_other_place(challenged: Front, front: Front) -> None:
    assert status(challenged, head("/.well-known/acme-challenge/a-token_1", host="other.example"), 80) == 400
    assert status(challenged, head("/.well-known/acme-challenge/a-token_1")) == 200, "web2py's to answer"
    assert status(front, head("/.well-known/acme-challenge/a-token_1"), 80) == 301
