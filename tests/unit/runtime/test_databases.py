"""DAL as the applications call it, led to the site's databases."""

from __future__ import annotations

import json
import os
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from web2py_runtime import databases

ROW: dict[str, Any] = {
    "replaces": ["sqlite://storage.sqlite"],
    "migrate": True,
    "uri": "postgres://shop@/shop_shop?unix_socket=/run/postgresql/.s.PGSQL.5432",
    "pool_size": 5,
    "driver_args": {"password": "one", "connect_timeout": 5},
    "table_hash": "postgresql-shop_shop",
}
STORAGE = "sqlite://storage.sqlite"


def led(uri: Any, *args: Any, row: dict[str, Any] | None = None, application: str = "shop", **words: Any) -> Any:
    rows = {"shop": {**ROW, **(row or {})}}
    return databases.led(rows.get, application, uri, args, words)


def test_what_stands_for_the_database_leads_there() -> None:
    uri, args, words = led(STORAGE)
    assert (uri, args) == (ROW["uri"], ())
    assert words == {
        "pool_size": 5,
        "driver_args": {"password": "one", "connect_timeout": 5},
        "table_hash": "postgresql-shop_shop",
        "decode_credentials": False,
        "attempts": 1,
    }


def test_what_the_code_says_besides_is_kept() -> None:
    _uri, args, words = led(STORAGE, 30, "/folder", migrate=False, attempts=3, driver_args={"application_name": "x"})
    assert args == () and words["folder"] == "/folder" and words["pool_size"] == 5
    assert words["migrate"] is False and words["attempts"] == 3
    assert words["driver_args"] == {"application_name": "x", "password": "one", "connect_timeout": 5}


@pytest.mark.parametrize(
    "uri",
    ["sqlite:memory", "sqlite://other.sqlite", "postgres://a:b@c/d", None, False, {"uri": STORAGE}, "<zombie>", []],
)
def test_other_databases_are_left_alone(uri: Any) -> None:
    assert led(uri, 3, migrate=False) == (uri, (3,), {"migrate": False})


@pytest.mark.parametrize("application", ["", "forum", "admin"])
def test_other_applications_are_left_alone(application: str) -> None:
    assert led(STORAGE, application=application) == (STORAGE, (), {})


def test_tools_name_the_database_of_any_application() -> None:
    assert led("web2py.deploy:shop", application="admin")[0] == ROW["uri"]
    assert led(("web2py.deploy:shop",), application="")[0] == ROW["uri"]
    assert led("web2py.deploy:forum")[0] == "web2py.deploy:forum"


def test_any_of_several_uris_stands_for_it() -> None:
    assert led(["sqlite://x", STORAGE])[0] == ROW["uri"]


def test_migrations_can_be_off_with_files_too() -> None:
    uri, _args, words = led(STORAGE, row={"migrate": False, "uri": None}, migrate_enabled=True)
    assert uri == STORAGE and words == {"migrate_enabled": False}


MYSQL = {
    "uri": "mysql:pymysql://shop@localhost/shop_shop?set_encoding=utf8mb4&unix_socket=/run/s",
    "driver_args": {"password": "pässwört密", "connect_timeout": 5},
}


def test_mysql_takes_a_password_of_any_letters_and_makes_tables_for_them() -> None:
    words = led(STORAGE, row=MYSQL, driver_args={"read_timeout": 3}, adapter_args={"x": 1})[2]
    assert words["driver_args"] == {"password": "pässwört密".encode(), "connect_timeout": 5, "read_timeout": 3}
    # As pydal puts it together: what it says of letters with three bytes is a comment.
    engine = words["adapter_args"]["engine"]
    made = f" ENGINE={engine} CHARACTER SET utf8;"
    assert made.split("-- ") == [" ENGINE=InnoDB ", " CHARACTER SET utf8;"]
    assert led(STORAGE, row=MYSQL, adapter_args={"engine": "Aria"})[2]["adapter_args"] == {"engine": "Aria"}


def test_a_migration_of_mysql_takes_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "read_timeout" not in led(STORAGE, row=MYSQL)[2]["driver_args"]
    monkeypatch.setenv(databases.MIGRATES, "1")
    told = led(STORAGE, row=MYSQL)[2]["driver_args"]
    assert told["read_timeout"] is None and told["write_timeout"] is None
    assert "read_timeout" not in led(STORAGE)[2]["driver_args"]


@pytest.mark.parametrize("row", [{}, {"uri": None}, {"uri": "sqlite://x", "driver_args": {"timeout": 9}}])
def test_other_drivers_are_told_what_the_file_says(row: dict[str, Any]) -> None:
    assert databases.arguments(row) == {"driver_args": row.get("driver_args", {})}


