"""Rows of SQLite come to another database: all of them or none, and proven."""

from __future__ import annotations

import datetime
import json
import os
import sqlite3
import sys
import types
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pydal.base import DAL
from pydal.objects import Field
from web2py_runtime import databases, migrate, rows

NAMED = "sqlite://storage.sqlite"
PICTURE = bytes(range(256))


def tables(db: Any, **more: Any) -> None:
    """What the models of the shop define."""
    db.define_table("customer", Field("name", length=20, unique=True), Field("boss", "reference customer"))
    db.define_table(
        "purchase", Field("customer", "reference customer"), Field("at", "datetime"), Field("price", "decimal(8,2)"),
        Field("paid", "boolean"), Field("words", "list:string"), Field("more", "json"), Field("picture", "blob"),
        Field("day", "date"), Field("hour", "time"), Field("weight", "double"),
        Field("friends", "list:reference customer"),
        Field("note", "text", default="by the form", update="changed"), Field("total", compute=lambda row: "computed"),
    )  # fmt: skip
    db.define_table("place", Field("code"), Field("city"), primarykey=["code"])


def filled(db: Any) -> None:
    db.customer.insert(name="Ann Ö", boss=None)
    db.customer.insert(name="Bob's", boss=1)
    gone = db.customer.insert(name="gone")
    db(db.customer.id == gone).delete()
    db.purchase.insert(
        customer=2, at=datetime.datetime(2026, 1, 2, 3, 4, 5), price=Decimal("12.50"), paid=True, words=["a|b", "c"],
        more={"a": [1, None]}, picture=PICTURE, day=datetime.date(2025, 12, 31), hour=datetime.time(23, 59, 1),
        weight=0.1, friends=[1, 2], note=None, total="as it was",
    )  # fmt: skip
    db.purchase.insert(customer=None, words=[], note="%s {} \\ 'x' \"y\"")
    db.place.insert(code="x", city="Y")
    db.commit()


Opened = Callable[..., Any]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "databases").mkdir()
    return tmp_path / "databases"


@pytest.fixture
def opened(folder: Path) -> Iterator[Opened]:
    """A database with the tables of the shop."""
    made = []

    def database(name: str, define: Callable[..., None] = tables, **words: Any) -> Any:
        made.append(DAL(f"sqlite://{name}.sqlite", folder=str(folder), **words))
        define(made[-1])
        made[-1].commit()
        return made[-1]

    yield database
    for each in made:
        try:
            each.rollback()
        except sqlite3.ProgrammingError:
            # Two of them had one connection.
            each._adapter.set_connection(sqlite3.connect(":memory:"))
        each.close()


@pytest.fixture
def server(opened: Opened) -> Any:
    """What stands for the database on the server, after SQLite was filled and closed."""
    db = opened("storage")
    filled(db)
    db.close()
    return named(opened("server", table_hash="server"))


def named(db: Any, uri: Any = NAMED) -> Any:
    setattr(db, databases.NAMED, uri)
    return db


def bring(db: Any, monkeypatch: pytest.MonkeyPatch, replace: bool = False) -> tuple[dict[str, Any], list[str]]:
    monkeypatch.setattr(rows, "models", lambda _url, _application: {"db": db})
    # The test looks at what was left; the program ends.
    adapter: Any = sys.modules["pydal.base"].BaseAdapter  # type: ignore[attr-defined]
    monkeypatch.setattr(adapter, "close_all_instances", staticmethod(lambda _action: db.rollback()))
    found = rows.work({"url": "https://x", "applications": ["shop"], "replace": replace})
    return (found["reports"] or [{}])[0], found["failures"]


def content(path: Path) -> dict[str, list[Any]]:
    with sqlite3.connect(path) as line:
        questions = ("select * from customer", "select * from purchase", "select * from place")
        return {words.split()[-1]: line.execute(words).fetchall() for words in questions}


