# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Databases of a site on servers, as the site's databases.json tells how they are opened."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from site_backup.common import Trouble, read_json

FILE = "databases.json"
# By the word that begins a URI of web2py's database layer.
SCHEMES = {"postgres": "postgresql", "postgresql": "postgresql", "mysql": "mysql"}


class Told(NamedTuple):
    """A database: its URI in parts, and what the driver is told beside it."""

    kind: str
    uri: SplitResult
    query: dict[str, str]
    arguments: Mapping[str, Any]

    @property
    def name(self) -> str:
        return unquote(self.uri.path.lstrip("/"))

    @property
    def user(self) -> str:
        return unquote(self.uri.username or "")

    @property
    def password(self) -> str:
        return str(self.arguments.get("password") or unquote(self.uri.password or ""))


def told(uri: str, arguments: Mapping[str, Any]) -> Told:
    """The parts of a URI; a driver may be named behind its scheme."""
    scheme, _colon, rest = uri.partition("://")
    word = scheme.partition(":")[0]
    if word not in SCHEMES:
        raise Trouble(f"is of a kind that is not backed up: {word}")
    parts = urlsplit(f"//{rest}")
    query = {key: values[-1] for key, values in parse_qs(parts.query).items()}
    return Told(SCHEMES[word], parts, query, arguments)


def databases(settings: Mapping[str, Any], kind: str) -> list[Told]:
    """All databases of a kind, each once: two applications may share one."""
    rows = read_json(os.path.join(settings["settings"], FILE), {}).get("applications", {})
    found: dict[str, Told] = {}
    for application, row in sorted(rows.items()):
        if row.get("uri"):
            try:
                one = told(row["uri"], row.get("driver_args") or {})
            except Trouble as trouble:
                raise Trouble(f"the database of {application} {trouble}") from None
            if one.kind == kind:
                found.setdefault(row["uri"].partition("://")[2], one)
    return list(found.values())


def named(settings: Mapping[str, Any], kind: str, name: str, reader: str) -> Told:
    """The database of that name."""
    for one in databases(settings, kind):
        if one.name == name:
            return one
    raise Trouble(f"the site has no database {name} any more: restore into a folder, and read its dump with {reader}")
