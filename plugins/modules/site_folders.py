#!/usr/bin/python
# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: site_folders
short_description: The folders of a site, made and removed by the mark they carry
version_added: 1.0.0
author: web2py.deploy maintainers (@web2py)
extends_documentation_fragment:
  - web2py.deploy._common.changes
description:
  - Makes the folders of code, settings and state, each in one step with the file C(.web2py.deploy) in it, which names
    the site.
  - A folder that is there without that mark belongs to something else. It is neither used nor removed, and the module
    fails before it changes anything.
  - The user of the site must exist.
options:
  site:
    description: The resolved site, of which C(name), C(user) and C(paths) are read.
    type: dict
    required: true
  state:
    description: Whether the folders are there.
    type: str
    choices: [present, absent]
    default: present
  data:
    description: Whether O(state=absent) removes the folder of the state too.
    type: bool
    default: false
attributes:
  diff_mode:
    description: Nothing but the folders is shown.
    support: none
seealso:
  - module: web2py.deploy.host_info
"""

EXAMPLES = r"""
- name: Folders of the site are there
  web2py.deploy.site_folders:
    site: "{{ web2py_resolved }}"
"""

RETURN = r"""
folders:
  description: The folders that were looked after.
  type: list
  elements: str
  returned: success
  sample: [/srv/shop, /etc/shop, /var/lib/shop]
"""

import os
import pwd

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.web2py.deploy.plugins.module_utils._folders import MODES, differs, give_up, refuse_others, take
from ansible_collections.web2py.deploy.plugins.module_utils._run import Problem
from ansible_collections.web2py.deploy.plugins.module_utils._tree import Owner


def present(site, paths, check_mode):
    """Make the folders; whether something changed."""
    try:
        owner = Owner(os.geteuid(), pwd.getpwnam(site["user"]).pw_gid)
    except KeyError:
        if check_mode:
            return True
        raise Problem(f"The user {site['user']} does not exist. The role web2py creates it; run that first.") from None
    if check_mode:
        return any(differs(path, owner, mode) for path, mode in paths.items())
    changed = [take(path, site["name"], owner, mode) for path, mode in paths.items()]
    return any(changed)


def absent(site, paths, check_mode):
    """Remove the folders; whether something changed."""
    if check_mode:
        return any(os.path.lexists(path) for path in paths)
    changed = [give_up(path, site["name"]) for path in paths]
    return any(changed)


def main():
    module = AnsibleModule(
        argument_spec={
            "site": {"type": "dict", "required": True},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "data": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    site, wanted = module.params["site"], module.params["state"]
    kept = wanted == "absent" and not module.params["data"]
    paths = {site["paths"][key]: mode for key, mode in MODES.items() if not (kept and key == "state")}
    os.umask(0o022)
    try:
        for path in paths:
            refuse_others(path, site["name"])
        changed = (present if wanted == "present" else absent)(site, paths, module.check_mode)
    except Problem as problem:
        module.fail_json(msg=str(problem))
    except OSError as error:
        module.fail_json(msg=f"The folders of the site {site['name']}: {error}. Mend it and run again.")
    module.exit_json(changed=changed, folders=list(paths))


if __name__ == "__main__":
    main()
