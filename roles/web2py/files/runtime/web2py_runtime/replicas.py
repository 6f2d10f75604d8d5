# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pages read from a standby of PostgreSQL, and everything that writes goes to the primary.

pydal gets one connection, as ever. Behind it are several: what a page reads comes from a standby until it changes
something; from then on, and whenever the standby has trouble, the primary is asked. Nothing is lost by that: a standby
has only been read.
"""

from __future__ import annotations

import fcntl
import importlib
import json
import os
import random
import re
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

# In the folder databases of the application, which all of its processes share.
FILE = ".web2py_deploy_replicas"
# A standby with trouble is asked again after this time, by one process first.
DOWN_SECONDS = 10.0
# A standby that is further behind, or hears nothing of the primary for longer, is not asked.
LAG_SECONDS = 30.0
# How long a look at that counts.
LOOK_SECONDS = 5.0
# Whoever has changed something reads from the primary for that long, so that he sees it.
FRESH_SECONDS = 10
COOKIE = "web2py_deploy_primary"
# A standby that does not answer holds nobody up; these come over what the site says of the primary.
IMPATIENT: dict[str, Any] = {
    "connect_timeout": 2,
    "keepalives_idle": 3,
    "keepalives_interval": 1,
    "keepalives_count": 3,
    "tcp_user_timeout": 3000,
    "target_session_attrs": "any",
}
_READS = re.compile(r"\s*(select|with|show)\b", re.IGNORECASE)
# Settings of a connection, which all need. Those of a transaction are the primary's.
_SETS = re.compile(r"\s*set\s+(?!local\b|transaction\b|constraints\b|session\s+characteristics\b)", re.IGNORECASE)
_TESTS = re.compile(r"\s*select 1;?\s*", re.IGNORECASE)
_LOOK = """
SELECT pg_is_in_recovery(),
 pg_wal_lsn_diff(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()) < 1048576
 AND EXISTS (SELECT 1 FROM pg_stat_wal_receiver),
 coalesce(extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp()), 0)
"""

_LONGEST = 1 << 16
# What a standby says to a command that changes something (SQLSTATE read_only_sql_transaction).
_READ_ONLY = "25006"
_SIGN = "web2py_deploy_sign"

Place = dict[str, Any]


class Unfit(Exception):
    """Why a standby is not asked."""


def parsed(text: bytes) -> dict[str, Any]:
    """What the file says; {} where it says nothing that is understood."""
    try:
        found = json.loads(text)
        return {"turn": int(found["turn"]), "down": {str(name): float(end) for name, end in found["down"].items()}}
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}


class Board:
    """What all processes of an application know of the standbys: whose turn it is, and which have trouble.

    It is a file under a lock. Where it cannot be written, each process has its own knowledge.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.own: dict[str, Any] = {}

    def change(self, work: Callable[[dict[str, Any]], Any]) -> Any:
        """Let `work` look at what is known, and change it."""
        try:
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o640)
        except OSError:
            return work(self.own)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            before = os.pread(descriptor, _LONGEST, 0)
            known = parsed(before) or self.own
            result = work(known)
            text = json.dumps(known).encode()
            if text != before:
                # On a full disk there is nothing in it, or what was known.
                with suppress(OSError):
                    os.pwrite(descriptor, text, 0)
                    os.ftruncate(descriptor, len(text))
            return result
        finally:
            os.close(descriptor)

    def choose(self, names: Sequence[str], way: str) -> str | None:
        """A standby without trouble, at random or the next one; None where all have some."""

        def work(known: dict[str, Any]) -> str | None:
            now, down = time.time(), known.setdefault("down", {})
            turn = known.setdefault("turn", -1)
            # A time far ahead is of a clock that was wrong.
            fit = [name for name in names if not 0 < down.get(name, 0) - now <= DOWN_SECONDS]
            if not fit:
                return None
            if way != "random":
                first = (turn + 1) % len(names)
                found = next(name for name in [*names[first:], *names[:first]] if name in fit)
                known["turn"] = names.index(found)
            else:
                found = random.choice(fit)  # noqa: S311
            if found in down:
                # This one looks whether it is well again; the others wait.
                down[found] = now + DOWN_SECONDS
            return found

        return self.change(work)  # type: ignore[no-any-return]

    def tell(self, name: str, well: bool) -> None:
        """What has become of a standby."""

        def work(known: dict[str, Any]) -> None:
            known.setdefault("turn", -1)
            down = known.setdefault("down", {})
            if well:
                down.pop(name, None)
            else:
                down[name] = time.time() + DOWN_SECONDS

        self.change(work)


