"""A site takes and gives up its own folders only."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.web2py.deploy.plugins.module_utils import _folders
from ansible_collections.web2py.deploy.plugins.module_utils._run import Problem
from ansible_collections.web2py.deploy.plugins.module_utils._tree import Owner
from tests.unit.plugins.module_utils.conftest import names


@pytest.mark.parametrize("root", ["/srv", "/srv/", "/opt", "/opt/web2py", "/data/sites-1", "/var/www", "/mnt/a_b.c"])
def test_a_folder_for_sites_fits(root: str) -> None:
    assert _folders.fits(root)


@pytest.mark.parametrize(
    "root",
    [
        *"/ // /. /.. /var /var/lib /var/lib/ /var/lib/x /etc /etc/x /usr /usr/lib /usr/local /run".split(),
        *"/run/x /proc /sys /dev /boot /home /home/x /root /tmp /tmp/x /var/tmp /var/log /var/cache /var/run".split(),
        *"/etc/../etc /srv/../etc /srv/./x /srv//x //srv srv ./srv ~/srv /opt;x /srv/$x /srv/{x} /srv/%h".split(),
        *("", '/srv/"x', "/srv/é", "/srv/a b", "/srv/a\n", "/srv\n"),
    ],
)
def test_a_folder_of_the_system_or_with_odd_words_does_not_fit(root: str) -> None:
    assert not _folders.fits(root)


def test_no_folder_of_a_site_lies_in_another() -> None:
    assert _folders.folders("shop", "/srv/")["root"] == "/srv/shop"
    for root in ("/var/lib", "/etc", "/run", "/var/lib/shop"):
        with pytest.raises(ValueError, match="in one another"):
            _folders.folders("shop", root)


def test_a_folder_is_made_with_its_mark_and_removed_by_it(tmp_path: Path, owner: Owner) -> None:
    path = tmp_path / "new/shop"
    assert _folders.differs(str(path), owner, 0o750)
    assert _folders.take(str(path), "shop", owner, 0o750)
    assert (names(path), path.stat().st_mode & 0o777) == ([_folders.MARK], 0o750)
    assert _folders.owner_of(str(path)) == "shop"
    assert not _folders.take(str(path), "shop", owner, 0o750)
    path.chmod(0o777)
    assert _folders.differs(str(path), owner, 0o750)
    assert _folders.take(str(path), "shop", owner, 0o750)
    assert not _folders.differs(str(path), owner, 0o750)
    (path / "data/more").mkdir(parents=True)
    assert _folders.give_up(str(path), "shop")
    assert names(path.parent) == []
    assert not _folders.give_up(str(path), "shop")


@pytest.mark.parametrize("kind", ["folder", "empty folder", "file", "link to ours", "linked mark", "of another site"])
def test_what_is_not_ours_is_neither_taken_nor_removed(kind: str, tmp_path: Path, owner: Owner) -> None:
    ours, path = tmp_path / "ours", tmp_path / "cloud"
    _folders.take(str(ours), "cloud", owner, 0o750)
    if kind == "file":
        path.touch()
    elif kind == "link to ours":
        path.symlink_to(ours)
    else:
        path.mkdir(0o755)
    if kind == "folder":
        (path / "cloud.cfg").touch()
    if kind == "linked mark":
        (path / _folders.MARK).symlink_to(ours / _folders.MARK)
    if kind == "of another site":
        (path / _folders.MARK).write_text("shop\n")
    before = sorted((str(each), each.lstat().st_mode) for each in tmp_path.rglob("*"))
    with pytest.raises(Problem, match=f"write cloud into .*{_folders.MARK}"):
        _folders.take(str(path), "cloud", owner, 0o750)
    with pytest.raises(Problem, match="Nothing of it was changed"):
        _folders.give_up(str(path), "cloud")
    assert sorted((str(each), each.lstat().st_mode) for each in tmp_path.rglob("*")) == before


def test_a_run_killed_between_two_steps_is_repeated_to_the_end(
    tmp_path: Path, owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "shop"

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(_folders.os, "rename", killed)
        _folders.take(str(path), "shop", owner, 0o750)
    assert len(names(tmp_path)) == 1 and not path.exists()
    _folders.take(str(tmp_path / "shop-b"), "shop-b", owner, 0o750)
    (tmp_path / f"{_folders.MARK}-shop-b-12345678").mkdir()
    assert _folders.take(str(path), "shop", owner, 0o750)
    assert names(tmp_path) == [f"{_folders.MARK}-shop-b-12345678", "shop", "shop-b"]
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(_folders, "remove", killed)
        _folders.give_up(str(path), "shop")
    assert not path.exists()
    assert _folders.give_up(str(path), "shop")
    assert names(tmp_path) == [f"{_folders.MARK}-shop-b-12345678", "shop-b"]


def test_what_a_name_would_take_is_found(tmp_path: Path, owner: Owner) -> None:
    """The folder of the units is the only one that a test may choose; those in /etc and /var/lib are the machine's."""
    root = str(tmp_path / "srv") if _folders.fits(str(tmp_path)) else "/srv"
    assert _folders.taken("no-such-site", root, str(tmp_path)) == {}
    (tmp_path / "no-such-site.service").touch()
    assert _folders.taken("no-such-site", root, str(tmp_path)) == {str(tmp_path / "no-such-site.service"): ""}
    assert _folders.taken("systemd", root)["/etc/systemd"] == ""


def test_a_site_inside_another_is_found(tmp_path: Path, owner: Owner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_folders, "fits", lambda _root: True)
    _folders.take(str(tmp_path / "shop"), "shop", owner, 0o750)
    root = str(tmp_path / "shop")
    assert _folders.taken("no-such-site", root) == {root: "shop"}
    assert _folders.taken("shop", root)[root] == "shop"


def test_a_site_in_an_account_lies_in_one_folder_and_takes_no_unit_of_others(tmp_path: Path, owner: Owner) -> None:
    paths = _folders.account_folders("shop", str(tmp_path))
    assert {path.startswith(f"{tmp_path}/.local/share/web2py.deploy/shop") for path in paths.values()} == {True}
    assert _folders.taken_in_account("shop", str(tmp_path)) == {}
    units = tmp_path / ".config/systemd/user"
    units.mkdir(parents=True)
    (units / "shop.service").touch()
    (units / "blog.service").touch()
    assert _folders.taken_in_account("shop", str(tmp_path)) == {str(units / "shop.service"): ""}
    _folders.take(paths["settings"], "shop", owner, 0o750)
    assert _folders.taken_in_account("shop", str(tmp_path)) == {paths["settings"]: "shop"}
    Path(paths["root"]).mkdir(parents=True)
    assert _folders.taken_in_account("shop", str(tmp_path)) == {paths["root"]: "", paths["settings"]: "shop"}
