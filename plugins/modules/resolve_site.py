#!/usr/bin/python
# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: resolve_site
short_description: Check the choices of a site and resolve them for all roles
version_added: 1.0.0
description:
  - Reads every variable that begins with C(web2py_), as the table of the role P(web2py.deploy.site#role) describes.
  - Fails with B(all) problems at once, each with the variable, its value and the remedy, before anything is changed.
  - Runs on the controller. Secrets are checked for presence and never returned.
author:
  - web2py.deploy maintainers (@web2py)
extends_documentation_fragment:
  - web2py.deploy._common.described
  - web2py.deploy._common.reads
options:
  purpose:
    description:
      - V(build) refuses whatever a site could not be built with.
      - V(look) refuses only what keeps the site from being resolved, so that one can look at it and take it away.
    type: str
    choices: [build, look]
    default: build
  account:
    description: Whether the site lies in an account without root.
    type: bool
    default: false
seealso:
  - module: web2py.deploy.host_info
"""

EXAMPLES = r"""
- name: The host is known
  web2py.deploy.host_info:
  register: host

- name: The choices are right
  web2py.deploy.resolve_site:
    host: "{{ host.host }}"
  register: resolution
"""

RETURN = r"""
site:
  description: The resolved site, as docs/architecture.md describes it.
  returned: success
  type: dict
problems:
  description: The problems, one text each.
  returned: failure
  type: list
  elements: str
"""
