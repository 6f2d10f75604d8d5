# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: cherokee_settings
short_description: Say a site in the words of Cherokee
version_added: 1.0.0
author: web2py.deploy maintainers (@web2py)
description:
  - Cherokee's settings are one tree, written as lines. This gives the lines of a site.
options:
  _input:
    description: The resolved site.
    type: dict
    required: true
  pages:
    description: Folder on the host with the error pages.
    type: path
    required: true
positional: pages
"""

EXAMPLES = r"""
- name: Settings of the site are in place
  web2py.deploy.checked_files:
    files:
      - path: /etc/cherokee_web2py/sites/web2py.conf
        content: "{{ web2py_resolved | web2py.deploy.cherokee_settings('/etc/cherokee_web2py/pages') }}"
"""

RETURN = r"""
_value:
  description: The lines.
  type: str
"""

from collections.abc import Callable
from typing import Any

from ansible_collections.web2py.deploy.plugins.module_utils import _cherokee_settings


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"cherokee_settings": _cherokee_settings.settings}
