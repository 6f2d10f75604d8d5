#!/usr/bin/python
# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: applications
short_description: Put the applications of a site in place and switch to the release with them
version_added: 1.0.0
author: web2py.deploy maintainers (@web2py)
extends_documentation_fragment:
  - web2py.deploy._common
  - web2py.deploy._common.sources
  - web2py.deploy._common.changes
description:
  - Gets every application from git, an archive, a folder of the controller, the collection's starter or web2py's own
    tree, and stages it as an immutable part. State lies outside, in C(/var/lib/SITE/applications).
  - Composes a release of web2py, environment, runtime, applications and routing, and asks it for the first page of
    every application as the user of the site.
  - Only a release that answers is switched to, by one rename of C(/srv/SITE/current).
  - When the check fails, the release that served goes on serving, private files are put back, and the message carries
    the traceback.
  - Releases are kept by the order in which they served; what none of them needs is removed.
options:
  private_files:
    description:
      - By application a dictionary of file names and contents for its folder C(private).
      - Written with the mode 0640, owned by root, never shown. Files that vanish from here are removed.
    type: dict
    default: {}
  migrate:
    description:
      - Names of applications whose models run once with migrations on, by one process, before the release is checked.
      - Everybody gets the page of maintenance in them as long as it takes. When it fails, the release that served goes
        on serving, and what was in maintenance before is so again.
      - Databases of an application's own files are migrated whatever its code says; others, and single tables, where
        it does not turn that off itself.
      - Applications that make no tables while they serve (C(web2py_migrate)) need no word here. Their models run so
        whenever their code or settings are new. Visitors are let in then.
    type: list
    elements: str
    default: []
  rows:
    description:
      - Names of applications whose rows of SQLite are brought to the database that they get on a server, before the
        release is checked. Nobody is let in, and the scheduler's workers rest.
      - Where the server has rows that SQLite does not have like this, nothing is brought.
      - What was brought is noted, and not brought again.
      - Visitors stay outside for ten minutes, or until M(web2py.deploy.rows) lets them in, because the processes that
        still serve would write to SQLite.
    type: list
    elements: str
    default: []
  replace_rows:
    description: Remove what the server has in these tables first, and bring what was brought before.
    type: bool
    default: false
  tables_made_on:
    description:
      - The host of the same site that makes the tables, where several hosts share a database. Empty is the host itself.
      - It must have been through this module before. Where it has failed, nothing is changed here.
    type: str
    default: ""
  database_password:
    description:
      - Password of the site's role on its database server.
      - It is kept in C(/etc/SITE/databases.json), for root and the site only, and never shown.
    type: str
    default: ""
  session_key:
    description:
      - What the keys of sessions in cookies are made from, on all hosts of the site the same.
      - Without it each host makes its own.
      - Keys are kept in C(/etc/SITE/databases.json), for root and the site only, and never shown.
    type: str
    default: ""
seealso:
  - module: web2py.deploy.web2py_source
"""

EXAMPLES = r"""
- name: Applications are in place and serve
  web2py.deploy.applications:
    site: "{{ web2py_resolved }}"
    private_files:
      shop:
        appconfig.ini: "{{ shop_appconfig }}"
"""

RETURN = r"""
release:
  description: The release that serves now.
  type: str
  returned: success
previous:
  description: The release that served before, or null.
  type: str
  returned: success
versions:
  description: The versions of web2py and of Python in the release.
  type: dict
  returned: success
  sample: {web2py: 3.3.3, python: "3.13"}
migrated:
  description: By application what was told to its databases.
  type: dict
  returned: when a release was checked
  sample: {shop: ["CREATE TABLE \"thing\"("]}
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.web2py.deploy.plugins.module_utils._credentials import joined
from ansible_collections.web2py.deploy.plugins.module_utils._deploy import deploy
from ansible_collections.web2py.deploy.plugins.module_utils._run import Problem


def main() -> None:
    """Deploy and tell."""
    module = AnsibleModule(
        argument_spec={
            "site": {"type": "dict", "required": True},
            "private_files": {"type": "dict", "default": {}, "no_log": True},
            "credentials": {"type": "dict", "default": {}, "no_log": True},
            "migrate": {"type": "list", "elements": "str", "default": []},
            "rows": {"type": "list", "elements": "str", "default": []},
            "replace_rows": {"type": "bool", "default": False},
            "tables_made_on": {"type": "str", "default": ""},
            "database_password": {"type": "str", "default": "", "no_log": True},
            "session_key": {"type": "str", "default": "", "no_log": True},
            "local": {"type": "dict", "default": {}},
        },
        supports_check_mode=True,
    )
    params = module.params
    try:
        site = joined(params["site"], params["credentials"])
        given = (params["private_files"], params["local"], module.check_mode, params["database_password"])
        given += (params["migrate"], params["tables_made_on"], params["session_key"])
        result = deploy(site, *given, params["rows"], params["replace_rows"])
    except Problem as problem:
        module.fail_json(msg=str(problem))
    except OSError as error:
        module.fail_json(msg=f"Deploying failed: {error}. What served before still serves; mend it and run again.")
    module.exit_json(**result)


if __name__ == "__main__":
    main()
