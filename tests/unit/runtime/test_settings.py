"""What the generated model does, with the parts of web2py that it touches."""

from __future__ import annotations

import os
import sys
import types
from pathlib import Path
from typing import Any

import pydal
import pytest
from web2py_runtime import databases, ram, seen, settings, stored, uploads

NOW = 1_000_000


class Session(dict[str, Any]):
    forgotten = renewed = False

    def connect(self, request: Any, response: Any, **words: Any) -> None:
        self.connected = words

    def forget(self, response: Any) -> None:
        self.forgotten = True

    def renew(self, clear_session: bool) -> None:
        self.renewed = clear_session


class Env(dict[str, Any]):
    """As web2py's Storage: what is missing is None."""

    __getattr__ = dict.get


class Database:
    _uri_hash = "x"

    def __init__(self, uri: str, folder: str, fake_migrate_all: bool = False) -> None:
        self.uri, self.folder, self.faked = uri, folder, fake_migrate_all
        self._adapter = types.SimpleNamespace(folder=folder, connection=None)


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    row = {"cookie_key": "a key"}
    book = types.SimpleNamespace(row={"shop": row}.get)
    monkeypatch.setattr(databases, "install", lambda path: book)
    monkeypatch.setattr(settings.importlib, "import_module", lambda name: types.SimpleNamespace(DAL=Database))
    monkeypatch.setattr(stored, "there", lambda database, name: True)
    monkeypatch.setattr(settings, "_tables", set())
    monkeypatch.setattr(settings.time, "time", lambda: NOW + 0.5)
    return {
        "request": types.SimpleNamespace(application="shop", folder="/shop/", env=Env()),
        "response": types.SimpleNamespace(),
        "session": Session(),
        "cache": types.SimpleNamespace(ram="ram", disk="disk"),
    }


def words(**chosen: Any) -> dict[str, Any]:
    return {
        "sessions": {"store": "file"},
        "cache": {"store": "ram"},
        "tickets": {"store": "file"},
        "uploads": {"store": "file"},
        **chosen,
    }


def test_web2pys_own_ways_are_left_alone(environment: dict[str, Any]) -> None:
    settings.apply(environment, "/x", words())
    assert not hasattr(environment["session"], "connected") and environment["session"] == {}
    assert environment["cache"].ram == "ram"


@pytest.mark.parametrize("store", ["file", "database"])
def test_uploads_are_told_by_application(environment: dict[str, Any], store: str) -> None:
    settings.apply(environment, "/x", words(uploads={"store": store}))
    assert uploads.CHOSEN["shop"] == store


def test_processes_share_what_is_on_disk(environment: dict[str, Any]) -> None:
    settings.apply(environment, "/x", words(cache={"store": "disk"}))
    assert environment["cache"].ram == environment["cache"].disk == "disk"


def test_sessions_have_a_connection_of_their_own(environment: dict[str, Any]) -> None:
    environment["response"].session_db_table = environment["response"].session_db_record_id = None
    chosen = words(sessions={"store": "database", "expiry": 600}, tickets={"store": "database"})
    settings.apply(environment, "/x", chosen)
    database = environment["session"].connected["db"]
    # Tickets are files until they are collected: a page that fails may fail because the database is down.
    assert not hasattr(environment["request"], "tickets_db")
    assert (database.uri, database.folder) == ("web2py.deploy:shop", "/shop/databases")


def test_sessions_with_visitors_have_the_applications_key(environment: dict[str, Any]) -> None:
    environment["response"].session_data_name = "session_data_shop"
    settings.apply(environment, "/x", words(sessions={"store": "cookie", "expiry": 600}))
    assert environment["session"].connected == {"cookie_key": "a key"}


