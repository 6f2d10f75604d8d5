# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The databases of a site, each by the part of this program that knows its kind."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from site_backup import mysql, postgresql, served, sqlite
from site_backup.common import Trouble
from site_backup.manifest import compare

# By kind: counted(settings, row, folder), and settle(settings, row, folder, root) for what lies in the state. Those on
# servers have dump_one(settings, told, path), which counts as well, and put(settings, name, path).
SERVERS: dict[str, Any] = {postgresql.KIND: postgresql, mysql.KIND: mysql}
KINDS: dict[str, Any] = {sqlite.KIND: sqlite, **SERVERS}


def dump(settings: Mapping[str, Any], files: list[str], folder: str) -> list[dict[str, Any]]:
    """Consistent copies of all databases of the site in a folder, and a row about each for the manifest."""
    rows = sqlite.dump(settings, files, folder)
    for kind, server in SERVERS.items():
        for number, told in enumerate(served.databases(settings, kind)):
            os.makedirs(os.path.join(folder, kind), mode=0o700, exist_ok=True)
            name = f"{kind}/{number}"
            try:
                tables = server.dump_one(settings, told, os.path.join(folder, name))
            except (Trouble, OSError) as trouble:
                raise Trouble(f"the database {told.name} was not dumped: {trouble}") from None
            rows.append({"kind": kind, "name": told.name, "dump": name, "tables": tables})
    return rows


def prove(settings: Mapping[str, Any], rows: list[dict[str, Any]], folder: str) -> None:
    """Count all databases that came back, table by table."""
    for row in rows:
        if row["kind"] not in KINDS:
            raise Trouble(f"{row['name']} is of the kind {row['kind']}, which this program does not know")
        compare(row["name"], row["tables"], KINDS[row["kind"]].counted(settings, row, folder))


def settle(settings: Mapping[str, Any], rows: list[dict[str, Any]], folder: str, root: str) -> None:
    """Put those that are files where they were, below `root`."""
    for row in rows:
        KINDS[row["kind"]].settle(settings, row, folder, root)


def on_servers(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those that are no files."""
    return [row for row in rows if row["kind"] in SERVERS]


def keep(settings: Mapping[str, Any], rows: list[dict[str, Any]], folder: str) -> None:
    """Dump what databases on servers hold now, before something else is put in their place."""
    for row in rows:
        for told in served.databases(settings, row["kind"]):
            if told.name == row["name"]:
                os.makedirs(os.path.join(folder, row["kind"]), mode=0o700, exist_ok=True)
                SERVERS[row["kind"]].dump_one(settings, told, os.path.join(folder, row["kind"], told.name))


def put(settings: Mapping[str, Any], row: Mapping[str, Any], path: str) -> None:
    """Put a dump in the place of what its database holds."""
    SERVERS[row["kind"]].put(settings, row["name"], path)
