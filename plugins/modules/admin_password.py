#!/usr/bin/python
# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: admin_password
short_description: Set the password of web2py's admin for every port it is looked up by
version_added: 1.0.0
author: web2py.deploy maintainers (@web2py)
description:
  - web2py's admin reads C(parameters_PORT.py), where the port is the C(SERVER_PORT) of the request.
    This module keeps one such file for each port and removes those of other ports.
  - The password is hashed for web2py's own verifier with far more rounds than web2py's default.
  - A file that holds the same password with enough rounds is left alone; it is found by verifying, not by comparing.
  - When a file is written or removed, the sessions of before end; nobody is asked to restart anything.
  - Neither the password nor its hash appears in results or diffs.
attributes:
  check_mode:
    support: full
    description: Says what would change and changes nothing.
  diff_mode:
    support: full
    description: Shows files, owners and modes, never the hash.
options:
  directory:
    description: Where the files are. It must exist when there is something to write.
    type: path
    required: true
  ports:
    description: The ports admin is asked on, V(0) where the server passes no port. Needed with O(state=present).
    type: list
    elements: int
    default: [443]
  password:
    description: 8 to 1024 characters without line breaks or other control characters. Needed with O(state=present).
    type: str
  owner:
    description: User that owns the files. The site itself must not, because admin executes them.
    type: str
    default: root
  group:
    description: Group that may read the files, the one of the site.
    type: str
    default: root
  sessions:
    description: Folder of admin's sessions. Nothing in it is touched while the password stays as it is.
    type: path
  user:
    description: User whose sessions these are. They are removed with his rights.
    type: str
  state:
    description: V(present) keeps one file for each port, V(absent) removes all of them.
    type: str
    choices: [present, absent]
    default: present
seealso:
  - plugin: web2py.deploy.admin_password
    plugin_type: filter
"""

EXAMPLES = r"""
- name: The admin of the site has its password
  web2py.deploy.admin_password:
    directory: /etc/example
    group: example
    ports: [443]
    password: "{{ vault_admin_password }}"
    sessions: /var/lib/example/applications/admin/sessions
    user: example

- name: Nobody can log in to admin
  web2py.deploy.admin_password:
    directory: /etc/example
    state: absent
"""

RETURN = r"""
written:
  description: Files that were written, or would be in check mode.
  returned: always
  type: list
  elements: str
  sample: [/etc/example/parameters_443.py]
removed:
  description: Files that were removed, or would be in check mode.
  returned: always
  type: list
  elements: str
  sample: []
"""

import os

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.web2py.deploy.plugins.module_utils._parameters import apply_changes, plan_changes
from ansible_collections.web2py.deploy.plugins.module_utils._run import Problem


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "directory": {"type": "path", "required": True},
            "ports": {"type": "list", "elements": "int", "default": [443]},
            "password": {"type": "str", "no_log": True},
            "owner": {"type": "str", "default": "root"},
            "group": {"type": "str", "default": "root"},
            "sessions": {"type": "path"},
            "user": {"type": "str"},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        },
        required_together=[("sessions", "user")],
        required_if=[("state", "present", ["password"])],
        supports_check_mode=True,
    )
    wanted = module.params
    try:
        plan = plan_changes(
            wanted["directory"],
            wanted["ports"] if wanted["state"] == "present" else [],
            wanted["password"] if wanted["state"] == "present" else None,
            wanted["owner"],
            wanted["group"],
        )
        if not module.check_mode:
            apply_changes(plan, wanted["sessions"], wanted["user"])
    except (OSError, ValueError, Problem) as error:
        module.fail_json(msg=f"admin_password: {error}")
    module.exit_json(
        changed=bool(plan.write or plan.remove),
        written=[os.path.join(plan.directory, name) for name in plan.write],
        removed=[os.path.join(plan.directory, name) for name in plan.remove],
        diff={"before": plan.before, "after": plan.after},
    )


if __name__ == "__main__":
    main()
