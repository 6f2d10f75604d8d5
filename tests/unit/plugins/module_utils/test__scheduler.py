"""Workers of the scheduler in the resolved site, and what is refused of them."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.web2py.deploy.plugins.module_utils._scheduler import prefix, problems, scheduler


def choices(*rows: dict[str, Any] | None) -> dict[str, Any]:
    applications = [{"name": f"shop{number}", "scheduler": row} for number, row in enumerate(rows)]
    return {"web2py_site": "web2py", "web2py_applications": applications}


def test_a_site_without_workers_has_none() -> None:
    assert scheduler(choices(None)) == []
    assert scheduler({"web2py_site": "web2py", "web2py_applications": [{"name": "shop"}]}) == []
    assert problems(choices(None)) == problems(choices(None), account=True) == []


def test_each_worker_has_a_unit() -> None:
    found = scheduler(choices({"groups": ["main", "mail-out"], "workers": 2}, None, {"groups": None, "workers": None}))
    assert [row["unit"] for row in found] == [
        "web2py-scheduler@shop0-main-1.service",
        "web2py-scheduler@shop0-main-2.service",
        "web2py-scheduler@shop0-mail-out-1.service",
        "web2py-scheduler@shop0-mail-out-2.service",
        "web2py-scheduler@shop2-main-1.service",
    ]
    assert found[1] == {
        "application": "shop0",
        "group": "main",
        "number": 2,
        "workers": 2,
        "unit": "web2py-scheduler@shop0-main-2.service",
    }
    assert all(row["unit"].startswith(prefix("web2py")) for row in found)


@pytest.mark.parametrize(
    "row, variable, word",
    [
        ({"groups": []}, "groups", "names no group"),
        ({"groups": [""]}, "groups", "not a name"),
        ({"groups": ["a b"]}, "groups", "not a name"),
        ({"groups": ["a/b"]}, "groups", "not a name"),
        ({"groups": ["-a"]}, "groups", "not a name"),
        ({"groups": ["a@b"]}, "groups", "not a name"),
        ({"groups": ["%i"]}, "groups", "not a name"),
        ({"groups": ["ä"]}, "groups", "not a name"),
        ({"groups": ["main\n"]}, "groups", "not a name"),
        ({"groups": ["../main"]}, "groups", "not a name"),
        ({"groups": ["a" * 42]}, "groups", "not a name"),
        ({"groups": ["main", "main"]}, "groups", "more than once"),
        ({"workers": 0}, "workers", "out of bounds"),
        ({"workers": -1}, "workers", "out of bounds"),
        ({"workers": 33}, "workers", "out of bounds"),
    ],
)
def test_what_is_refused(row: dict[str, Any], variable: str, word: str) -> None:
    found = problems(choices(row))
    assert found and all(problem.variable == f"web2py_applications (shop0).scheduler.{variable}" for problem in found)
    assert word in found[0].fault


def test_an_account_has_no_workers() -> None:
    found = problems(choices({}), account=True)
    assert [problem.variable for problem in found] == ["web2py_applications (shop0).scheduler"]
