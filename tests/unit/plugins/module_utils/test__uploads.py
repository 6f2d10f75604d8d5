"""What the program that moves uploads is asked, and what is told of its answer."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.web2py.deploy.plugins.module_utils import _uploads
from ansible_collections.web2py.deploy.plugins.module_utils._run import Problem

SITE: dict[str, Any] = {
    "name": "shop", "user": "shop", "url": "https://shop.example",
    "paths": {
        "state": "/var/lib/shop", "code": "/srv/shop/current/web2py", "environment": "/srv/shop/current/environment",
        "runtime": "/srv/shop/current/runtime",
    },
    "applications": [
        {"name": "shop", "settings": {"uploads": {"store": "database"}}}, {"name": "blog", "settings": {}},
        {"name": "admin", "settings": {"uploads": {"store": "file"}}},
    ],
}  # fmt: skip
REPORT: dict[str, Any] = {
    "application": "shop", "field": "document.file", "place": "database", "files": 3, "copied": 0, "bytes": 0,
    "originals": 0, "removed": 0, "missing": 0, "serves": True,
}  # fmt: skip


@pytest.mark.parametrize(
    ("applications", "tables", "words"),
    [
        ([], [], []),
        (["shop", "blog"], ["document", "_x1"], []),
        (["shoq"], ["a b"], ["shoq is no application of shop. Name some of shop, blog", "'a b' is not a name"]),
        (["admin"], [], ["admin keeps no uploads. Name some of shop, blog"]),
        ([], ["x;y", "--help", "é.b", ""], ["'x;y'", "'--help'", "'é.b'", "''"]),
    ],
)
def test_all_faults_are_told_at_once(applications: list[str], tables: list[str], words: list[str]) -> None:
    found = _uploads.problems(SITE, applications, tables)
    assert len(found) == len(words) and all(word in row for word, row in zip(words, found))


def test_the_program_is_told_what_is_chosen() -> None:
    asked = _uploads.question(SITE, [], [], False)
    assert asked["applications"] == {"shop": "database", "blog": "file"} and asked["url"] == "https://shop.example"
    asked = _uploads.question(SITE, ["blog"], ["document"], True)
    assert (asked["applications"], asked["tables"], asked["check"]) == ({"blog": "file"}, ["document"], True)


def test_it_runs_as_the_sites_user_in_a_sandbox() -> None:
    argv = _uploads.command(SITE, {"url": "x"})
    assert {"--wait", "--pipe", "--unit=shop-uploads.service", "--property=User=shop"} <= set(argv)
    assert "--property=ReadWritePaths=/var/lib/shop/applications" in argv and "--property=ProtectSystem=strict" in argv
    assert argv[-2:] == ["web2py_runtime.movement", '{"url": "x"}']


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A program in the place of systemd-run."""

    def answers(script: str) -> None:
        path = tmp_path / "program"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        monkeypatch.setattr(_uploads, "command", lambda site, asked: [str(path), json.dumps(asked)])

    monkeypatch.setattr(_uploads, "run_lock", lambda name: _uploads.locked(str(tmp_path / "run.lock")))
    return answers


def test_its_answer_is_read(systemd: Any) -> None:
    systemd("""echo '{"reports": [], "failures": ["no postgres://me:secret@h/d"]}'""")
    assert _uploads.moved(SITE, [], [], True) == {"reports": [], "failures": ["no postgres://h/d"]}


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("echo not JSON", "ended with status 0"),
        ("exit 3", "ended with status 3"),
        ("echo '[]'", "ended with status 0"),
        ("echo Unit shop-uploads.service was already loaded >&2; exit 1", "already loaded"),
    ],
)
def test_no_answer_is_a_problem_with_a_remedy(systemd: Any, script: str, words: str) -> None:
    systemd(script)
    with pytest.raises(Problem, match=words) as caught:
        _uploads.moved(SITE, [], [], False)
    assert "Run it again" in str(caught.value)


def test_no_backup_is_made_meanwhile(systemd: Any, tmp_path: Path) -> None:
    home = tmp_path / "backup"
    site = {**SITE, "backup": {"home": str(home)}}
    systemd("""echo '{"reports": [], "failures": []}'""")
    assert _uploads.moved(site, [], [], False)["failures"] == [] and not home.exists()
    home.mkdir()
    systemd(f'flock -n {home}/lock true && exit 1; echo \'{{"reports": [], "failures": []}}\'')
    assert _uploads.moved(site, [], [], False)["failures"] == []
    assert os.stat(home / "lock").st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("words", "check", "line", "changed"),
    [
        ({}, False, "3 in the database", False),
        ({"place": "file", "missing": 2}, False, "3 in files; 2 were missing before", False),
        (
            {"copied": 3, "bytes": 9, "originals": 3, "removed": 3}, False,
            "3 in the database; 3 of 9 bytes brought there; 3 originals removed", True,
        ),
        (
            {"place": "column", "copied": 3, "bytes": 9, "originals": 3}, True,
            "3 in a column of the table; 3 of 9 bytes would be brought there; 3 originals would be removed", True,
        ),
        ({"originals": 3}, True, "3 in the database; 3 originals would be removed", True),
        (
            {"originals": 3, "serves": False}, False,
            "3 in the database; 3 originals stay, because the release that serves still needs them", False,
        ),
        (
            {"originals": 3, "serves": False, "copied": 1, "bytes": 2}, True,
            "3 in the database; 1 of 2 bytes would be brought there; 3 originals would stay, because the release that "
            "serves still needs them", True,
        ),
        ({"originals": 3}, False, "3 in the database; 3 originals stay, because not everything is proven", False),
    ],
)  # fmt: skip
def test_what_was_done_is_told_in_a_line(words: dict[str, Any], check: bool, line: str, changed: bool) -> None:
    report = {**REPORT, **words}
    assert _uploads.told(report, check) == f"shop document.file: {line}"
    assert _uploads.changed([REPORT, report], check) is changed
