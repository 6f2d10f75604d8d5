#!/usr/bin/python
# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: site_status
short_description: One page about a site, and the command that mends what is wrong
version_added: 1.0.0
description:
  - Gathers on the host what is known of a site, whatever of it is down, judges it, and shows it in the terminal.
  - Each question is bounded in time. One that fails is a line of the page.
author:
  - web2py.deploy maintainers (@web2py)
extends_documentation_fragment:
  - web2py.deploy._common
  - web2py.deploy._common.reads
options:
  limits:
    description: From where on something is wrong, as the options of the role C(status) say.
    type: dict
    default: {}
  format:
    description: What the terminal shows, a page for people or one line of JSON for programs.
    type: str
    choices: [table, json]
    default: table
  report:
    description:
      - A file on the machine that runs Ansible which gets the page.
      - It is JSON where its name ends in C(.json), else HTML.
      - An existing folder gets a file for each site, by the name in the inventory.
    type: str
    default: ""
attributes:
  check_mode:
    description: Does the same, since nothing is changed. The report is written as well.
    support: full
seealso:
  - module: web2py.deploy.site_info
  - module: web2py.deploy.resolve_site
"""

EXAMPLES = r"""
- name: The site is looked at
  web2py.deploy.site_status:
    site: "{{ web2py_resolved }}"
    report: status.html
  register: status
"""

RETURN = r"""
healthy:
  description: Whether nothing of what was found is an error.
  returned: always
  type: bool
problems:
  description: The errors, one sentence each with the command that mends it.
  returned: always
  type: list
  elements: str
page:
  description: All that is known, as the JSON on the terminal has it.
  returned: always
  type: dict
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.web2py.deploy.plugins.module_utils._finding import sentences
from ansible_collections.web2py.deploy.plugins.module_utils._health import LIMITS, is_healthy, judge
from ansible_collections.web2py.deploy.plugins.module_utils._status import gather


def main() -> None:
    """Gather and judge. The page is made on the controller."""
    module = AnsibleModule(
        argument_spec={
            "site": {"type": "dict", "required": True},
            "limits": {"type": "dict", "default": {}},
            "format": {"type": "str", "choices": ["table", "json"], "default": "table"},
            "report": {"type": "str", "default": ""},
        },
        supports_check_mode=True,
    )
    try:
        limits = {name: int(module.params["limits"].get(name, default)) for name, default in LIMITS.items()}
    except (TypeError, ValueError) as error:
        module.fail_json(msg=f"limits: {error}. Give whole numbers.")
    found = gather(module.params["site"])
    findings = judge(found, limits)
    page = {**found, "healthy": is_healthy(findings), "findings": findings}
    module.exit_json(changed=False, healthy=page["healthy"], problems=sentences(findings), page=page)


if __name__ == "__main__":
    main()
