"""Who is asked: a standby while a page only reads, the primary for all else and whenever a standby has trouble."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import types
from collections import Counter
from collections.abc import Iterator
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any

import pytest
from web2py_runtime import databases, replicas

from tests.unit.runtime.conftest import RUNTIME

NAMES = ["one", "two", "three"]
PLAN: dict[str, Any] = {
    "reads": "round_robin",
    "actions": ["default/list", "report/*"],
    "places": [{"name": name, "args": {"host": name}} for name in NAMES],
}


class Storage(dict[str, Any]):
    """web2py's, as far as it counts."""

    def __getattr__(self, name: str) -> Any:
        return self.get(name)


class Refused(Exception):
    """An error of the server."""

    def __init__(self, pgcode: str = "") -> None:
        super().__init__(pgcode)
        self.pgcode = pgcode


class Server:
    """A server: what it was asked, and how it answers."""

    def __init__(self, name: str) -> None:
        self.name, self.asked = name, list[str]()
        self.look: tuple[bool, bool, float] = (True, True, 0.0)
        self.refuses: Exception | None = None
        self.opened = self.alive = 0

    def connect(self) -> Real:
        if self.refuses and not self.alive:
            raise self.refuses
        self.opened += 1
        return Real(self)


class Real:
    """A connection of psycopg2."""

    server_version = 150000

    def __init__(self, server: Server) -> None:
        self.server, self.closed, self.session = server, 0, dict[str, Any]()
        self.ended = list[str]()

    def cursor(self) -> RealCursor:
        return RealCursor(self)

    def set_session(self, **words: Any) -> None:
        self.session = words

    def commit(self) -> None:
        self.ended.append("commit")

    def rollback(self) -> None:
        self.ended.append("rollback")

    def close(self) -> None:
        self.closed = 1


class RealCursor:
    def __init__(self, connection: Real) -> None:
        self.connection, self.rowcount = connection, 7

    def execute(self, command: str, *words: Any) -> None:
        server = self.connection.server
        if server.refuses:
            self.connection.closed = 0 if server.alive else 2
            raise server.refuses
        self.looked = command == replicas._LOOK
        if not self.looked:
            server.asked.append(command)

    def fetchone(self) -> Any:
        return self.connection.server.look if self.looked else (self.connection.server.name,)

    def close(self) -> None:
        pass


class Site:
    """An application with its servers, and a pooled connection."""

    def __init__(self, folder: Path, current: Any) -> None:
        self.current, self.folder = current, folder
        self.primary = Server("primary")
        self.standbys = {name: Server(name) for name in NAMES}
        self.plan = dict(PLAN)
        self.connection = self.connected()

    def connected(self) -> replicas.Connection:
        return replicas.Connection(
            self.primary.connect, lambda place: self.standbys[place["name"]].connect(), self.plan
        )

    def begin(self, method: str = "GET", action: str = "default/index", **words: Any) -> None:
        controller, function = action.split("/")
        self.current.request = Storage(
            wsgi=1, env=Storage(request_method=method), folder=f"{self.folder}/", controller=controller,
            function=function, cookies={}, **words,
        )  # fmt: skip
        self.current.response = Storage(cookies=SimpleCookie())

    def ask(self, *commands: str) -> list[str]:
        """Who answered each."""
        cursor = self.connection.cursor()
        found = []
        for command in commands:
            cursor.execute(command)
            found.append(cursor.fetchone()[0])
        return found

    def page(self, *commands: str, **words: Any) -> list[str]:
        self.begin(**words)
        return self.ask(*(commands or ("SELECT 2",)))

    @property
    def told(self) -> bool:
        return replicas.COOKIE in self.current.response.cookies


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    module: Any = types.ModuleType("gluon.globals")
    module.current = types.SimpleNamespace()
    monkeypatch.setitem(sys.modules, "gluon", types.ModuleType("gluon"))
    monkeypatch.setitem(sys.modules, "gluon.globals", module)
    (tmp_path / "databases").mkdir()
    yield Site(tmp_path, module.current)
    replicas._boards.clear()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr(replicas.time, "time", lambda: now[0])
    monkeypatch.setattr(replicas.time, "monotonic", lambda: now[0])
    return now


