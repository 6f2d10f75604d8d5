# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: certificate_due
short_description: Tell why a self-signed certificate has to be issued
version_added: 1.0.0
author: web2py.deploy maintainers (@web2py)
description: Compares what is on the host with what the site needs. Nothing is returned when all is good.
options:
  _input:
    description: Lines of C(stat --format "%a %U:%G %.Y %n") for the files there are.
    type: list
    elements: string
    required: true
  certificate:
    description:
      - What M(community.crypto.x509_certificate_info) said, with C(renewal) in its
        O(community.crypto.x509_certificate_info#module:valid_at).
    type: dict
    required: true
  wanted:
    description: V(names), V(issuer), V(certificate), and V(modes) with the mode of every file.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Reasons are shown
  ansible.builtin.debug:
    msg: "{{ __found.stdout_lines | web2py.deploy.certificate_due(__certificate, __wanted) }}"
"""

RETURN = r"""
_value:
  description: Reasons in words.
  type: list
  elements: string
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.web2py.deploy.plugins.plugin_utils import _certificate


def certificate_due(files: Sequence[str], certificate: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    return _certificate.due(files, certificate, wanted)


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"certificate_due": certificate_due}
