# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Controller side of M(web2py.deploy.site_status); the module has the documentation."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ansible_collections.web2py.deploy.plugins.module_utils._page import page, text


def target(report: str, name: str, hosts: int) -> Path | None:
    """The file for the page of a host; None where none is asked for."""
    if not report:
        return None
    path = Path(report).expanduser()
    if path.is_dir():
        return path / f"{name}.html"
    if hosts > 1:
        raise AnsibleActionFail(
            f"{report} is one file and there are {hosts} sites. Give a folder that exists, or --limit"
        )
    return path


class ActionModule(ActionBase):
    """Shows the page, and writes it where it is wanted."""

    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        variables = task_vars or {}
        name = str(variables["inventory_hostname"])
        path = target(self._task.args.get("report") or "", name, len(variables.get("ansible_play_hosts_all") or ()))
        result = self._execute_module(
            module_name="web2py.deploy.site_status", module_args=self._task.args, task_vars=variables
        )
        found = result.get("page")
        if result.get("failed") or not isinstance(found, dict):
            return result
        line = json.dumps({"host": name, **found}, ensure_ascii=True)
        Display().display(line if self._task.args.get("format") == "json" else text(found))
        if path:
            content = f"{line}\n" if path.suffix == ".json" else page(found)
            try:
                _write(path, content)
            except OSError as error:
                raise AnsibleActionFail(f"The report cannot be written: {error}. Name another file") from error
        return result


def _write(path: Path, content: str) -> None:
    """Write a file whole or not at all."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        part.write_text(content, encoding="utf-8")
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
