# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection: a program that looks into databases, with nothing but what Python and a driver bring.

Its text is run by the Python of a site's environment, as the user of the site, so that it has the drivers of the
applications and no more rights than they. It reads only. What is asked comes on standard input, answers are JSON lines
on standard output, and no answer holds a URI.
"""

from __future__ import annotations

import importlib
import json
import os
import re
import sqlite3
import sys
import threading
from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlsplit

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
POSTGRESQL = ("psycopg2", "psycopg")
MYSQL = ("pymysql", "MySQLdb")
OPTIONS = ("host", "sslmode", "sslrootcert", "sslcert", "sslkey")
TABLES = {
    "sqlite": "SELECT name FROM sqlite_master WHERE type = 'table'",
    "postgresql": "SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema()",
    "mysql": "SELECT table_name FROM information_schema.tables WHERE table_schema = database()",
}
SIZE = {
    "postgresql": "SELECT pg_database_size(current_database())",
    "mysql": "SELECT sum(data_length + index_length) FROM information_schema.tables WHERE table_schema = database()",
}
# Of a standby; how far it is behind says nothing where nothing changes.
FOLLOWS = (
    "SELECT pg_is_in_recovery(), EXISTS (SELECT 1 FROM pg_stat_wal_receiver),"
    " pg_wal_lsn_diff(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()),"
    " extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp())"
)
Ask = Callable[[str], "list[tuple[Any, ...]]"]


def parts(uri: str) -> dict[str, Any]:
    """What a URI as web2py's DAL takes it says: kind, host, port, user, password, database, options."""
    scheme, found, rest = uri.partition("://")
    kind = {"postgres": "postgresql", "postgresql": "postgresql", "mysql": "mysql", "sqlite": "sqlite"}.get(
        scheme.partition(":")[0]
    )
    if not found or kind is None:
        raise ValueError("is of a kind that is not known here")
    if kind == "sqlite":
        return {"kind": kind, "database": rest.partition("?")[0]}
    given = urlsplit(f"//{rest}")
    words = dict(parse_qsl(given.query))
    # The DAL's word for a socket is its path; libpq's is its folder.
    if kind == "postgresql" and words.get("unix_socket"):
        words["host"] = os.path.dirname(words["unix_socket"])
    elif words.get("unix_socket"):
        words["host"] = words["unix_socket"]
    return {
        "kind": kind,
        "host": unquote(given.hostname or ""),
        "port": given.port,
        "user": unquote(given.username or ""),
        "password": unquote(given.password or ""),
        "database": unquote(given.path.lstrip("/")),
        "options": {key: value for key, value in words.items() if key in OPTIONS},
    }


def driver(names: tuple[str, ...]) -> Any:
    for name in names:
        try:
            return importlib.import_module(name)
        except ImportError:
            continue
    raise RuntimeError(f"the site's Python environment has none of {', '.join(names)}")


def connect(given: Mapping[str, Any], seconds: int) -> Any:
    """A connection that gives up in time and cannot write."""
    if given["kind"] == "sqlite":
        return sqlite3.connect(f"file:{quote(given['database'])}?mode=ro", uri=True, timeout=seconds)
    known = {key: given[key] for key in ("host", "port", "user", "password") if given[key]}
    # What the runtime's file says beside the URI: the password, and where the authority of TLS is.
    known.update({key: value for key, value in given.get("more", {}).items() if key != "connect_timeout"})
    if given["kind"] == "postgresql":
        limits = f"-c statement_timeout={seconds * 1000} -c default_transaction_read_only=on"
        if "target_session_attrs" in known:
            # The one that takes changes, though this connection makes none.
            known["target_session_attrs"] = "primary"
        words = {**known, **given["options"], "dbname": given["database"], "options": limits}
        return driver(POSTGRESQL).connect(connect_timeout=max(seconds, 2), **words)
    limits_of = {"connect_timeout": seconds, "read_timeout": seconds, "write_timeout": seconds}
    socket = given["options"].get("host", "")
    place = {"unix_socket": socket} if socket.startswith("/") else {}
    if "password" in known:
        # PyMySQL would take a text for Latin-1.
        known["password"] = str(known["password"]).encode()
    words = {**known, **place, **limits_of, "charset": "utf8mb4", "init_command": "SET SESSION TRANSACTION READ ONLY"}
    return driver(MYSQL).connect(database=given["database"], **words)


def moment(value: Any) -> datetime | None:
    """A time as a database gives it: itself, or the text that SQLite keeps."""
    if isinstance(value, datetime):
        return value.replace(tzinfo=None)
    try:
        return datetime.fromisoformat(str(value)[:19])
    except ValueError:
        return None


def workers(rows: list[tuple[Any, ...]], now: datetime) -> list[dict[str, Any]]:
    """The scheduler's workers, each with the seconds since it was last heard of."""
    found = []
    for name, status, beat, groups in rows:
        heard = moment(beat)
        silent = int((now - heard).total_seconds()) if heard else None
        found.append({"name": str(name), "status": str(status), "silent_seconds": silent, "groups": str(groups or "")})
    return found


