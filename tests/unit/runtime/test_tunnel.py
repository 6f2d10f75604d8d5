"""What stands between an SSH tunnel and admin."""

from __future__ import annotations

from typing import Any

import pytest
from web2py_runtime import tunnel

FORM = {"REQUEST_METHOD": "POST"}


class Far:
    """The application at the far end, and what reached it."""

    def __init__(self, limit: int = 5) -> None:
        self.environ: dict[str, Any] = {}
        self.headers: dict[str, str] = {}
        self.answer = tunnel.tunnelled(self.application, 8002, limit, 2)

    def application(self, environ: dict[str, Any], start_response: Any) -> list[bytes]:
        self.environ = environ
        start_response("200 OK", [("Content-Type", "text/html"), ("X-Frame-Options", "ALLOWALL")])
        return [b"page"]

    def ask(self, **more: str) -> str:
        found: list[str] = []

        def start_response(status: str, headers: list[tuple[str, str]], *_: Any) -> None:
            found.append(status)
            self.headers = dict(headers)
            assert len(headers) == len(self.headers)

        words = {"HTTP_HOST": "127.0.0.1:8002", "PATH_INFO": "/admin", "REQUEST_METHOD": "GET"}
        list(self.answer({**words, **more}, start_response))
        return found[0]


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:8002", "localhost", "LocalHost:9", "[::1]", "[::1]:8002"])
def test_the_names_of_the_loopback_are_answered(host: str) -> None:
    assert Far().ask(HTTP_HOST=host) == "200 OK"


@pytest.mark.parametrize(
    "host", ["", ":8002", "evil.example", "evil.example:8002", "127.0.0.1.evil.example", "127.0.0.1, x", "::1"]
)
def test_no_other_name_is(host: str) -> None:
    far = Far()
    assert (far.ask(HTTP_HOST=host), far.environ) == ("400 Bad Request", {})


def test_what_a_client_claims_does_not_arrive() -> None:
    far = Far()
    claims = {name + ("HOST" if name.endswith("_") else ""): "192.0.2.1" for name in tunnel.CLAIMS}
    far.ask(**claims, HTTPS="on", SERVER_PORT="443", HTTP_COOKIE="a=b", HTTP_X_REQUESTED_WITH="XMLHttpRequest")
    assert not set(claims) & set(far.environ) and "HTTPS" not in far.environ
    assert far.environ[tunnel.MARK] is True
    assert (far.environ["SERVER_PORT"], far.environ["wsgi.url_scheme"]) == ("8002", "http")
    assert far.environ["HTTP_COOKIE"] and far.environ["HTTP_X_REQUESTED_WITH"]


def test_pages_are_framed_by_nobody_and_connections_end() -> None:
    far = Far()
    far.ask()
    assert (far.headers["X-Frame-Options"], far.headers["Connection"]) == ("SAMEORIGIN", "close")


def test_the_top_leads_to_admin() -> None:
    far = Far()
    assert far.ask(PATH_INFO="/") == "303 See Other"
    assert far.headers["Location"] == "/admin"


def test_forms_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(tunnel, "monotonic", lambda: now[0])
    far = Far(limit=2)
    assert [far.ask(**FORM)[:3] for _ in range(3)] == ["200", "200", "429"]
    assert far.ask() == "200 OK"
    now[0] += tunnel.MINUTE
    assert [far.ask(**FORM)[:3] for _ in range(3)] == ["200", "200", "429"]


@pytest.mark.parametrize(
    "request_",
    [
        FORM,
        {"QUERY_STRING": "password=guess"},
        {"QUERY_STRING": "send=/x&p%61ss%77ord=guess"},
        {"REQUEST_METHOD": "HEAD", "QUERY_STRING": "password=guess"},
        {"CONTENT_TYPE": "application/json", "CONTENT_LENGTH": "20"},
    ],
)
def test_a_password_is_counted_wherever_it_may_be(request_: dict[str, str]) -> None:
    far = Far(limit=2)
    assert [far.ask(**request_)[:3] for _ in range(3)] == ["200", "200", "429"]
    assert far.ask(**FORM)[:3] == "429"
    assert far.ask(QUERY_STRING="send=/admin/default/site") == "200 OK"


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "BOTH", "get", ""])
def test_other_methods_are_refused(method: str) -> None:
    far = Far()
    assert (far.ask(REQUEST_METHOD=method)[:3], far.environ) == ("405", {})


@pytest.mark.parametrize("site", ["cross-site", "same-site", "?"])
def test_a_page_of_somebody_elses_asks_for_nothing(site: str) -> None:
    """Neither may it spend the attempts of the keeper; a link that he follows opens a page."""
    far = Far()
    for more in ({"HTTP_SEC_FETCH_MODE": "no-cors"}, {"QUERY_STRING": "password=x"}, FORM, {}):
        words = {"HTTP_SEC_FETCH_SITE": site, "HTTP_SEC_FETCH_MODE": "navigate", **more}
        assert far.ask(**words)[:3] == ("403" if more else "200")
    for own in ("same-origin", "none"):
        assert far.ask(HTTP_SEC_FETCH_SITE=own, HTTP_SEC_FETCH_MODE="no-cors", QUERY_STRING="a=b") == "200 OK"


@pytest.mark.parametrize(
    ("told", "status"),
    [
        ({"CONTENT_LENGTH": str(2 << 20)}, "200"),
        ({"CONTENT_LENGTH": ""}, "200"),
        ({"CONTENT_LENGTH": str((2 << 20) + 1)}, "413"),
        ({"CONTENT_LENGTH": "9" * 5000}, "413"),
        ({"CONTENT_LENGTH": "-1"}, "400"),
        ({"CONTENT_LENGTH": "\u0661"}, "400"),
        ({"HTTP_TRANSFER_ENCODING": "chunked"}, "411"),
    ],
)
def test_a_body_has_its_limit(told: dict[str, str], status: str) -> None:
    """web2py would write it to disk before it asks who is there."""
    assert Far().ask(**FORM, **told)[:3] == status
