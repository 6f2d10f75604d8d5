from __future__ import annotations

import json
import os
import time
import types
from pathlib import Path
from typing import Any

import pytest
from web2py_runtime import guard, maintenance
from web2py_runtime.check import environ_for
from web2py_runtime.maintenance import CLOSED, Flag, Notice, parsed, within
from web2py_runtime.tunnel import MARK

VISITOR = {"REMOTE_ADDR": "198.51.100.9"}
SITE = {
    "site": True,
    "applications": [],
    "operators": ["192.0.2.0/24", "2001:db8::/32"],
    "message": "",
    "retry_seconds": 60,
}


class Refused(Exception):
    def __init__(self, status: int, text: str, **headers: str) -> None:
        super().__init__(status)
        self.status, self.text, self.headers = status, text, headers


def main_of(application: str | None, static: str | None = None) -> Any:
    """gluon.main that rewrites every request to this application or static file."""

    def url_in(request: Any, environ: dict[str, Any]) -> Any:
        request.application = application
        return static, None, environ

    return types.SimpleNamespace(url_in=url_in, HTTP=Refused)


def asked(path: Path, application: str | None, environ: dict[str, Any], static: str | None = None) -> Refused | None:
    """The refusal of one request, None where it passes."""
    main = main_of(application, static)
    maintenance.close(main, Flag(str(path)))
    try:
        main.url_in(types.SimpleNamespace(), environ)
    except Refused as refused:
        return refused
    return None


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "maintenance.json"


def test_without_the_file_everything_is_open(path: Path) -> None:
    assert asked(path, "shop", VISITOR) is None
    assert not Flag(str(path)).drains()


def test_a_closed_site_shows_a_page_that_says_when_to_come_back(path: Path) -> None:
    path.write_text(json.dumps({**SITE, "message": "Back at <six>."}))
    for application in ("shop", None):
        refused = asked(path, application, VISITOR)
        assert refused is not None and refused.status == 503
        assert refused.headers == {"Retry-After": "60", "Cache-Control": "no-store"}
        assert "Back at &lt;six&gt;." in refused.text and "<six>" not in refused.text


def test_a_closed_application_leaves_the_others_open(path: Path) -> None:
    path.write_text(json.dumps({**SITE, "site": False, "applications": ["shop"]}))
    assert asked(path, "shop", VISITOR) is not None
    assert asked(path, "blog", VISITOR) is None
    assert not Flag(str(path)).drains()


@pytest.mark.parametrize(
    ("environ", "passes"),
    [
        ({"REMOTE_ADDR": "192.0.2.7"}, True),
        ({"REMOTE_ADDR": "::ffff:192.0.2.7"}, True),
        ({"REMOTE_ADDR": "2001:db8::7"}, True),
        ({"REMOTE_ADDR": "192.0.3.7"}, False),
        ({"REMOTE_ADDR": ""}, False),
        ({"REMOTE_ADDR": "unix:"}, False),
        ({}, False),
        ({**VISITOR, "HTTP_X_FORWARDED_FOR": "192.0.2.7", "HTTP_X_REAL_IP": "192.0.2.7"}, False),
        ({**VISITOR, "HTTP_" + MARK.upper(): "1", "HTTP_WEB2PY_RUNTIME_OURS": "1"}, False),
        ({**VISITOR, MARK: True}, True),
        (environ_for("https://www.example.org", "/"), True),
    ],
)
def test_operators_the_tunnel_and_our_own_check_pass(path: Path, environ: dict[str, Any], passes: bool) -> None:
    path.write_text(json.dumps(SITE))
    assert (asked(path, "shop", environ) is None) is passes


def test_static_files_go_on(path: Path) -> None:
    path.write_text(json.dumps(SITE))
    assert asked(path, "shop", VISITOR, "/x/applications/shop/static/a.css") is None


def test_a_migration_closes_to_operators_too_and_ends_with_its_time(path: Path) -> None:
    operator = {"REMOTE_ADDR": "192.0.2.7"}
    row = {**SITE, "site": False, "migration": {"applications": ["shop"], "until": time.time() + 30}}
    path.write_text(json.dumps(row))
    refused = asked(path, "shop", operator)
    assert refused is not None and 25 < int(refused.headers["Retry-After"]) <= 30
    assert asked(path, "shop", {**VISITOR, MARK: True}) is not None
    assert asked(path, "shop", environ_for("https://www.example.org", "/")) is None
    assert asked(path, "blog", VISITOR) is None
    path.write_text(json.dumps({**row, "migration": {"applications": ["shop"], "until": time.time() - 1}}))
    assert asked(path, "shop", VISITOR) is None


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "{}", '{"site": false}', '{"site": 0, "applications": 3}'])
def test_what_is_no_notice_closes_the_site(path: Path, text: str) -> None:
    path.write_text(text)
    assert parsed(text) == CLOSED
    refused = asked(path, "shop", VISITOR)
    assert refused is not None and refused.headers["Retry-After"] == str(maintenance.RETRY_SECONDS)


def test_the_file_is_read_once_for_each_change(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []

    def counted(text: str) -> Notice:
        read.append(text)
        return parsed(text)

    monkeypatch.setattr(maintenance, "parsed", counted)
    flag = Flag(str(path))
    path.write_text(json.dumps(SITE))
    assert flag.drains() and flag.drains() and len(read) == 1
    other = path.with_name("other")
    other.write_text(json.dumps({**SITE, "site": False, "applications": ["x"]}))
    os.replace(other, path)
    assert not flag.drains() and len(read) == 2
    path.unlink()
    assert flag.notice() is None and len(read) == 2


def test_a_file_that_cannot_be_read_closes(tmp_path: Path) -> None:
    (tmp_path / "maintenance.json").mkdir()
    assert Flag(str(tmp_path / "maintenance.json")).drains()


@pytest.mark.parametrize(("networks", "expected"), [((), False), (("0.0.0.0/0",), True), (("nonsense",), False)])
def test_networks(networks: tuple[str, ...], expected: bool) -> None:
    assert within("192.0.2.7", networks) is expected


@pytest.mark.parametrize(
    ("closed", "status", "body"), [(True, "503 Service Unavailable", b"maintenance\n"), (False, "200 OK", b"ok\n")]
)
def test_the_health_page_tells_a_balancer_to_drain(path: Path, closed: bool, status: str, body: bytes) -> None:
    """Also where the balancer asks from the network of an operator."""
    path.write_text(json.dumps({**SITE, "site": closed, "applications": ["shop"]}))
    answer: list[Any] = []
    settings = {"secure_cookies": True, "writes_forwarded": False}
    served = guard.guarded(lambda *_: [], settings, Flag(str(path)))
    environ = {"PATH_INFO": "/healthz", "REQUEST_METHOD": "GET", "REMOTE_ADDR": "192.0.2.7"}
    found = b"".join(served(environ, lambda status, headers, *_: answer.extend((status, headers))))
    assert (answer[0], found) == (status, body)
