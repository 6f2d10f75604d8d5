from __future__ import annotations

import hashlib
import tarfile
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.web2py.deploy.plugins.module_utils import _source
from ansible_collections.web2py.deploy.plugins.module_utils._run import Problem

LOCAL = {"shop": {"digest": "d" * 64}}


@pytest.mark.parametrize(
    ("source", "identity"),
    [
        ({"type": "pypi", "version": "2.26.1"}, ["pypi", "2.26.1", ""]),
        ({"type": "archive", "url": "https://u:p@example.org/a", "sha256": "AB"}, ["archive", "ab"]),
        ({"type": "archive", "path": "a.w2p", "sha256": "ab"}, ["archive", "ab"]),
        ({"type": "directory", "path": "shop"}, ["directory", "d" * 64]),
        ({"type": "starter"}, ["directory", "d" * 64]),
        ({"type": "git", "url": "https://example.org/x", "version": "c" * 40}, ["git", "c" * 40]),
    ],
)
def test_source_is_pinned_to_content(source: dict[str, Any], identity: list[str]) -> None:
    found = _source.pinned("shop", source, LOCAL, {})
    assert found.identity == identity
    assert "u:p" not in found.shown


def test_tag_is_asked_for_once_and_branch_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def git_commit(_url: str, version: str) -> tuple[str, bool]:
        asked.append(version)
        return "c" * 40, version == "v1"

    monkeypatch.setattr(_source, "git_commit", git_commit)
    commits: dict[str, str] = {}
    for version in ("v1", "v1", "main", "main"):
        _source.pinned("shop", {"type": "git", "url": "https://example.org/x", "version": version}, {}, commits)
    assert asked == ["v1", "main", "main"]


@pytest.mark.parametrize(
    ("source", "answer"),
    [
        ({"type": "directory", "path": "x"}, True),
        ({"type": "starter"}, True),
        ({"type": "archive", "path": "x"}, True),
        ({"type": "archive", "url": "https://example.org/x"}, False),
        ({"type": "git"}, False),
        ({"type": "pypi"}, False),
        ({"type": "bundled"}, False),
    ],
)
def test_controller_holds_local_paths(source: dict[str, Any], answer: bool) -> None:
    assert _source.on_controller(source) is answer


def fill(source: dict[str, Any], local: dict[str, dict[str, str]], work: Path) -> str:
    work.mkdir()
    found = _source.pinned("shop", source, local, {})
    return _source.fill("shop", source, found, local, str(work), "", ("controllers",))


def test_archive_fills_below_its_single_folder(tmp_path: Path) -> None:
    (tmp_path / "shop-1.0/controllers").mkdir(parents=True)
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        archive.add(tmp_path / "shop-1.0", "shop-1.0")
    sha256 = hashlib.sha256((tmp_path / "a.tar").read_bytes()).hexdigest()
    local = {"shop": {"digest": sha256, "path": str(tmp_path / "a.tar")}}
    source = {"type": "archive", "path": "a.tar", "sha256": sha256}
    assert fill(source, local, tmp_path / "work").endswith("content/shop-1.0")
    with pytest.raises(Problem, match="SHA-256"):
        fill({**source, "sha256": "00"}, local, tmp_path / "again")


def test_content_must_be_transferred_first(tmp_path: Path) -> None:
    with pytest.raises(_source.Missing):
        fill({"type": "directory", "path": "shop"}, LOCAL, tmp_path / "work")


@pytest.mark.parametrize("kind", ["directory", "archive"])
def test_the_desk_of_an_administrator_is_not_noted(kind: str) -> None:
    source = {"type": kind, "path": "/home/me/shop", "sha256": "ab"}
    assert _source.pinned("shop", source, {"shop": {"digest": "abc"}}, {}).shown.startswith(f"{kind} shop (")
