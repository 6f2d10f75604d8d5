# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection: credentials, kept apart from the addresses they open until a program needs both.

The resolved site is shown, logged and written to disk, hence its addresses carry none. Modules that fetch get them
as an argument of their own, by host, and join the two in memory.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

# A user name alone is a secret where it may be a token; of ssh it is just the user.
_HELD = re.compile(r"https?://[^/\s]*@|://[^/\s:@]*:[^/\s]*@")
_ADDRESS = re.compile(r"(https://)([^/\s?#;@]+)(?=[/\s?#;]|$)")


def held(text: str) -> bool:
    """Whether an address in the text carries a user name or a password."""
    return bool(_HELD.search(text))


def bare(text: str) -> str:
    """The text without what opens its addresses; the user of ssh stays."""
    return re.sub(r"(://[^/\s:@]*):[^/\s]*@", r"\1@", re.sub(r"(https?://)[^/\s]*@", r"\1", text))


def joined(site: Mapping[str, Any], credentials: Mapping[str, str]) -> dict[str, Any]:
    """The site with `user:password` in its encrypted addresses, by `host` or `host:port`."""

    def put(text: str) -> str:
        def address(found: re.Match[str]) -> str:
            pair = credentials.get(found[2].lower())
            words = ":".join(quote(word, safe="") for word in pair.split(":", 1)) + "@" if pair else ""
            return f"{found[1]}{words}{found[2]}"

        return _ADDRESS.sub(address, text)

    def source(row: Mapping[str, Any]) -> dict[str, Any]:
        return {**row, "source": {key: put(value) if key == "url" else value for key, value in row["source"].items()}}

    return {
        **source(site),
        "requirements": [put(requirement) for requirement in site["requirements"]],
        "applications": [source(row) for row in site["applications"]],
    }
