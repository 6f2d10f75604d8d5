# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Controller side of C(resolve_services); see plugins/modules/resolve_services.py for its documentation."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase

from ansible_collections.web2py.deploy.plugins.module_utils._far import WEB, run_problems, service_problems, services
from ansible_collections.web2py.deploy.plugins.module_utils._spec import RESOLVING, refusal


class ActionModule(ActionBase):
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        task_vars = task_vars or {}
        result = super().run(tmp, task_vars)
        _validation, arguments = self.validate_argument_spec(RESOLVING)
        name, host = task_vars["inventory_hostname"], arguments["host"]
        # Those that --limit leaves out are not resolved, and what they have here stays as it is.
        known = {web: task_vars["hostvars"][web] for web in task_vars.get("groups", {}).get(WEB, ())}
        sites = {web: words["web2py_resolved"] for web, words in known.items() if "web2py_resolved" in words}
        unproven = bool(task_vars.get("web2py_unproven_platform", False))
        problems = []
        if arguments["purpose"] == "build":
            passwords = {web: known[web].get("web2py_database_replication_password") for web in sites}
            problems = service_problems(name, sites, host, unproven)
            problems += run_problems(name, sites, passwords, task_vars.get("ansible_play_hosts_all", ()))
        if problems:
            result.update(refusal(f"with the services on {name}", problems))
            return result
        result.update(changed=False, services=services(name, sites, host))
        return result
