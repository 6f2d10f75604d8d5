#!/usr/bin/python
# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: postgresql_standby
short_description: Let a PostgreSQL follow another one, or take its place
version_added: 1.0.0
author: web2py.deploy maintainers (@web2py)
extends_documentation_fragment:
  - web2py.deploy._common.changes
description:
  - Copies the primary into a cluster that was made and never used, and lets it follow from there on by streaming.
  - A cluster that holds data of its own is left alone. With O(rebuild) it is put aside, not removed.
  - What a killed run has left half made is made anew.
options:
  state:
    description:
      - V(following) is a standby of the primary.
      - V(leading) is the primary. It only gets the file of the password, for the day on which it is a standby.
      - V(promoted) takes its place. Nothing is asked of the primary, which must be down.
    type: str
    choices: [following, leading, promoted]
    default: following
  data:
    description: Folder of the cluster.
    type: path
    required: true
  programs:
    description: Folder of the server's programs.
    type: path
    required: true
  service:
    description: Unit of the cluster.
    type: str
    required: true
  sockets:
    description: Folder of its socket.
    type: path
    default: /run/postgresql
  port:
    description: Its port, which is the primary's too.
    type: int
    default: 5432
  primary:
    description: Name or address of the primary. Needed for O(state=following), as all that follows.
    type: str
  name:
    description: What the standby is called at the primary, which keeps a slot of that name for it.
    type: str
  user:
    description: Role of the primary that may replicate.
    type: str
  password:
    description: Its password, which is kept in a file that only the server reads.
    type: str
  ca:
    description: Certificate of the authority of the primary, in PEM on the host. It is verified, with its name.
    type: path
  folder:
    description: Folder for the file of the password.
    type: path
  settings:
    description: File of the settings of a standby, which the server includes.
    type: path
  rebuild:
    description: Whether data that are there are put aside for a new copy.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Second host follows the first
  web2py.deploy.postgresql_standby:
    data: /var/lib/postgresql/15/main
    programs: /usr/lib/postgresql/15/bin
    service: postgresql@15-main
    primary: 10.0.0.2
    name: db2
    user: web2py_replication
    password: "{{ web2py_replication_password }}"
    ca: /etc/postgresql/15/main/web2py_deploy_ca.pem
    folder: /etc/postgresql/15/main
    settings: /etc/postgresql/15/main/conf.d/web2py_deploy_standby.conf

- name: Second host takes its place
  web2py.deploy.postgresql_standby:
    state: promoted
    data: /var/lib/postgresql/15/main
    programs: /usr/lib/postgresql/15/bin
    service: postgresql@15-main
"""

RETURN = r"""
done:
  description: What was done, or would be.
  type: list
  elements: str
  returned: success
"""

import pwd
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.web2py.deploy.plugins.module_utils import _run
from ansible_collections.web2py.deploy.plugins.module_utils._standby import Cluster, Standby, ensure
from ansible_collections.web2py.deploy.plugins.module_utils._tree import Owner


def main() -> None:
    """Look, do and tell."""
    needed = ["primary", "name", "user", "password", "ca", "folder", "settings"]
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["following", "leading", "promoted"], "default": "following"},
            "data": {"type": "path", "required": True},
            "programs": {"type": "path", "required": True},
            "service": {"type": "str", "required": True},
            "sockets": {"type": "path", "default": "/run/postgresql"},
            "port": {"type": "int", "default": 5432},
            "primary": {"type": "str"},
            "name": {"type": "str"},
            "user": {"type": "str"},
            "password": {"type": "str", "no_log": True},
            "ca": {"type": "path"},
            "folder": {"type": "path"},
            "settings": {"type": "path"},
            "rebuild": {"type": "bool", "default": False},
        },
        required_if=[("state", "following", needed), ("state", "leading", ["user", "password", "folder"])],
        supports_check_mode=True,
    )
    params: dict[str, Any] = module.params

    def run(argv: list[str], task: str, check: bool = True) -> str:
        # The first copy of a large database takes its time.
        return _run.run(argv, task, timeout=86400, check=check).stdout

    try:
        user = pwd.getpwnam("postgres")
        cluster = Cluster(*(params[key] for key in Cluster._fields))
        done = ensure(Standby(cluster, run, Owner(user.pw_uid, user.pw_gid)), params, module.check_mode)
    except (_run.Problem, OSError, KeyError) as problem:
        module.fail_json(msg=f"{params['service']} is not {params['state']}: {problem}")
    module.exit_json(changed=bool(done), done=done, diff={"before": "", "after": "".join(f"{row}\n" for row in done)})


if __name__ == "__main__":
    main()