def counting(kind: str, table: str) -> str:
    """The question how many rows a table has, whose name is one of the database's own and a plain word (NAME)."""
    mark = "`" if kind == "mysql" else '"'
    return f"SELECT count(*) FROM {mark}{table}{mark}"  # noqa: S608  a plain word


def look(kind: str, ask: Ask, application: str, today: date, now: datetime) -> dict[str, Any]:
    """What lies in an open database. A question that fails is left out and told."""
    found: dict[str, Any] = {"faults": []}

    def tried(name: str, question: Callable[[], Any]) -> None:
        try:
            found[name] = question()
        except Exception as error:  # each driver has a family of its own
            found["faults"].append(f"{name}: {plain(error)}")

    if kind in SIZE:
        tried("bytes", lambda: int(ask(SIZE[kind])[0][0] or 0))
    tried("tables", lambda: sorted(str(row[0]) for row in ask(TABLES[kind]) if NAME.fullmatch(str(row[0]))))
    tables = found.pop("tables", [])
    sessions, tickets = f"web2py_session_{application}", f"web2py_ticket_{application}"
    if sessions in tables:
        tried("sessions", lambda: int(ask(counting(kind, sessions))[0][0]))
    if tickets in tables:
        since = f" WHERE created_datetime >= '{today.isoformat()} 00:00:00'"
        tried("tickets", lambda: int(ask(counting(kind, tickets))[0][0]))
        tried("tickets_today", lambda: int(ask(counting(kind, tickets) + since)[0][0]))
    if "scheduler_worker" in tables:
        asked = "SELECT worker_name, status, last_heartbeat, group_names FROM scheduler_worker"
        tried("workers", lambda: workers(ask(asked), now))
    if "scheduler_task" in tables:
        asked_tasks = "SELECT status, count(*) FROM scheduler_task GROUP BY status"
        tried("tasks", lambda: {str(status): int(number) for status, number in ask(asked_tasks)})
    return found


def following(ask: Ask) -> dict[str, Any]:
    """How a standby does, in its own words."""
    recovers, receives, behind, seconds = ask(FOLLOWS)[0]
    state = "streaming" if recovers and receives else "cut off from its primary" if recovers else "no standby"
    return {"state": state, "bytes": int(behind or 0), "seconds": round(float(seconds or 0), 1) if behind else 0.0}


def plain(error: BaseException) -> str:
    """The first line of an error, without what looks like a password in a URI."""
    first = (str(error).strip().splitlines() or [""])[0]
    return f"{type(error).__name__}: {re.sub(r'//[^@/ ]*@', '//', first)}"[:300]


def answer(row: Mapping[str, Any], seconds: int, now: datetime) -> dict[str, Any]:
    """One database. The address is told, the secret is not."""
    about: dict[str, Any] = {"application": row["application"]}
    try:
        given = parts(row["uri"])
        given["more"] = row.get("driver_args") or {}
    except ValueError as error:
        return {**about, "kind": "unknown", "error": f"its URI {error}"}
    about.update(kind=given["kind"], name=os.path.basename(given["database"]))
    if given["kind"] != "sqlite":
        about["host"] = given["options"].get("host") or given["host"] or "localhost"
    try:
        if given["kind"] == "sqlite":
            about["bytes"] = os.path.getsize(given["database"])
        connection = connect(given, seconds)
        try:
            cursor = connection.cursor()

            def ask(statement: str) -> list[tuple[Any, ...]]:
                try:
                    cursor.execute(statement)
                    return list(cursor.fetchall())
                except Exception:
                    connection.rollback()
                    raise

            if row.get("standby"):
                about.update(following(ask))
            else:
                about.update(look(given["kind"], ask, row["application"], now.date(), now))
        finally:
            connection.close()
    except Exception as error:  # of whatever driver
        about["error"] = plain(error)
        for secret in filter(None, (given.get("password"), given["more"].get("password"))):
            about["error"] = about["error"].replace(secret, "...")
    return about


def main() -> None:
    """Ask all databases side by side; who does not answer in time is told so."""
    asked = json.load(sys.stdin)
    seconds = int(asked["seconds"])
    answers: dict[int, dict[str, Any]] = {}

    def work(number: int, row: Mapping[str, Any]) -> None:
        answers[number] = answer(row, seconds, datetime.now())

    threads = [
        threading.Thread(target=work, args=(number, row), daemon=True) for number, row in enumerate(asked["databases"])
    ]
    for thread in threads:
        thread.start()
    limit = datetime.now().timestamp() + seconds * 2
    for thread in threads:
        thread.join(max(0.0, limit - datetime.now().timestamp()))
    late = {"kind": "unknown", "error": f"no answer within {seconds * 2} seconds"}
    rows = [
        answers.get(number, {"application": row["application"], **late})
        for number, row in enumerate(asked["databases"])
    ]
    sys.stdout.write(json.dumps(rows) + "\n")
    sys.stdout.flush()
    # A driver that hangs must not keep the program.
    os._exit(0)


if __name__ == "__main__":
    main()
