# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: error_pages
short_description: Turn the words of error pages into files
version_added: 1.0.0
author: web2py.deploy maintainers (@web2py)
description:
  - The pages that a front end shows for what it answers itself, the same behind every front end.
options:
  _input:
    description: For each HTTP status a title and a sentence.
    type: dict
    required: true
  folder:
    description: Folder on the host for the pages.
    type: path
    required: true
positional: folder
"""

EXAMPLES = r"""
- name: Error pages are in place
  web2py.deploy.checked_files:
    files: "{{ {'404': ['Not found', 'There is no such page here.']} | web2py.deploy.error_pages('/etc/nginx/pages') }}"
"""

RETURN = r"""
_value:
  description: The folder, then one file for each status, as M(web2py.deploy.checked_files) takes them.
  type: list
  elements: dict
"""

from collections.abc import Callable
from typing import Any

from ansible_collections.web2py.deploy.plugins.module_utils import _policy


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"error_pages": _policy.error_pages}
