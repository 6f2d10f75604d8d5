from __future__ import annotations

import os
import tarfile
from pathlib import Path

import pytest
from ansible.errors import AnsibleActionFail

from ansible_collections.web2py.deploy.plugins.plugin_utils import _transfer


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    root = tmp_path / "shop"
    for name in (
        "controllers/default.py",
        "static/x.css",
        ".git/config",
        "models/__pycache__/x.pyc",
        "sessions/1",
        "static/cache/a",
    ):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    (root / "link").symlink_to("static")
    return root


def names(archive: str) -> list[str]:
    with tarfile.open(archive) as tar:
        return tar.getnames()


def test_archive_holds_content_and_no_state(shop: Path, tmp_path: Path) -> None:
    _transfer.pack(shop, str(tmp_path / "a"))
    assert names(str(tmp_path / "a")) == [
        "controllers",
        "link",
        "models",
        "static",
        "controllers/default.py",
        "static/cache",
        "static/x.css",
        "static/cache/a",
    ]


def test_same_content_has_the_same_name_and_archive(shop: Path, tmp_path: Path) -> None:
    digest = _transfer.tree_digest(shop)
    _transfer.pack(shop, str(tmp_path / "a"))
    (shop / "static/x.css").touch()
    (shop / "sessions/2").touch()
    _transfer.pack(shop, str(tmp_path / "b"))
    assert _transfer.tree_digest(shop) == digest
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize("change", ["content", "name", "link", "folder"])
def test_other_content_has_another_name(shop: Path, change: str) -> None:
    digest = _transfer.tree_digest(shop)
    if change == "content":
        (shop / "static/x.css").write_text("other")
    elif change == "name":
        (shop / "static/x.css").rename(shop / "static/y.css")
    elif change == "link":
        (shop / "link").unlink()
        (shop / "link").symlink_to("models")
    else:
        (shop / "views").mkdir()
    assert _transfer.tree_digest(shop) != digest


def test_pipe_is_refused(shop: Path) -> None:
    os.mkfifo(shop / "pipe")
    with pytest.raises(AnsibleActionFail, match="neither a file"):
        _transfer.tree_digest(shop)


def test_local_sources_are_found(shop: Path, tmp_path: Path) -> None:
    (tmp_path / "a.w2p").touch()
    assert _transfer.local_path({"type": "directory", "path": str(shop)}) == shop
    assert _transfer.local_path({"type": "archive", "path": str(tmp_path / "a.w2p")}) == tmp_path / "a.w2p"
    assert _transfer.local_path({"type": "starter"}) == _transfer.STARTER
    assert _transfer.local_path({"type": "archive", "url": "https://example.org"}) is None
    assert _transfer.local_path({"type": "git"}) is None


@pytest.mark.parametrize(
    "source",
    [{"type": "directory", "path": "a.w2p"}, {"type": "archive", "path": "shop"}, {"type": "archive", "path": "x"}],
)
def test_wrong_path_is_told(shop: Path, tmp_path: Path, source: dict[str, str]) -> None:
    (tmp_path / "a.w2p").touch()
    with pytest.raises(AnsibleActionFail, match="on the controller"):
        _transfer.local_path({**source, "path": str(tmp_path / source["path"])})
