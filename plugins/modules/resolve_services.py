#!/usr/bin/python
# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: resolve_services
short_description: Resolve what a host of the groups for services has for the sites of the run
version_added: 1.0.0
description:
  - Reads the resolved sites of all hosts of the group C(web2py_web), and what of theirs is on this host. That is the
    first of the group C(web2py_redis) or C(web2py_memcached), or any of C(web2py_database), the standbys included.
  - Fails with B(all) problems at once, each with the variable, its value and the remedy, before anything is changed.
  - Runs on the controller. No secret is read or returned.
author:
  - web2py.deploy maintainers (@web2py)
extends_documentation_fragment:
  - web2py.deploy._common.described
  - web2py.deploy._common.reads
options:
  purpose:
    description:
      - V(build) refuses whatever the services could not be built with.
      - V(look) refuses nothing, so that one can take them away.
    type: str
    choices: [build, look]
    default: build
seealso:
  - module: web2py.deploy.resolve_site
"""

EXAMPLES = r"""
- name: Host is known
  web2py.deploy.host_info:
  register: host

- name: Services are resolved
  web2py.deploy.resolve_services:
    host: "{{ host.host }}"
  register: resolution
"""

RETURN = r"""
services:
  description:
    - What the roles C(postgresql), C(mariadb), C(redis), C(memcached) and C(tls) read on this host, without secrets.
  returned: success
  type: dict
problems:
  description: The problems, one text each.
  returned: failure
  type: list
  elements: str
"""
