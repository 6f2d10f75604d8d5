"""A site, or one application, is out of service by a file on its host, at once and on every server, and back too."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from client import Answer, Client
from hosts import Machine, Probe, Site
from test_errors import tells_nothing

testinfra_hosts = ["ansible://web2py_web"]
pytestmark = [pytest.mark.late, pytest.mark.server]

OTHER = "/starter/default/index"
# No test comes from there.
ELSEWHERE = "192.0.2.0/24"


@pytest.fixture
def notice(machine: Machine, site: Site) -> Iterator[Callable[..., None]]:
    """Puts a notice in place as the playbook does; it is gone after the test."""
    path = f"{site['paths']['settings']}/maintenance.json"
    assert machine.try_to(f"test -e {path}").rc != 0, f"{path} is there: the site is in maintenance"

    def put(**words: Any) -> None:
        found = {
            "site": False,
            "applications": [],
            "operators": [ELSEWHERE],
            "message": "",
            "retry_seconds": 120,
            **words,
        }
        machine.run(
            f"umask 027 && printf %s '{json.dumps(found)}' > {path}.new && chgrp {site['user']} {path}.new"
            f" && mv {path}.new {path}"
        )

    yield put
    machine.run(f"rm -f {path}")


def closed(answer: Answer, site: Site) -> None:
    """The page, which says when to come back and nothing of the inside, and is kept by nobody."""
    assert answer.status == 503
    assert answer.get("retry-after") == "120"
    assert "no-store" in (answer.get("cache-control") or "")
    assert (answer.get("content-type") or "").startswith("text/html")
    assert "<h1>Back soon</h1>" in answer.text and "at six" in answer.text
    assert answer.all("set-cookie") == []
    tells_nothing(answer, site)


def test_one_application_is_closed_and_the_others_go_on(
    notice: Callable[..., None], probe: Probe, web: Client, site: Site
) -> None:
    static = web.ask("/probe/static/css/probe.css")
    notice(applications=["probe"], message="Back at six.")
    closed(probe.ask("echo"), site)
    closed(probe.ask("body", method="POST", body=b"a=1"), site)
    assert web.ask(OTHER).status == 200
    assert web.ask("/healthz").status == 200
    assert web.ask("/probe/static/css/probe.css").body == static.body
    forged = {"X-Forwarded-For": "192.0.2.7", "X-Real-IP": "192.0.2.7", "Client-IP": "192.0.2.7"}
    assert probe.ask("echo", forged).status == 503


def test_a_closed_site_drains_and_is_back_at_once(
    notice: Callable[..., None], probe: Probe, web: Client, site: Site, machine: Machine
) -> None:
    before = machine.run(f"ls {probe.state}/errors {probe.state}/sessions | wc -l")
    notice(site=True, message="Back at six.")
    for path in (OTHER, probe.path("echo")):
        closed(web.ask(path), site)
    health = web.ask("/healthz")
    assert (health.status, health.body) == (503, b"maintenance\n")
    assert web.ask(OTHER, method="HEAD").status == 503
    assert machine.run(f"ls {probe.state}/errors {probe.state}/sessions | wc -l") == before
    machine.run(f"rm {site['paths']['settings']}/maintenance.json")
    assert web.ask(OTHER).status == web.ask("/healthz").status == 200


def test_operators_pass(notice: Callable[..., None], probe: Probe, web: Client) -> None:
    """Whoever comes from one of their networks, by the address that is seen; the health page drains for all."""
    address = str(probe.json("echo")["client"])
    assert re.fullmatch(r"[0-9a-f.:]+", address)
    notice(site=True, operators=[ELSEWHERE, address])
    assert probe.ask("echo").status == web.ask(OTHER).status == 200
    assert web.ask("/healthz").status == 503


def test_a_migration_that_nobody_ended_keeps_nobody_out(notice: Callable[..., None], probe: Probe) -> None:
    """As long as it runs, operators wait too."""
    address = str(probe.json("echo")["client"])
    notice(operators=[address], migration={"applications": ["probe"], "until": time.time() + 600})
    assert probe.ask("echo").status == 503
    notice(operators=[address], migration={"applications": ["probe"], "until": time.time() - 60})
    assert probe.ask("echo").status == 200
