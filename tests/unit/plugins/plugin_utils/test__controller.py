"""One meaning of a path on the controller, told before anything changes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.web2py.deploy.plugins.plugin_utils._controller import controller_path, located


def test_relative_paths_lie_beside_the_inventory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.chdir(tmp_path)
    assert controller_path("files/a.pem", "/inventories/mine") == "/inventories/mine/files/a.pem"
    assert controller_path("../a.pem", "/inventories/mine") == "/inventories/a.pem"
    assert controller_path("~/a.pem", "/inventories/mine") == "/home/me/a.pem"
    assert controller_path("/a.pem", "/inventories/mine") == "/a.pem"
    assert controller_path("a.pem") == str(tmp_path / "a.pem")


def choices(path: str, kind: str) -> dict[str, Any]:
    source = {"type": kind, "path": path}
    return {"web2py_source": source, "web2py_applications": [{"name": "shop", "source": dict(source)}]}


def test_all_paths_become_absolute_and_what_was_given_stays(tmp_path: Path) -> None:
    (tmp_path / "web2py").mkdir()
    given = {**choices("web2py", "directory"), "web2py_tls": {"provider": "provided", "certificate": "a", "key": "b"}}
    given["web2py_cherokee_package"] = {"path": "c.deb"}
    found, problems = located(given, str(tmp_path))
    path = str(tmp_path / "web2py")
    assert problems == []
    assert (found["web2py_source"]["path"], found["web2py_applications"][0]["source"]["path"]) == (path, path)
    assert (found["web2py_tls"]["certificate"], found["web2py_tls"]["key"]) == (f"{tmp_path}/a", f"{tmp_path}/b")
    assert found["web2py_cherokee_package"]["path"] == f"{tmp_path}/c.deb"
    assert given["web2py_source"]["path"] == "web2py"


@pytest.mark.parametrize(("path", "kind"), [("none", "directory"), ("file", "directory"), ("folder", "archive")])
def test_a_source_that_is_not_there_is_told_with_the_place_looked_at(tmp_path: Path, path: str, kind: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    _found, problems = located(choices(path, kind), str(tmp_path))
    assert [problem.variable for problem in problems] == [
        "web2py_source.path",
        "web2py_applications (shop).source.path",
    ]
    assert all(str(tmp_path / path) in str(problem) for problem in problems)


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"web2py_source": "x", "web2py_applications": {"shop": 1}, "web2py_tls": None},
        {"web2py_source": {"type": "git", "path": None}, "web2py_applications": ["x", {"name": "shop"}]},
        {"web2py_source": {"path": ["x"]}},
    ],
)
def test_values_of_a_wrong_type_are_left_to_the_table(given: dict[str, Any]) -> None:
    assert located(given, "/") == (given, [])
