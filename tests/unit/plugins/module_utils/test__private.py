from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from ansible_collections.web2py.deploy.plugins.module_utils import _private
from ansible_collections.web2py.deploy.plugins.module_utils._base import Place
from ansible_collections.web2py.deploy.plugins.module_utils._run import Problem
from tests.unit.plugins.module_utils.conftest import names

FILES = {"shop": {"appconfig.ini": "secret", "key": "k"}}
BOTH = ["shop/appconfig.ini", "shop/key"]


@pytest.fixture
def private(place: Place) -> Path:
    folder = Path(place.state, "applications/shop/private")
    folder.mkdir(parents=True)
    return folder


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/etc/passwd", "a\0b", ".tmp-1"])
def test_names_are_plain(name: str) -> None:
    with pytest.raises(Problem, match="is not a name for a private file"):
        _private.check_names({"shop": {name: "x"}}, ["shop"])


def test_files_belong_to_an_application_of_the_site() -> None:
    _private.check_names(FILES, ["shop"])
    with pytest.raises(Problem, match="not an application of this site"):
        _private.check_names(FILES, ["blog"])


def test_fingerprint_changes_with_names_and_contents_and_shows_neither() -> None:
    prints = [
        _private.fingerprint(files)
        for files in (FILES, {"shop": {"key": "k"}}, {"shop": {"key": "l"}}, {"shop": {"ke": "yk"}}, {"shop": {}})
    ]
    assert len({str(each) for each in prints}) == 5
    assert prints[-1] == {}
    assert "secret" not in str(prints)


def test_files_are_written_once_and_closed(place: Place, private: Path) -> None:
    assert _private.changed(place, FILES, {}) == BOTH
    _private.apply(place, FILES, BOTH)
    assert (private / "key").read_text() == "k"
    assert stat.S_IMODE((private / "key").stat().st_mode) == 0o640
    assert _private.changed(place, FILES, {"shop": ["appconfig.ini", "key"]}) == []
    assert names(private) == ["appconfig.ini", "key"]


def test_files_are_due_before_the_application_has_a_state(place: Place) -> None:
    assert _private.changed(place, FILES, {}) == BOTH


@pytest.mark.parametrize("spoil", ["content", "mode", "link"])
def test_spoilt_file_is_written_again(place: Place, private: Path, tmp_path: Path, spoil: str) -> None:
    _private.apply(place, FILES, BOTH)
    if spoil == "content":
        (private / "key").write_text("other")
    elif spoil == "mode":
        (private / "key").chmod(0o644)
    else:
        (tmp_path / "victim").write_text("k")
        (private / "key").unlink()
        (private / "key").symlink_to(tmp_path / "victim")
    assert _private.changed(place, FILES, {}) == ["shop/key"]
    _private.apply(place, FILES, ["shop/key"])
    assert (private / "key").read_text() == "k"
    assert not (private / "key").is_symlink()


def test_link_laid_by_the_service_is_never_followed(place: Place, private: Path, tmp_path: Path) -> None:
    (tmp_path / "victim").write_text("untouched")
    (private / "key").symlink_to(tmp_path / "victim")
    (private / f".tmp-{os.getpid()}").symlink_to(tmp_path / "victim")
    _private.apply(place, FILES, ["shop/key"])
    assert (tmp_path / "victim").read_text() == "untouched"
    private.rename(private.parent / "moved")
    private.symlink_to(tmp_path)
    with pytest.raises(OSError, match=r"Not a directory|symbolic links"):
        _private.apply(place, FILES, ["shop/key"])


def test_file_that_vanished_from_the_inventory_is_removed_and_others_stay(place: Place, private: Path) -> None:
    _private.apply(place, FILES, BOTH)
    (private / "auth.key").write_text("web2py's own")
    due = _private.changed(place, {}, {"shop": ["appconfig.ini", "key"]})
    assert due == BOTH
    _private.apply(place, {}, due)
    assert names(private) == ["auth.key"]


def test_files_come_back(place: Place, private: Path) -> None:
    (private / "key").write_text("old")
    before = _private.apply(place, FILES, BOTH)
    _private.restore(place, before)
    assert (private / "key").read_text() == "old"
    assert names(private) == ["key"]