_boards: dict[str, Board] = {}


def board(path: str) -> Board:
    """The board of a path, one in a process."""
    if path not in _boards:
        _boards[path] = Board(path)
    return _boards[path]


def request_now() -> Any:
    """The request that is being answered; None outside of a web server: programs and tasks read from the primary."""
    request = getattr(importlib.import_module("gluon.globals").current, "request", None)
    return request if request and getattr(request, "wsgi", None) else None


def may(request: Any, plan: Place) -> bool:
    """Whether a request reads from a standby: a page, for who has changed nothing shortly."""
    if request is None or request.env.request_method not in ("GET", "HEAD") or COOKIE in request.cookies:
        return False
    if plan["reads"] != "actions":
        return True
    return bool({f"{request.controller}/{request.function}", f"{request.controller}/*"} & set(plan["actions"]))


def remember() -> None:
    """The visitor has changed something: his next pages show it."""
    response = getattr(importlib.import_module("gluon.globals").current, "response", None)
    request = request_now()
    if request is None or response is None:
        return
    response.cookies[COOKIE] = "1"
    morsel = response.cookies[COOKIE]
    morsel["path"], morsel["max-age"], morsel["httponly"] = "/", FRESH_SECONDS, True
    morsel["samesite"] = "Lax"
    if request.is_https:
        morsel["secure"] = True


def close(connection: Any) -> None:
    """Let a connection go that may be gone."""
    with suppress(Exception):
        if connection is not None:
            connection.close()


