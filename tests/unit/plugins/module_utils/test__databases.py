"""The file that tells the runtime how to open databases."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from ansible_collections.web2py.deploy.plugins.module_utils import _databases
from ansible_collections.web2py.deploy.plugins.module_utils._base import Place
from ansible_collections.web2py.deploy.plugins.module_utils._hosts import cookie_key


def site(store: str = "file", kind: str = "postgresql", tickets: str = "file") -> dict[str, Any]:
    server = {"type": kind, "replaces": ["sqlite://storage.sqlite"]}
    if kind != "sqlite":
        server |= {"name": "shop", "user": "shop", "host": None, "port": 5432, "pool_size": 5, "ca": None}
    settings = {
        "database": server,
        "sessions": {"store": store, **({} if store == "file" else {"expiry": 60})},
        "cache": {"store": "ram"},
        "tickets": {"store": tickets},
        "migrate": True,
    }
    return {"applications": [{"name": "shop", "settings": settings}, {"name": "old"}]}


def path_of(place: Place) -> Path:
    return Path(place.settings, "databases.json")


def test_it_is_for_root_and_the_site_only_and_written_once(place: Place) -> None:
    assert _databases.changed(place, site(), "secret")
    _databases.write_file(place, site(), "secret")
    assert not _databases.changed(place, site(), "secret") and _databases.changed(place, site(), "another")
    assert path_of(place).stat().st_mode & 0o777 == 0o640
    os.chmod(path_of(place), 0o644)
    assert _databases.changed(place, site(), "secret")
    assert "secret" not in _databases.told(True) and _databases.told(False) == ""


def test_a_site_of_files_has_none(place: Place) -> None:
    plain = site(kind="sqlite")
    assert not _databases.changed(place, plain, "")
    _databases.write_file(place, plain, "")
    assert not path_of(place).exists()


def test_it_goes_with_the_last_application_that_needs_it(place: Place) -> None:
    _databases.write_file(place, site(), "secret")
    assert _databases.changed(place, site(kind="sqlite"), "")
    _databases.write_file(place, site(kind="sqlite"), "")
    _databases.drop(place, site())
    assert path_of(place).exists()
    _databases.drop(place, site(kind="sqlite"))
    assert not path_of(place).exists()


def test_the_key_of_sessions_with_visitors_is_kept(place: Place) -> None:
    with_visitors = site("cookie", "sqlite")
    _databases.write_file(place, with_visitors, "")
    key = json.loads(path_of(place).read_text())["applications"]["shop"]["cookie_key"]
    assert len(key) >= 32 and not _databases.changed(place, with_visitors, "")
    _databases.write_file(place, with_visitors, "")
    assert json.loads(path_of(place).read_text())["applications"]["shop"]["cookie_key"] == key


def test_the_key_of_the_site_is_that_of_all_hosts(place: Place) -> None:
    """It takes the place of a host's own, and goes back to one of its own only where there was none."""
    with_visitors = {"name": "shop", **site("cookie", "sqlite")}
    for key in ("", "a key", "another key"):
        assert _databases.changed(place, with_visitors, "", key)
        _databases.write_file(place, with_visitors, "", key)
        assert not _databases.changed(place, with_visitors, "", key)
        found = json.loads(path_of(place).read_text())["applications"]["shop"]["cookie_key"]
        assert not key or found == cookie_key(key, "shop", "shop")
        assert "a key" not in path_of(place).read_text()


def test_admin_is_told_where_tickets_are_without_a_secret() -> None:
    given = {"shop": {"appconfig.ini": "x"}}
    assert _databases.with_tickets(given, site(tickets="database")) == {
        "shop": {"appconfig.ini": "x", "ticket_storage.txt": "web2py.deploy:shop\n"}
    }
    assert _databases.with_tickets(given, site()) == given


def row(uri: str | None, word: str = "old", **more: Any) -> dict[str, Any]:
    return {"uri": uri, "replaces": ["x"], **({"driver_args": {"password": word}} if uri else {}), **more}


def test_after_a_failure_databases_are_opened_as_before_by_the_words_of_now(place: Place) -> None:
    former = {
        "shop": row("postgres:psycopg2://me@h:5432/shop"), "blog": row(None, cookie_key="k1"),
        "wiki": row("postgres:psycopg2://me@h:5432/wiki"), "far": row("mysql:pymysql://me@h:3306/far"),
    }  # fmt: skip
    now = {
        "shop": row("postgres:psycopg2://me@h:5432/other", "new", replaces=["y"]), "blog": row("mysql://b", "b"),
        "wiki": row("postgres:psycopg2://me@g:5432/wiki", "new"), "far": row("mysql:pymysql://me@h:3306/far", "new"),
        "fresh": row(None),
    }  # fmt: skip
    now["blog"]["cookie_key"] = "k2"
    path_of(place).parent.mkdir(parents=True, exist_ok=True)
    path_of(place).write_text(json.dumps({"applications": now}))
    _databases.put_back(place, former)
    assert _databases.kept(place) == {
        "shop": row("postgres:psycopg2://me@h:5432/shop", "new"), "blog": row(None, cookie_key="k2"),
        "wiki": row("postgres:psycopg2://me@h:5432/wiki"), "far": row("mysql:pymysql://me@h:3306/far", "new"),
    }  # fmt: skip
    assert path_of(place).stat().st_mode & 0o777 == 0o640
    _databases.put_back(place, {})
    assert not path_of(place).exists()
