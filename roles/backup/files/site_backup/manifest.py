# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a backup holds, written down when it is made and held against what comes back."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from site_backup.common import Trouble

# Folders of an application's state that are worth nothing on the day after.
PASSING = ("sessions", "cache", "errors")
FORMAT = 1
MANIFEST = "manifest.json"
FILES = "files.jsonl"
MAGIC = b"SQLite format 3\0"
SHOWN = 5


class Counts(NamedTuple):
    """How much was proven."""

    files: int
    bytes: int
    # Files that were written or removed while the backup was made.
    moving: int


def applications(state: str) -> list[str]:
    """Folders of applications in the state of a site, also of those that are no longer served."""
    folder = os.path.join(state, "applications")
    if not os.path.isdir(folder):
        return []
    with os.scandir(folder) as rows:
        return sorted(row.name for row in rows if row.is_dir(follow_symlinks=False))


def is_sqlite(path: str) -> bool:
    """A database of SQLite, by its name or by its first bytes."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return False
    with os.fdopen(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            return False
        return file.read(len(MAGIC)) == MAGIC or path.endswith(".sqlite")


def sort_out(state: str) -> tuple[list[str], list[str]]:
    """Paths to save as they are, and databases of SQLite, which are copied first."""
    plain, databases = [], []
    for name in applications(state):
        folder = os.path.join(state, "applications", name)
        for entry in sorted(os.listdir(folder)):
            if entry in PASSING:
                continue
            if entry != "databases" or os.path.islink(os.path.join(folder, entry)):
                plain.append(os.path.join(folder, entry))
                continue
            found = [path for path, _size in regular(os.path.join(folder, entry))]
            ours = [path for path in found if is_sqlite(path)]
            beside = {f"{path}{end}" for path in ours for end in ("-journal", "-wal", "-shm")}
            databases += ours
            plain += [path for path in found if path not in beside and path not in ours]
    return plain, databases


def regular(path: str) -> Iterator[tuple[str, int]]:
    """Path and size of all plain files below a path, or of itself. No link is followed."""
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return
    if stat.S_ISREG(found.st_mode):
        yield path, found.st_size
    elif stat.S_ISDIR(found.st_mode):
        try:
            names = sorted(os.listdir(path))
        except FileNotFoundError:
            return
        for name in names:
            yield from regular(os.path.join(path, name))


def digest(path: str) -> tuple[int, str]:
    """Size and SHA-256 of a plain file."""
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError(f"{path} is no plain file")
        summed, size = hashlib.sha256(), 0
        for block in iter(lambda: file.read(1 << 20), b""):
            summed.update(block)
            size += len(block)
    return size, summed.hexdigest()


def list_files(paths: list[str], into: str) -> Counts:
    """Write down every plain file below the paths, one a line."""
    files = size = moving = 0
    with open(into, "w", encoding="utf-8") as out:
        for path, _size in (row for top in paths for row in regular(top)):
            try:
                length, checksum = digest(path)
            except FileNotFoundError:
                moving += 1
                continue
            out.write(json.dumps([path, length, checksum]) + "\n")
            files, size = files + 1, size + length
    return Counts(files, size, moving)


def prove_files(root: str, listed: str, began: float) -> Counts:
    """Hold every file below `root` against its line.

    A file that differs has to be younger than the beginning of the backup, and of one that is missing the folder.
    """
    files = size = moving = 0
    wrong: list[str] = []
    with open(listed, encoding="utf-8") as rows:
        for path, length, checksum in map(json.loads, rows):
            there = root + path
            try:
                same = digest(there) == (length, checksum)
                young = same or os.lstat(there).st_mtime >= began
            except OSError:
                same, young = False, folder_is_young(root, there, began)
            if same:
                files, size = files + 1, size + length
            elif young:
                moving += 1
            else:
                wrong.append(path)
    if wrong:
        more = f" and {len(wrong) - SHOWN} more" if len(wrong) > SHOWN else ""
        raise Trouble(f"{len(wrong)} files came back other than they were: {', '.join(wrong[:SHOWN])}{more}")
    return Counts(files, size, moving)


def folder_is_young(root: str, path: str, began: float) -> bool:
    """Whether the nearest folder that came back has changed since the backup began."""
    while len(path) > len(root):
        path = os.path.dirname(path)
        if os.path.isdir(path):
            return len(path) > len(root) and os.lstat(path).st_mtime >= began
    return False


def compare(name: str, before: Mapping[str, int], now: Mapping[str, int]) -> None:
    """Trouble where the tables of a database do not have the rows of before."""
    if before != now:
        table = sorted(table for table in {*before, *now} if before.get(table) != now.get(table))[0]
        had, has = before.get(table, "no such table"), now.get(table, "no such table")
        raise Trouble(f"{name}: {table} has {has} rows instead of {had}")


def total(rows: list[dict[str, Any]]) -> tuple[int, int]:
    """Tables and rows of all databases."""
    return sum(len(row["tables"]) for row in rows), sum(sum(row["tables"].values()) for row in rows)
