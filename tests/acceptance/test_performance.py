"""The level that the site resolved is the one its processes run at, and pages without a session have none."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hosts import Machine, Probe, Site

testinfra_hosts = ["ansible://web2py_web"]
pytestmark = pytest.mark.server

EXACT = {"cookie", "exposed", "html", "place", "pydal"}
FAST = {"ttl", "view", "conn"}
# What only web2py 3 needs.
NEWER = {"exact": {"ctype"}, "fast": {"ctype", "path"}}
PLACE = "probe/session_new/without"


@pytest.fixture(scope="module")
def told(site: Site, machine: Machine) -> Any:
    return json.loads(machine.run(f"cat {site['paths']['current']}/performance.json"))


def test_all_that_the_level_has_is_on(site: Site, machine: Machine, told: Any) -> None:
    """The release was read by the same code that its processes run: no function of web2py is another than was read."""
    level = site["performance"]["level"]
    wanted = {"upstream": set(), "exact": EXACT, "fast": EXACT | FAST}[level]
    release = json.loads(machine.run(f"cat {site['paths']['current']}/release.json"))
    if not release["versions"]["web2py"].startswith("2."):
        wanted = wanted | NEWER.get(level, set())
    assert (told["level"], told["off"], set(told["on"])) == (level, {}, wanted)
    assert json.loads(machine.run(f"cat {site['paths']['current']}/runtime.json"))["performance"] == level


def test_a_page_has_a_session_unless_it_was_chosen_to_have_none(site: Site, probe: Probe) -> None:
    chosen = PLACE in site["performance"]["sessionless"]
    answer = probe.ask("session_new/without")
    assert answer.status == 200
    assert (answer.get("set-cookie") is None) is chosen
    assert probe.ask("session_new/index").get("set-cookie") is not None