def test_pages_read_from_the_standbys_in_turn(site: Site) -> None:
    assert [site.page("SELECT 1 FROM a", " with x as (select) select") for _ in range(4)] == [
        [name, name] for name in [*NAMES, "one"]
    ]
    assert site.primary.opened == 0 and not site.told
    # A connection is kept for the next page, and takes no changes.
    assert [server.opened for server in site.standbys.values()] == [1, 1, 1]
    assert site.connection._standbys["one"][0].session == {"readonly": True, "autocommit": True}


def test_at_random_each_has_its_share(site: Site) -> None:
    site.plan["reads"] = "random"
    counts = Counter(site.page()[0] for _ in range(300))
    assert set(counts) == set(NAMES) and min(counts.values()) > 50


@pytest.mark.parametrize(
    "command",
    ["INSERT INTO a", "update a", "DELETE FROM a", "CREATE TABLE a", "LOCK a", "SET LOCAL x = 1", "BEGIN", "(select 1)",
     "set transaction isolation level serializable", "SELECTED", "COPY a", "EXPLAIN ANALYZE DELETE FROM a"],
)  # fmt: skip
def test_a_page_that_changes_something_is_the_primarys_from_there_on(site: Site, command: str) -> None:
    assert site.page("SELECT 2", command, "SELECT 3") == ["one", "primary", "primary"]
    assert site.told
    site.connection.commit()
    assert site.connection._primary.ended == ["commit"]
    # Also after a commit: it is to see what it has changed.
    assert site.ask("SELECT 4") == ["primary"]
    assert site.page() == ["two"]
    site.connection.rollback()
    assert not site.told


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_what_is_no_page_is_the_primarys(site: Site, method: str) -> None:
    assert site.page(method=method) == ["primary"]
    assert site.page(method="HEAD") == ["one"]


def test_who_has_changed_something_sees_it(site: Site) -> None:
    site.page("INSERT INTO a", is_https=True)
    morsel = site.current.response.cookies[replicas.COOKIE]
    assert (morsel["max-age"], morsel["secure"], morsel["httponly"], morsel["path"]) == (10, True, True, "/")
    site.begin()
    site.current.request.cookies[replicas.COOKIE] = "1"
    assert site.ask("SELECT 2") == ["primary"] and not site.told


def test_programs_and_tasks_are_the_primarys(site: Site) -> None:
    site.begin()
    site.current.request.pop("wsgi")
    assert site.ask("SELECT 2", "INSERT INTO a") == ["primary", "primary"] and not site.told
    del site.current.request
    assert site.ask("SELECT 2") == ["primary"]


@pytest.mark.parametrize(
    ("action", "reads"),
    [("default/list", True), ("default/index", False), ("report/any", True), ("list/default", False), ("x/*", False)],
)
def test_actions_are_read_by_name(site: Site, action: str, reads: bool) -> None:
    site.plan["reads"] = "actions"
    assert site.page(action=action) == ["one" if reads else "primary"]
    assert site.page(action=action, method="POST") == ["primary"]


@pytest.mark.parametrize("opened", [False, True])
def test_a_dead_standby_costs_nothing(site: Site, clock: list[float], opened: bool) -> None:
    if opened:
        for _ in range(3):
            site.page()
    site.standbys["one"].refuses = Refused()
    answers = [site.page("SELECT 2", "SELECT 3") for _ in range(30)]
    assert answers[0] == ["primary", "primary"]
    assert {answer[0] for answer in answers[1:]} == {"two", "three"}
    assert not site.told and site.standbys["one"].opened == int(opened)
    # After its time one request looks again; the others do not wait for that.
    clock[0] += replicas.DOWN_SECONDS
    answers = [site.page() for _ in range(9)]
    assert answers.count(["primary"]) == 1
    site.standbys["one"].refuses = None
    clock[0] += replicas.DOWN_SECONDS
    assert ["one"] in [site.page() for _ in range(3)]


def test_a_connection_that_was_lost_says_nothing_of_the_standby(site: Site) -> None:
    """The standby was started anew meanwhile: nobody waits ten seconds for it."""
    for _ in range(3):
        site.page()
    real = site.connection._standbys["one"][0]
    real.closed, real.cursor = 2, None
    assert site.page() == ["one"] and site.standbys["one"].opened == 2


def test_all_may_be_dead(site: Site) -> None:
    for server in site.standbys.values():
        server.refuses = Refused()
    assert [site.page() for _ in range(9)] == [["primary"]] * 9


