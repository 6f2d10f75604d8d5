"""What an application is told of its site, and the model that tells it."""

from __future__ import annotations

import ast
from typing import Any

import pytest

from ansible_collections.web2py.deploy.plugins.module_utils._settings import merged, model, plain

SITE = {"web2py_sessions": {"store": "database", "expiry": None}, "web2py_migrate": True}


def row(**words: Any) -> dict[str, Any]:
    return {"name": "shop", **words}


def test_who_chooses_nothing_has_web2pys_own_ways_and_no_model() -> None:
    settings = merged({}, row())
    assert settings == {
        "database": {"type": "sqlite"},
        "sessions": {"store": "file"},
        "cache": {"store": "ram"},
        "tickets": {"store": "file"},
        "uploads": {"store": "file"},
        "migrate": True,
    }
    assert plain(settings) and model({"settings": settings}, "/etc/shop") == "" == model({}, "/etc/shop")


def test_an_application_goes_before_its_site() -> None:
    settings = merged(SITE, row(sessions={"store": None, "expiry": 60}, migrate=False, cache={"store": "disk"}))
    assert settings["sessions"] == {"store": "database", "expiry": 60}
    assert settings["cache"] == {"store": "disk"} and settings["migrate"] is False


def test_a_bound_of_the_site_is_for_who_keeps_values_in_processes() -> None:
    site = {"web2py_cache": {"store": "ram", "max_mb": 64}}
    assert merged(site, row())["cache"] == {"store": "ram", "max_mb": 64}
    assert merged(site, row(cache={"store": None, "max_mb": 8}))["cache"] == {"store": "ram", "max_mb": 8}
    assert merged(site, row(cache={"store": "redis", "max_mb": None}))["cache"] == {"store": "redis"}
    assert merged({"web2py_cache": {"store": "disk"}}, row(cache={"store": "ram", "max_mb": 8}))["cache"]["max_mb"] == 8
    # Both from one place is a contradiction, which is told.
    assert merged({}, row(cache={"store": "redis", "max_mb": 8}))["cache"] == {"store": "redis", "max_mb": 8}


def test_admin_takes_nothing_from_the_site() -> None:
    assert plain(merged(SITE, {"name": "admin"}))


def test_sessions_in_files_end_in_time_only_where_that_was_said() -> None:
    assert plain(merged({}, row(sessions={"store": "file", "expiry": None})))
    assert not plain(merged({}, row(sessions={"store": "file", "expiry": 60})))
    assert not plain(merged({"web2py_sessions": {"store": "file", "expiry": 60}}, row()))
    assert merged({}, row(sessions={"store": "redis"}))["sessions"] == {"store": "redis", "expiry": 3600}


@pytest.mark.parametrize(
    "words",
    [
        {"sessions": {"store": "cookie"}},
        {"cache": {"store": "disk"}},
        {"cache": {"max_mb": 64}},
        {"tickets": {"store": "database"}},
        {"uploads": {"store": "database"}},
        {"migrate": False},
        {"database": {"type": "postgresql"}},
    ],
)
def test_every_other_word_makes_a_model_of_one_call(words: dict[str, Any]) -> None:
    settings = merged({}, row(**words))
    text = model({"settings": settings}, "/etc/shop")
    (statement,) = ast.parse(text).body
    assert isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call)
    _globals, path, told = statement.value.args
    assert ast.literal_eval(path) == "/etc/shop/databases.json" and ast.literal_eval(told) == settings


@pytest.mark.parametrize("word", ["'", '"', "\\", "\n", "é", "'''", "#", "{x}", "%s", "\u2028"])
def test_no_word_breaks_the_model(word: str) -> None:
    settings = merged({}, row(database={"type": "postgresql", "replaces": [word]}))
    text = model({"settings": settings}, f"/etc/{word}")
    assert text.isascii()
    call: Any = ast.parse(text).body[0]
    assert ast.literal_eval(call.value.args[2]) == settings
