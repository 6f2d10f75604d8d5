# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tickets, the files in which web2py keeps what went wrong: `python -m web2py_runtime.tickets collect SETTINGS` moves
them to a database, each exactly once; `... list NEWEST SETTINGS_AS_JSON` tells the newest, wherever they are.

Upstream's script tickets2db.py by meaning, which no Python 3 runs. The table is upstream's, as its admin reads it, but
for the type of the ticket itself, which a text cannot hold.
"""

from __future__ import annotations

import datetime
import heapq
import json
import os
import re
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from web2py_runtime import inert, stored
from web2py_runtime.sweep import run

# A file that was begun so long ago is not being written any more.
OLD_SECONDS = 600
_NAME = re.compile(r"[\w.:-]+\.(\d{4}-\d\d-\d\d\.\d\d-\d\d-\d\d)\.[0-9a-fA-F-]{36}")
_FRAME = re.compile(r'  File "([^"\n]*)", line (\d+)(?:, in (.*))?')


def when(ticket: str) -> datetime.datetime | None:
    """The time that the name of a ticket tells; None where it is not a ticket's name."""
    found = _NAME.fullmatch(ticket)
    try:
        return datetime.datetime.strptime(found[1], "%Y-%m-%d.%H-%M-%S") if found else None
    except ValueError:
        return None


def names(folder: str) -> Iterator[str]:
    """Names of the tickets in a folder."""
    try:
        entries = os.scandir(folder)
    except FileNotFoundError:
        return
    with entries:
        for entry in entries:
            if when(entry.name) and entry.is_file(follow_symlinks=False):
                yield entry.name


