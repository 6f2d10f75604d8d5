# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sessions that have expired are removed: `python -m web2py_runtime.sweep SETTINGS`

Upstream's script sessions2trash.py by meaning, for all applications of a site in one pass: files, flat or in folders by
their names, and rows of a database. Nothing is loaded of the applications, and nothing in a session is run.

Who is in the middle of a request keeps his session: web2py locks its file, and what is locked stays.
"""

from __future__ import annotations

import datetime
import fcntl
import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from web2py_runtime import inert, lease, stored

# web2py puts files two folders deep, three where it keeps them `separate`.
DEEPEST = 4
# Folders that have been empty for so long go too.
EMPTY_SECONDS = 3600
# Rows that are looked at and removed at once.
BATCH = 500


def kept_until(session: Any, last: float, expiry: float) -> float:
    """When a session ends: `Auth` writes its own expiration into it, and the last visit."""
    auth = session.get("auth") if isinstance(session, dict) else None
    if not isinstance(auth, dict):
        return last + expiry
    visit, own = auth.get("last_visit"), auth.get("expiration")
    if isinstance(visit, datetime.datetime):
        last = max(last, visit.timestamp())
    # A shorter one is Auth's own affair: it refuses the visitor by itself.
    return last + (max(expiry, own) if isinstance(own, (int, float)) else expiry)


def _session(data: bytes) -> Any:
    """What is in a session; nothing where it tells of no expiration, or is damaged."""
    if b"expiration" not in data and b"last_visit" not in data:
        return None
    try:
        return inert.loads(data)
    except inert.Unreadable:
        return None


class Sweep:
    """One pass over the sessions of an application."""

    def __init__(self, row: Mapping[str, Any], now: float) -> None:
        self.now, self.expiry = now, float(row["expiry"])
        self.force, self.dry = bool(row["force"]), bool(row["dry_run"])
        self.seen = self.removed = self.busy = 0

    def ended(self, last: float, data: bytes) -> bool:
        """Whether a session is over that was written last at a time."""
        if self.now <= last + self.expiry:
            return False
        try:
            return self.force or self.now > kept_until(_session(data), last, self.expiry)
        except (ValueError, OverflowError, OSError):  # a date that no clock has
            return True

    def remove(self, path: str) -> None:
        self.removed += 1
        if self.dry:
            print(f"would remove {path}")
        else:
            os.unlink(path)

    def folder(self, path: str, depth: int = 0) -> int:
        """Sweep a folder; how many entries are left in it."""
        left = 0
        try:
            entries = os.scandir(path)
        except FileNotFoundError:
            return 0
        with entries:
            for entry in entries:
                try:
                    left += not self._entry(entry, depth)
                except FileNotFoundError:  # the application has removed it
                    continue
        return left

    def _entry(self, entry: os.DirEntry[str], depth: int) -> bool:
        """Sweep one entry; whether it is gone."""
        # What somebody has put there to keep the folder.
        if entry.name.startswith("."):
            return False
        if entry.is_dir(follow_symlinks=False):
            if depth >= DEEPEST:
                return False
            age = self.now - entry.stat(follow_symlinks=False).st_mtime
            if self.folder(entry.path, depth + 1) or age <= EMPTY_SECONDS or self.dry:
                return False
            try:
                os.rmdir(entry.path)
            except OSError:  # a session has just come
                return False
            return True
        return entry.is_file(follow_symlinks=False) and self._file(entry)

    def _file(self, entry: os.DirEntry[str]) -> bool:
        self.seen += 1
        if self.now <= entry.stat(follow_symlinks=False).st_mtime + self.expiry:
            return False
        descriptor = os.open(entry.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                self.busy += 1
                return False
            about = os.fstat(descriptor)
            readable = not self.force and about.st_size <= inert.LARGEST
            data = os.read(descriptor, about.st_size) if readable else b""
            # Once more: it may have been written since it was listed.
            if not self.ended(about.st_mtime, data):
                return False
            self.remove(entry.path)
            return not self.dry
        finally:
            os.close(descriptor)

    def rows(self, database: Any, application: str, field: Any) -> None:
        """Sweep the table of an application, few rows at a time, each batch for itself."""
        table = database.define_table(
            f"web2py_session_{application}", field("modified_datetime", "datetime"), field("session_data", "blob"),
            migrate=False,
        )  # fmt: skip
        if not stored.has(database, table):
            return
        limit = datetime.datetime.fromtimestamp(self.now - self.expiry)
        wanted = [table.id, table.modified_datetime] + ([] if self.force else [table.session_data])
        old, last = table.modified_datetime < limit, 0
        self.seen += database(table).count()
        while True:
            rows = database(old & (table.id > last)).select(*wanted, orderby=table.id, limitby=(0, BATCH))
            if not rows:
                return
            last = rows[-1].id
            ended = [row.id for row in rows if self.ended(row.modified_datetime.timestamp(), _data(row))]
            if self.dry:
                self.removed += len(ended)
                print(*(f"would remove {table} {number}" for number in ended), sep="\n")
            elif ended:
                # Only where nobody has come since.
                self.removed += int(database(old & table.id.belongs(ended)).delete())
            database.commit()


def _data(row: Any) -> bytes:
    data = row.get("session_data")
    return data if isinstance(data, bytes) else str(data or "").encode("latin-1", "replace")


def sweep(settings: Mapping[str, Any]) -> list[str]:
    """Sweep all applications; what failed, in words. One that fails does not keep the others."""
    failures = []
    databases = stored.rows(settings["databases"])
    for name, row in settings["applications"].items():
        begin, state = time.monotonic(), os.path.join(settings["state"], name)
        one = Sweep(row, time.time())
        try:
            # Also where they are in a database by now: those of before stay otherwise.
            one.folder(os.path.join(state, "sessions"))
            if row["store"] == "database":
                field = stored.pydal(settings["code"]).Field
                folder = os.path.join(state, "databases")
                with stored.opened(databases.get(name), folder, settings["code"]) as database:
                    one.rows(database, name, field)
        except (OSError, stored.Down) as error:
            failures.append(f"{name}: {stored.told(error)}")
        verb, busy = "would be removed" if one.dry else "removed", f", {one.busy} in use" if one.busy else ""
        seconds = time.monotonic() - begin
        print(f"{name}: {one.removed} of {one.seen} sessions {verb} in {seconds:.1f} s{busy}", flush=True)
    return failures


def alone(path: str) -> tuple[dict[str, Any], int] | None:
    """The settings of a program and the lock that keeps a second one away; None where one runs already."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return json.loads(Path(path).read_text(encoding="utf-8")), descriptor


def stay(settings: Mapping[str, Any]) -> None:
    """The release that this process was started from is not removed before its end."""
    release = os.path.dirname(os.path.realpath(settings["code"]))
    if os.path.isfile(os.path.join(release, "runtime.json")):
        lease.take(os.path.join(release, "runtime.json"))


def run(path: str, work: Callable[[dict[str, Any]], list[str]]) -> int:
    """Do the work of the settings in a file, one at a time, and tell what failed; the exit code."""
    ours = alone(path)
    if ours is None:
        print("Another one is at work")
        return 0
    settings, lock = ours
    stay(settings)
    failures = work(settings)
    os.close(lock)
    for line in failures:
        print(line, file=sys.stderr)
    return 1 if failures else 0


def main() -> int:
    return run(sys.argv[1], sweep)


if __name__ == "__main__":
    sys.exit(main())