class Connection:
    """What pydal holds for a connection of psycopg2."""

    def __init__(self, open_primary: Callable[[], Any], open_standby: Callable[[Place], Any], plan: Place) -> None:
        self._opens, self._opens_standby, self._plan = open_primary, open_standby, plan
        self._primary: Any = None
        # By name: a connection to a standby, and when it was looked at.
        self._standbys: dict[str, tuple[Any, float]] = {}
        self._sets: list[str] = []
        # The request that counts, the standby from which it is still read, and whether it has changed something.
        self._request: Any = None
        self._path = self._name = ""
        self._changed = False

    def _begin(self) -> None:
        """The first word of a request: who is asked?"""
        request = request_now()
        # The connection outlives the request, so it keeps no more of it than a sign.
        sign = None if request is None else request.setdefault(_SIGN, object())
        if sign is not None and sign is self._request:
            return
        self._request, self._name, self._changed = sign, "", False
        if may(request, self._plan):
            self._path = f"{request.folder.rstrip('/')}/databases/{FILE}"
            names = [place["name"] for place in self._plan["places"]]
            self._name = board(self._path).choose(names, self._plan["reads"]) or ""

    def _trouble(self, error: Exception) -> None:
        """The standby has failed: the rest of this request is the primary's."""
        name, self._name = self._name, ""
        standby = self._standbys[name][0] if name in self._standbys else None
        if getattr(error, "pgcode", None) == _READ_ONLY:
            self._change()
        if standby is None or standby.closed or isinstance(error, Unfit):
            board(self._path).tell(name, False)
            self._standbys.pop(name, None)
            close(standby)

    def _lost(self) -> bool:
        """Whether the connection to the standby is gone, and a new one can be tried."""
        standby, _looked = self._standbys.get(self._name, (None, 0.0))
        if standby is None or not standby.closed:
            return False
        del self._standbys[self._name]
        return True

    def _change(self) -> None:
        """Something is changed in this request."""
        if not self._changed:
            self._changed = True
            remember()

    def _ready(self) -> Any:
        """The standby whose turn it is, looked at."""
        name = self._name
        standby, looked = self._standbys.get(name, (None, 0.0))
        if standby is None:
            standby = self._opens_standby(next(place for place in self._plan["places"] if place["name"] == name))
            # Also one that has become a primary takes nothing of us, and no snapshot is held while a page is made.
            standby.set_session(readonly=True, autocommit=True)
            for command in self._sets:
                standby.cursor().execute(command)
        elif time.monotonic() - looked < LOOK_SECONDS:
            return standby
        self._standbys[name] = standby, time.monotonic()
        cursor = standby.cursor()
        cursor.execute(_LOOK)
        behind, level, seconds = cursor.fetchone()
        if behind and not level and seconds > LAG_SECONDS:
            raise Unfit(f"{name} is {seconds} seconds behind")
        board(self._path).tell(name, True)
        return standby

    def _first(self) -> Any:
        """The primary."""
        if self._primary is None:
            self._primary = self._opens()
            for command in self._sets:
                self._primary.cursor().execute(command)
        return self._primary

    def run(self, cursor: Callable[[Any], Any], command: Any, words: tuple[Any, ...]) -> Any:
        """Let a command run where it belongs; the real cursor with what came of it, None where nothing came."""
        text = command if isinstance(command, str) else str(command)
        self._begin()
        if _TESTS.fullmatch(text) and self._primary is None and self._name:
            # pydal asks whether the connection still lives. One that is to be opened does.
            return None
        if _SETS.match(text) and not words:
            return self._set(cursor, text)
        reads = bool(_READS.match(text))
        if reads and self._name and not _TESTS.fullmatch(text):
            # One of the pool may have been lost long ago, which says nothing of the standby.
            for kept in (self._name in self._standbys, False):
                try:
                    found = cursor(self._ready())
                    found.execute(command, *words)
                    return found
                except Exception as error:
                    if kept and self._lost():
                        continue
                    self._trouble(error)
                    break
        found = cursor(self._first())
        if not reads:
            self._name = ""
            self._change()
        found.execute(command, *words)
        return found

    def _set(self, cursor: Callable[[Any], Any], command: str) -> Any:
        """A setting counts on all, also on one that is opened later."""
        if command not in self._sets:
            self._sets.append(command)
        for name, (standby, _looked) in list(self._standbys.items()):
            try:
                standby.cursor().execute(command)
            except Exception:
                del self._standbys[name]
                close(standby)
        if self._primary is None:
            return None
        found = cursor(self._primary)
        found.execute(command)
        return found

    def cursor(self, *words: Any, **options: Any) -> Cursor:
        """A cursor, which finds out with each command whose it is."""
        return Cursor(self, words, options)

    def commit(self) -> None:
        """Keep what was changed; a standby has nothing to keep."""
        if self._primary is not None:
            self._primary.commit()

    def rollback(self) -> None:
        """Forget what was changed."""
        if self._primary is not None:
            self._primary.rollback()

    def close(self) -> None:
        """Let all go."""
        standbys, self._standbys = self._standbys, {}
        for standby, _looked in standbys.values():
            close(standby)
        primary, self._primary = self._primary, None
        if primary is not None:
            primary.close()

    @property
    def __wrapped__(self) -> Any:
        """A real connection, by which pydal writes values as the server wants them."""
        return self._any()

    @property
    def server_version(self) -> int:
        """That of whichever server is asked."""
        return int(self._any().server_version)

    def _any(self) -> Any:
        self._begin()
        if self._primary is None and self._name:
            try:
                return self._ready()
            except Exception as error:
                self._trouble(error)
        return self._first()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._first(), name)


class Cursor:
    """What pydal holds for a cursor of psycopg2."""

    def __init__(self, connection: Connection, words: tuple[Any, ...], options: dict[str, Any]) -> None:
        self._connection, self._words, self._options = connection, words, options
        self._real: Any = None

    def _made(self, connection: Any) -> Any:
        return connection.cursor(*self._words, **self._options)

    def execute(self, command: Any, *words: Any) -> None:
        self._real = self._connection.run(self._made, command, words)

    def close(self) -> None:
        with suppress(Exception):
            if self._real is not None:
                self._real.close()

    def __iter__(self) -> Any:
        return iter(self._real)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        if self._real is None:
            # Nothing was asked, or a command of which nothing is expected: the primary's words then.
            self._real = self._made(self._connection._first())
        return getattr(self._real, name)


def factory(plan: Place, row: dict[str, Any]) -> Callable[..., Connection]:
    """What psycopg2 calls instead of making a connection of its own; it hands over how the primary is reached.

    The password is that of the moment, also for a connection that waits in a pool.
    """

    def made(dsn: str, *_words: Any, **_options: Any) -> Connection:
        driver: Any = importlib.import_module("psycopg2")

        def opened(**words: Any) -> Any:
            return driver.connect(dsn, password=row["driver_args"]["password"], **words)

        return Connection(opened, lambda place: opened(**IMPATIENT, **place["args"]), plan)

    return made
