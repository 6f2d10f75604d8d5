"""Where the page of a site is written on the controller."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible.errors import AnsibleActionFail

from ansible_collections.web2py.deploy.plugins.action.site_status import _write, target


def test_without_a_report_nothing_is_written() -> None:
    assert target("", "web", 2) is None


def test_a_file_is_for_one_site(tmp_path: Path) -> None:
    assert target(str(tmp_path / "a.html"), "web", 1) == tmp_path / "a.html"
    with pytest.raises(AnsibleActionFail, match="one file and there are 2 sites"):
        target(str(tmp_path / "a.html"), "web", 2)


def test_a_folder_gets_a_file_for_each_site(tmp_path: Path) -> None:
    assert target(str(tmp_path), "web", 2) == tmp_path / "web.html"


def test_a_home_is_meant(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert target("~/a.html", "web", 1) == tmp_path / "a.html"


def test_a_file_is_whole_or_not_there(tmp_path: Path) -> None:
    _write(tmp_path / "a.html", "x")
    assert [path.name for path in tmp_path.iterdir()] == ["a.html"]
    with pytest.raises(OSError, match="No such file"):
        _write(tmp_path / "none/a.html", "x")
    with pytest.raises(UnicodeEncodeError):
        _write(tmp_path / "a.html", "\udcff")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("a.html", "x")]