def read(path: str) -> bytes:
    """A ticket's file. `Unreadable` where it is none, or not whole."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(descriptor, "rb") as file:
        data = file.read(inert.LARGEST + 1)
    if len(data) > inert.LARGEST or not data.endswith(b"."):
        raise inert.Unreadable("not whole")
    if not isinstance(inert.loads(data), dict):
        raise inert.Unreadable("no ticket")
    return data


def table_of(database: Any, application: str, folder: str, field: Any) -> Any:
    """The table of an application's tickets, made where it is missing.

    web2py's admin finds it by a file that pydal leaves in the folder: a second host of the site, or a restored
    database, has the table and not the file.
    """
    name = f"web2py_ticket_{application}"
    columns = (
        field("ticket_id", length=128, unique=True),
        field("ticket_data", "blob"),
        field("created_datetime", "datetime"),
    )
    exists = stored.has(database, database.define_table(name, *columns, migrate=False))
    path = os.path.join(folder, f"{database._uri_hash}_{name}.table")
    if not exists:
        with suppress(FileNotFoundError):
            os.unlink(path)
    columns = tuple(column.clone() for column in columns)
    table = database.define_table(
        name, *columns, redefine=True, migrate=True, fake_migrate=exists and not os.path.exists(path)
    )
    database.commit()
    return table


def store(database: Any, table: Any, ticket: str, data: bytes) -> None:
    """Put a ticket into the table unless it is there, where the last run was killed before it removed the file."""
    if database(table.ticket_id == ticket).isempty():
        table.insert(ticket_id=ticket, ticket_data=data, created_datetime=when(ticket))
        database.commit()


def collect(settings: Mapping[str, Any]) -> list[str]:
    """Move the tickets of all applications; what failed, in words. One that fails does not keep the others."""
    failures = []
    known = stored.rows(settings["databases"])
    for name in settings["applications"]:
        state = os.path.join(settings["state"], name)
        folder, databases = os.path.join(state, "errors"), os.path.join(state, "databases")
        waiting = sorted(names(folder))
        if not waiting:
            continue
        moved = young = damaged = 0
        try:
            with stored.opened(known.get(name), databases, settings["code"]) as database:
                table = table_of(database, name, databases, stored.pydal(settings["code"]).Field)
                for ticket in waiting:
                    path = os.path.join(folder, ticket)
                    try:
                        data = read(path)
                    except FileNotFoundError:  # admin has removed it
                        continue
                    except inert.Unreadable:
                        if time.time() - os.stat(path).st_mtime <= OLD_SECONDS:
                            young += 1
                        else:
                            damaged += 1
                        continue
                    store(database, table, ticket, data)
                    # It is in the database for good.
                    with suppress(FileNotFoundError):
                        os.unlink(path)
                    moved += 1
        except (OSError, stored.Down) as error:
            left = f"{len(waiting) - moved} tickets stay in {folder}"
            failures.append(f"{name}: the database takes no tickets, {left}: {stored.told(error)}")
        rest = f", {young} are being written" if young else ""
        rest += f", {damaged} are damaged and stay" if damaged else ""
        print(f"{name}: {moved} tickets moved to the database{rest}", flush=True)
    return failures


def summary(traceback: str) -> tuple[str, str, str]:
    """(exception, message, place) of a traceback as Python writes it."""
    rows = traceback.splitlines()
    frames = [(number, found) for number, row in enumerate(rows) if (found := _FRAME.match(row))]
    last, words = (frames[-1][0], frames[-1][1]) if frames else (-1, None)
    line = next((row for row in rows[last + 1 :] if row and not row[0].isspace()), "")
    exception, _colon, message = line.partition(":")
    # The application's own line tells more than one of web2py's.
    own = [found for _number, found in frames if "/applications/" in found[1]]
    words = own[-1] if own else words
    if not words:
        return exception.strip(), message.strip(), ""
    place = words[1].rpartition("/applications/")[2] if own else os.path.basename(words[1])
    return exception.strip(), message.strip(), f"{place}:{words[2]}"


def row(application: str, ticket: str, where: str, data: bytes) -> dict[str, str]:
    """A ticket in a few words."""
    time_ = when(ticket)
    found = {"application": application, "ticket": ticket, "where": where, "when": str(time_ or "")}
    try:
        content = inert.loads(data)
        exception, message, place = summary(str(content["traceback"] or ""))
        layer = str(content.get("layer") or "").rpartition("/applications/")[2]
    except (inert.Unreadable, AttributeError, LookupError, RecursionError, TypeError):
        exception, message, place, layer = "unreadable", "", "", ""
    return {**found, "exception": exception, "message": message[:200], "place": place, "layer": layer[:200]}


def newest(settings: Mapping[str, Any], most: int) -> tuple[list[dict[str, str]], list[str]]:
    """The newest tickets of each application, from files and database, and what could not be read."""
    rows, failures = [], []
    known = stored.rows(settings["databases"])
    for name, choice in settings["applications"].items():
        state = os.path.join(settings["state"], name)
        folder, databases = os.path.join(state, "errors"), os.path.join(state, "databases")
        for ticket in heapq.nlargest(most, names(folder), key=lambda one: str(when(one))):
            try:
                data = read(os.path.join(folder, ticket))
            except (OSError, inert.Unreadable):
                data = b""
            rows.append(row(name, ticket, "file", data))
        if choice["store"] != "database":
            continue
        try:
            with stored.opened(known.get(name), databases, settings["code"]) as database:
                rows += _in_database(database, name, stored.pydal(settings["code"]).Field, most)
        except (OSError, stored.Down) as error:
            failures.append(f"{name}: {stored.told(error)}")
    return sorted(rows, key=lambda one: one["when"], reverse=True), failures


def _in_database(database: Any, application: str, field: Any, most: int) -> list[dict[str, str]]:
    table = database.define_table(
        f"web2py_ticket_{application}", field("ticket_id"), field("ticket_data", "blob"),
        field("created_datetime", "datetime"), migrate=False,
    )  # fmt: skip
    if not stored.has(database, table):
        return []
    found = database(table).select(orderby=~table.created_datetime, limitby=(0, most))
    return [row(application, one.ticket_id, "database", one.ticket_data or b"") for one in found]


def main() -> int:
    if sys.argv[1] == "list":
        rows, failures = newest(json.loads(sys.argv[3]), int(sys.argv[2]))
        print(json.dumps({"tickets": rows, "failures": failures}))
        return 0
    return run(sys.argv[2], collect)


if __name__ == "__main__":
    sys.exit(main())
