# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sessions in a store: what web2py's `session.connect(..., db=...)` asks of a database, with one value for a session.

A session is kept for `seconds` from the last request that brought its cookie, whether that changed it or not. What two
requests of one session write at once is not mixed: the one that ends last has the word, for the whole session. An empty
session is not kept, so that a visitor without cookies costs no memory.
"""

from __future__ import annotations

import importlib
import secrets
from collections.abc import Callable
from typing import Any

from web2py_runtime.stores import LOG, Down, Store

# What web2py puts into every session by itself.
INTERNAL = frozenset(("_last_timestamp", "_secure", "_start_timestamp", "_same_site", "_forget"))
FIELDS = ("unique_key", "client_ip", "session_data")


class Row(dict[str, Any]):
    """A session as a row of a table: row.client_ip is row["client_ip"]."""

    def __getattr__(self, name: str) -> Any:
        return self.get(name)


def packed(row: dict[str, Any]) -> bytes:
    """A row as the value of a store."""
    data = row.get("session_data") or b""
    lines = [str(row.get(name) or "").replace("\n", " ") for name in FIELDS[:2]]
    return "\n".join([*lines, ""]).encode() + (data.encode("latin-1") if isinstance(data, str) else bytes(data))


def unpacked(value: bytes) -> Row | None:
    """A row from the value of a store, None where it is none of ours."""
    parts = value.split(b"\n", 2)
    if len(parts) != 3:
        return None
    return Row(zip(FIELDS, (parts[0].decode("utf-8", "replace"), parts[1].decode("utf-8", "replace"), parts[2])))


class Column:
    """table.id, which web2py compares with the number of a session."""

    __hash__ = None  # type: ignore[assignment]

    def __init__(self, table: Table) -> None:
        self.table = table

    def __eq__(self, other: object) -> Any:
        return Query(self.table, other)


class Query:
    """table.id == number."""

    def __init__(self, table: Table, number: object) -> None:
        self.table, self.number = table, number

    def select(self) -> list[Row]:
        row = self.table(self.number)
        return [row] if row else []

    def update(self, **fields: Any) -> int:
        return self.table.update(self.number, fields)

    def delete(self) -> int:
        return self.table.delete(self.number)


class Table:
    """The sessions of one application."""

    def __init__(self, database: Database, name: str) -> None:
        self._db = database
        self.prefix = f"{database.prefix}:{name}:"
        self.id = Column(self)

    def __call__(self, number: object, unique_key: str | None = None) -> Row | None:
        """The session of this number, where the visitor also knows its key."""
        database = self._db
        value = database.do(lambda: database.store.get(self._key(number), database.seconds))
        row = unpacked(value) if value is not None else None
        if row is None or (unique_key is not None and not secrets.compare_digest(row["unique_key"], unique_key)):
            return None
        row["id"] = number
        return row

    def insert(self, **fields: Any) -> int:
        database = self._db
        # Nobody else has it, and nobody can tell it from another's. web2py wants a number.
        number = secrets.randbits(62) + 1
        if not database.empty():
            database.do(lambda: database.store.put(self._key(number), packed(fields), database.seconds))
        return number

    def update(self, number: object, fields: dict[str, Any]) -> int:
        database = self._db
        if "session_data" not in fields:
            # Another key for the same session. It is whole by the end of the request.
            row = self(number)
            if row is None:
                return 0
            fields = {**row, **fields}
        # Only where there is one: what was ended meanwhile does not come back.
        return int(
            database.do(lambda: database.store.put(self._key(number), packed(fields), database.seconds, there=True))
        )

    def delete(self, number: object) -> int:
        database = self._db
        return int(database.do(lambda: database.store.drop(self._key(number))))

    def _key(self, number: object) -> str:
        return f"{self.prefix}{number}"


class Database:
    """Stands where web2py wants a database for sessions, and knows no other table.

    `empty` tells whether there is nothing in the session at hand, `unable` ends the request where the store is down.
    """

    def __init__(
        self,
        store: Store,
        prefix: str,
        seconds: int,
        empty: Callable[[], bool],
        unable: Callable[[Down], BaseException],
    ) -> None:
        self.store, self.prefix, self.seconds = store, prefix, seconds
        self.empty, self.unable = empty, unable
        self.tables: dict[str, Table] = {}

    @staticmethod
    def Field(*words: Any, **more: Any) -> tuple[Any, ...]:
        """A field is what web2py says it is: a session is kept as one value."""
        return (*words, more)

    def define_table(self, name: str, *_fields: Any, **_more: Any) -> Table:
        return self.tables.setdefault(name, Table(self, name))

    def get(self, name: str, default: Any = None) -> Any:
        return self.tables.get(name, default)

    def __getitem__(self, name: str) -> Table:
        return self.tables[name]

    def __call__(self, query: Query) -> Query:
        return query

    def commit(self) -> None:
        """Nothing is held back."""

    def do(self, work: Callable[[], Any]) -> Any:
        try:
            return work()
        except Down as error:
            LOG.error("sessions cannot be had: %s", error)
            raise self.unable(error) from error


def nothing_in(session: dict[str, Any]) -> bool:
    """Whether a session holds nothing but what web2py puts in by itself."""
    return all(key in INTERNAL for key in session)


def settle(session: Any, response: Any) -> None:
    """A later `session.connect(request, response)` of the application changes nothing in this request.

    It names no place; web2py takes that for files, or for both.
    """
    kind: Any = type(session)
    response.web2py_deploy_connected = True
    if hasattr(kind, "web2py_deploy"):
        return
    connect = kind.connect

    def connected(self: Any, request: Any = None, response: Any = None, *args: Any, **words: Any) -> Any:
        names = args or any(words.get(word) for word in ("db", "cookie_key", "masterapp"))
        known = importlib.import_module("gluon.globals").current.response if response is None else response
        if not names and getattr(known, "web2py_deploy_connected", None):
            return None
        return connect(self, request, response, *args, **words)

    kind.connect, kind.web2py_deploy = connected, True


def unavailable(session: Any, response: Any) -> BaseException:
    """What ends a request whose session cannot be had: the session is left alone, and the visitor keeps the cookie."""
    from gluon.http import HTTP

    session.forget(response)
    return HTTP(503, "Sessions cannot be had at the moment. Try again soon.\n", **{"Retry-After": "5"})


def connect(request: Any, response: Any, session: Any, store: Store, prefix: str, seconds: int) -> None:
    """Sessions of the application at hand are in the store. Without it the request ends with 503, before it has done
    anything."""
    database = Database(store, prefix, seconds, lambda: nothing_in(session), lambda _: unavailable(session, response))
    if f"session_id_{request.application.lower()}" not in request.cookies:
        database.do(store.ask)
    session.connect(request, response, db=database)
    settle(session, response)
