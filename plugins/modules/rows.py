#!/usr/bin/python
# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: rows
short_description: Let visitors in again after rows of SQLite came to a database server
version_added: 1.0.0
description:
  - Tells what the option O(web2py.deploy.applications#module:rows) of M(web2py.deploy.applications) has brought, and
    opens the applications once the server runs the new release.
  - Where SQLite was written to after its rows were taken, it fails and opens nothing.
author:
  - web2py.deploy maintainers (@web2py)
extends_documentation_fragment:
  - web2py.deploy._common
options:
  applications:
    description: Names of applications.
    type: list
    elements: str
    required: true
attributes:
  check_mode:
    description: Tells what was brought so far.
    support: full
  diff_mode:
    description: There is nothing to compare.
    support: none
  idempotent:
    description: A second run changes nothing.
    support: full
seealso:
  - module: web2py.deploy.applications
"""

EXAMPLES = r"""
- name: Visitors of the shop are let in
  web2py.deploy.rows:
    site: "{{ web2py_resolved }}"
    applications: [shop]
"""

RETURN = r"""
reports:
  description: >-
    By application C(tables) with C(rows) and C(brought), C(left) (tables that no model names, with their rows) and
    C(columns) that no field has.
  returned: success
  type: dict
lines:
  description: The same for people.
  returned: success
  type: list
  elements: str
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.web2py.deploy.plugins.module_utils import _maintenance, _rows
from ansible_collections.web2py.deploy.plugins.module_utils._base import place_of
from ansible_collections.web2py.deploy.plugins.module_utils._migrate import opened
from ansible_collections.web2py.deploy.plugins.module_utils._run import Problem


def main() -> None:
    """Open and tell."""
    module = AnsibleModule(
        argument_spec={
            "site": {"type": "dict", "required": True},
            "applications": {"type": "list", "elements": "str", "required": True},
        },
        supports_check_mode=True,
    )
    site, names = module.params["site"], module.params["applications"]
    wrong = _rows.problems(site, names)
    if wrong:
        module.fail_json(msg="Nothing was changed. " + ". ".join(wrong))
    place = place_of(site)
    found = _rows.noted(place) if place else {}
    reports = {name: found[name] for name in names if name in found}
    changed = False
    try:
        notice = _maintenance.read(_maintenance.path_of(site))
        late = _rows.late(reports, all(_maintenance.closed(notice, name) for name in names))
        if late and not module.check_mode:
            module.fail_json(msg=late)
        if place and not module.check_mode:
            changed = opened(site, names)
    except (Problem, OSError) as error:
        module.fail_json(msg=f"{site['name']} was not opened: {error}. It opens by itself within ten minutes")
    lines = [f"{name}: {_rows.told(row)}" for name, row in reports.items()]
    module.exit_json(changed=changed, reports=reports, lines=lines)


if __name__ == "__main__":
    main()
