#!/usr/bin/python
# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: tickets_info
short_description: The newest tickets of a site, grouped by exception and line
version_added: 1.0.0
description:
  - Reads the newest tickets of each application, from the files of web2py and from the database that tickets are
    collected in.
  - They are read on the host by the site's user and never executed.
author:
  - web2py.deploy maintainers (@web2py)
extends_documentation_fragment:
  - web2py.deploy._common
  - web2py.deploy._common.reads
options:
  newest:
    description: How many tickets of each application are read, of its files and of its database each.
    type: int
    default: 200
seealso:
  - module: web2py.deploy.site_info
"""

EXAMPLES = r"""
- name: Tickets are known
  web2py.deploy.tickets_info:
    site: "{{ web2py_resolved }}"
  register: tickets

- name: They are shown
  ansible.builtin.debug:
    msg: "{{ tickets.table }}"
"""

RETURN = r"""
groups:
  description: >-
    One mapping for each application, exception and place, the one with the newest ticket first: C(tickets), C(first),
    C(last), C(application), C(exception), C(place), C(message), C(layer), C(newest), C(in_files), C(in_database).
  returned: always
  type: list
  elements: dict
table:
  description: The same for people, as lines.
  returned: always
  type: list
  elements: str
failures:
  description: What could not be read, one sentence each.
  returned: always
  type: list
  elements: str
"""

import os
import pwd

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.web2py.deploy.plugins.module_utils._run import Problem
from ansible_collections.web2py.deploy.plugins.module_utils._tickets import asked, digest, table


def main() -> None:
    module = AnsibleModule(
        argument_spec={"site": {"type": "dict", "required": True}, "newest": {"type": "int", "default": 200}},
        supports_check_mode=True,
    )
    site, newest = module.params["site"], module.params["newest"]
    if not os.path.exists(site["paths"]["current"]):
        words = f"No release of {site['name']} serves on this host yet"
        module.exit_json(changed=False, groups=[], table=table([]), failures=[words])
    try:
        user = pwd.getpwnam(site["user"])
        found = asked(site, (user.pw_uid, user.pw_gid), max(1, newest))
    except (KeyError, Problem) as error:
        module.fail_json(msg=str(error))
    groups = digest(found["tickets"])
    module.exit_json(changed=False, groups=groups, table=table(groups), failures=found["failures"])


if __name__ == "__main__":
    main()
