# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: migrating_host
short_description: Say which web host makes the tables of a site
version_added: 1.0.0
author: web2py.deploy maintainers (@web2py)
description:
  - The host itself, unless several hosts of one site share a database on a server elsewhere.
  - Then it is the first of them.
options:
  _input:
    description: The resolved site of the host.
    type: dict
    required: true
  name:
    description: What the inventory calls the host.
    type: str
    required: true
  hosts:
    description: By name the variables of all web hosts, in the inventory's order.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Tables are made here
  ansible.builtin.debug:
    msg: "{{ web2py_resolved | web2py.deploy.migrating_host(inventory_hostname, hosts) }}"
  vars:
    hosts: {web1: "{{ hostvars.web1 }}", web2: "{{ hostvars.web2 }}"}
"""

RETURN = r"""
_value:
  description: The name of the host.
  type: str
"""

from collections.abc import Callable
from typing import Any

from ansible_collections.web2py.deploy.plugins.module_utils import _migrate


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"migrating_host": lambda site, name, hosts: _migrate.leader(name, site, hosts)}
