from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.web2py.deploy.plugins.module_utils import _performance


def choices(**given: Any) -> dict[str, Any]:
    return {
        "web2py_performance": None, "web2py_app_server": "uwsgi", "web2py_account": None, "web2py_sessionless": [],
        "web2py_applications": [{"name": "shop"}, {"name": "admin"}], **given,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("given", "level"),
    [
        ({}, "fast"),
        ({"web2py_app_server": "cgi"}, "upstream"),
        ({"web2py_account": {"web": "port"}}, "exact"),
        ({"web2py_account": {"web": "htaccess_cgi"}}, "upstream"),
        ({"web2py_performance": "exact"}, "exact"),
        ({"web2py_performance": "upstream"}, "upstream"),
        ({"web2py_performance": "fast", "web2py_account": {"web": "port"}}, "fast"),
    ],
)
def test_the_level_suits_who_can_write_code(given: dict[str, Any], level: str) -> None:
    assert _performance.performance(choices(**given))["level"] == level
    assert _performance.problems(choices(**given)) == []


@pytest.mark.parametrize(("given", "lines"), [("fast", 1), ("exact", 0), (None, 0)])
def test_the_owner_of_an_account_is_told_what_fast_means_to_him(given: str | None, lines: int) -> None:
    told = _performance.warnings(choices(web2py_performance=given, web2py_account={"web": "port"}))
    assert len(told) == lines == sum("up to a second" in line for line in told)
    assert _performance.warnings(choices(web2py_performance=given)) == []


def test_places_are_told_once() -> None:
    found = _performance.performance(choices(web2py_sessionless=["shop/b", "shop/a", "shop/b"]))
    assert found["sessionless"] == ["shop/a", "shop/b"]


@pytest.mark.parametrize(
    ("given", "variable", "words"),
    [
        ({"web2py_performance": "fast", "web2py_app_server": "cgi"}, "web2py_performance", "one request each"),
        (
            {"web2py_performance": "exact", "web2py_account": {"web": "htaccess_cgi"}},
            "web2py_performance",
            "one request each",
        ),
        ({"web2py_sessionless": ["/shop/api"]}, "web2py_sessionless", "no place"),
        ({"web2py_sessionless": ["shop/api/items/1"]}, "web2py_sessionless", "no place"),
        ({"web2py_sessionless": ["shop/../admin"]}, "web2py_sessionless", "no place"),
        ({"web2py_sessionless": [""]}, "web2py_sessionless", "no place"),
        ({"web2py_sessionless": ["shopp"]}, "web2py_sessionless", "the site has not"),
        ({"web2py_sessionless": ["admin"]}, "web2py_sessionless", "log in"),
        ({"web2py_sessionless": ["shop/appadmin/index"]}, "web2py_sessionless", "log in"),
    ],
)
def test_what_does_not_fit_is_told(given: dict[str, Any], variable: str, words: str) -> None:
    (problem,) = _performance.problems(choices(**given))
    assert problem.variable == variable and words in problem.fault and problem.remedy


@pytest.mark.parametrize(
    "told", [None, [], "x", {"on": 1, "off": []}, {"level": "faster", "on": [1, "A b"], "off": None}]
)
def test_a_report_is_of_known_words_only(told: Any) -> None:
    assert _performance.report(told) == {"level": "upstream", "on": [], "off": {}}
    assert _performance.shown_report(told) == "upstream: web2py as it is"


def test_reasons_are_short_and_plain() -> None:
    found = _performance.report({"level": "exact", "on": ["html"], "off": {"conn": "a\x1b[2J\n" + "b" * 999}})
    assert len(found["off"]["conn"]) < 301 and found["off"]["conn"].startswith("a[2Jb")
    assert _performance.shown_report(found) == "exact: html; off: conn"
