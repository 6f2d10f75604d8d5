"""What the program that brings rows is asked, what is noted of its answer, and what is told."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.web2py.deploy.plugins.module_utils import _migrate, _rows
from ansible_collections.web2py.deploy.plugins.module_utils._base import Place
from ansible_collections.web2py.deploy.plugins.module_utils._run import Problem
from ansible_collections.web2py.deploy.plugins.module_utils._tree import Owner


def application(name: str, kind: str) -> dict[str, Any]:
    return {"name": name, "settings": {"database": {"type": kind, "name": f"web2py_{name}"}}}


SITE: dict[str, Any] = {
    "name": "web2py",
    "url": "https://www.example.org",
    "applications": [
        application("shop", "postgresql"), application("blog", "mysql"), application("old", "sqlite"), {"name": "admin"}
    ],
}  # fmt: skip


def report(name: str = "shop", **more: Any) -> dict[str, Any]:
    return {"application": name, "tables": {}, "left": {}, "columns": [], "stamps": {}, **more}


@pytest.fixture
def here(tmp_path: Path) -> Place:
    return Place(str(tmp_path), "", "", Owner(os.geteuid(), os.getegid()), (1, 2))


def test_all_faults_are_told_at_once() -> None:
    assert _rows.problems(SITE, ["shop", "blog"]) == []
    assert _rows.problems(SITE, ["old", "shop", "admin", "shoq"]) == [
        "old has no database on a server. Name some of shop, blog",
        "admin has no database on a server. Name some of shop, blog",
        "shoq is no application of web2py. Name some of shop, blog",
    ]
    alone = {**SITE, "applications": SITE["applications"][2:]}
    assert _rows.problems(alone, ["old"]) == ["old has no database on a server. Choose a server in web2py_database"]


def test_what_was_brought_is_brought_again_on_request_or_when_it_is_other(here: Place, tmp_path: Path) -> None:
    path = tmp_path / "storage.sqlite"
    path.write_text("x")
    found = path.stat()
    assert _rows.due(here, SITE, ["shop", "blog"], False) == ["shop", "blog"]
    _rows.note(here, SITE, [])
    assert _rows.noted(here) == {}
    _rows.note(here, SITE, [report(stamps={str(path): [found.st_mtime_ns, found.st_size]})])
    assert _rows.due(here, SITE, ["shop", "blog"], False) == ["blog"]
    assert _rows.due(here, SITE, ["shop"], True) == ["shop"]
    assert _rows.late(_rows.noted(here), True) == ""
    moved = {**SITE, "applications": [application("shop", "mysql")]}
    assert _rows.due(here, moved, ["shop"], False) == ["shop"]
    path.write_text("xy")
    assert _rows.due(here, SITE, ["shop"], False) == ["shop"]
    told = _rows.late(_rows.noted(here), True)
    assert str(path) in told and told.endswith("-e web2py_rows_applications=shop -e web2py_rows_replace=true")
    told = _rows.late(_rows.noted(here), False)
    assert "let in before" in told and "remove what the server has" in told
    # Whoever has taken the file away knows why.
    path.unlink()
    assert _rows.due(here, SITE, ["shop"], False) == []


def test_rows_that_a_run_leaves_behind_are_told(here: Place, tmp_path: Path) -> None:
    rows = [application("shop", "postgresql"), application("blog", "mysql"), application("old", "sqlite")]
    for row in rows:
        row["settings"]["database"]["replaces"] = ["sqlite://storage.sqlite", "postgres://x"]
    site = {**SITE, "paths": {"state": str(tmp_path)}, "applications": rows}
    for name in ("shop", "blog", "old"):
        (tmp_path / "applications" / name / "databases").mkdir(parents=True)
    path = tmp_path / "applications/shop/databases/storage.sqlite"
    path.write_text("x")
    (tmp_path / "applications/blog/databases/storage.sqlite").touch()
    assert _rows.behind(here, site, "") == [f"{path}: its rows stay there. web2py.deploy.rows brings them over."]
    assert _rows.behind(here, site, "one") == [f"{path}: its rows stay there. Those of one may come along."]
    _rows.note(here, site, [report(stamps={})])
    assert _rows.behind(here, site, "") == []


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({}, "SQLite has none"),
        (
            {"tables": {"a": {"rows": 0, "brought": 0}}, "left": {"old": 3}},
            "SQLite has none; no model names old (3 rows)",
        ),
        (
            {"tables": {"a": {"rows": 2, "brought": 2}, "b": {"rows": 5, "brought": 0}}, "columns": ["b.y", "a.x"]},
            "7 in 2 tables are on the server as they were in SQLite; no field has the columns a.x, b.y",
        ),
    ],
)  # fmt: skip
def test_what_is_there_and_what_stays_is_told(more: dict[str, Any], words: str) -> None:
    assert _rows.told(report(**more)) == words
    assert _rows.described([report(**more)]) == f"rows of shop: {words}\n"


def test_workers_go_on_though_one_does_not_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []

    def systemctl(word: str, *_more: str) -> str:
        told.append(word)
        if word == "stop":
            raise Problem("no")
        return "web2py-scheduler@shop-main-1.service loaded active running x\n"

    monkeypatch.setattr(_rows, "_systemctl", systemctl)
    with pytest.raises(Problem), _rows.resting(SITE, ["shop"]):
        raise AssertionError("nothing is done while it runs")
    assert told == ["list-units", "stop", "start"]


@pytest.mark.parametrize("fails", [False, True])
def test_workers_rest_and_go_on_when_it_fails(fails: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[str, ...]] = []
    units = [f"web2py-scheduler@{name}-main-1.service" for name in ("shop", "shopping", "blog")]

    def systemctl(*words: str) -> str:
        told.append(words)
        return "".join(f"{unit} loaded active running x\n" for unit in [*units, "web2py.service"])

    monkeypatch.setattr(_rows, "_systemctl", systemctl)
    try:
        with _rows.resting(SITE, ["shop"]):
            assert told[1:] == [("stop", units[0])]
            if fails:
                raise Problem("no")
    except Problem:
        assert fails
    assert told[2:] == ([("start", "--no-block", units[0])] if fails else [])


@pytest.mark.parametrize(
    ("out", "words"),
    [
        (
            json.dumps({"reports": [], "failures": ["shop: item 3: too long"], "committed": []}),
            "No row was brought.*item 3: too long",
        ),
        (json.dumps({"reports": [], "failures": ["x: y"], "committed": ["shop"]}), "Rows of shop are on the server"),
        ("", "status 3:\nlast words"),
        ("[]", "status 3"),
        ('{"failures": []}', "status 3"),
    ],
)
def test_failures_are_told(here: Place, monkeypatch: pytest.MonkeyPatch, out: str, words: str) -> None:
    monkeypatch.setattr(_migrate, "run", lambda *_a, **_w: subprocess.CompletedProcess([], 3, out, "last words"))
    with pytest.raises(Problem, match=f"(?s){words}"):
        _rows.bring(SITE, here, "/release", ["shop"], False)


def test_the_program_runs_as_the_site(here: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, Any] = {}

    def run(argv: list[str], *_words: str, **options: Any) -> Any:
        given.update(options, argv=argv)
        return subprocess.CompletedProcess(
            [], 0, json.dumps({"reports": [report()], "failures": [], "committed": ["shop"]}), ""
        )

    monkeypatch.setattr(_migrate, "run", run)
    assert _rows.bring(SITE, here, "/release", ["shop"], True) == [report()]
    assert given["account"] == (1, 2) and given["cwd"] == "/release/web2py"
    asked = {"url": SITE["url"], "applications": ["shop"], "replace": True}
    assert given["argv"][-2:] == ["web2py_runtime.rows", json.dumps(asked)]
