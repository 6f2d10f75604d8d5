# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection: what is wrong with a site, as `{severity, what, remedy}`.

One `error` makes a site unhealthy; a `warning` is to be looked at.
"""

from __future__ import annotations

from collections.abc import Iterable

Finding = dict[str, str]


def error(what: str, remedy: str) -> Finding:
    return {"severity": "error", "what": what, "remedy": remedy}


def warning(what: str, remedy: str) -> Finding:
    return {"severity": "warning", "what": what, "remedy": remedy}


def is_error(row: Finding) -> bool:
    return row["severity"] == "error"


def sentences(findings: Iterable[Finding]) -> list[str]:
    """The errors, one sentence each with what mends it."""
    return [f"{row['what']}. Do: {row['remedy']}" for row in findings if is_error(row)]
