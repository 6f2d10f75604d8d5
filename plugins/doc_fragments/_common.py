# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection: documentation that several modules share."""

from __future__ import annotations


class ModuleDocFragment:
    """Options of the resolved site, and how a module that reads or changes runs."""

    # What every module of a site is given.
    DOCUMENTATION = r"""
options:
  site:
    description: The resolved site.
    type: dict
    required: true
"""

    # Of what is resolved on the controller.
    DESCRIBED = r"""
options:
  host:
    description: What C(host_info) returned for the host.
    type: dict
    required: true
"""

    # Of modules that get something from somewhere.
    SOURCES = r"""
options:
  credentials:
    description:
      - What opens the addresses of the site's sources and requirements, C(user:password) or a token by host.
      - It is put into addresses with https only, and never shown or kept.
    type: dict
    default: {}
  local:
    description:
      - What lies on the controller, by label its digest and its path on the host.
      - The action plugin fills it in. Do not give it.
    type: dict
    default: {}
"""

    READS = r"""
options: {}
attributes:
  check_mode:
    description: Can run in check mode and returns the same.
    support: full
  diff_mode:
    description: Nothing is changed, hence nothing differs.
    support: none
"""

    CHANGES = r"""
options: {}
attributes:
  check_mode:
    description: Can run in check_mode and return changed status prediction without modifying target.
    support: full
  diff_mode:
    description: Will return details on what has changed when in diff mode.
    support: full
"""
