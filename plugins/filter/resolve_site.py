# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: resolve_site
short_description: The resolved site of a mapping of choices
version_added: 1.0.0
description:
  - The same function as the module M(web2py.deploy.resolve_site), for playbooks that plan a site
    without touching a host.
author:
  - web2py.deploy maintainers (@web2py)
positional: host
options:
  _input:
    description: The choices, as the table of the role P(web2py.deploy.site#role) describes them.
    type: dict
    required: true
  host:
    description:
      - What M(web2py.deploy.host_info) returns.
      - At the least C(distribution), C(version), C(python), C(cpus) and C(memory_mb).
    type: dict
    required: true
seealso:
  - plugin: web2py.deploy.resolve_site
    plugin_type: module
"""

EXAMPLES = r"""
- name: The address of the site is shown
  ansible.builtin.debug:
    msg: "{{ ({'web2py_domain': 'www.example.org'} | web2py.deploy.resolve_site(host)).url }}"
"""

RETURN = r"""
_value:
  description: The resolved site, as docs/architecture.md describes it.
  type: dict
"""

from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.web2py.deploy.plugins.action.resolve_site import options
from ansible_collections.web2py.deploy.plugins.module_utils._preflight import examine
from ansible_collections.web2py.deploy.plugins.module_utils._site import resolve


def resolve_site(choices: Mapping[str, Any], host: Mapping[str, Any]) -> dict[str, Any]:
    if not isinstance(choices, Mapping) or not isinstance(host, Mapping):
        raise AnsibleFilterError("resolve_site takes a mapping of choices and a mapping that describes the host")
    checked, problems = examine(options(), choices, host)
    if problems:
        raise AnsibleFilterError("; ".join(str(problem) for problem in problems))
    return resolve(checked, host)


class FilterModule:
    def filters(self) -> dict[str, Any]:
        return {"resolve_site": resolve_site}
