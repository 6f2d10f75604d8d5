"""The program that looks into databases. Servers are stood for by drivers of the tests' own."""

from __future__ import annotations

import inspect
import json
import sqlite3
import subprocess
import sys
import types
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.web2py.deploy.plugins.module_utils import _database_state
from ansible_collections.web2py.deploy.plugins.module_utils._database_state import (
    answer,
    connect,
    counting,
    driver,
    following,
    look,
    moment,
    parts,
    plain,
    workers,
)

NOW = datetime(2026, 11, 22, 12, 0, 0)


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """What an application with sessions, tickets and a scheduler in SQLite leaves."""
    path = tmp_path / "storage.sqlite"
    with sqlite3.connect(path) as connection:
        connection.executescript(
            """
            CREATE TABLE web2py_session_shop (id INTEGER, session_data BLOB);
            INSERT INTO web2py_session_shop VALUES (1, 'a'), (2, 'b');
            CREATE TABLE web2py_session_other (id INTEGER);
            INSERT INTO web2py_session_other VALUES (1);
            CREATE TABLE web2py_ticket_shop (ticket_id TEXT, created_datetime TIMESTAMP);
            INSERT INTO web2py_ticket_shop VALUES ('a', '2026-11-21 23:59:59'), ('b', '2026-11-22 00:00:01');
            CREATE TABLE scheduler_worker (worker_name TEXT, status TEXT, last_heartbeat TIMESTAMP, group_names TEXT);
            INSERT INTO scheduler_worker VALUES ('web#1', 'ACTIVE', '2026-11-22 11:59:57', '|main|');
            CREATE TABLE scheduler_task (status TEXT);
            INSERT INTO scheduler_task VALUES ('QUEUED'), ('QUEUED'), ('COMPLETED');
            CREATE TABLE "a; DROP" (id INTEGER);
            """
        )
    connection.close()
    return path


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("sqlite:///srv/a b/storage.sqlite", {"kind": "sqlite", "database": "/srv/a b/storage.sqlite"}),
        (
            "postgres:psycopg2://shop:p%40%3A%2F%25@db.example.org:5433/shop_starter?sslmode=verify-full&x=1",
            {
                "kind": "postgresql",
                "host": "db.example.org",
                "port": 5433,
                "user": "shop",
                "password": "p@:/%",
                "database": "shop_starter",
                "options": {"sslmode": "verify-full"},
            },
        ),
        (
            "mysql://shop:x@db/shop",
            {
                "kind": "mysql",
                "host": "db",
                "port": None,
                "user": "shop",
                "password": "x",
                "database": "shop",
                "options": {},
            },
        ),
    ],
)
def test_a_uri_is_read(uri: str, expected: dict[str, Any]) -> None:
    assert parts(uri) == expected


def test_a_socket_is_read() -> None:
    given = parts("postgresql://shop:x@/shop?host=/run/postgresql")
    assert (given["host"], given["options"]) == ("", {"host": "/run/postgresql"})


@pytest.mark.parametrize("uri", ["", "x", "oracle://a", "postgres", "://", "mongodb://u:p@h/d", "postgres://h:port/d"])
def test_a_bad_uri_is_a_line_without_it(uri: str) -> None:
    found = answer({"application": "shop", "uri": uri}, 1, NOW)
    assert found["application"] == "shop" and found["error"]
    assert not uri or uri not in json.dumps(found)


def test_what_lies_in_a_database_is_counted(base: Path) -> None:
    before = base.read_bytes()
    found = answer({"application": "shop", "uri": f"sqlite://{base}"}, 1, NOW)
    assert found == {
        "application": "shop",
        "kind": "sqlite",
        "name": "storage.sqlite",
        "bytes": len(before),
        "faults": [],
        "sessions": 2,
        "tickets": 2,
        "tickets_today": 1,
        "workers": [{"name": "web#1", "status": "ACTIVE", "silent_seconds": 3, "groups": "|main|"}],
        "tasks": {"QUEUED": 2, "COMPLETED": 1},
    }
    assert base.read_bytes() == before and [path.name for path in base.parent.iterdir()] == [base.name]


def test_a_database_is_not_made_by_looking(tmp_path: Path) -> None:
    found = answer({"application": "shop", "uri": f"sqlite://{tmp_path}/none.sqlite"}, 1, NOW)
    assert "FileNotFoundError" in found["error"] and not list(tmp_path.iterdir())


