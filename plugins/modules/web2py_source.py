#!/usr/bin/python
# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: web2py_source
short_description: Put web2py, its Python environment and the runtime of a site in place
version_added: 1.0.0
author: web2py.deploy maintainers (@web2py)
extends_documentation_fragment:
  - web2py.deploy._common
  - web2py.deploy._common.sources
  - web2py.deploy._common.changes
description:
  - Gets web2py from PyPI, git, an archive or a folder of the controller, and makes a Python environment with what
    web2py and the applications require.
  - Stages both with the runtime of the collection as immutable parts below C(/srv/SITE/parts).
  - Nothing that serves is touched. M(web2py.deploy.applications) composes the parts into a release, checks it and
    switches.
  - Parts are named by their content. A second run finds them and changes nothing; a killed run leaves no half part.
  - A version of web2py that cannot run on the Python of the host is refused.
requirements:
  - The packages python3-venv and ca-certificates, and git for the source type git.
seealso:
  - module: web2py.deploy.applications
"""

EXAMPLES = r"""
- name: Web2py is staged
  web2py.deploy.web2py_source:
    site: "{{ web2py_resolved }}"
"""

RETURN = r"""
release:
  description: The release that serves, or null before the first one.
  type: str
  returned: success
previous:
  description: The same; this module never switches.
  type: str
  returned: success
versions:
  description: The versions of web2py and of Python that the next release stands on.
  type: dict
  returned: success
  sample: {web2py: 3.3.3, python: "3.13"}
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.web2py.deploy.plugins.module_utils._credentials import joined
from ansible_collections.web2py.deploy.plugins.module_utils._deploy import stage_base
from ansible_collections.web2py.deploy.plugins.module_utils._run import Problem


def main() -> None:
    """Stage and tell."""
    module = AnsibleModule(
        argument_spec={
            "site": {"type": "dict", "required": True},
            "credentials": {"type": "dict", "default": {}, "no_log": True},
            "local": {"type": "dict", "default": {}},
        },
        supports_check_mode=True,
    )
    params = module.params
    try:
        site = joined(params["site"], params["credentials"])
        result = stage_base(site, params["local"], module.check_mode)
    except Problem as problem:
        module.fail_json(msg=str(problem))
    except OSError as error:
        module.fail_json(msg=f"Staging web2py failed: {error}. What served before still serves; mend it and run again.")
    module.exit_json(**result)


if __name__ == "__main__":
    main()
