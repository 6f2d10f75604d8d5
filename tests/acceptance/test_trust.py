"""The application is told the truth about a request, whatever the visitor claims."""

from __future__ import annotations

import ipaddress
from contextlib import suppress
from http.client import BadStatusLine
from typing import Any

import pytest
from client import Client
from hosts import Probe, Site

testinfra_hosts = ["ansible://web2py_web"]
pytestmark = pytest.mark.server

FORGED: list[list[tuple[str, str]]] = [
    [("X-Forwarded-For", "127.0.0.1")],
    [("x-forwarded-for", "::1")],
    [("X-Forwarded-For", "127.0.0.1, 10.0.0.1")],
    [("X-Forwarded-For", "127.0.0.1"), ("X-Forwarded-For", "10.0.0.1")],
    [("X-Forwarded-For", "")],
    [("X-Forwarded-For", "no address at all")],
    [("X_Forwarded_For", "127.0.0.1")],
    [("X-Forwarded_For", "127.0.0.1")],
    [("X-Forwarded-For", "192.0.2.1"), ("X_Forwarded-For", "127.0.0.1")],
    [("X-Forwarded-Proto", "http")],
    [("X-Forwarded-Proto", "https"), ("X-Forwarded-Proto", "http")],
    [("X_Forwarded_Proto", "http")],
    [("X_Forwarded-Proto", "http")],
    [("X-Forwarded-Host", "evil.example")],
    [("X-Forwarded-Server", "evil.example")],
    [("X-Forwarded-Port", "8000")],
    [("X-Forwarded-Ssl", "off")],
    [("X-Forwarded-Prefix", "/evil")],
    [("X-Real-IP", "127.0.0.1")],
    [("X-Real_IP", "127.0.0.1")],
    [("X-Real-IP", "192.0.2.1"), ("X_Real-IP", "127.0.0.1")],
    [("Forwarded", "for=127.0.0.1;proto=http;host=evil.example")],
    [("Client-IP", "127.0.0.1")],
    [("X-Original-URL", "/admin")],
    [("X-Rewrite-URL", "/admin")],
    [("Proxy", "http://evil.example:3128")],
    [("Remote-Addr", "127.0.0.1")],
    [("HTTPS", "off")],
    [("Script-Filename", "/bin/sh"), ("Script-Name", "/evil")],
    [("Path-Info", "/admin"), ("Path_Info", "/admin"), ("Request-Uri", "/admin")],
    [("Script_Name", "/probe")],
    [("X-HTTP-Method-Override", "DELETE")],
    [("X-HTTP_Method-Override", "DELETE")],
]


@pytest.fixture
def honest(probe: Probe) -> dict[str, Any]:
    """What reaches the application when nothing is forged."""
    return dict(probe.json("echo"))


def test_a_visitor_is_seen_as_he_is(honest: dict[str, Any], probe: Probe, site: Site) -> None:
    """The application sees the visitor's own address, the canonical host and the real scheme."""
    own = probe.ask("echo").source
    assert honest["client"] == honest["remote_addr"] == own
    assert not ipaddress.ip_address(honest["client"]).is_loopback
    assert honest["is_local"] is False
    assert honest["is_https"] is (site["ports"]["https"] is not None)
    assert honest["host"] == site["domain"]
    assert honest["url"].startswith(site["url"] + "/")
    assert honest["server_port"] == str(site["ports"]["https"] or site["ports"]["http"])


def test_one_value_of_each_forwarded_header_arrives(honest: dict[str, Any], site: Site) -> None:
    """The front end says once who asks and how, in words of its own."""
    assert honest["headers"].get("x_forwarded_for") == honest["client"]
    assert honest["headers"].get("x_forwarded_proto") == ("https" if site["ports"]["https"] else "http")


@pytest.mark.parametrize("headers", FORGED, ids=lambda headers: "; ".join(f"{key}={value}" for key, value in headers))
def test_forged_headers_change_nothing(headers: list[tuple[str, str]], honest: dict[str, Any], probe: Probe) -> None:
    """A stranger is never made local or https, nor given another address or host, by a header that he sends."""
    forged = probe.json("echo", headers)
    for key in (
        "client",
        "remote_addr",
        "is_local",
        "is_https",
        "host",
        "url",
        "server_port",
        "path",
        "method",
        "scheme",
        "https",
    ):
        assert forged[key] == honest[key], key
    for key in ("x_forwarded_for", "x_forwarded_proto"):
        assert forged["headers"].get(key) == honest["headers"].get(key), key
    for key in ("proxy", "forwarded", "x_real_ip", "x_forwarded_host"):
        assert forged["headers"].get(key) in (honest["headers"].get(key), "", None), key


@pytest.mark.parametrize(
    "path",
    [
        "/cgi-bin/sh",
        "/bin/sh",
        "/../../../../bin/sh",
        "/%2e%2e/%2e%2e/%2e%2e/bin/sh",
        "/probe/default/echo/../../../../../bin/sh",
        "/probe/default/echo/..%2f..%2f..%2fbin/sh",
        "/runtime/web2py",
        "/web2py_runtime/entry.py",
        "/cgihandler.py",
        "/handlers/cgihandler.py/probe/default/index",
    ],
)
def test_no_path_names_a_program(path: str, web: Client) -> None:
    """What runs is the site's choice: a path leads to a page, or to nothing."""
    answer = web.ask(path)
    assert answer.status in (400, 403, 404), answer.text[:200]


def test_a_forged_scheme_over_http_serves_nothing(secure: Client, plain: Client) -> None:
    """Who claims https over http is redirected like everybody else."""
    assert plain.ask("/probe/default/echo", {"X-Forwarded-Proto": "https"}).status in (301, 308)


def test_a_host_in_the_request_line_is_not_believed(probe: Probe, web: Client, site: Site) -> None:
    """An address of another host in the request line is refused, or served as the site's own."""
    raw = f"GET http://evil.example/probe/default/echo HTTP/1.1\r\nHost: {web.name}\r\nConnection: close\r\n\r\n"
    try:
        answer = web.send(raw.encode())
    except (ConnectionError, BadStatusLine):
        return
    if answer.status == 200:
        assert answer.json()["url"].startswith(site["url"] + "/")
    else:
        assert 400 <= answer.status < 500


def test_requests_cannot_be_smuggled(web: Client) -> None:
    """A body with two lengths is refused."""
    head = f"POST / HTTP/1.1\r\nHost: {web.name}\r\nContent-Length: 5\r\n"
    both = head + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /admin"
    twice = head + "Content-Length: 6\r\n\r\nabcdef"
    for words in (both, twice):
        with suppress(ConnectionError, BadStatusLine):
            assert web.send(words.encode()).status in (400, 405, 411)
