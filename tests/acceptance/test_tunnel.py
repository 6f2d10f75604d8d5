"""The way to admin through an SSH tunnel: an instance of its own, there when it is asked, for who comes that way."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from client import Client
from hosts import Machine, Site, tunnel, waited
from test_trust import FORGED

testinfra_hosts = ["ansible://web2py_web"]

TELLS = "/probe/appadmin/index"


# As wide as the client, so that it comes first.
@pytest.fixture(scope="module", autouse=True)
def tunnelled(site: Site) -> None:
    if site["admin"]["mode"] != "tunnel":
        pytest.skip("the site has no tunnel to admin")


@pytest.fixture(scope="module")
def near(site: Site, variables: dict[str, Any], address: str) -> Iterator[Client]:
    with tunnel(variables, address, site["admin"]["tunnel_port"]) as client:
        yield client


@pytest.fixture
def idle(variables: dict[str, Any]) -> int:
    return int(variables["tunnel_idle_seconds"])


@pytest.fixture
def service(site: Site) -> str:
    return f"{site['name']}-admin.service"


def test_it_is_at_the_loopback_address_alone(site: Site, machine: Machine) -> None:
    rows = machine.lines(f"ss -Hlnt 'sport = :{site['admin']['tunnel_port']}'")
    assert [row.split()[3] for row in rows] == [f"127.0.0.1:{site['admin']['tunnel_port']}"]


def test_who_comes_through_is_local_whatever_he_claims(site: Site, near: Client) -> None:
    """The application sees a local visitor on plain http; no header makes him another."""
    expected = {"client": "127.0.0.1", "is_https": False, "is_local": True, "scheme": "http"}
    for headers in [[], *FORGED]:
        told = near.ask(TELLS, headers).json()
        assert {key: told[key] for key in expected} == expected, headers
        assert told["server_port"] == str(site["admin"]["tunnel_port"])
        assert [name for name in told["headers"] if "forwarded" in name or name in ("x_real_ip", "proxy")] == []


def test_its_cookies_come_back_over_plain_http(near: Client) -> None:
    """Browsers keep a Secure cookie from a page over http to themselves: these are not, but are closed to scripts."""
    cookies = near.ask(TELLS).all("set-cookie")
    assert cookies and all("httponly" in cookie.lower() and "secure" not in cookie.lower() for cookie in cookies)
    assert all("samesite=" in cookie.lower() for cookie in cookies)


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "LOCALHOST:1", "127.0.0.1:8002", "[::1]:8002"])
def test_it_answers_to_the_names_of_the_loopback(name: str, near: Client) -> None:
    assert near.ask(TELLS, name=name).status == 200


@pytest.mark.parametrize(
    "name", ["", "evil.example", "evil.example:8002", "127.0.0.1.evil.example", "localhost.x", ":8"]
)
def test_it_answers_to_no_other_name(name: str, near: Client, site: Site) -> None:
    """A page in the visitor's browser must not get here by a name of its own (DNS rebinding)."""
    for path in (TELLS, "/admin", "/"):
        assert near.ask(path, name=name).status == 400
    assert near.ask(TELLS, name=site["domain"]).status == 400


@pytest.mark.parametrize("path", ["/starter/default/index", "/probe/default/echo", "/probe", "/x", "/welcome"])
def test_it_serves_nothing_else(path: str, near: Client) -> None:
    """Pages for local visitors only would be open to every user of the host."""
    assert near.ask(path).status == 404


def test_it_serves_what_the_pages_are_drawn_with(near: Client) -> None:
    assert near.ask("/probe/static/css/probe.css").status == 200
    assert near.ask("/").get("location") == "/admin"


def test_its_pages_are_framed_by_nobody(near: Client) -> None:
    answer = near.ask(TELLS)
    assert answer.get("x-frame-options") == "SAMEORIGIN" and answer.get("x-content-type-options") == "nosniff"
    assert answer.get("strict-transport-security") is None


def test_another_page_asks_for_nothing(near: Client) -> None:
    """A page in the same browser can neither guess nor spend the attempts of the keeper; a link is followed."""
    for site in ("cross-site", "same-site"):
        assert near.ask(TELLS, {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "no-cors"}).status == 403
        words = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "navigate"}
        assert near.ask(TELLS + "?password=", words).status == 403
        assert near.ask(TELLS, words).status == 200


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS"])
def test_other_methods_are_refused(method: str, near: Client) -> None:
    assert near.ask("/admin", method=method, body=b"").status == 405


def test_a_body_has_the_limit_of_the_site(near: Client, site: Site) -> None:
    """It is refused by what is announced: web2py would write it to disk before it asks who is there."""
    size = site["limits"]["body_mb"] * 1024 * 1024 + 1
    for told, status in ((f"Content-Length: {size}", 413), ("Transfer-Encoding: chunked", 411)):
        head = f"POST /admin HTTP/1.1\r\nHost: {near.name}\r\n{told}\r\nConnection: close\r\n\r\n"
        assert near.send(head.encode()).status == status


@pytest.mark.late
def test_it_runs_only_while_it_is_used(near: Client, machine: Machine, service: str, idle: int, site: Site) -> None:
    """A request starts it, quiet ends it, and then no process of it is left; the socket waits for the next one."""
    for _round in range(2):
        assert near.ask(TELLS).status == 200
        assert machine.property(service, "ActiveState") == "active"
        waited(lambda: machine.property(service, "ActiveState") == "inactive", idle + 10)
        assert machine.property(service, "Result") == "success"
        assert machine.try_to(f"pgrep -u {site['user']} -f -- '[-]-admin-port'").rc == 1
        assert machine.property(f"{site['name']}-admin.socket", "ActiveState") == "active"


@pytest.mark.late
def test_who_comes_while_it_ends_is_served(near: Client, machine: Machine, service: str, idle: int) -> None:
    """Requests that meet the very moment of its end are answered, by it or by the next one."""
    for early in range(8):
        assert near.ask(TELLS).status == 200
        time.sleep(idle - 0.2 + 0.2 * early)
        assert near.ask(TELLS).status == 200, early
    assert machine.property(service, "NRestarts") == "0"


@pytest.mark.late
def test_guessing_passwords_is_slowed_down(near: Client, site: Site) -> None:
    """Forms beyond the limit of a minute are told 429; who only looks is not."""
    most = site["limits"]["admin_posts_per_minute"]
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    answers = [near.ask(TELLS, kind, method="POST", body=b"password=guess") for _ in range(most + 3)]
    assert [answer.status == 429 for answer in answers] == [False] * most + [True] * 3
    assert near.ask(TELLS).status == 200


@pytest.mark.late
def test_it_is_confined_as_the_site_is(machine: Machine, service: str, near: Client) -> None:
    from test_host import exposure

    assert near.ask(TELLS).status == 200
    assert exposure(service, machine) <= 2.0
    assert machine.property(service, "User") not in ("", "root")