def test_every_row_comes_as_it_is(server: Any, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = (folder / "storage.sqlite").read_bytes()
    server.customer._before_insert.append(lambda _row: pytest.fail("a callback of the application"))
    server.purchase.note.filter_in = server.purchase.note.filter_out = lambda _value: pytest.fail("a filter")
    server.customer._common_filter = lambda _query: server.customer.name == "nobody"
    report, failures = bring(server, monkeypatch)
    assert failures == []
    assert {name: (row["rows"], row["brought"]) for name, row in report["tables"].items()} == {
        "customer": (2, 2), "purchase": (2, 2), "place": (1, 1)
    }  # fmt: skip
    assert content(folder / "server.sqlite") == content(folder / "storage.sqlite")
    assert (report["left"], report["columns"]) == ({}, [])
    assert (folder / "storage.sqlite").read_bytes() == before
    found = os.stat(folder / "storage.sqlite")
    assert report["stamps"] == {str(folder / "storage.sqlite"): [found.st_mtime_ns, found.st_size]}
    # Again: nothing is left to bring.
    report, failures = bring(server, monkeypatch)
    assert failures == [] and {row["brought"] for row in report["tables"].values()} == {0}


def test_rows_that_models_make_are_no_hindrance(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    server.customer.insert(name="Ann Ö")
    server.commit()
    report, failures = bring(server, monkeypatch)
    assert failures == [] and report["tables"]["customer"] == {"rows": 2, "brought": 1}


@pytest.mark.parametrize(
    "odd", [{"name": "Eve"}, {"id": 7, "name": "Eve"}, {"id": 2, "name": "Bob's"}, {"id": 3, "name": "gone"}]
)
def test_what_others_have_written_there_stays(
    odd: dict[str, Any], server: Any, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.customer.insert(**odd)
    server.place.insert(code="x", city="Z")
    server.commit()
    before = content(folder / "server.sqlite")
    _report, failures = bring(server, monkeypatch)
    assert len(failures) == 1 and "web2py_rows_replace=true" in failures[0], failures
    assert f"customer {odd.get('id', 1)}" in failures[0] and "place x" in failures[0]
    assert content(folder / "server.sqlite") == before
    report, failures = bring(server, monkeypatch, replace=True)
    assert failures == [] and report["tables"]["customer"] == {"rows": 2, "brought": 2}
    assert content(folder / "server.sqlite") == content(folder / "storage.sqlite")


def test_a_row_that_does_not_fit_is_named_and_none_is_brought(
    server: Any, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.executesql("create unique index one on purchase (paid)")
    server.executesql("create trigger no before insert on place begin select raise(abort, 'not here'); end")
    server.commit()
    _report, failures = bring(server, monkeypatch)
    assert failures == ["shop: place x: not here"]
    assert content(folder / "server.sqlite") == {"customer": [], "purchase": [], "place": []}


def test_a_reference_to_nothing_is_told(server: Any, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with sqlite3.connect(folder / "storage.sqlite") as line:
        line.execute("insert into purchase (id, customer) values (9, 77)")
    server.executesql("pragma foreign_keys = off")
    _report, failures = bring(server, monkeypatch)
    assert len(failures) == 1 and "purchase.customer names records of customer that are not there: 77" in failures[0]
    assert content(folder / "server.sqlite")["purchase"] == []


def test_what_comes_back_otherwise_is_told(server: Any, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No driver does this; a trigger does."""
    server.executesql(
        "create trigger t after insert on customer begin update customer set name = 'x' where id = 2; end"
    )
    server.commit()
    _report, failures = bring(server, monkeypatch)
    assert failures == ["shop: customer 2 was read back with another content"]
    assert content(folder / "server.sqlite")["customer"] == []
    server.executesql("drop trigger t")
    server.executesql("create trigger u after insert on purchase begin delete from place; end")
    server.executesql("create trigger v after insert on place begin insert into place values ('w', 'v'); end")
    server.commit()
    _report, failures = bring(server, monkeypatch)
    assert failures == ["shop: place has 2 rows on the server and 1 in SQLite"]


def test_what_no_model_names_stays_and_is_told(server: Any, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with sqlite3.connect(folder / "storage.sqlite") as line:
        line.execute("create table old_things (a)")
        line.execute("insert into old_things values (1)")
        line.execute("create table empty (a)")
        line.execute("create table web2py_session_shop (a)")
        line.execute("insert into web2py_session_shop values (1)")
        line.execute("alter table place add column country char(2)")
    report, failures = bring(server, monkeypatch)
    assert failures == [] and report["left"] == {"old_things": 1} and report["columns"] == ["place.country"]


def test_a_column_or_table_that_sqlite_lacks_stays_empty(
    opened: Opened, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def former(db: Any) -> None:
        db.define_table("customer", Field("name"), rname='"CUSTOMER"')

    db = opened("storage", former)
    db.customer.insert(name="Ann")
    db.commit()
    db.close()
    server = named(opened("server", table_hash="server"), ["postgres://x", NAMED])
    report, failures = bring(server, monkeypatch)
    assert failures == [] and report["tables"] == {"customer": {"rows": 1, "brought": 1}}
    assert content(folder / "server.sqlite")["customer"] == [(1, "Ann", None)]


def test_who_writes_to_sqlite_holds_it_up(server: Any, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    line = sqlite3.connect(folder / "storage.sqlite")
    line.execute("begin immediate")
    _report, failures = bring(server, monkeypatch)
    line.close()
    assert len(failures) == 1 and "database is locked" in failures[0]


def test_nothing_is_made_where_there_is_no_sqlite(
    opened: Opened, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report, failures = bring(named(opened("server")), monkeypatch)
    assert failures == [] and report["tables"] == {} and report["stamps"] == {}
    assert not (folder / "storage.sqlite").exists()
    report, failures = bring(opened("other"), monkeypatch)
    assert failures == [] and report["tables"] == {}


def test_one_application_that_fails_keeps_the_others_from_it(
    server: Any, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def models(_url: str, application: str) -> dict[str, Any]:
        if application == "blog":
            raise RuntimeError("no model of mine")
        return {"db": server}

    bring(server, monkeypatch, replace=True)
    server.executesql("delete from customer")
    server.commit()
    monkeypatch.setattr(rows, "models", models)
    found = rows.work({"url": "https://x", "applications": ["shop", "blog"], "replace": True})
    assert len(found["failures"]) == 1 and "no model of mine" in found["failures"][0]
    assert content(folder / "server.sqlite")["customer"] == []


def test_files_with_a_log_beside_them_and_odd_values_come_too(
    server: Any, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with sqlite3.connect(folder / "storage.sqlite") as line:
        line.execute("pragma journal_mode = wal")
        line.execute("insert into purchase (id, picture) values (9, '')")
    line.close()
    report, failures = bring(server, monkeypatch)
    assert failures == [] and report["tables"]["purchase"] == {"rows": 3, "brought": 3}
    with sqlite3.connect(folder / "storage.sqlite") as line:
        line.execute("update customer set name = 'late' where id = 1")
    line.close()
    found = os.stat(folder / "storage.sqlite")
    assert report["stamps"] != {str(folder / "storage.sqlite"): [found.st_mtime_ns, found.st_size]}


def test_a_value_that_cannot_be_read_is_told_with_its_table(
    server: Any, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with sqlite3.connect(folder / "storage.sqlite") as line:
        line.execute("update purchase set more = '{' where id = 1")
    _report, failures = bring(server, monkeypatch)
    assert len(failures) == 1 and failures[0].startswith("shop: purchase: a row cannot be read: "), failures


def test_the_same_file_and_server_by_two_names(
    server: Any, opened: Opened, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One connection for both; a table of that name in another file would have its rows nowhere."""
    twin = named(
        opened("server", lambda db: db.define_table("customer", Field("name", length=20)), table_hash="server")
    )
    monkeypatch.setattr(rows, "databases_of", lambda _environment: [server, twin])
    report, failures = bring(server, monkeypatch)
    assert failures == [] and report["tables"]["customer"]["rows"] == 2
    assert twin._adapter.connection is server._adapter.connection
    opened("other").close()
    named(twin, "sqlite://other.sqlite")
    _report, failures = bring(server, monkeypatch)
    assert len(failures) == 1 and "customer is a table in" in failures[0]


def test_what_the_server_alone_has_is_no_victim(
    opened: Opened, server: Any, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.define_table("letter", Field("to_whom", "reference customer"))
    server.customer.insert(name="Eve")
    server.letter.insert(to_whom=1)
    server.commit()
    _report, failures = bring(server, monkeypatch, replace=True)
    assert failures == ["shop: letter on the server would lose records. Empty it there first, or keep all"]
    server(server.letter.id > 0).delete()
    server.commit()
    assert bring(server, monkeypatch, replace=True)[1] == []


def test_a_commit_that_fails_is_told_with_what_was_done(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused() -> None:
        raise OSError("gone")

    monkeypatch.setattr(rows.Bringing, "commit", lambda _self: refused())
    monkeypatch.setattr(rows, "models", lambda _url, _application: {})
    found = rows.work({"url": "https://x", "applications": ["shop", "blog"], "replace": False})
    assert found["failures"] == ["shop: while its rows were committed: gone"] and found["committed"] == []


def test_equal_is_what_databases_give_each_in_its_way() -> None:
    assert rows.equal("é", "é".encode(), "blob") and not rows.equal("é", b"e", "blob")
    assert rows.equal(Decimal("1.005"), Decimal("1.01"), "decimal(8,2)")
    assert not rows.equal(Decimal("1.005"), Decimal("1.02"), "decimal(8,2)")
    assert rows.equal(1234567.891, 1234567.875, "float") and not rows.equal(1.5, 1.6, "float")
    assert not rows.equal(None, "", "string") and rows.equal([1], [1], "list:integer")


def test_the_program_speaks_json(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(sys.modules, "web2py_runtime.entry", types.ModuleType("entry"))
    monkeypatch.setattr(migrate, "end_with_parent", lambda: None)

    def work(settings: dict[str, Any]) -> dict[str, Any]:
        print("models print")
        return {"reports": [settings], "failures": []}

    monkeypatch.setattr(rows, "work", work)
    monkeypatch.setattr(sys, "argv", ["rows", '{"a": 1}'])
    assert rows.main() == 0
    assert json.loads(capsys.readouterr().out) == {"reports": [{"a": 1}], "failures": []}
