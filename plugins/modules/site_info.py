#!/usr/bin/python
# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: site_info
short_description: How a site is doing, asked through its own front door
version_added: 1.0.0
description:
  - Asks the front end on the host, under the site's canonical name and with its certificate verified, for the first
    page, the health page, the redirection from http and the administrative interface.
  - Reads the release and the state of the units.
author:
  - web2py.deploy maintainers (@web2py)
extends_documentation_fragment:
  - web2py.deploy._common
  - web2py.deploy._common.reads
attributes:
  check_mode:
    description: Asks the same. Answers are not judged, because the site may not be as planned yet; its unit is.
    support: full
seealso:
  - module: web2py.deploy.resolve_site
"""

EXAMPLES = r"""
- name: The site is asked how it does
  web2py.deploy.site_info:
    site: "{{ web2py_resolved }}"
  register: info
  failed_when: info.problems | length > 0
"""

RETURN = r"""
info:
  description: The answers of the site, its release, versions and units.
  returned: always
  type: dict
problems:
  description: What keeps the site from being called up, one sentence each.
  returned: always
  type: list
  elements: str
summary:
  description: The same for people, a few lines.
  returned: always
  type: list
  elements: str
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.web2py.deploy.plugins.module_utils._info import info, problems, summary


def main() -> None:
    module = AnsibleModule(argument_spec={"site": {"type": "dict", "required": True}}, supports_check_mode=True)
    site = module.params["site"]
    found = info(site)
    planned = module.check_mode
    module.exit_json(
        changed=False, info=found, problems=problems(site, found, planned), summary=summary(site, found, planned)
    )


if __name__ == "__main__":
    main()
