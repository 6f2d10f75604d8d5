#!/usr/bin/python
# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: uploads
short_description: Bring uploaded files to where the site keeps them
version_added: 1.0.0
description:
  - Moves files that visitors have uploaded between the folder C(uploads) of an application and the site's database,
    to where C(web2py_uploads) says. Fields whose code names a column of the table (C(uploadfield='...')) get it filled.
  - Each file is copied, read again and compared by its SHA-256. When all files of an application are proven, the
    originals are removed; but only if the release that serves keeps its uploads in the new place, too.
  - A killed run is repeated. No backup of the site is made meanwhile.
  - The application's models run for it, as the site's user in a sandbox.
author:
  - web2py.deploy maintainers (@web2py)
extends_documentation_fragment:
  - web2py.deploy._common
options:
  applications:
    description: Names of applications, all of the site if empty.
    type: list
    elements: str
    default: []
  tables:
    description: Names of tables, all that have uploads if empty.
    type: list
    elements: str
    default: []
attributes:
  check_mode:
    description: Reads everything and tells what would be moved.
    support: full
  diff_mode:
    description: Tells what is moved, by field.
    support: full
  idempotent:
    description: A second run changes nothing.
    support: full
seealso:
  - module: web2py.deploy.maintenance
"""

EXAMPLES = r"""
- name: Uploads of the shop are where the site keeps them
  web2py.deploy.uploads:
    site: "{{ web2py_resolved }}"
    applications: [shop]
"""

RETURN = r"""
reports:
  description: >-
    One mapping for each field: C(application), C(field), C(place), C(files), C(copied), C(bytes), C(originals),
    C(removed), C(missing), C(serves).
  returned: success
  type: list
  elements: dict
lines:
  description: The same for people.
  returned: success
  type: list
  elements: str
"""

import os

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.web2py.deploy.plugins.module_utils._run import Problem
from ansible_collections.web2py.deploy.plugins.module_utils._uploads import changed, moved, problems, told


def main() -> None:
    """Move and tell."""
    module = AnsibleModule(
        argument_spec={
            "site": {"type": "dict", "required": True},
            "applications": {"type": "list", "elements": "str", "default": []},
            "tables": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    site, check = module.params["site"], module.check_mode
    given = [[name.strip() for name in module.params[key] if name.strip()] for key in ("applications", "tables")]
    wrong = problems(site, *given)
    if not os.path.exists(site["paths"]["current"]):
        wrong.append(f"No release of {site['name']} serves on this host yet. Run web2py.deploy.site")
    if wrong:
        module.fail_json(msg="Nothing was changed. " + ". ".join(wrong))
    try:
        found = moved(site, *given, check)
    except Problem as error:
        module.fail_json(msg=str(error))
    lines = [told(report, check) for report in found["reports"]]
    result = {"changed": changed(found["reports"], check), "reports": found["reports"], "lines": lines}
    if found["failures"]:
        words = "Of an application that is named here no original was removed"
        module.fail_json(msg=". ".join([*found["failures"], words]), **result)
    diff = {"before": "", "after": "".join(f"{line}\n" for line in lines) if result["changed"] else ""}
    module.exit_json(diff=diff, **result)


if __name__ == "__main__":
    main()
