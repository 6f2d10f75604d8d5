# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: postgresql_settings
short_description: Size a PostgreSQL that shares its host with sites
version_added: 1.0.0
author: web2py.deploy maintainers (@web2py)
description:
  - Settings by the memory of the host, the same for every site on it.
options:
  _input:
    description: Memory of the host in MiB.
    type: int
    required: true
  serves:
    description:
      - For a host of its own, V(address) and V(port) for the web hosts, and the certificate that it shows them with
        its key, V(own_certificate) and V(own_key).
    type: dict
"""

EXAMPLES = r"""
- name: Settings are shown
  ansible.builtin.debug:
    msg: "{{ 2048 | web2py.deploy.postgresql_settings }}"
"""

RETURN = r"""
_value:
  description: Values by the names of the settings, as C(postgresql.conf) takes them.
  type: dict
"""

from collections.abc import Callable
from typing import Any

from ansible_collections.web2py.deploy.plugins.module_utils import _tuning


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"postgresql_settings": _tuning.tuning}
