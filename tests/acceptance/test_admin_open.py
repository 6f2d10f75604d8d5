"""Where the site opens admin: as far as its choice says, with the password, and no further."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from client import Answer, Client
from hosts import Machine, Site, excused, tunnel

PAGES = ("/admin", "/admin/default/site", "/probe/appadmin/index")


@pytest.fixture(autouse=True)
def opened(site: Site) -> None:
    if site["admin"]["mode"] == "disabled":
        pytest.skip("admin is closed here; test_admin.py shows how well")


@pytest.fixture(scope="module")
def door(site: Site, web: Client, variables: dict[str, Any], address: str) -> Iterator[Client]:
    """A client where admin is: the public address, or the near end of a real tunnel."""
    if site["admin"]["mode"] == "https":
        yield web
        return
    with tunnel(variables, address, site["admin"]["tunnel_port"]) as client:
        yield client


@pytest.fixture
def real(site: Site) -> None:
    kinds = [row["source"]["type"] for row in site["applications"] if row["name"] == "admin"]
    if kinds != ["bundled"]:
        pytest.skip("the application admin is not web2py's")


def login(door: Client, password: str) -> tuple[Answer, str]:
    """Log in as the form does: its page, its hidden fields, its cookie."""
    form = door.ask("/admin/default/index")
    assert form.status == 200 and 'type="password"' in form.text, form.text[:300]
    cookie = form.all("set-cookie")[0].split(";")[0]
    fields = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', form.text))
    body = "&".join([*(f"{name}={value}" for name, value in fields.items()), f"password={password.replace(' ', '+')}"])
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Cookie": cookie}
    return door.ask("/admin/default/index", headers, method="POST", body=body.encode()), cookie


@pytest.mark.usefixtures("real")
def test_the_password_opens_admin(door: Client, variables: dict[str, Any]) -> None:
    """The real admin takes the password of the inventory and shows the applications."""
    answer, cookie = login(door, variables["web2py_admin_password"])
    assert answer.status == 303, answer.text[:300]
    page = door.ask("/admin/default/site", {"Cookie": cookie})
    assert page.status == 200 and "starter" in page.text


@pytest.mark.usefixtures("real")
def test_another_password_does_not(door: Client, variables: dict[str, Any]) -> None:
    answer, cookie = login(door, "another one")
    assert answer.status == 200 and "invalid password" in answer.text
    assert door.ask("/admin/default/site", {"Cookie": cookie}).status == 303


def test_a_stranger_finds_admin_closed(site: Site, web: Client, machine: Machine) -> None:
    """Who is not in the networks, or not in the tunnel, gets a refusing status; forged headers or not."""
    forged = ["", *("X-Forwarded-For X-Real-IP Forwarded X-Forwarded-Host".split())]
    for page in PAGES:
        for header in forged:
            headers = {header: "127.0.0.1"} if header else {}
            if site["admin"]["mode"] == "tunnel":
                assert web.ask(page, {**headers, "X-Forwarded-Proto": "https"}).status in (403, 404)
                continue
            # The host itself is in none of the networks.
            words = " ".join(f"-H '{name}: 10.0.0.1'" for name in headers)
            command = f"curl -sko /dev/null -w '%{{http_code}}' {words} --resolve {site['domain']}:443:127.0.0.1"
            assert machine.run(f"{command} https://{site['domain']}{page}") in ("403", "404")


def test_http_never_serves_admin(site: Site, address: str) -> None:
    answer = Client(address, 80, site["domain"], None).ask("/admin")
    assert answer.status == 301 and str(answer.get("location")).startswith(site["url"])


def test_the_password_file_is_for_the_service_alone(site: Site, machine: Machine) -> None:
    """The file lies in the settings, is not the service's to write, and its hash is far stronger than web2py's own."""
    for port in site["admin"]["ports"]:
        path = f"{site['paths']['settings']}/parameters_{port}.py"
        assert machine.run(f"stat -c '%a %U:%G' {path}").strip() == f"640 root:{site['user']}"
        rounds = re.search(r"pbkdf2\((\d+),", machine.run(f"cat {path}"))
        assert rounds and int(rounds[1]) >= 100_000


@pytest.mark.late
def test_guessing_is_slowed_down_before_the_worker(door: Client, site: Site) -> None:
    """More than a few passwords a minute are refused by the front end."""
    statuses = [door.ask("/admin/default/index", method="POST", body=b"").status for _guess in range(12)]
    assert statuses.count(429) >= 5, statuses
