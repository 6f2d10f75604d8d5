"""Backups of a site: made from what its visitors have done, proven, and for root only."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hosts import Machine, Site

testinfra_hosts = ["ansible://web2py_web"]
pytestmark = pytest.mark.data


@pytest.fixture(scope="module", autouse=True)
def part(site: Site) -> dict[str, Any]:
    if not site["backup"]:
        pytest.skip("the site has no backups")
    return dict(site["backup"])


def told(machine: Machine, part: dict[str, Any]) -> dict[str, Any]:
    return dict(json.loads(machine.run(f"cat {part['home']}/status.json")))


@pytest.mark.parametrize("unit", ["unit", "drill_unit"])
def test_units_are_closed_and_start_by_themselves(machine: Machine, part: dict[str, Any], unit: str) -> None:
    name = part[unit]
    assert machine.property(f"{name}.timer", "ActiveState") == "active"
    assert machine.property(f"{name}.timer", "UnitFileState") == "enabled"
    assert machine.property(f"{name}.service", "Result") == "success"
    last = machine.lines(f"systemd-analyze security --no-pager {name}.service")[-1]
    exposure = float(last.split("Overall exposure level for")[1].split(":")[1].split()[0])
    assert exposure <= 3.0, last


def test_only_root_reads_what_belongs_to_backups(machine: Machine, site: Site, part: dict[str, Any]) -> None:
    places = [part["folder"], part["home"], part["cache"], *([part["repository"]] if part["local"] else [])]
    name = site["user"]
    look = f"setpriv --reuid {name} --regid {name} --clear-groups find {' '.join(places)} -type f -readable 2>/dev/null"
    seen = str(machine.try_to(look).stdout).split()
    assert [path for path in seen if not path.startswith(f"{part['folder']}/program/")] == []


def test_a_backup_is_made_and_proven(machine: Machine, part: dict[str, Any]) -> None:
    machine.run(f"systemctl start {part['unit']}.service {part['drill_unit']}.service")
    machine.run(f"systemctl start {part['drill_unit']}.service")
    found = told(machine, part)
    assert found["troubles"] == {}
    made, proven = found["backup"], found["drill"]
    assert proven["snapshot"] == made["snapshot"]
    assert (proven["databases"], proven["tables"], proven["rows"]) == (made["databases"], made["tables"], made["rows"])
    assert proven["files"] + proven["moving"] >= made["files"]
    # Nothing of it is left lying about.
    assert machine.lines(f"ls {part['home']}") == ["lock", "status.json"]


def test_every_database_and_private_file_is_in_it(machine: Machine, site: Site, part: dict[str, Any]) -> None:
    state = site["paths"]["state"]
    databases = machine.lines(f"find {state}/applications/*/databases -type f -name '*.sqlite'")
    served = site["data"]["databases"] if site["data"] else []
    assert told(machine, part)["backup"]["databases"] == len(databases) + len(served)
