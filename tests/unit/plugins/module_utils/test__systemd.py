"""The few commands that are given for a unit, and what is taken back."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.web2py.deploy.plugins.module_utils._systemd import Host


class Ended(Exception):
    pass


class Module:
    """Stands in for Ansible's: notes the commands, and lets those fail that name `broken`."""

    def __init__(self) -> None:
        self.params = {"name": "apache2", "sockets": [], "starts": ["renew"], "instead_of": ["nginx"], "log": None}
        self.params["scope"] = "system"
        self.commands: list[list[str]] = []

    def run_command(self, words: list[str], **_options: Any) -> tuple[int, str, str]:
        self.commands.append(words)
        return (1, "", "no") if "broken" in words else (0, "LoadState=loaded\nActiveState=active\n", "")

    def fail_json(self, msg: str) -> None:
        raise Ended(msg)


def test_who_made_way_starts_again_when_the_new_one_fails() -> None:
    module = Module()
    host = Host(module)
    host.stopped = ["nginx.service"]
    with pytest.raises(Ended, match=r"nginx\.service runs again in its place"):
        host.do([["start", "broken"]])
    assert [words[2:] for words in module.commands[-2:]] == [
        ["stop", "apache2.service"],
        ["enable", "--now", "nginx.service"],
    ]


def test_units_are_shown_by_name() -> None:
    host = Host(Module())
    assert [unit.name for unit in host.show()] == ["apache2.service"]
    assert [unit.name for unit in host.show(host.others)] == ["nginx.service"]
    assert [unit.name for unit in host.show(host.starts)] == ["renew.service"]
    assert host.show([]) == []
