# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: postgresql_rules
short_description: Say who gets into the databases of a site
version_added: 1.0.0
author: web2py.deploy maintainers (@web2py)
description:
  - The role of a site gets into its databases with its password, by socket and loopback address, and nowhere else.
options:
  _input:
    description: The part C(data) of a resolved site.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Role of the site gets in
  community.postgresql.postgresql_pg_hba:
    dest: /etc/postgresql/17/main/pg_hba.conf
    rules: "{{ web2py_resolved.data | web2py.deploy.postgresql_rules }}"
"""

RETURN = r"""
_value:
  description: Rules as M(community.postgresql.postgresql_pg_hba) takes them.
  type: list
  elements: dict
"""

from collections.abc import Callable
from typing import Any

from ansible_collections.web2py.deploy.plugins.module_utils import _data


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"postgresql_rules": _data.rules}
