# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The databases that the site gives to its applications, whose code goes on naming its own.

Every database of web2py is opened by one call, `DAL(uri, ...)`, whatever name it was imported by. That call is taken
here: a URI that stands for the site's database leads there, others pass.
"""

from __future__ import annotations

import importlib
import json
import os
from collections.abc import Mapping
from typing import Any

from web2py_runtime import replicas, uploads

# Set for the one program that migrates (migrate.py).
MIGRATES = "WEB2PY_RUNTIME_MIGRATES"
# A URI for tools, such as admin's list of tickets: web2py.deploy:APPLICATION.
SCHEME = "web2py.deploy:"
# What the application's code named, of a database that is the site's.
NAMED = "_web2py_deploy_named"
# Of MySQL's tables. pydal puts "CHARACTER SET utf8" behind it, in which no letter has four bytes. The comment takes
# that away, so that the character set of the database counts, and its order.
ENGINE = "InnoDB -- "
# The parameters of DAL in their order, as far as code gives them without a name.
_NAMES = (
    "pool_size folder db_codec check_reserved migrate fake_migrate migrate_enabled fake_migrate_all decode_credentials "
    "driver_args adapter_args attempts auto_import bigint_id debug lazy_tables"
).split()

Row = dict[str, Any]


def arguments(row: Row) -> dict[str, dict[str, Any]]:
    """What the driver and the adapter of pydal are told of a database of the site."""
    found: dict[str, dict[str, Any]] = {"driver_args": dict(row.get("driver_args") or {})}
    if str(row.get("uri")).startswith("mysql"):
        password = found["driver_args"].get("password")
        # PyMySQL would take a text for Latin-1.
        found["driver_args"]["password"] = password.encode() if isinstance(password, str) else password
        found["adapter_args"] = {"engine": ENGINE}
    return found


class Book:
    """The file that tells how databases are opened.

    It is read once, so that a process stays with what it began with; only secrets are read again where the file is
    another one, so that running processes go on after they were changed.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.seen = self._version()
        self.rows = self._read()

    def _version(self) -> tuple[int, int]:
        found = os.stat(self.path)
        return found.st_mtime_ns, found.st_ino

    def _read(self) -> dict[str, Row]:
        with open(self.path, encoding="utf-8") as file:
            found: dict[str, Row] = json.load(file)["applications"]
        return found

    def row(self, application: str) -> Row | None:
        """How the database of an application is opened."""
        row = self.rows.get(application)
        if row and (row.get("uri") or row.get("cookie_key")):
            self._refresh()
        return row

    def _refresh(self) -> None:
        try:
            version = self._version()
            if version == self.seen:
                return
            fresh = self._read()
        except (OSError, ValueError):
            return  # what was known still counts
        self.seen = version
        for name, row in self.rows.items():
            password = fresh.get(name, {}).get("driver_args", {}).get("password")
            if password is not None and "driver_args" in row:
                row["driver_args"]["password"] = password
            if "cookie_key" in row:
                row["cookie_key"] = fresh.get(name, {}).get("cookie_key", row["cookie_key"])


_books: dict[str, Book] = {}


def book(path: str) -> Book:
    """The book of the process."""
    if path not in _books:
        _books[path] = Book(path)
    return _books[path]


def application_now() -> str:
    """The application whose request this is; "" outside of any."""
    request = getattr(importlib.import_module("gluon.globals").current, "request", None)
    return str(getattr(request, "application", None) or "")


def led(
    rows: Any, application: str, uri: Any, args: tuple[Any, ...], words: Mapping[str, Any]
) -> tuple[Any, tuple[Any, ...], dict[str, Any]]:
    """The arguments of DAL as they are to be: those of the site where the URI stands for its database."""
    words = dict(words)
    asked = [uri] if isinstance(uri, str) else uri if isinstance(uri, (list, tuple)) else []
    named = next((each[len(SCHEME) :] for each in asked if str(each).startswith(SCHEME)), None)
    row = rows(named or application)
    if row is None or not (named or set(asked) & set(row["replaces"])):
        return uri, args, words
    words.update(zip(_NAMES, args))
    if MIGRATES in os.environ:
        words.update(migrate=True, migrate_enabled=True, lazy_tables=False)
    elif not row["migrate"]:
        words["migrate_enabled"] = False
    if row["uri"]:
        uri = row["uri"]
        words["pool_size"] = row["pool_size"]
        told = arguments(row)
        words["driver_args"] = {**(words.get("driver_args") or {}), **told["driver_args"]}
        if "adapter_args" in told:
            words["adapter_args"] = {**told["adapter_args"], **(words.get("adapter_args") or {})}
        if MIGRATES in os.environ and uri.startswith("mysql"):
            # A large table takes its time; pydal would give it half a minute.
            words["driver_args"].update(read_timeout=None, write_timeout=None)
        plan = row.get("standbys")
        if plan and not named and MIGRATES not in os.environ:
            words["driver_args"]["connection_factory"] = replicas.factory(plan, row)
            # What reads from standbys shares no pool with what does not, such as sessions.
            uri += "&reads=standbys"
        words["table_hash"] = row["table_hash"]
        words["decode_credentials"] = False
        # A page waits for no server that is down: each further attempt takes a second of a worker.
        words.setdefault("attempts", 1)
    return uri, (), words


def install(path: str) -> Book:
    """Take the call of DAL over, once in a process."""
    found = book(path)
    kind: Any = type(importlib.import_module("pydal.base").DAL)
    if hasattr(kind, "web2py_deploy"):
        return found
    call = kind.__call__

    def opened(cls: Any, uri: Any = "sqlite://dummy.db", *args: Any, **words: Any) -> Any:
        application = application_now()
        named, (uri, args, words) = uri, led(found.row, application, uri, args, words)
        database = call(cls, uri, *args, **words)
        if uri is not named:
            setattr(database, NAMED, named)
            uploads.mark(database, application)
        return database

    kind.__call__ = opened
    uploads.install(importlib.import_module("pydal.base").DAL)
    kind.web2py_deploy = True
    return found
