from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.web2py.deploy.plugins.module_utils import _upkeep

HOST: dict[str, Any] = {"traces": {"sessions": ["shop", "b"], "tickets": ["shop"]}}


def choices(cleanup: Any = None, site: str = "shop", **rows: Any) -> dict[str, Any]:
    applications = [{"name": "a", **({"session_cleanup": own} if own is not None else {})} for own in rows.values()]
    return {
        "web2py_site": site, "web2py_session_cleanup": cleanup, "web2py_applications": applications or [{"name": "a"}],
    }  # fmt: skip


def resolved(given: dict[str, Any], *rows: dict[str, Any], known: bool = True) -> dict[str, Any]:
    return _upkeep.upkeep(given, rows or ({"name": "a"},), HOST, known)


def test_without_a_choice_there_is_nothing() -> None:
    assert resolved(choices(), known=False) == {"sessions": None, "tickets": None, "former": []}


def test_what_was_chosen_before_goes() -> None:
    assert resolved(choices())["former"] == ["sessions", "tickets"]
    assert resolved(choices({}))["former"] == ["tickets"]
    assert resolved(choices(site="b"))["former"] == ["sessions"]
    assert resolved(choices(site="c"))["former"] == []


def test_an_empty_choice_takes_the_defaults_for_all_applications() -> None:
    found = resolved(choices({}), {"name": "a"}, {"name": "admin"})["sessions"]
    swept = {"store": "file", "expiry": 3600, "force": False, "dry_run": False}
    assert found == {"every_minutes": 5, "applications": {"a": swept, "admin": swept}}


def test_an_applications_own_word_counts_before_the_sites_and_that_before_its_sessions() -> None:
    row = {"name": "a", "settings": {"sessions": {"store": "database", "expiry": 100}}}
    site, own = {"expiry": 200, "force": True, "every_minutes": 1}, {"expiry": 300, "force": False, "dry_run": True}
    for cleanup, word, expected in (
        ({}, None, ("database", 100, False, False)),
        (site, None, ("database", 200, True, False)),
        (site, own, ("database", 300, False, True)),
        (site, {"expiry": None}, ("database", 200, True, False)),
    ):
        found = resolved(choices(cleanup, own=word), row)["sessions"]["applications"]["a"]
        assert tuple(found.values()) == expected


def test_tickets_go_where_the_settings_say() -> None:
    rows = [
        {"name": "a", "settings": {"tickets": {"store": "database"}}}, {"name": "b", "settings": {"tickets": None}},
        {"name": "c", "settings": {"tickets": {"store": "file"}}}, {"name": "d", "settings": None},
    ]  # fmt: skip
    found = resolved(choices(), *rows)
    assert found["tickets"] == {"every_minutes": 5, "applications": {"a": {"store": "database"}}}
    assert found["former"] == ["sessions"]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (choices(), []),
        (choices({}, own={}), []),
        (choices({"every_minutes": None, "expiry": None}), []),
        (choices({"every_minutes": 1440, "expiry": 31536000}), []),
        (choices({"every_minutes": 0}), ["web2py_session_cleanup.every_minutes = 0: is out of bounds"]),
        (choices({"every_minutes": 1441}), ["from 1 to 1440"]),
        (choices({"expiry": 59}), ["web2py_session_cleanup.expiry = 59", "from 60 to 31536000"]),
        (choices({}, own={"expiry": -1}), ["web2py_applications (a).session_cleanup.expiry = -1"]),
        (choices(None, own={"force": True}), ["has no meaning without web2py_session_cleanup"]),
        (choices({"expiry": 0}, own={"expiry": 0}), ["cleanup.expiry = 0", "(a).session_cleanup.expiry"]),
        (choices(site="shop-sessions"), ["'shop-sessions': ends like a unit of another site, shop-sessions.timer"]),
        (choices(site="shop-tickets"), ["ends like a unit"]),
    ],
)
def test_problems_are_told_all_at_once(given: dict[str, Any], words: list[str]) -> None:
    told = "\n".join(map(str, _upkeep.problems(given)))
    assert bool(told) == bool(words) and all(word in told for word in words), told
