"""The administration's choices by themselves; through the whole preflight they go in test__site.py."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.web2py.deploy.plugins.module_utils._preflight_admin import admin_problems

ADMIN = {"name": "admin"}
GOOD: dict[str, Any] = {
    "web2py_admin": "https",
    "web2py_admin_password": "correct horse",
    "web2py_admin_networks": ["192.0.2.0/24"],
    "web2py_applications": [{"name": "shop"}],
    "web2py_default_application": None,
    "web2py_source": {"type": "git"},
    "web2py_tls": {"provider": "self_signed"},
}


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"web2py_admin": "tunnel", "web2py_admin_networks": [], "web2py_tls": {"provider": "none"}},
        {"web2py_admin": "disabled", "web2py_admin_password": None, "web2py_source": {"type": "pypi"}},
        {"web2py_source": {"type": "pypi"}, "web2py_applications": [{"name": "shop"}, ADMIN]},
    ],
)
def test_what_fits_is_no_problem(more: dict[str, Any]) -> None:
    assert admin_problems({**GOOD, **more}) == []


@pytest.mark.parametrize(
    ("more", "variable"),
    [
        ({"web2py_admin": "disabled", "web2py_applications": [ADMIN]}, "web2py_applications (admin)"),
        ({"web2py_admin_password": ""}, "web2py_admin_password"),
        ({"web2py_admin_password": "short"}, "web2py_admin_password"),
        ({"web2py_admin_password": "two\nlines of it"}, "web2py_admin_password"),
        ({"web2py_source": {"type": "pypi"}}, "web2py_admin"),
        ({"web2py_applications": [ADMIN, {"name": "shop"}]}, "web2py_applications (admin)"),
        ({"web2py_applications": [{"name": "shop"}, {**ADMIN, "domains": ["x.org"]}]}, "web2py_applications (admin)"),
        ({"web2py_tls": {"provider": "none"}}, "web2py_admin"),
        ({"web2py_admin_networks": []}, "web2py_admin_networks"),
    ],
)
def test_each_fault_is_told_by_its_variable(more: dict[str, Any], variable: str) -> None:
    (found,) = admin_problems({**GOOD, **more})
    assert found.variable == variable and found.remedy
    secret = more.get("web2py_admin_password")
    assert not secret or secret not in str(found)
