"""The module on a host of wood: what it does, and what it leaves alone in check mode."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.web2py.deploy.plugins.module_utils._service import Unit
from ansible_collections.web2py.deploy.plugins.modules import scheduler_workers

WANTED, OTHER = "a-scheduler@shop-main-1.service", "a-scheduler@shop-mail-1.service"


class Left(Exception):
    """exit_json."""


class Machine:
    """As much of a host as the module asks."""

    prefix = "a-scheduler@"

    def __init__(self, folder: Path, *present: str) -> None:
        self.folder = self.stamps = str(folder)
        self.there = set(present)
        self.done: list[list[str]] = []

    def present(self) -> set[str]:
        return self.there

    def show(self, names: list[str]) -> list[Unit]:
        path = f"{self.folder}/{self.prefix}.service"
        state = {True: ("active", "enabled"), False: ("inactive", "disabled")}
        return [
            Unit(name, "loaded", state[name in self.there][0], "running", state[name in self.there][1], files=(path,),
                 life="1" if name in self.there else "")
            for name in names
        ]  # fmt: skip

    def do(self, commands: list[list[str]]) -> None:
        self.done += commands

    def up(self, names: list[str], _lives: dict[str, str], _deadline: float) -> list[Unit]:
        self.there = set(names)
        return self.show(names)


def work(host: Machine, wanted: list[str], check: bool = False, state: str = "started") -> dict[str, Any]:
    def leave(**result: Any) -> None:
        raise Left(result)

    params = {"restart_on": [], "state": state, "timeout": 5}
    with pytest.raises(Left) as left:
        module = SimpleNamespace(params=params, check_mode=check, exit_json=leave)
        scheduler_workers.work(module, host, wanted)
    return dict(left.value.args[0])


@pytest.fixture
def host(tmp_path: Path) -> Machine:
    (tmp_path / "a-scheduler@.service").write_text("[Service]\n")
    return Machine(tmp_path, OTHER)


def test_what_is_wanted_runs_and_nothing_else(host: Machine) -> None:
    told = work(host, [WANTED])
    assert host.done == [["disable", "--now", OTHER], ["enable", WANTED], ["start", "--no-block", WANTED]]
    assert told["changed"] and told["action"] == "start"
    host.done.clear()
    again = work(host, [WANTED])
    assert (again["changed"], again["action"], host.done) == (False, "none", [])


def test_a_changed_template_restarts(host: Machine) -> None:
    work(host, [WANTED])
    host.done.clear()
    Path(host.folder, "a-scheduler@.service").write_text("[Service]\nNice=1\n")
    assert work(host, [WANTED])["action"] == "restart"
    assert ["restart", "--no-block", WANTED] in host.done


def test_a_dry_run_does_nothing(host: Machine) -> None:
    told = work(host, [WANTED], check=True)
    assert told["changed"] and len(told["steps"]) == 3 and host.done == []
    told = work(host, [], check=True, state="absent")
    assert told["changed"] and host.done == [] and Path(host.folder, "a-scheduler@.service").exists()


def test_absent_takes_the_template_too(host: Machine) -> None:
    assert work(host, [], state="absent")["action"] == "stop"
    assert not Path(host.folder, "a-scheduler@.service").exists()
    host.there.clear()
    assert work(host, [], state="absent")["changed"] is False
