# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a generated model does first in each request: sessions, cache and uploads go where the site has chosen.

Tickets go there later, see `tickets`: a page may fail because the database is down.

The words are those of the table of choices. A store that this file does not know is one of `SESSIONS` or `CACHES`.
"""

from __future__ import annotations

import importlib
import os
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from web2py_runtime import caches, databases, ram, seen, sessions, stored, stores, uploads

Environment = dict[str, Any]
Settings = dict[str, Any]


class Given:
    """What a store may need: the models' environment, the settings, and the site's database, opened when asked."""

    def __init__(self, environment: Environment, path: str, settings: Settings) -> None:
        self.environment, self.path, self.settings = environment, path, settings
        self.book = databases.install(path)
        self._database: Any = None

    @property
    def application(self) -> str:
        return str(self.environment["request"].application)

    @property
    def database(self) -> Any:
        """A connection of our own beside the application's: what we write is no part of its transactions."""
        return self.open() if self._database is None else self._database

    def open(self, **words: Any) -> Any:
        """Another connection, which knows nothing of the one before."""
        dal: Any = importlib.import_module("pydal.base").DAL
        folder = f"{self.environment['request'].folder.rstrip('/')}/databases"
        self._database = dal(databases.SCHEME + self.application, folder=folder, **words)
        return self._database

    def cookie_key(self) -> str:
        return str((self.book.row(self.application) or {})["cookie_key"])

    def connect(self, **words: Any) -> None:
        """web2py's own call, with what it needs each time."""
        session, response = self.environment["session"], self.environment["response"]
        session.connect(self.environment["request"], response, **words)
        sessions.settle(session, response)


def in_files(given: Given) -> None:
    """Sessions in web2py's files, which end in time where one was given: the date of a file is that of the last
    request."""
    session, response = given.environment["session"], given.environment["response"]
    expiry, file = given.settings["sessions"].get("expiry"), getattr(response, "session_file", None)
    if expiry is None or file is None:
        return
    if time.time() - os.fstat(file.fileno()).st_mtime > expiry:
        session.renew(clear_session=True)
    else:
        os.utime(file.fileno())


# Applications whose table of sessions this process has seen.
_tables: set[str] = set()


def in_database(given: Given) -> None:
    """Sessions in the site's database. Without it the request ends with 503, before it has done anything."""
    try:
        database = given.database
        # That of MySQL is opened when somebody first asks for it, which would be in the middle of the page.
        _opened = database._adapter.connection
    except Exception as error:  # pydal and each driver have errors of their own
        stores.LOG.error("sessions cannot be had: %s", stored.told(error))
        environment = given.environment
        raise sessions.unavailable(environment["session"], environment["response"]) from None
    if given.application in _tables:
        given.connect(db=database, migrate=False)
    else:
        make(given, f"web2py_session_{given.application}")
        _tables.add(given.application)
    end(given, seen.Column(given.environment["response"], given.database))


def make(given: Given, name: str) -> None:
    """Sessions in a table that is made where it is missing. Another process, or another host, may be faster.

    pydal has a file that tells of the table: another host, or a restored database, has the table and not the file, or
    the file and not the table.
    """
    database = given.database
    path = os.path.join(database._adapter.folder, f"{database._uri_hash}_{name}.table")
    if not stored.there(database, name):
        with suppress(FileNotFoundError):
            os.unlink(path)
        try:
            given.connect(db=database)
            database.commit()
            return
        except Exception:
            database.rollback()
            if not stored.there(database, name):
                raise
    given.connect(db=given.open(fake_migrate_all=not os.path.exists(path)))


def in_cookie(given: Given) -> None:
    """Sessions with the visitor, encrypted and signed."""
    key = given.cookie_key()
    given.connect(cookie_key=key)
    end(given, seen.Cookie(given.environment["request"], given.environment["response"], key))


def end(given: Given, beside: seen.Beside) -> None:
    """End a session that nobody has asked for in its time, else write down that it was asked for."""
    session, response = given.environment["session"], given.environment["response"]
    now = int(time.time())
    if seen.ended(session, beside, given.settings["sessions"]["expiry"], now):
        session.clear()
        response.session_new, response.session_id, response.session_db_record_id = True, None, None
        session[seen.SEEN] = now


def in_process(given: Given) -> None:
    """web2py's own, or one that has a bound."""
    most = given.settings["cache"].get("max_mb")
    if most:
        given.environment["cache"].ram = ram.bounded(given.application, most << 20)


def on_disk(given: Given) -> None:
    """What one process keeps, the others have too."""
    cache = given.environment["cache"]
    cache.ram = cache.disk


def in_store(given: Given) -> None:
    """Sessions in Redis or memcached, which ends them in time."""
    environment, chosen = given.environment, given.settings["sessions"]
    store, site = stores.at(given.path, chosen["store"], "sessions")
    words = (environment["request"], environment["response"], environment["session"])
    sessions.connect(*words, store, f"{site}:session", chosen["expiry"])


def outside(given: Given) -> None:
    """Cached values in Redis or memcached."""
    kind = given.settings["cache"]["store"]
    store, site = stores.at(given.path, kind, "cache")
    caches.redirect(given.environment["cache"], store, f"{site}:cache:{given.application}", kind)


SESSIONS: dict[str, Callable[[Given], None]] = {
    "file": in_files,
    "database": in_database,
    "redis": in_store,
    "memcached": in_store,
    "cookie": in_cookie,
}
CACHES: dict[str, Callable[[Given], None]] = {
    "ram": in_process,
    "disk": on_disk,
    "redis": outside,
    "memcached": outside,
}


def apply(environment: Environment, path: str, settings: Settings) -> None:
    """Lead an application to what its site has chosen; called by the model, before those of the application."""
    given = Given(environment, path, settings)
    uploads.CHOSEN[given.application] = settings["uploads"]["store"]
    CACHES[settings["cache"]["store"]](given)
    if not environment["request"].env.web2py_disable_session:
        SESSIONS[settings["sessions"]["store"]](given)
