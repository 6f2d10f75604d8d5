# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: admin_password
short_description: Hash a password for web2py's admin
version_added: 1.0.0
author: web2py.deploy maintainers (@web2py)
description:
  - Returns the password as web2py's own C(CRYPT) validator stores and verifies it,
    with far more rounds than web2py's default of 1000.
  - Every call takes a fresh salt, so the result differs each time. To keep a host's files up to date without
    rewriting them on every run, use M(web2py.deploy.admin_password).
positional: _input
options:
  _input:
    description: The password, 8 to 1024 characters without line breaks or other control characters.
    type: string
    required: true
  salt:
    description: 16 to 128 letters and digits instead of a random salt, for a result that can be repeated.
    type: string
seealso:
  - plugin: web2py.deploy.admin_password
    plugin_type: module
"""

EXAMPLES = r"""
- name: Write the file web2py reads for port 8000
  ansible.builtin.copy:
    content: |
      password="{{ vault_admin_password | web2py.deploy.admin_password }}"
    dest: /srv/example/web2py/parameters_8000.py
    owner: root
    group: example
    mode: "0640"
    force: false
  no_log: true
"""

RETURN = r"""
_value:
  description: The stored form, C(pbkdf2(ROUNDS,BYTES,sha512)$SALT$KEY).
  type: string
"""

from typing import Any, Callable

from ansible.errors import AnsibleFilterError

from ansible_collections.web2py.deploy.plugins.module_utils._password import hash_password


def admin_password(password: Any, salt: str | None = None) -> str:
    if not isinstance(password, str):
        raise AnsibleFilterError(f"admin_password needs a string, not {type(password).__name__}")
    try:
        return hash_password(password, salt=salt)
    except ValueError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    def filters(self) -> dict[str, Callable[..., str]]:
        return {"admin_password": admin_password}
