#!/usr/bin/python
# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: database_login
short_description: Log in to the databases of a site that are on a server elsewhere
version_added: 1.0.0
author: web2py.deploy maintainers (@web2py)
extends_documentation_fragment:
  - web2py.deploy._common
  - web2py.deploy._common.reads
description:
  - Reaches the server, PostgreSQL, MariaDB or MySQL, from the host, trusts it as the site would, and logs in to every
    database of the site.
  - Needs nothing but Python there, hence it works before anything is installed. It reads and changes nothing.
  - Replicas of a server elsewhere are logged in to as well. One that cannot be reached is a warning, as the site does
    without it. Those of a group are set up by the run itself.
  - PostgreSQL has to ask for the password by SCRAM-SHA-256, the others by mysql_native_password or
    caching_sha2_password. Fails with all problems at once.
options:
  password:
    description: Password of the site's role or account.
    type: str
    required: true
  authority:
    description: Text of the certificate that the server is trusted by, in PEM, where no file on the host has it yet.
    type: str
seealso:
  - module: web2py.deploy.resolve_site
"""

EXAMPLES = r"""
- name: Databases let the site in
  web2py.deploy.database_login:
    site: "{{ web2py_resolved }}"
    password: "{{ web2py_database_password }}"
"""

RETURN = r"""
problems:
  description: Why there is no login, one text for each database of each server.
  returned: failure
  type: list
  elements: str
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.web2py.deploy.plugins.module_utils import _mysql, _postgresql
from ansible_collections.web2py.deploy.plugins.module_utils._login import refusals, replicas

LOGINS = {"postgresql": _postgresql.login, "mysql": _mysql.login}


def main() -> None:
    """Ask and tell."""
    module = AnsibleModule(
        argument_spec={
            "site": {"type": "dict", "required": True},
            "password": {"type": "str", "required": True, "no_log": True},
            "authority": {"type": "str"},
        },
        supports_check_mode=True,
    )
    data = {**module.params["site"]["data"], "authority": module.params["authority"]}
    login, password = LOGINS[data["type"]], module.params["password"]
    found, away = replicas(login, data, password)
    problems = refusals(login, data, password) + found
    if problems:
        module.fail_json(
            msg="\n".join(["Nothing was changed: the site gets no database", *problems]), problems=problems
        )
    for text in away:
        module.warn(text)
    module.exit_json(changed=False)


if __name__ == "__main__":
    main()
