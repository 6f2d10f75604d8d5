"""Files that choices name, looked at before anything changes."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.parsing.dataloader import DataLoader

from ansible_collections.web2py.deploy.plugins.action.resolve_site import ActionModule, options
from ansible_collections.web2py.deploy.plugins.module_utils._preflight import examine
from tests.unit.plugins.module_utils.choices import HOST


@pytest.fixture
def action() -> ActionModule:
    made = ActionModule.__new__(ActionModule)
    made._loader = DataLoader()
    return made


WRONG = ["acme", 5, ["acme"], True, {}, {"provider": 5}]


@pytest.mark.parametrize(
    "name, value",
    [
        *(("web2py_tls", value) for value in WRONG),
        *(("web2py_cherokee_package", value) for value in WRONG),
        *(("web2py_tls", {"provider": "provided", "certificate": value, "key": value}) for value in WRONG),
        *(("web2py_tls", {"provider": "provided", "ca_bundle": value}) for value in WRONG),
        *(("web2py_cherokee_package", {"path": value, "sha256": value}) for value in WRONG),
    ],
)
def test_a_wrong_type_stops_no_other_check(name: str, value: Any, action: ActionModule) -> None:
    given = {"web2py_domain": "www.example.org", "web2py_front_end": "cherokee", name: value, "web2py_admin": "no"}
    choices, problems = examine(options(), given, HOST)
    problems += action._certificate(choices, []) + action._ca_bundle(choices) + action._package(choices)
    assert {name, "web2py_admin"} <= {problem.variable.partition(".")[0] for problem in problems}
