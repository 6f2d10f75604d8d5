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
  site:
    description: The resolved site.
    type: dict
    required: true
  private_files:
    description:
      - By application a dictionary of file names and contents for its folder C(private).
      - Written with the mode 0640, owned by root, never shown. Files that vanish from here are removed.
    type: dict
    default: {}
  credentials:
    description:
      - What opens the addresses of the site's sources and requirements, C(user:password) or a token by host.
      - It is put into addresses with https only, and never shown or kept.
    type: dict
    default: {}
  local:
    description:
      - What lies on the controller, by label its digest and its path on the host.
      - The action plugin fills it in. Do not give it.
    type: dict
    default: {}
attributes:
  check_mode:
    description: Can run in check_mode and return changed status prediction without modifying target.
    support: full
  diff_mode:
    description: Will return details on what has changed when in diff mode.
    support: full
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
            "local": {"type": "dict", "default": {}},
        },
        supports_check_mode=True,
    )
    params = module.params
    try:
        site = joined(params["site"], params["credentials"])
        result = deploy(site, params["private_files"], params["local"], module.check_mode)
    except Problem as problem:
        module.fail_json(msg=str(problem))
    except OSError as error:
        module.fail_json(msg=f"Deploying failed: {error}. What served before still serves; mend it and run again.")
    module.exit_json(**result)


if __name__ == "__main__":
    main()
