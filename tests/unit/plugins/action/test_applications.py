"""The controller's side of deploying applications."""

from __future__ import annotations

import types
from typing import Any

import pytest
from ansible.errors import AnsibleActionFail

from ansible_collections.web2py.deploy.plugins.action import applications
from ansible_collections.web2py.deploy.plugins.filter.migrating_host import FilterModule


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(applications, "run_module", lambda _action, contents, _words: {"contents": contents})
    monkeypatch.setattr(applications.ActionBase, "run", lambda *_: {})

    def run(first: str, begun: list[str], going: list[str]) -> Any:
        action = applications.ActionModule.__new__(applications.ActionModule)
        action._task = types.SimpleNamespace(args={"site": {"applications": []}, "tables_made_on": first})
        return action.run(task_vars={"ansible_play_hosts_all": begun, "ansible_play_hosts": going})

    return run


def test_nothing_changes_where_the_tables_were_not_made(run: Any) -> None:
    with pytest.raises(AnsibleActionFail, match="web1 makes the tables"):
        run("web1", ["web1", "web2"], ["web2"])


@pytest.mark.parametrize(
    ("first", "begun", "going"),
    [("", ["web1"], ["web1"]), ("web1", ["web1", "web2"], ["web1", "web2"]), ("web1", ["web2"], ["web2"])],
)
def test_others_go_on(run: Any, first: str, begun: list[str], going: list[str]) -> None:
    assert run(first, begun, going) == {"contents": {}}


def test_the_filter_knows_the_host() -> None:
    host = FilterModule().filters()["migrating_host"]
    site = {"name": "shop", "data": {"local": False, "host": "db", "port": 5432}}
    far = {"web2py_site": "shop", "web2py_database": {"type": "postgresql", "host": "db"}}
    assert host(site, "b", {"a": far, "b": far}) == "a"
    assert host(site, "b", {"a": {**far, "web2py_site": "blog"}, "b": far}) == "b"