def test_what_a_standby_refuses_the_primary_is_asked(site: Site) -> None:
    """A function that writes, a table not yet there, a conflict with what is replayed."""
    server = site.standbys["one"]
    server.alive = 1
    for code, told in (("25006", True), ("42P01", False), ("40001", False)):
        server.refuses = None
        while site.page() != ["three"]:
            pass
        server.refuses = Refused(code)
        assert site.page("SELECT f()", "SELECT 2") == ["primary", "primary"]
        assert site.told is told
        server.refuses = None
        assert [site.page() for _ in range(3)] == [["two"], ["three"], ["one"]]


def test_an_error_of_the_primary_is_the_applications(site: Site) -> None:
    site.standbys["one"].alive = site.primary.alive = 1
    site.standbys["one"].refuses = site.primary.refuses = Refused("42601")
    with pytest.raises(Refused, match="42601"):
        site.page()


@pytest.mark.parametrize(
    ("look", "asked"),
    [
        ((True, True, 9999.0), True),
        ((True, False, 29.0), True),
        ((True, False, 31.0), False),
        ((False, False, 0), True),
    ],
)
def test_a_standby_far_behind_is_not_asked(site: Site, look: tuple[bool, bool, float], asked: bool) -> None:
    site.standbys["one"].look = look
    assert site.page() == ["one" if asked else "primary"]
    assert [site.page() for _ in range(3)] == [["two"], ["three"], ["one" if asked else "two"]]


def test_it_is_looked_at_again(site: Site, clock: list[float]) -> None:
    for _ in range(3):
        site.page()
    site.standbys["one"].look = (True, False, 60.0)
    assert site.page() == ["one"]
    clock[0] += replicas.LOOK_SECONDS
    assert [site.page() for _ in range(3)] == [["two"], ["three"], ["primary"]]


def test_settings_of_the_connection_count_on_all(site: Site) -> None:
    site.begin()
    cursor = site.connection.cursor()
    for command in ("SET CLIENT_ENCODING TO 'UTF8'", "SET search_path = a", "SET CLIENT_ENCODING TO 'UTF8'"):
        cursor.execute(command)
    assert site.ask("SELECT 2", "INSERT INTO a") == ["one", "primary"]
    wanted = ["SET CLIENT_ENCODING TO 'UTF8'", "SET search_path = a"]
    assert site.standbys["one"].asked == [*wanted, "SELECT 2"] and site.primary.asked == [*wanted, "INSERT INTO a"]
    site.page("SELECT 2")
    site.connection.cursor().execute("SET x = 1")
    assert all(site.standbys[name].asked[-1] == "SET x = 1" for name in ("one", "two"))
    assert site.primary.asked[-1] == "SET x = 1" and not site.told


def test_pydal_learns_of_a_dead_primary(site: Site) -> None:
    """It asks a connection from the pool for a sign of life; without an open primary there is nothing to ask."""
    site.begin()
    site.connection.cursor().execute("SELECT 1;")
    assert site.primary.opened == 0 and site.standbys["one"].opened == 0
    site.page("INSERT INTO a")
    site.primary.refuses = Refused("57P01")
    site.begin()
    with pytest.raises(Refused):
        site.connection.cursor().execute("SELECT 1;")
    # Pages that only read go on with a new connection.
    site.connection = site.connected()
    site.connection.cursor().execute("SELECT 1;")
    assert site.ask("SELECT 2") == ["one"]
    site.begin(method="POST")
    with pytest.raises(Refused):
        site.connection.cursor().execute("SELECT 1;")


def test_pydal_finds_what_it_expects_of_a_connection(site: Site) -> None:
    site.begin()
    assert site.connection.server_version == 150000
    assert site.connection.__wrapped__.server.name == "one" and site.primary.opened == 0
    assert site.connection.ended == [] and site.primary.opened == 1
    cursor = site.connection.cursor()
    assert cursor.rowcount == 7
    cursor.execute("SELECT %s", ("x",))
    assert cursor.rowcount == 7
    cursor.close()
    for name in ("_missing", "__array__"):
        assert not hasattr(cursor, name) and not hasattr(site.connection, name)
    standby, primary = site.connection._standbys["one"][0], site.connection._primary
    site.connection.close()
    assert standby.closed and primary.closed
    site.connection.close()


def test_values_are_written_also_without_a_standby(site: Site) -> None:
    site.standbys["one"].refuses = Refused()
    site.begin()
    assert site.connection.__wrapped__.server.name == "primary"


