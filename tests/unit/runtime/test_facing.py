"""Where no front end of ours stands before it, the runtime believes no client."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest
from web2py_runtime import facing

from ansible_collections.web2py.deploy.plugins.module_utils._policy import ENCODED_TWICE, HIDDEN

FACING: dict[str, Any] = {
    "names": ["shop.example.org", "blog.example.org"], "proxied": False, "methods": ["GET", "HEAD", "POST"],
    "body_mb": 1, "hidden": HIDDEN, "encoded_twice": ENCODED_TWICE, "static_any": r"^/(?:shop)/static/",
    "static_versioned": r"^/(?:shop)/static/_\d+\.\d+\.\d+/", "cache": "short", "cache_versioned": "long",
    "types": {"css": "text/css; charset=utf-8"}, "packed": ["css"],
    "headers": {"X-Content-Type-Options": "nosniff"}, "headers_unless_set": {"X-Frame-Options": "SAMEORIGIN"},
}  # fmt: skip
PLAIN, SECURE = "http://shop.example.org:8080", "https://shop.example.org"


def ask(url: str = PLAIN, proxied: bool = False, **environ: Any) -> tuple[str, dict[str, str], dict[str, Any]]:
    """Status and headers of the answer, and the variables that reached the application, if any."""
    seen: dict[str, Any] = {}
    answer: list[Any] = []

    def application(told: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        seen.update(told)
        part = told.get("HTTP_RANGE")
        more = [("Content-Range", f"bytes {part}/10"), ("Content-Length", "-90")] if part else []
        more += [("X-Frame-Options", "DENY"), ("Cache-Control", "private"), ("x-content-type-options", "own")]
        start_response("206 X" if part else "200 OK", more)
        return [b""]

    request = {"REQUEST_METHOD": "GET", "PATH_INFO": "/", "REMOTE_ADDR": "192.0.2.1", **environ}
    wrapped = facing.faced(application, {**FACING, "proxied": proxied}, url)
    body = b"".join(wrapped(request, lambda status, headers, *_: answer.extend((status, headers))))
    # A server sends what it is given; after HEAD it would pass for the next answer.
    assert not (body and request["REQUEST_METHOD"] == "HEAD")
    names = [name.lower() for name, _value in answer[1]]
    assert len(names) == len(set(names)), names
    return answer[0], dict(answer[1]), seen


@pytest.mark.parametrize(
    ("status", "environ"),
    [
        ("405", {"REQUEST_METHOD": "DELETE"}),
        ("405", {"REQUEST_METHOD": "POST", "PATH_INFO": "/shop/static/a.css"}),
        ("400", {"PATH_INFO": "/shop/static/../private/x"}),
        ("400", {"PATH_INFO": "/shop/static/%2e%2e/x"}),
        ("400", {"PATH_INFO": "/shop\\x"}),
        ("400", {"PATH_INFO": "/shop\0x"}),
        ("400", {"REQUEST_URI": "/shop/%252e%252e/x", "PATH_INFO": "/"}),
        ("404", {"PATH_INFO": "/shop/static/.hidden"}),
        ("404", {"PATH_INFO": "/shop/static/.hidden", "REQUEST_METHOD": "HEAD"}),
        ("404", {"PATH_INFO": "//shop//static//x.SQLITE"}),
        ("413", {"REQUEST_METHOD": "POST", "CONTENT_LENGTH": str((1 << 20) + 1)}),
        ("400", {"REQUEST_METHOD": "POST", "CONTENT_LENGTH": "-1"}),
        ("411", {"REQUEST_METHOD": "POST", "HTTP_TRANSFER_ENCODING": "chunked"}),
        ("200", {"REQUEST_METHOD": "POST", "CONTENT_LENGTH": str(1 << 20)}),
    ],
)
def test_what_web2py_need_not_see_is_refused(status: str, environ: dict[str, Any]) -> None:
    found, headers, seen = ask(**environ)
    assert found.startswith(status) and bool(seen) == (status == "200")
    assert headers["X-Content-Type-Options"] == "nosniff"


CLAIMS = {
    "HTTP_X_FORWARDED_FOR": "127.0.0.1, 198.51.100.7",
    "HTTP_X_FORWARDED_PROTO": "https",
    "HTTP_X_FORWARDED_HOST": "blog.example.org",
    "HTTP_PROXY": "x:1",
    "HTTP_HOST": "evil.example.com",
}


def test_a_client_says_nothing_of_itself() -> None:
    _status, _headers, seen = ask(**CLAIMS)
    assert (seen["REMOTE_ADDR"], seen["wsgi.url_scheme"], seen["HTTP_HOST"]) == (
        "192.0.2.1", "http", "shop.example.org:8080",
    )  # fmt: skip
    assert seen["SERVER_PORT"] == "8080" and not set(CLAIMS) - {"HTTP_HOST"} & set(seen)


def test_a_proxy_is_believed_in_what_it_adds_itself() -> None:
    _status, _headers, seen = ask(SECURE, True, **CLAIMS)
    assert (seen["REMOTE_ADDR"], seen["wsgi.url_scheme"], seen["HTTP_HOST"], seen["HTTPS"]) == (
        "198.51.100.7", "https", "blog.example.org", "on",
    )  # fmt: skip
    assert seen["SERVER_PORT"] == "443"


def test_a_rewriting_web_server_tells_the_path_in_the_address() -> None:
    _status, _headers, seen = ask(
        REQUEST_URI="//shop/br%C3%BCh?a=1", PATH_INFO="", SCRIPT_NAME="/index.cgi", QUERY_STRING="a=1"
    )
    assert (seen["PATH_INFO"], seen["SCRIPT_NAME"], seen["QUERY_STRING"]) == ("/shop/br\xc3\xbch", "", "a=1")
    assert ask(REQUEST_URI="http://other.example/shop/x")[2]["PATH_INFO"] == "/shop/x"


def test_answers_have_their_headers() -> None:
    assert ask()[1] == {"X-Frame-Options": "DENY", "Cache-Control": "private", "X-Content-Type-Options": "nosniff"}
    assert ask(PATH_INFO="/shop/static/a.css")[1]["Cache-Control"] == "short"
    assert ask(PATH_INFO="/shop/static/_1.2.3/a.css")[1]["Cache-Control"] == "long"


def test_static_files_have_the_types_of_every_front_end() -> None:
    assert ask(PATH_INFO="/shop/static/a.CSS")[1]["Content-Type"] == "text/css; charset=utf-8"
    assert "Content-Type" not in ask(PATH_INFO="/shop/static/a.unknown")[1]
    assert "Content-Type" not in ask(PATH_INFO="/shop/default/a.css")[1]


def test_a_compressed_twin_is_for_who_can_read_it() -> None:
    accepted = [
        ask(HTTP_ACCEPT_ENCODING=words)[2].get("HTTP_ACCEPT_ENCODING") for words in ("br, gzip;q=0.1", "gzip;q=0")
    ]
    assert accepted == ["br, gzip;q=0.1", None]
    assert ask(PATH_INFO="/shop/static/a.css")[1]["Vary"] == "Accept-Encoding"
    assert "Vary" not in ask(PATH_INFO="/shop/static/a.png")[1] and "Vary" not in ask(PATH_INFO="/shop/a.css")[1]


@pytest.mark.parametrize(("part", "status"), [("99-9", "416"), ("10-9", "416"), ("9-9", "206"), ("0-4", "206")])
def test_a_part_that_a_file_has_not_is_refused(part: str, status: str) -> None:
    for method in ("GET", "HEAD"):
        found, headers, _seen = ask(PATH_INFO="/shop/static/a.css", HTTP_RANGE=part, REQUEST_METHOD=method)
        assert found.startswith(status) and ("Content-Range" in headers) == (status == "206")
        assert headers["X-Content-Type-Options"] == "nosniff"
