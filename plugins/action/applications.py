# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Controller side of M(web2py.deploy.applications); the module has the documentation."""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ansible_collections.web2py.deploy.plugins.plugin_utils._transfer import local_path, run_module


class ActionModule(ActionBase):
    """Brings along the applications that lie on the controller."""

    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        task_vars = task_vars or {}
        first = self._task.args.get("tables_made_on")
        if first and first in (set(task_vars["ansible_play_hosts_all"]) - set(task_vars["ansible_play_hosts"])):
            raise AnsibleActionFail(f"Nothing was changed: {first} makes the tables of this site, and has failed.")
        contents = {}
        for application in self._task.args.get("site", {}).get("applications", []):
            path = local_path(application["source"])
            if path:
                contents[application["name"]] = path
        return run_module(self, contents, task_vars)
