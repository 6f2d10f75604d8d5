# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Databases of SQLite: copied while the site goes on, by the site's user, and counted."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import stat
import tempfile
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from site_backup.common import Trouble, as_site, owner

KIND = "sqlite"
# As long a writer may hold the database; readers hold nobody up.
BUSY_SECONDS = 60


def opened(path: str) -> contextlib.closing[sqlite3.Connection]:
    """A database that must be there. Not read-only: one that was killed while writing is mended first."""
    return contextlib.closing(sqlite3.connect(f"file:{quote(path)}?mode=rw", timeout=BUSY_SECONDS, uri=True))


def copy(source: str, target: str) -> dict[str, Any]:
    """Copy a database as it is at one moment, and count the copy. Run by the site's user."""
    os.umask(0o077)
    with opened(source) as before, contextlib.closing(sqlite3.connect(target)) as after:
        before.backup(after)
    return count(target)


def count(path: str) -> dict[str, Any]:
    """Rows by table of a sound database. Run by the site's user."""
    with opened(path) as database:
        # Text of any encoding: names are compared, not read.
        database.text_factory = lambda raw: raw.decode("utf-8", "backslashreplace")
        said = database.execute("PRAGMA integrity_check").fetchone()[0]
        if said != "ok":
            raise Trouble(f"the database is damaged: {said}")
        query = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
        names = [row[0] for row in database.execute(query)]
        tables = {}
        for name in names:
            quoted = name.replace('"', '""')
            tables[name] = database.execute(f'SELECT count(*) FROM "{quoted}"').fetchone()[0]  # noqa: S608  quoted
    return {"tables": tables}


def dump(settings: Mapping[str, Any], paths: list[str], folder: str) -> list[dict[str, Any]]:
    """Copies of all databases, and a row about each for the manifest."""
    uid, _gid = owner(settings)
    os.mkdir(os.path.join(folder, KIND))
    # The site's user writes, root's group reads and clears. The mode comes first: it is the owner's to change.
    os.chmod(os.path.join(folder, KIND), 0o770)  # noqa: S103  of these two only
    os.chown(os.path.join(folder, KIND), uid, os.getegid())
    rows = []
    for number, path in enumerate(paths):
        name = f"{KIND}/{number}"
        try:
            told = as_site(settings, "copy", path, os.path.join(folder, name))
        except Trouble as trouble:
            raise Trouble(f"{path} was not copied: {trouble}") from None
        mode = stat.S_IMODE(os.lstat(path).st_mode)
        rows.append({"kind": KIND, "name": path, "dump": name, "mode": mode, "tables": tables_of(told)})
    return rows


def tables_of(told: Mapping[str, Any]) -> dict[str, int]:
    """What the site's user counted, if it is what was asked."""
    tables = told.get("tables")
    if not isinstance(tables, dict) or not all(isinstance(rows, int) for rows in tables.values()):
        raise Trouble("the database was not counted")
    return tables


def counted(settings: Mapping[str, Any], row: Mapping[str, Any], folder: str) -> dict[str, int]:
    """Rows by table of a copy that came back."""
    uid, gid = owner(settings)
    with tempfile.TemporaryDirectory(dir=settings["home"], prefix="proof-") as scratch:
        os.mkdir(os.path.join(scratch, KIND), 0o770)
        path = os.path.join(scratch, KIND, "database")
        shutil.copyfile(os.path.join(folder, str(row["dump"])), path)
        os.chown(path, uid, gid)
        os.chmod(os.path.dirname(path), 0o770)  # noqa: S103  of the site's user and root only
        os.chown(os.path.dirname(path), uid, os.getegid())
        os.chmod(scratch, 0o711)  # noqa: S103  the site's user passes
        return tables_of(as_site(settings, "count", path))


def settle(settings: Mapping[str, Any], row: Mapping[str, Any], folder: str, root: str) -> None:
    """Put a copy where the database was, below `root`."""
    uid, gid = owner(settings)
    path = root + str(row["name"])
    if not os.path.isdir(os.path.dirname(path)):
        os.makedirs(os.path.dirname(path), mode=0o750)
        os.chown(os.path.dirname(path), uid, gid)
    shutil.copyfile(os.path.join(folder, str(row["dump"])), path)
    os.chmod(path, row["mode"])
    os.chown(path, uid, gid)
