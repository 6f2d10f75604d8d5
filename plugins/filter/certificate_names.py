# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: certificate_names
short_description: Tell what a certificate and the authority behind it are for
version_added: 1.0.0
author: web2py.deploy maintainers (@web2py)
description:
  - Turns names and addresses into subject alternative names and into the name constraints of a small authority.
options:
  _input:
    description: Names and addresses of a site.
    type: list
    elements: string
    required: true
"""

EXAMPLES = r"""
- name: Request for a certificate is made
  community.crypto.openssl_csr_pipe:
    privatekey_path: /etc/example/tls/key.pem
    subject_alt_name: "{{ (['www.example.org', '192.0.2.1'] | web2py.deploy.certificate_names).subject_alt_name }}"
"""

RETURN = r"""
_value:
  description:
    - C(subject_alt_name), C(permitted) and C(excluded), each a list as M(community.crypto.openssl_csr) takes it.
  type: dict
"""

from collections.abc import Callable, Sequence
from typing import Any

from ansible_collections.web2py.deploy.plugins.plugin_utils import _certificate


def certificate_names(names: Sequence[str]) -> dict[str, list[str]]:
    return {"subject_alt_name": _certificate.san(names), **_certificate.constraints(names)}


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"certificate_names": certificate_names}
