#!/usr/bin/python
# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: maintenance
short_description: Take a site, or some of its applications, out of service and back
version_added: 1.0.0
author: web2py.deploy maintainers (@web2py)
extends_documentation_fragment:
  - web2py.deploy._common
  - web2py.deploy._common.changes
description:
  - Visitors of what is in maintenance get a page with the status 503 and C(Retry-After), from the next request on, on
    every application server, without a reload. It stays so after a restart of the host.
  - Operators (C(web2py_operators)) and whoever comes through the tunnel to admin are served as before.
  - Static files are served as before, too.
  - While the whole site is in maintenance its health page answers 503, so that a balancer sends nobody there.
  - Every problem is told at once, before anything changes.
options:
  state:
    description: V(on) or V(off). Booleans are taken too, because YAML makes them of these words.
    type: raw
  applications:
    description:
      - Names of applications. Without any it is the whole site.
      - V(off) without names ends the maintenance of all applications as well.
    type: list
    elements: str
    default: []
  words:
    description: What the page says, instead of C(The site is being worked on. Please try again later.)
    type: str
    default: ""
  retry_seconds:
    description: When clients shall ask again, for C(Retry-After).
    type: int
    default: 300
"""

EXAMPLES = r"""
- name: Shop is in maintenance
  web2py.deploy.maintenance:
    site: "{{ web2py_resolved }}"
    state: "on"
    applications: [shop]
    words: We are back at six.
"""

RETURN = r"""
closed:
  description: What is in maintenance now, in words; empty for nothing.
  type: str
  returned: success
  sample: the whole site
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.web2py.deploy.plugins.module_utils._maintenance import (
    described,
    path_of,
    problems,
    read,
    runtime_of,
    state_of,
    store,
    switched_off,
    switched_on,
    told,
)
from ansible_collections.web2py.deploy.plugins.module_utils._run import Problem
from ansible_collections.web2py.deploy.plugins.module_utils._tree import run_lock


def main() -> None:
    """Switch and tell."""
    module = AnsibleModule(
        argument_spec={
            "site": {"type": "dict", "required": True},
            "state": {"type": "raw"},
            "applications": {"type": "list", "elements": "str", "default": []},
            "words": {"type": "str", "default": ""},
            "retry_seconds": {"type": "int", "default": 300},
        },
        supports_check_mode=True,
    )
    params = module.params
    site = params["site"]
    wanted = [name.strip() for name in params["applications"] if name.strip()]
    given = (wanted, params["words"], params["retry_seconds"])
    try:
        before = read(path_of(site))
        found = problems(site, params["state"], *given, before, runtime_of(site))
        if found:
            lines = [f"  {number}. {problem}" for number, problem in enumerate(found, 1)]
            module.fail_json(msg="\n".join([f"Nothing was changed: problems of {site['name']}", *lines]))
        with run_lock("maintenance"):
            before = read(path_of(site))
            after = switched_on(before, site, *given) if state_of(params["state"]) else switched_off(before, wanted)
            if after != before and not module.check_mode:
                store(site, after)
    except (Problem, OSError) as problem:
        module.fail_json(msg=f"Maintenance of {site['name']} was not switched: {problem}")
    module.exit_json(
        changed=after != before, closed=described(after), diff={"before": told(before), "after": told(after)}
    )


if __name__ == "__main__":
    main()