def test_nothing_can_be_written(base: Path) -> None:
    connection = connect(parts(f"sqlite://{base}"), 1)
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        connection.execute("DELETE FROM scheduler_task")
    connection.close()


def test_a_broken_file_is_a_line(tmp_path: Path) -> None:
    (tmp_path / "storage.sqlite").write_bytes(b"no database at all, " * 100)
    found = answer({"application": "shop", "uri": f"sqlite://{tmp_path}/storage.sqlite"}, 1, NOW)
    assert "not a database" in found["faults"][0]


def test_a_question_that_fails_leaves_the_others() -> None:
    def ask(statement: str) -> list[tuple[Any, ...]]:
        if "information_schema" in statement:
            return [("scheduler_task",), ("web2py_session_shop",)]
        if "scheduler_task" in statement:
            return [("QUEUED", 1)]
        raise RuntimeError("permission denied\nmore")

    found = look("postgresql", ask, "shop", date(2026, 1, 1), NOW)
    assert found["tasks"] == {"QUEUED": 1}
    assert found["faults"] == ["bytes: RuntimeError: permission denied", "sessions: RuntimeError: permission denied"]


class Cursor:
    def __init__(self, asked: list[str]) -> None:
        self.asked, self.rows = asked, []

    def execute(self, statement: str) -> None:
        self.asked.append(statement)
        self.rows = [(7,)] if "pg_database_size" in statement or "data_length" in statement else []

    def fetchall(self) -> list[Any]:
        return self.rows


@pytest.mark.parametrize(
    ("uri", "name", "told"),
    [
        (
            "postgres://u:p%40w@h:5433/d?sslmode=verify-full&sslrootcert=/ca",
            "psycopg2",
            {"host": "h", "port": 5433, "user": "u", "password": "p@w", "dbname": "d", "sslmode": "verify-full",
             "sslrootcert": "/ca", "connect_timeout": 2,
             "options": "-c statement_timeout=1000 -c default_transaction_read_only=on"},
        ),
        (
            "postgres://u:p@/d?host=/run/postgresql",
            "psycopg2",
            {"host": "/run/postgresql", "user": "u", "password": "p", "dbname": "d", "connect_timeout": 2,
             "options": "-c statement_timeout=1000 -c default_transaction_read_only=on"},
        ),
        (
            "mysql://u:p@h/d",
            "pymysql",
            {"host": "h", "user": "u", "password": b"p", "database": "d", "connect_timeout": 1, "read_timeout": 1,
             "write_timeout": 1, "charset": "utf8mb4", "init_command": "SET SESSION TRANSACTION READ ONLY"},
        ),
        (
            "mysql:pymysql://u:p@localhost/d?set_encoding=utf8mb4&unix_socket=/run/mysqld/mysqld.sock",
            "pymysql",
            {"host": "localhost", "unix_socket": "/run/mysqld/mysqld.sock", "user": "u", "password": b"p",
             "database": "d", "connect_timeout": 1, "read_timeout": 1, "write_timeout": 1, "charset": "utf8mb4",
             "init_command": "SET SESSION TRANSACTION READ ONLY"},
        ),
    ],
)  # fmt: skip
def test_servers_are_asked_by_their_drivers(
    monkeypatch: pytest.MonkeyPatch, uri: str, name: str, told: dict[str, Any]
) -> None:
    given: dict[str, Any] = {}
    asked: list[str] = []
    module = types.ModuleType(name)

    def connection(**words: Any) -> Any:
        given.update(words)
        return types.SimpleNamespace(cursor=lambda: Cursor(asked), close=lambda: None, rollback=lambda: None)

    module.connect = connection  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, name, module)
    found = answer({"application": "shop", "uri": uri}, 1, NOW)
    assert given == told
    assert found["bytes"] == 7 and found["faults"] == []


