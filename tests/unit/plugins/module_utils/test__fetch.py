from __future__ import annotations

import hashlib
import os
import subprocess
from pathlib import Path

import pytest

from ansible_collections.web2py.deploy.plugins.module_utils import _fetch
from ansible_collections.web2py.deploy.plugins.module_utils._run import Problem


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "protocol.file.allow=always"]
    return subprocess.run(
        ["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True
    ).stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with a submodule, a branch `main`, a tag and an annotated tag."""
    for name in ("library", "shop"):
        (tmp_path / name).mkdir()
        git(tmp_path / name, "init", "-q", "-b", "main")
        (tmp_path / name / f"{name}.py").write_text(name)
    git(tmp_path / "library", "add", "-A")
    git(tmp_path / "library", "commit", "-qm", "first")
    git(tmp_path / "shop", "submodule", "--quiet", "add", f"file://{tmp_path}/library", "modules/library")
    git(tmp_path / "shop", "add", "-A")
    git(tmp_path / "shop", "commit", "-qm", "first")
    git(tmp_path / "shop", "tag", "v1")
    git(tmp_path / "shop", "tag", "-a", "v1-signed", "-m", "x")
    return tmp_path / "shop"


@pytest.mark.parametrize(("version", "fixed"), [("v1", True), ("v1-signed", True), ("main", False)])
def test_versions_become_commits(repository: Path, version: str, fixed: bool) -> None:
    assert _fetch.git_commit(f"file://{repository}", version) == (git(repository, "rev-parse", "HEAD"), fixed)


def test_commit_is_not_asked_for() -> None:
    assert _fetch.git_commit("file:///nowhere", "a" * 40) == ("a" * 40, True)


@pytest.mark.parametrize(
    ("url", "version", "words"),
    [
        ("{}", "v9", "no such tag or branch"),
        ("{}", "--upload-pack=x", "may begin with a hyphen"),
        ("-c", "main", "may begin with a hyphen"),
        ("{}-gone", "main", "asking file://.* for main failed"),
        ("ext::sh -c id", "main", "not allowed"),
    ],
)
def test_wrong_repositories_are_told(repository: Path, url: str, version: str, words: str) -> None:
    with pytest.raises(Problem, match=words):
        _fetch.git_commit(url.format(f"file://{repository}"), version)


def test_tree_has_submodules_and_nothing_of_git(repository: Path, tmp_path: Path) -> None:
    commit = git(repository, "rev-parse", "HEAD")
    _fetch.git_tree(f"file://{repository}", "v1", commit, str(tmp_path / "out"))
    found = {os.path.relpath(path, tmp_path / "out") for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert found == {".gitmodules", "shop.py", "modules/library/library.py"}


@pytest.mark.parametrize(
    ("url", "bare", "header"),
    [
        ("https://example.org/x.git", "https://example.org/x.git", None),
        ("https://me:s%40t@example.org:8443/x", "https://example.org:8443/x", "Basic bWU6c0B0"),
        ("ssh://git@example.org/x", "ssh://git@example.org/x", None),
    ],
)
def test_credentials_leave_the_url(url: str, bare: str, header: str | None) -> None:
    assert _fetch.split_credentials(url) == (bare, header)


def test_file_is_verified(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    right = hashlib.sha256(b"x").hexdigest()
    _fetch.verify(str(tmp_path / "file"), right.upper(), "file")
    with pytest.raises(Problem, match=f"has the SHA-256 {right}, not 00"):
        _fetch.verify(str(tmp_path / "file"), "00", "file")


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://example.org/x", "https://u:secret@127.0.0.1:9/x"])
def test_download_fails_in_words_without_secrets(tmp_path: Path, url: str) -> None:
    with pytest.raises(Problem) as caught:
        _fetch.download(url, str(tmp_path / "x"), "00")
    assert "secret" not in str(caught.value)
