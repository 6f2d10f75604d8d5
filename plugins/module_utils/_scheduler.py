# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection: the workers of web2py's scheduler that a site has."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ansible_collections.web2py.deploy.plugins.module_utils._spec import Problem, shown

MOST = 32
# Part of the name of a unit.
_GROUP = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,40}")


def prefix(name: str) -> str:
    """What the units of a site's workers begin with."""
    return f"{name}-scheduler@"


def scheduler(choices: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The workers of the site, one row each, in the order of the applications, groups and numbers."""
    return [
        {
            "application": row["name"],
            "group": group,
            "number": number,
            "workers": _wanted(row)["workers"],
            "unit": f"{prefix(choices['web2py_site'])}{row['name']}-{group}-{number}.service",
        }
        for row in choices["web2py_applications"]
        if row.get("scheduler") is not None
        for group in _wanted(row)["groups"]
        for number in range(1, _wanted(row)["workers"] + 1)
    ]


def _wanted(row: Mapping[str, Any]) -> dict[str, Any]:
    told = row["scheduler"]
    groups, workers = told.get("groups"), told.get("workers")
    return {"groups": ["main"] if groups is None else groups, "workers": 1 if workers is None else workers}


def problems(choices: Mapping[str, Any], account: bool = False) -> list[Problem]:
    """What is wrong with them; a site in an `account` without root has none."""
    found = []
    for row in choices["web2py_applications"]:
        if row.get("scheduler") is None:
            continue
        variable = f"web2py_applications ({row['name']}).scheduler"
        if account:
            found.append(Problem(variable, "", "is not for a site in an account", "Remove it, or use a host with root"))
            continue
        wanted = _wanted(row)
        if not wanted["groups"]:
            found.append(
                Problem(f"{variable}.groups", "[]", "names no group", "Give some, like main, or remove scheduler")
            )
        for group in wanted["groups"]:
            if not _GROUP.fullmatch(group):
                remedy = "Use letters, digits, underscores and hyphens, at most 41"
                found.append(Problem(f"{variable}.groups", shown(group), "is not a name for a group", remedy))
            if wanted["groups"].count(group) > 1:
                remedy = "Keep one, and give more workers"
                found.append(Problem(f"{variable}.groups", shown(group), "is given more than once", remedy))
        if not 1 <= wanted["workers"] <= MOST:
            remedy = f"Give a number from 1 to {MOST}"
            found.append(Problem(f"{variable}.workers", shown(wanted["workers"]), "is out of bounds", remedy))
    return found
