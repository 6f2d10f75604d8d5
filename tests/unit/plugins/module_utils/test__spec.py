"""Values against an argument specification: types, words, names, secrets."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.web2py.deploy.plugins.module_utils._spec import Problem, nearest, refusal, shown, validate

OPTIONS: dict[str, Any] = {
    "name": {"type": "str", "default": "x"},
    "count": {"type": "int"},
    "loud": {"type": "bool"},
    "word": {"type": "str", "choices": ["red", "green"]},
    "needed": {"type": "dict", "options": {"key": {"type": "str", "required": True}}},
    "rows": {"type": "list", "elements": "dict", "options": {"id": {"type": "int"}}},
    "secret": {"type": "str", "no_log": True},
}


@pytest.mark.parametrize(
    "given, expected",
    [
        ({}, {"name": "x"}),
        ({"name": None}, {"name": "x"}),
        ({"count": "12"}, {"count": 12}),
        ({"count": -1}, {"count": -1}),
        ({"loud": "True"}, {"loud": True}),
        ({"rows": [{"id": "1"}]}, {"rows": [{"id": 1}]}),
        ({"needed": {"key": "v"}}, {"needed": {"key": "v"}}),
    ],
)
def test_right_values_come_back_in_their_types(given: dict[str, Any], expected: dict[str, Any]) -> None:
    values, problems = validate(OPTIONS, given)
    assert problems == []
    assert {key: values[key] for key in expected} == expected


@pytest.mark.parametrize(
    "given, variable",
    [
        ({"nmae": "y"}, "nmae"),
        ({"name": 1}, "name"),
        ({"name": True}, "name"),
        ({"count": "many"}, "count"),
        ({"count": True}, "count"),
        ({"loud": "yes"}, "loud"),
        ({"loud": 1}, "loud"),
        ({"word": "gren"}, "word"),
        ({"needed": {}}, "needed.key"),
        ({"needed": {"key": 1}}, "needed.key"),
        ({"needed": "v"}, "needed"),
        ({"rows": {"id": 1}}, "rows"),
        ({"rows": ["a"]}, "rows[0]"),
        ({"rows": [{"id": 1}, {"id": "b"}]}, "rows[1].id"),
        ({"secret": 1}, "secret"),
    ],
)
def test_wrong_values_are_named_one_by_one(given: dict[str, Any], variable: str) -> None:
    assert [problem.variable for problem in validate(OPTIONS, given)[1]] == [variable]


def test_a_default_can_be_left_out() -> None:
    assert "name" not in validate(OPTIONS, {}, defaults=False)[0]


@pytest.mark.parametrize(
    "kind, value, remedy",
    [("dict", "acme", "{provider: acme}"), ("dict", "x", "a mapping (key: value)"), ("list", "acme", "a list")],
)
def test_a_bare_word_is_shown_where_it_belongs(kind: str, value: str, remedy: str) -> None:
    options = {"tls": {"type": kind, "options": {"days": {"type": "int"}, "provider": {"choices": ["none", "acme"]}}}}
    assert [problem.remedy for problem in validate(options, {"tls": value})[1]] == [f"Give {remedy}"]


def test_a_secret_is_never_shown() -> None:
    assert "hunter2" not in str(validate(OPTIONS, {"secret": ["hunter2"]})[1])


def test_a_long_value_is_cut() -> None:
    assert len(shown("x" * 500)) == 80


def test_the_nearest_name_or_all_names() -> None:
    assert nearest("web2py_domian", ["web2py_domain", "web2py_site"]).endswith("web2py_domain")
    assert nearest("zzz", ["b", "a"]) == "Known are a, b"


def test_a_problem_reads_as_a_sentence_with_its_remedy() -> None:
    assert str(Problem("web2py_site", "'X'", "is wrong", "Mend it")) == "web2py_site = 'X': is wrong. Mend it."
    assert str(Problem("web2py_site", "", "missing", "Give it")) == "web2py_site: missing. Give it."


def test_problems_are_told_all_at_once() -> None:
    one = Problem("a", "'b'", "is wrong", "Mend it")
    assert refusal("in the choices of x", [one])["msg"] == (
        "Nothing was changed: 1 problem in the choices of x\n  1. a = 'b': is wrong. Mend it."
    )
    both = refusal("in the choices of x", [one, one])
    assert both["failed"] and len(both["problems"]) == 2 and "2 problems" in both["msg"]
