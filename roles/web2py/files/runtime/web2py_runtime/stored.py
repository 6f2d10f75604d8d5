# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The databases of a site's applications, opened outside of a request by the programs that keep order."""

from __future__ import annotations

import importlib
import json
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from web2py_runtime.databases import arguments

# Seconds until a server that says nothing counts as down.
PATIENCE = 10


class Down(Exception):
    """A database cannot be reached, or refuses. The words hold no password."""


Row = dict[str, Any]


def rows(path: str) -> dict[str, Row]:
    """How the database of each application is opened; none where the site has only files of SQLite."""
    try:
        with open(path, encoding="utf-8") as file:
            found: dict[str, Row] = json.load(file)["applications"]
    except FileNotFoundError:
        return {}
    return {name: row for name, row in found.items() if row.get("uri")}


def told(error: BaseException, *secrets: str) -> str:
    """The last words of an error in one line, without a password."""
    text = str(error)
    for secret in filter(None, secrets):
        text = text.replace(secret, "***")
    words = [row.strip() for row in text.splitlines() if row.strip()] or [type(error).__name__]
    return re.sub(r"://\S*@", "://***@", words[-1])[:300]


def pydal(code: str) -> Any:
    """pydal, web2py's own where it brings one."""
    for name in ("pydal", "dal"):
        folder = os.path.join(code, "gluon/packages", name)
        if os.path.isdir(os.path.join(folder, "pydal")) and folder not in sys.path:
            sys.path.insert(0, folder)
    return importlib.import_module("pydal")


@contextmanager
def opened(row: Row | None, folder: str, code: str) -> Iterator[Any]:
    """A connection of our own, closed at the end; what was not committed is taken back."""
    if row is None:
        raise Down("the site gives the application no database")
    told_ = arguments(row)
    if not row["uri"].startswith("sqlite"):
        told_["driver_args"]["connect_timeout"] = PATIENCE
    secrets = (row["uri"], str((row.get("driver_args") or {}).get("password") or ""))
    try:
        database = pydal(code).DAL(
            row["uri"], folder=folder, pool_size=0, attempts=1, table_hash=row.get("table_hash"), **told_
        )
    except Exception as error:  # each driver has errors of its own
        raise Down(told(error, *secrets)) from None
    try:
        yield database
    except Down:
        raise
    except Exception as error:
        raise Down(told(error, *secrets)) from None
    finally:
        for end in (database.rollback, database.close):
            with suppress(Exception):
                end()


def has(database: Any, table: Any) -> bool:
    """Whether a table is there. Drivers say so in their own words only."""
    return _asked(database, lambda: database(table).isempty())


def there(database: Any, name: str) -> bool:
    """Whether a table of this name is there, which pydal has not been told of."""
    quoted = database._adapter.dialect.quote(name)
    return _asked(database, lambda: database.executesql(f"SELECT 1 FROM {quoted} WHERE 1 = 0"))  # noqa: S608  a name of ours


def _asked(database: Any, question: Callable[[], Any]) -> bool:
    try:
        question()
    except Exception as error:
        database.rollback()
        if re.search(r"no such table|does not exist|doesn't exist", str(error)):
            return False
        raise
    return True