def test_what_stands_beside_the_uri_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the site's file has it: no password in the URI, the DAL's word for a socket."""
    given: dict[str, Any] = {}
    module = types.ModuleType("psycopg2")

    def connection(**words: Any) -> Any:
        given.update(words)
        raise RuntimeError(f"password {words['password']} is wrong")

    module.connect = connection  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "psycopg2", module)
    more = {"password": "od:d@/%", "connect_timeout": 99, "port": 5432}
    uri = "postgres://shop@/shop_starter?unix_socket=/run/postgresql/.s.PGSQL.5432"
    found = answer({"application": "shop", "uri": uri, "driver_args": more}, 1, NOW)
    assert (given["host"], given["port"], given["password"]) == ("/run/postgresql", 5432, "od:d@/%")
    assert (given["user"], given["dbname"], given["connect_timeout"]) == ("shop", "shop_starter", 2)
    assert found["error"] == "RuntimeError: password ... is wrong" and found["host"] == "/run/postgresql"


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ((True, True, 0, 900), {"state": "streaming", "bytes": 0, "seconds": 0.0}),
        ((True, True, 4096, 2.34), {"state": "streaming", "bytes": 4096, "seconds": 2.3}),
        ((True, False, None, None), {"state": "cut off from its primary", "bytes": 0, "seconds": 0.0}),
        ((False, False, None, None), {"state": "no standby", "bytes": 0, "seconds": 0.0}),
    ],
)
def test_a_standby_tells_how_it_follows(row: tuple[Any, ...], told: dict[str, Any]) -> None:
    assert following(lambda _question: [row]) == told


def test_the_primary_of_several_hosts_is_asked_though_nothing_is_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    """libpq takes a session that changes nothing for one of a standby."""
    given: dict[str, Any] = {}
    module = types.ModuleType("psycopg2")

    def connection(**words: Any) -> Any:
        given.update(words)
        raise RuntimeError("down")

    module.connect = connection  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "psycopg2", module)
    more = {"password": "p", "target_session_attrs": "read-write"}
    answer({"application": "shop", "uri": "postgres://u@10.0.0.2,10.0.0.3:5432/d", "driver_args": more}, 1, NOW)
    assert (given["host"], given["target_session_attrs"]) == ("10.0.0.2,10.0.0.3", "primary")


def test_the_secret_of_a_uri_is_not_in_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("psycopg2")

    def connection(**words: Any) -> Any:
        raise RuntimeError(f"no login with {words['password']} at //u:{words['password']}@h")

    module.connect = connection  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "psycopg2", module)
    found = answer({"application": "shop", "uri": "postgres://u:s3cret@h/d"}, 1, NOW)
    assert "s3cret" not in json.dumps(found) and "no login with ..." in found["error"]


def test_a_driver_that_is_not_there_is_named() -> None:
    with pytest.raises(RuntimeError, match="has none of nowhere_to_be_found"):
        driver(("nowhere_to_be_found",))


@pytest.mark.parametrize("value", [None, "", "yesterday", 5, b"x"])
def test_a_heartbeat_that_is_no_time_is_unknown(value: Any) -> None:
    assert moment(value) is None
    assert workers([("a", "ACTIVE", value, None)], NOW)[0]["silent_seconds"] is None


def test_errors_are_one_line_without_passwords() -> None:
    assert plain(RuntimeError("at postgres://u:p@h/d\nmore")) == "RuntimeError: at postgres://h/d"
    assert plain(RuntimeError()) == "RuntimeError: "
    assert len(plain(RuntimeError("x" * 999))) == 300


def test_names_are_quoted_as_the_server_wants_it() -> None:
    assert counting("mysql", "t") == "SELECT count(*) FROM `t`"
    assert counting("sqlite", "T") == 'SELECT count(*) FROM "T"'


def test_the_program_runs_by_its_text_alone(base: Path) -> None:
    """As on a host: no collection, nothing in argv, the question on standard input."""
    start = "import json, sys; exec(compile(json.loads(sys.stdin.readline()), 'database_state', 'exec'))"
    asked = {
        "databases": [{"application": "shop", "uri": f"sqlite://{base}"}, {"application": "b", "uri": "x"}],
        "seconds": 1,
    }
    given = json.dumps(inspect.getsource(_database_state)) + "\n" + json.dumps(asked)
    done = subprocess.run(
        [sys.executable, "-I", "-c", start], input=given, capture_output=True, text=True, check=True, cwd="/", env={}
    )
    rows = json.loads(done.stdout)
    assert rows[0]["tasks"] == {"QUEUED": 2, "COMPLETED": 1}
    assert rows[1] == {"application": "b", "kind": "unknown", "error": "its URI is of a kind that is not known here"}