@pytest.mark.parametrize("store", ["database", "cookie"])
@pytest.mark.parametrize("over", [False, True])
def test_a_session_ends_with_its_time(
    environment: dict[str, Any], store: str, over: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    session, response = environment["session"], environment["response"]
    session.update({"user": "x", seen.SEEN: NOW - (601 if over else 600)})
    response.session_id, response.session_db_record_id, response.session_db_table = "12:key", None, None
    response.session_data_name = "session_data_shop"
    environment["request"].cookies = {}
    settings.apply(environment, "/x", words(sessions={"store": store, "expiry": 600}))
    assert session == ({seen.SEEN: NOW} if over else {"user": "x", seen.SEEN: NOW})
    # An ended one never lends its number to the next.
    assert response.session_id == (None if over else "12:key")


def test_values_in_a_process_have_a_bound_where_one_was_chosen(
    environment: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ram, "_caches", {})
    settings.apply(environment, "/x", words(cache={"store": "ram", "max_mb": 3}))
    cache = environment["cache"]
    assert cache.ram.most == 3 << 20 and cache.disk == "disk"
    first = cache.ram
    settings.apply(environment, "/x", words(cache={"store": "ram", "max_mb": 3}))
    assert cache.ram is first


@pytest.mark.parametrize(("age", "ended"), [(0, False), (599, False), (602, True)])
def test_a_session_in_a_file_ends_with_its_time(
    environment: dict[str, Any], tmp_path: Path, age: int, ended: bool
) -> None:
    """The date of its file is that of the last request."""
    path = tmp_path / "session"
    path.write_bytes(b"x")
    os.utime(path, (NOW - age, NOW - age))
    with path.open("rb+") as file:
        environment["response"].session_file = file
        settings.apply(environment, "/x", words(sessions={"store": "file", "expiry": 600}))
    assert environment["session"].renewed is ended
    assert (path.stat().st_mtime == NOW - age) is ended


@pytest.mark.parametrize("response", [types.SimpleNamespace(), types.SimpleNamespace(session_file=None)])
def test_a_visitor_without_a_session_gets_no_file(environment: dict[str, Any], response: Any) -> None:
    environment["response"] = response
    settings.apply(environment, "/x", words(sessions={"store": "file", "expiry": 600}))
    assert not environment["session"].renewed and environment["session"] == {}


class Http(Exception):
    def __init__(self, status: int, body: str, **headers: str) -> None:
        self.status, self.headers = status, headers


def test_without_its_database_a_request_ends_before_it_has_done_anything(
    environment: dict[str, Any], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def down(*_args: Any, **_words: Any) -> Any:
        raise RuntimeError("Failure to connect, tried 1 times:\npostgres://shop:secret@10.0.0.9/shop refuses")

    monkeypatch.setattr(settings.importlib, "import_module", lambda name: types.SimpleNamespace(DAL=down))
    monkeypatch.setitem(sys.modules, "gluon", types.ModuleType("gluon"))
    monkeypatch.setitem(sys.modules, "gluon.http", types.SimpleNamespace(HTTP=Http))
    with pytest.raises(Http) as raised:
        settings.apply(environment, "/x", words(sessions={"store": "database", "expiry": 600}))
    assert (raised.value.status, raised.value.headers) == (503, {"Retry-After": "5"})
    assert environment["session"].forgotten
    assert "refuses" in caplog.text and "secret" not in caplog.text


class Host:
    """A host of a site: its own folder, a database that it may share, and a session as web2py connects it."""

    def __init__(self, folder: Path, file: Path) -> None:
        folder.mkdir()
        (folder / "shared.sqlite").symlink_to(file)
        self.environment: dict[str, Any] = {"request": None, "response": types.SimpleNamespace(), "session": self}
        self.given = settings.Given.__new__(settings.Given)
        self.given.environment, self.given._database = self.environment, None
        self.given.open = self.open  # type: ignore[method-assign]
        self.folder = folder
        self.opened: list[bool] = []

    def open(self, fake_migrate_all: bool = False) -> Any:
        self.opened.append(fake_migrate_all)
        words = {"folder": str(self.folder), "table_hash": "shop", "fake_migrate_all": fake_migrate_all}
        self.given._database = pydal.DAL("sqlite://shared.sqlite", **words)
        return self.given._database

    def connect(self, request: Any, response: Any, db: Any, migrate: bool = True) -> None:
        db.define_table("web2py_session_shop", pydal.Field("unique_key", length=64), migrate=migrate)
        self.table = db.web2py_session_shop


@pytest.fixture
def hosts(tmp_path: Path) -> list[Host]:
    return [Host(tmp_path / name, tmp_path / "database") for name in ("one", "other")]


@pytest.mark.parametrize("late", [False, True])
def test_the_table_is_made_once_for_all_hosts(late: bool, hosts: list[Host], monkeypatch: pytest.MonkeyPatch) -> None:
    """The second host has no file that tells pydal of the table, and may be about to make it too."""
    one, other = hosts
    name = "web2py_session_shop"
    assert not stored.there(one.given.database, name)
    settings.make(one.given, name)
    one.table.insert(unique_key="x")
    one.given.database.commit()
    there, answers = stored.there, [False] if late else []
    monkeypatch.setattr(stored, "there", lambda *words: answers.pop() if answers else there(*words))
    settings.make(other.given, name)
    assert (one.opened, other.opened) == ([False], [False, True])
    assert [row.unique_key for row in other.given.database(other.table).select()] == ["x"]
    # What the application connects by itself finds the file.
    assert sorted(path.name for path in other.folder.glob("*.table")) == [f"shop_{name}.table"]
    settings.make(other.given, name)
    assert other.opened[2:] == [False]


def test_a_page_without_a_session_connects_none(environment: dict[str, Any]) -> None:
    environment["request"].env.web2py_disable_session = True
    settings.apply(environment, "", words(sessions={"store": "cookie", "expiry": 60}))
    assert not hasattr(environment["session"], "connected")


def test_a_table_that_is_gone_is_made_again(hosts: list[Host]) -> None:
    """pydal's file tells of it still, as after a database was restored."""
    name = "web2py_session_shop"
    for _time in range(2):
        database = hosts[0].given.open()
        settings.make(hosts[0].given, name)
        assert stored.there(database, name)
        database.executesql(f"DROP TABLE {name}")
        database.commit()


def test_a_database_that_makes_no_table_says_why(hosts: list[Host], monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_args: Any, **_words: Any) -> None:
        raise RuntimeError("permission denied")

    monkeypatch.setattr(hosts[0], "connect", refused)
    with pytest.raises(RuntimeError, match="permission"):
        settings.make(hosts[0].given, "web2py_session_shop")
