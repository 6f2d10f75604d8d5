# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: mariadb_privileges
short_description: Say what the account of a site may do in its databases
version_added: 1.0.0
author: web2py.deploy maintainers (@web2py)
description:
  - What pages, migrations and backups want, in the databases of the site and nowhere else.
options:
  _input:
    description: The part C(data) of a resolved site.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Account of the site may use its databases
  community.mysql.mysql_user:
    name: "{{ web2py_resolved.data.user }}"
    priv: "{{ web2py_resolved.data | web2py.deploy.mariadb_privileges }}"
"""

RETURN = r"""
_value:
  description: Privileges as M(community.mysql.mysql_user) takes them.
  type: dict
"""

from collections.abc import Callable
from typing import Any

from ansible_collections.web2py.deploy.plugins.module_utils import _data


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"mariadb_privileges": _data.mariadb_privileges}