@pytest.mark.parametrize(
    "text",
    [b"", b"{", b"[]", b'{"turn": "x"}', b"\xff", b'{"turn": 1, "down": []}', b'{"turn": 1, "down": {"one": "x"}}'],
)
def test_a_board_that_is_damaged_is_begun_anew(site: Site, text: bytes) -> None:
    path = site.folder / "databases" / replicas.FILE
    path.write_bytes(text)
    assert site.page() == ["one"]
    assert json.loads(path.read_text()) == {"turn": 0, "down": {}}


def test_a_board_that_cannot_be_written_is_each_processs_own(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    (site.folder / "databases").rmdir()
    site.standbys["one"].refuses = Refused()
    assert [site.page() for _ in range(4)] == [["primary"], ["two"], ["three"], ["two"]]
    (site.folder / "databases").mkdir()
    replicas._boards.clear()

    def full(*_words: Any) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(replicas.os, "pwrite", full)
    assert [site.page() for _ in range(4)] == [["primary"], ["two"], ["three"], ["two"]]


def test_a_clock_that_was_wrong_keeps_no_standby_out(site: Site, clock: list[float]) -> None:
    board = replicas.board(str(site.folder / "databases" / replicas.FILE))
    board.tell("one", False)
    clock[0] -= 3600
    assert board.choose(NAMES, "round_robin") == "one"


def test_turns_are_kept_across_processes_and_threads(tmp_path: Path) -> None:
    path = str(tmp_path / "board")
    code = (
        f"import sys; sys.path.insert(0, {str(RUNTIME)!r})\nfrom web2py_runtime.replicas import Board\n"
        f"for _ in range(100): print(Board({path!r}).choose({NAMES!r}, 'round_robin'))"
    )
    found: list[str] = []
    others = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) for _ in range(2)]
    threads = [
        threading.Thread(
            target=lambda: found.extend(replicas.Board(path).choose(NAMES, "round_robin") for _ in range(50))
        )  # type: ignore[misc]
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for other in others:
        found += other.communicate()[0].split()
    assert Counter(found) == dict.fromkeys(NAMES, 100)
    assert os.stat(path).st_mode & 0o077 in (0o40, 0)


def test_psycopg2_is_handed_what_makes_the_connections(monkeypatch: pytest.MonkeyPatch, site: Site) -> None:
    """With the password of the moment, and little patience for a standby."""
    told: list[tuple[str, dict[str, Any]]] = []
    driver: Any = types.ModuleType("psycopg2")
    driver.connect = lambda dsn, **words: (told.append((dsn, words)), Server("x").connect())[1]
    monkeypatch.setitem(sys.modules, "psycopg2", driver)
    row = {"driver_args": {"password": "old"}}
    connection = replicas.factory({**PLAN, "places": PLAN["places"][:1]}, row)("host=a,b dbname=shop", async_=0)
    row["driver_args"]["password"] = "new"
    site.begin()
    connection.cursor().execute("SELECT 2")
    connection.cursor().execute("INSERT INTO a")
    assert told[0] == ("host=a,b dbname=shop", {"password": "new", **replicas.IMPATIENT, "host": "one"})
    assert told[1] == ("host=a,b dbname=shop", {"password": "new"})


def test_only_the_applications_own_database_is_read_from_standbys(monkeypatch: pytest.MonkeyPatch) -> None:
    row = {
        "replaces": ["sqlite://a"], "migrate": True, "uri": "postgres://u@a,b:5432/d?sslmode=require", "pool_size": 1,
        "driver_args": {"password": "x"}, "table_hash": "h", "standbys": PLAN,
    }  # fmt: skip
    uri, _args, words = databases.led({"shop": row}.get, "shop", "sqlite://a", (), {})
    assert uri == f"{row['uri']}&reads=standbys" and callable(words["driver_args"]["connection_factory"])
    assert "connection_factory" not in row["driver_args"]  # type: ignore[operator]
    uri, _args, words = databases.led({"shop": row}.get, "shop", "web2py.deploy:shop", (), {})
    assert uri == row["uri"] and words["driver_args"] == {"password": "x"}
    monkeypatch.setenv(databases.MIGRATES, "1")
    assert databases.led({"shop": row}.get, "shop", "sqlite://a", (), {})[0] == row["uri"]
