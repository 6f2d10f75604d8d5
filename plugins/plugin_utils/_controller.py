# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection: what the choices mean by a path on the machine that runs Ansible."""

from __future__ import annotations

import copy
import os
from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.web2py.deploy.plugins.module_utils._spec import Problem, shown


def controller_path(path: str, inventory: str | None = None) -> str:
    """An absolute path: relative ones lie in the folder of the inventory, or where Ansible was started without one."""
    return os.path.abspath(os.path.join(inventory or "", os.path.expanduser(path)))


def is_there(kind: str, path: str) -> bool:
    """Whether the content of a source lies at a path."""
    return os.path.isfile(path) if kind == "archive" else os.path.isdir(path)


def located(choices: Mapping[str, Any], inventory: str | None) -> tuple[dict[str, Any], list[Problem]]:
    """The choices with absolute paths, and the sources that are not there. Values of a wrong type are left alone."""
    result, problems = copy.deepcopy(dict(choices)), []
    for variable, row, key in _paths(result):
        given = row[key]
        row[key] = controller_path(given, inventory)
        if row.get("type") in ("archive", "directory") and not is_there(row["type"], row[key]):
            kind = "file" if row["type"] == "archive" else "folder"
            where = f"is not a {kind} on the machine that runs Ansible ({row[key]})"
            problems.append(Problem(f"{variable}.{key}", shown(given), where, "Correct it"))
    return result, problems


def _paths(choices: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any], str]]:
    """(variable, what holds the path, its key) of every path on the controller."""
    rows = [("web2py_source", choices.get("web2py_source"), "path")]
    applications = choices.get("web2py_applications")
    for row in applications if isinstance(applications, list) else ():
        if isinstance(row, dict):
            rows.append((f"web2py_applications ({row.get('name')}).source", row.get("source"), "path"))
    rows.append(("web2py_cherokee_package", choices.get("web2py_cherokee_package"), "path"))
    rows += [("web2py_tls", choices.get("web2py_tls"), key) for key in ("certificate", "key", "ca_bundle")]
    for variable, row, key in rows:
        if isinstance(row, dict) and row.get(key) and isinstance(row[key], str):
            yield variable, row, key
