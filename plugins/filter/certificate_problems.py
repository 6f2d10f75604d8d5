# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: certificate_problems
short_description: Tell what is wrong with a certificate chain and its key
version_added: 1.0.0
author: web2py.deploy maintainers (@web2py)
description:
  - Checks on the controller, before anything is written, that key and certificate belong together, cover every name
    and are valid.
options:
  _input:
    description: The certificate chain in PEM, the site's own certificate first.
    type: string
    required: true
  key:
    description: The private key in PEM. It appears in no message.
    type: string
    required: true
  names:
    description: The names and addresses that clients use.
    type: list
    elements: string
    required: true
"""

EXAMPLES = r"""
- name: Certificate fits the site
  ansible.builtin.assert:
    that: __problems | length == 0
    fail_msg: "{{ __problems | join('; ') }}"
  vars:
    __problems: "{{ chain | web2py.deploy.certificate_problems(key, ['www.example.org']) }}"
"""

RETURN = r"""
_value:
  description: All problems at once, each with its remedy.
  type: list
  elements: string
"""

from collections.abc import Callable, Sequence
from typing import Any

from ansible_collections.web2py.deploy.plugins.plugin_utils import _certificate


def certificate_problems(chain: str, key: str, names: Sequence[str]) -> list[str]:
    return _certificate.problems(chain, key, names)


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"certificate_problems": certificate_problems}