@pytest.mark.parametrize("migrate", [True, False])
def test_the_program_that_migrates_does_whatever_is_off_for_others(
    migrate: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the site's database only."""
    monkeypatch.setenv(databases.MIGRATES, "1")
    for uri in (STORAGE, "web2py.deploy:shop"):
        words = led(uri, row={"migrate": migrate}, migrate=False, migrate_enabled=False, lazy_tables=True)[2]
        assert (words["migrate"], words["migrate_enabled"], words["lazy_tables"]) == (True, True, False)
    assert led("postgres://erp/x", migrate_enabled=False)[2] == {"migrate_enabled": False}


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "databases.json"
    write(path, "one")
    yield path
    databases._books.clear()


def write(path: Path, password: str, **words: Any) -> None:
    row = {**ROW, "driver_args": {"password": password}, **words}
    path.with_suffix(".new").write_text(json.dumps({"applications": {"shop": row}}))
    path.with_suffix(".new").replace(path)


def test_a_new_password_reaches_running_processes_and_nothing_else_does(path: Path) -> None:
    """What serves stays with its database until its process ends."""
    book = databases.book(str(path))
    write(path, "two", uri="postgres://shop@elsewhere:5432/shop")
    row = book.row("shop")
    assert row and row["driver_args"]["password"] == "two" and row["uri"] == ROW["uri"]
    assert databases.book(str(path)) is book


def test_a_new_key_of_sessions_in_cookies_reaches_running_processes(path: Path) -> None:
    """One process must not refuse what another has just written."""
    write(path, "one", uri=None, cookie_key="first")
    book = databases.Book(str(path))
    write(path, "one", uri=None, cookie_key="second")
    row = book.row("shop")
    assert row and row["cookie_key"] == "second" and "first" not in str(book.rows)


@pytest.mark.parametrize("trouble", ["gone", "broken", "other"])
def test_what_was_known_counts_where_the_file_tells_nothing(path: Path, trouble: str) -> None:
    book = databases.book(str(path))
    if trouble == "gone":
        path.unlink()
    else:
        path.write_text("{" if trouble == "broken" else '{"applications": {}}')
        os.utime(path, (1, 1))
    row = book.row("shop")
    assert row and row["driver_args"]["password"] == "one"
    assert book.row("forum") is None


@pytest.fixture
def current(monkeypatch: pytest.MonkeyPatch) -> Any:
    """web2py's `current`, and DAL as it was before."""
    import pydal.base

    kind: Any = type(pydal.base.DAL)
    call = kind.__call__
    module: Any = types.ModuleType("gluon.globals")
    module.current = types.SimpleNamespace()
    monkeypatch.setitem(sys.modules, "gluon", types.ModuleType("gluon"))
    monkeypatch.setitem(sys.modules, "gluon.globals", module)
    yield module.current
    kind.__call__ = call
    if hasattr(kind, "web2py_deploy"):
        del kind.web2py_deploy


def test_every_name_of_dal_is_led(path: Path, tmp_path: Path, current: Any) -> None:
    """pydal itself: the tables are in the file that the site gives, under the name that it gives."""
    uri = f"sqlite://{tmp_path}/given.sqlite"
    write(path, "one", uri=uri, driver_args={"timeout": 9})
    databases.install(str(path))
    databases.install(str(path))
    import pydal
    from pydal import DAL, Field

    folder = str(tmp_path)
    for dal in (DAL, pydal.DAL, type("Own", (DAL,), {})):
        for application, wanted in (("shop", uri), ("forum", "sqlite://storage.sqlite")):
            current.request = types.SimpleNamespace(application=application)
            db = dal(STORAGE, folder=folder)
            assert db._uri == wanted
            if application == "shop":
                db.define_table("note", Field("text"))
                db.note.insert(text="x")
                db.commit()
            db.close()
    assert (tmp_path / "given.sqlite").exists()
    assert (tmp_path / "postgresql-shop_shop_note.table").exists()
    del current.request
    db = DAL(STORAGE, folder=folder)
    assert db._uri == STORAGE
    db.close()


def test_tables_of_files_outlive_a_new_password(path: Path, tmp_path: Path, current: Any) -> None:
    """pydal names what it notes of tables by the URI: with the password in it, all tables would be made again."""
    uri = f"sqlite://{tmp_path}/given.sqlite"
    current.request = types.SimpleNamespace(application="shop")
    from pydal import DAL, Field

    for password in ("one", "two"):
        write(path, password, uri=uri, driver_args={"timeout": 9})
        databases._books.clear()
        databases.install(str(path))
        db = DAL(STORAGE, folder=str(tmp_path))
        db.define_table("note", Field("text"))
        db.note.insert(text=password)
        db.commit()
        db.close()
    assert len(list(tmp_path.glob("*_note.table"))) == 1
