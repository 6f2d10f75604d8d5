"""What the scenarios hold together: a choice that all of them are to show must not get lost in one."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize("server", ["uwsgi", "mod_wsgi", "rocket"])
def test_the_suite_runs_at_every_level_on(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "tools"))
    inventory, runs = importlib.import_module("inventory"), importlib.import_module("run_tests")
    names = {path.parent.name for path in ROOT.glob("molecule/*/molecule.yml")} - {"default", "user_site"}
    levels = set()
    for name in names:
        own = inventory.scenario_inventory(f"molecule/{name}/molecule.yml").get("host_vars", {})
        for host in runs.SUITES if name in runs.CORE else runs.SUITES[:1]:
            choices = {**inventory.scenario_choices(name), **own.get(host, {})}
            if choices.get("web2py_app_server", "uwsgi") == server:
                levels.add(choices.get("web2py_performance", "fast"))
    assert levels == {"upstream", "exact", "fast"}
