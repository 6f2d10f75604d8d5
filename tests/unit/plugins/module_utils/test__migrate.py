from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.web2py.deploy.plugins.module_utils import _maintenance, _migrate
from ansible_collections.web2py.deploy.plugins.module_utils._base import Place
from ansible_collections.web2py.deploy.plugins.module_utils._run import Problem
from ansible_collections.web2py.deploy.plugins.module_utils._tree import Owner, locked

ON = {"site": False, "applications": ["blog"], "operators": [], "message": "Soon.", "retry_seconds": 60}


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    owner = Owner(os.geteuid(), os.getegid())
    place = Place(str(tmp_path), str(tmp_path), str(tmp_path), owner, (owner.uid, owner.gid))
    monkeypatch.setattr(_maintenance, "place_of", lambda _site: place)
    monkeypatch.setattr(_migrate, "run_lock", lambda name: locked(str(tmp_path / name)))
    return {
        "name": "shop",
        "url": "https://www.example.org",
        "paths": {"root": str(tmp_path), "settings": str(tmp_path)},
        "user": "shop",
    }


def now(site: dict[str, Any]) -> _maintenance.Notice | None:
    return _maintenance.read(_maintenance.path_of(site))


@pytest.mark.parametrize("before", [None, ON])
@pytest.mark.parametrize("fails", [False, True])
def test_what_was_before_is_so_again(site: dict[str, Any], before: Any, fails: bool) -> None:
    _maintenance.store(site, before)
    try:
        with _migrate.closed(site, ["shop"]):
            assert _maintenance.closed(now(site), "shop")
            assert _maintenance.closed(now(site), "blog") is (before is not None)
            if fails:
                raise KeyboardInterrupt
    except KeyboardInterrupt:
        pass
    assert now(site) == before


def test_visitors_stay_outside_until_they_are_let_in(site: dict[str, Any]) -> None:
    with _migrate.closed(site, ["shop"], 60):
        pass
    during = now(site)
    assert during is not None and 50 < during["migration"]["until"] - time.time() <= 60
    assert _migrate.opened(site, ["shop"]) and now(site) is None
    assert not _migrate.opened(site, ["shop"])
    with pytest.raises(KeyboardInterrupt), _migrate.closed(site, ["shop"], 60):
        raise KeyboardInterrupt
    assert now(site) is None


def test_what_is_switched_meanwhile_stays(site: dict[str, Any]) -> None:
    with _migrate.closed(site, ["shop"]):
        _maintenance.store(site, {**(now(site) or {}), **ON})
    assert now(site) == ON


