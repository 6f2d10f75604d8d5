"""Units of one template: what is done to which of them."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.web2py.deploy.plugins.module_utils._service import Unit
from ansible_collections.web2py.deploy.plugins.module_utils._workers import Workers, enabled, listed, plan_workers

PREFIX = "web2py-scheduler@"


def unit(name: str, active: str = "active", file_state: str = "enabled", **words: Any) -> Unit:
    return Unit(f"{PREFIX}{name}.service", "loaded", active, "running", file_state, **words)


def test_units_are_read_from_a_list() -> None:
    text = (
        "web2py-scheduler@a-main-1.service loaded active running Worker\n"
        "● web2py-scheduler@a-main-2.service loaded failed failed Worker\n"
        "web2py.service loaded active running web2py-scheduler@x\n\n"
    )
    assert listed(text, PREFIX) == {f"{PREFIX}a-main-1.service", f"{PREFIX}a-main-2.service"}
    assert listed("", PREFIX) == set()


def test_units_that_start_at_boot_are_found(tmp_path: Path) -> None:
    (tmp_path / "multi-user.target.wants").mkdir()
    for name in ("web2py-scheduler@a-main-1.service", "web2py.service", "other-scheduler@a-main-1.service"):
        (tmp_path / "multi-user.target.wants" / name).symlink_to("/nowhere")
    assert enabled(PREFIX, str(tmp_path)) == {f"{PREFIX}a-main-1.service"}


def test_nothing_is_done_where_all_is_well() -> None:
    plan = plan_workers([unit("a-main-1")], [unit("b-main-1", "inactive", "disabled")], {})
    assert (plan.commands, plan.action) == ([], "none")


def test_new_ones_are_enabled_and_started_together() -> None:
    wanted = [unit("a-main-1", "inactive", "disabled"), unit("a-main-2", "inactive", "")]
    names = [row.name for row in wanted]
    plan = plan_workers(wanted, [], {})
    assert plan.commands == [["enable", *names], ["start", "--no-block", *names]]
    assert plan.action == "start"


def test_those_with_old_files_are_restarted() -> None:
    wanted = [unit("a-main-1"), unit("a-main-2", "failed")]
    plan = plan_workers(wanted, [], {wanted[0].name: ["/release.json"], wanted[1].name: []})
    assert plan.commands == [
        ["reset-failed", wanted[0].name, wanted[1].name],
        ["restart", "--no-block", wanted[0].name],
        ["start", "--no-block", wanted[1].name],
    ]
    assert plan.action == "restart"


@pytest.mark.parametrize("active", ["active", "failed", "activating", "deactivating"])
def test_those_that_are_no_longer_wanted_go(active: str) -> None:
    left = unit("b-main-1", active, "enabled")
    plan = plan_workers([], [left], {})
    assert plan.commands[0] == ["disable", "--now", left.name]
    assert (["reset-failed", left.name] in plan.commands) == (active == "failed")
    assert plan.action == "stop"


class Stopped(Exception):
    """fail_json."""


def host(monkeypatch: pytest.MonkeyPatch, answers: list[list[Unit]]) -> Workers:
    def fail(msg: str) -> None:
        raise Stopped(msg)

    module = SimpleNamespace(run_command=lambda *_words, **_options: (0, "a reason", ""), fail_json=fail)
    found = Workers(module, PREFIX)
    monkeypatch.setattr(found, "show", lambda _names: answers.pop(0) if len(answers) > 1 else answers[0])
    monkeypatch.setattr("time.sleep", lambda _seconds: None)
    return found


def test_a_restart_counts_in_another_life(monkeypatch: pytest.MonkeyPatch) -> None:
    old, new = unit("a-main-1", life="1"), unit("a-main-1", life="2")
    coming = unit("a-main-1", "activating", life="2")
    assert host(monkeypatch, [[old], [coming], [new]]).up([new.name], {new.name: "1"}, 1e12) == [new]


def test_one_that_fails_is_told_with_its_journal(monkeypatch: pytest.MonkeyPatch) -> None:
    failed = unit("a-main-1", "failed", life="2")
    with pytest.raises(Stopped, match=r"a-main-1.service is failed(.|\n)*a reason"):
        host(monkeypatch, [[failed]]).up([failed.name], {}, 1e12)
    new = unit("a-main-1", life="3")
    assert host(monkeypatch, [[failed], [failed], [new]]).up([new.name], {}, 1e12) == [new]
    late = unit("a-main-1", "activating", life="2")
    with pytest.raises(Stopped, match="is activating"):
        host(monkeypatch, [[late]]).up([late.name], {}, 0)