def test_the_lease_is_short_and_renewed(site: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Who is killed renews nothing; what is left is over by its time."""
    monkeypatch.setattr(_migrate, "_RENEW_SECONDS", 0.05)
    monkeypatch.setattr(_migrate, "LEASE_SECONDS", 0.5)
    with _migrate.closed(site, ["shop"]):
        time.sleep(1)
        during = now(site)
        assert during is not None and _maintenance.closed(during, "shop")
    _maintenance.store(site, during)
    time.sleep(0.6)
    assert not _maintenance.closed(now(site), "shop")
    assert _maintenance.switched_off(now(site), []) is None
    words = {"maintenance": {"operators": []}}
    assert "migration" not in _maintenance.switched_on(now(site), words, ["blog"], "", 60)


def test_a_lease_that_could_not_be_renewed_once_is_renewed_the_next_time(
    site: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_migrate, "_RENEW_SECONDS", 0.01)
    store, renewed, faults = _maintenance.store, threading.Event(), [OSError("no space"), Problem("locked")]

    def full(*words: Any) -> None:
        if threading.current_thread() is not threading.main_thread():
            if faults:
                raise faults.pop()
            renewed.set()
        store(*words)

    monkeypatch.setattr(_maintenance, "store", full)
    with _migrate.closed(site, ["shop"]):
        assert renewed.wait(20)


@pytest.mark.parametrize(
    ("out", "words"),
    [
        (json.dumps({"failure": "shop: Traceback", "statements": {}}), "The migration failed.\nshop: Traceback"),
        (json.dumps({"failure": "x", "statements": {"shop": ["CREATE TABLE t("]}}), "  shop: CREATE TABLE t\\("),
        ("", "it ended with status 3:\nthe last words"),
        ("null", "it ended with status 3"),
        ("{}", "it ended with status 3"),
    ],
)
def test_failures_are_told(site: dict[str, Any], monkeypatch: pytest.MonkeyPatch, out: str, words: str) -> None:
    monkeypatch.setattr(_migrate, "run", lambda *_a, **_w: subprocess.CompletedProcess([], 3, out, "the last words"))
    with pytest.raises(Problem, match=words):
        _migrate.migrate(site, Place("", "", "", Owner(0, 0), (1, 1)), "/release", ["shop"])


def test_the_models_run_as_the_site_and_are_told(site: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, Any] = {}

    def run(argv: list[str], *_words: str, **options: Any) -> Any:
        given.update(options, argv=argv)
        answer = {"failure": "", "statements": {"shop": ["CREATE TABLE t("], "blog": []}}
        return subprocess.CompletedProcess([], 0, json.dumps(answer), "")

    monkeypatch.setattr(_migrate, "run", run)
    found = _migrate.migrate(site, Place("", "", "", Owner(0, 0), (1, 2)), "/release", ["shop", "blog"])
    assert given["argv"][-4:] == ["web2py_runtime.migrate", "https://www.example.org", "shop", "blog"]
    sys.path.insert(0, str(Path(__file__).resolve().parents[4] / "roles/web2py/files/runtime"))
    from web2py_runtime.databases import MIGRATES

    assert given["environment"][MIGRATES] == "1"
    assert given["account"] == (1, 2)
    assert _migrate.described(found) == "migrated shop: CREATE TABLE t(\n"


def rows(**migrate: bool | None) -> dict[str, Any]:
    return {"applications": [{"name": name, "settings": {"migrate": word}} for name, word in migrate.items()]}


def test_who_makes_no_tables_while_serving_is_migrated_when_new() -> None:
    site = rows(shop=False, blog=True, wiki=False, none=None)
    parts = {"shop": "app-shop-2", "blog": "app-blog-2", "wiki": "app-wiki-1", "none": "x"}
    assert _migrate.due(site, {}, parts) == ["shop", "wiki"]
    assert _migrate.due(site, {"shop": "app-shop-1", "blog": "app-blog-1", "wiki": "app-wiki-1"}, parts) == ["shop"]
    assert _migrate.due(site, parts, parts) == []
    assert _migrate.due({"applications": [{"name": "shop"}]}, {}, {"shop": "1"}) == []


FAR = {"type": "postgresql", "host": "db.example.org"}
SITE = {"name": "shop", "data": {"local": False, "host": "db.example.org", "port": 5432}}


@pytest.mark.parametrize(
    ("site", "first", "second", "expected"),
    [
        (SITE, {"web2py_site": "shop", "web2py_database": FAR}, {"web2py_site": "shop", "web2py_database": FAR}, "a"),
        (
            SITE,
            {"web2py_site": "shop", "web2py_database": {**FAR, "port": 5432}},
            {"web2py_site": "shop", "web2py_database": FAR},
            "a",
        ),
        # Another site, another server, no server, or what only the play knows.
        (SITE, {"web2py_site": "blog", "web2py_database": FAR}, {"web2py_site": "shop", "web2py_database": FAR}, "b"),
        (SITE, {"web2py_database": FAR}, {"web2py_site": "shop", "web2py_database": FAR}, "b"),
        (
            SITE,
            {"web2py_site": "shop", "web2py_database": {**FAR, "host": "10.0.0.1"}},
            {"web2py_site": "shop", "web2py_database": FAR},
            "b",
        ),
        (
            SITE,
            {"web2py_site": "shop", "web2py_database": {**FAR, "port": 5433}},
            {"web2py_site": "shop", "web2py_database": FAR},
            "b",
        ),
        (SITE, {"web2py_site": "shop", "web2py_database": {}}, {"web2py_site": "shop", "web2py_database": FAR}, "b"),
        (SITE, {"web2py_site": "shop", "web2py_database": None}, {}, "b"),
        ({**SITE, "name": "web2py"}, {"web2py_site": "", "web2py_database": FAR}, {"web2py_database": FAR}, "a"),
        # Each host has a server of its own.
        (
            {**SITE, "data": {"local": True, "host": None}},
            {"web2py_site": "shop", "web2py_database": {}},
            {"web2py_site": "shop"},
            "b",
        ),
        (
            {**SITE, "data": None},
            {"web2py_site": "shop", "web2py_database": FAR},
            {"web2py_site": "shop", "web2py_database": FAR},
            "b",
        ),
        (
            {"name": "shop"},
            {"web2py_site": "shop", "web2py_database": FAR},
            {"web2py_site": "shop", "web2py_database": FAR},
            "b",
        ),
    ],
)
def test_one_host_of_those_that_share_a_database_makes_the_tables(
    site: dict[str, Any], first: dict[str, Any], second: dict[str, Any], expected: str
) -> None:
    assert _migrate.leader("b", site, {"a": first, "b": second, "c": second}) == expected
    assert _migrate.leader("x", {**site, "data": None}, {"a": first}) == "x"
    assert _migrate.leader("b", site, {}) == "b"
