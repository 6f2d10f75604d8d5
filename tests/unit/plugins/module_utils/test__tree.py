from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from ansible_collections.web2py.deploy.plugins.module_utils import _tree
from ansible_collections.web2py.deploy.plugins.module_utils._run import Problem
from ansible_collections.web2py.deploy.plugins.module_utils._tree import Owner
from tests.unit.plugins.module_utils.conftest import names, nfs


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def test_digest_depends_on_values_and_not_on_the_order_of_keys() -> None:
    assert _tree.digest({"a": 1, "b": 2}) == _tree.digest({"b": 2, "a": 1})
    assert _tree.digest("a", "b") != _tree.digest("ab")


def test_staged_folder_appears_whole(tmp_path: Path) -> None:
    with _tree.staged(str(tmp_path / "part")) as folder:
        Path(folder, "file").write_text("x")
        assert not (tmp_path / "part").exists()
    assert (tmp_path / "part/file").read_text() == "x"
    assert names(tmp_path) == ["part"]


def test_staged_folder_vanishes_on_failure(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), _tree.staged(str(tmp_path / "part")) as folder:
        Path(folder, "file").write_text("x")
        raise RuntimeError
    assert names(tmp_path) == []


def test_staged_folder_leaves_an_equal_one_that_came_first(tmp_path: Path) -> None:
    with _tree.staged(str(tmp_path / "part")):
        (tmp_path / "part").mkdir()
        (tmp_path / "part/first").touch()
    assert names(tmp_path / "part") == ["first"]


def test_written_file_has_its_mode_and_no_temporary_twin(tmp_path: Path, owner: Owner) -> None:
    _tree.write(str(tmp_path / "file"), "text", owner, 0o600)
    assert ((tmp_path / "file").read_text(), mode(tmp_path / "file")) == ("text", 0o600)
    assert names(tmp_path) == ["file"]


def test_link_is_switched(tmp_path: Path) -> None:
    _tree.link(str(tmp_path / "current"), "releases/a")
    _tree.link(str(tmp_path / "current"), "releases/b")
    assert str(Path(tmp_path / "current").readlink()) == "releases/b"
    assert names(tmp_path) == ["current"]


def test_folder_is_made_mended_and_left_alone(tmp_path: Path, owner: Owner) -> None:
    path = tmp_path / "folder"
    assert _tree.folder(str(path), owner, 0o750)
    assert not _tree.folder(str(path), owner, 0o750)
    path.chmod(0o777)
    assert _tree.folder(str(path), owner, 0o750)
    assert mode(path) == 0o750


def test_folder_refuses_a_link(tmp_path: Path, owner: Owner) -> None:
    (tmp_path / "link").symlink_to("/etc")
    with pytest.raises(Problem, match="not a folder"):
        _tree.folder(str(tmp_path / "link"), owner, 0o750)


def test_settled_tree_is_readable_where_it_is_public(tmp_path: Path, owner: Owner) -> None:
    (tmp_path / "static/css").mkdir(parents=True)
    for name in ("code.py", "static/css/x.css", "static_not"):
        (tmp_path / name).touch()
        (tmp_path / name).chmod(0o777)
    (tmp_path / "static/css/y.css").symlink_to("x.css")
    _tree.settle(str(tmp_path), owner, public="static")
    found = {name: mode(tmp_path / name) for name in (".", "code.py", "static", "static/css/x.css", "static_not")}
    assert found == {".": 0o751, "code.py": 0o640, "static": 0o755, "static/css/x.css": 0o644, "static_not": 0o640}


@pytest.mark.parametrize(
    ("link", "target"),
    [
        ("escape", "/etc/passwd"),
        ("escape", "../outside"),
        ("static/secret", "../private/key"),
        ("static/secret", "../private"),
    ],
)
def test_links_that_leave_are_refused(tmp_path: Path, owner: Owner, link: str, target: str) -> None:
    root = tmp_path / "root"
    for name in ("static", "private"):
        (root / name).mkdir(parents=True)
    (root / link).symlink_to(target)
    with pytest.raises(Problem, match=f"{link} is a link to"):
        _tree.settle(str(root), owner, public="static")


def test_chain_of_links_that_leaves_is_refused(tmp_path: Path, owner: Owner) -> None:
    """Each name looks harmless; together they lead out."""
    root = tmp_path / "root"
    (root / "s").mkdir(parents=True)
    (root / "s/up").symlink_to("..")
    (root / "s/out").symlink_to("up/../outside")
    with pytest.raises(Problem, match="s/out"):
        _tree.settle(str(root), owner)


def test_pipe_is_refused(tmp_path: Path, owner: Owner) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(Problem, match="pipe is a device or a socket"):
        _tree.settle(str(tmp_path), owner)


def test_second_run_waits_for_the_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_tree, "_LOCK_SECONDS", 0)
    lock = str(tmp_path / ".lock")
    with _tree.locked(lock), pytest.raises(Problem, match="Another run"), _tree.locked(lock):
        pass
    with _tree.locked(lock):
        assert mode(tmp_path / ".lock") == 0o600


def test_leftovers_are_found_and_removed(tmp_path: Path) -> None:
    (tmp_path / ".tmp-part-x/deep").mkdir(parents=True)
    (tmp_path / "part").mkdir()
    for path in _tree.leftovers(str(tmp_path)):
        _tree.remove(path)
    assert names(tmp_path) == ["part"]
    assert _tree.leftovers(str(tmp_path / "nowhere")) == []


def test_a_lock_is_held_once_and_in_a_folder_of_its_own(tmp_path: Path) -> None:
    with _tree.run_lock("a", f"{tmp_path}/run"), _tree.run_lock("b", f"{tmp_path}/run"):
        assert sorted(path.name for path in (tmp_path / "run").iterdir()) == ["a.lock", "b.lock"]
        assert (tmp_path / "run").stat().st_mode & 0o022 == 0


def test_an_account_locks_on_nfs_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_tree.os, "geteuid", lambda: 1001)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(_tree, "_LOCK_SECONDS", 0)
    nfs(monkeypatch)
    with _tree.run_lock("a"), pytest.raises(Problem, match="Another run"), _tree.run_lock("b"):
        pass


def test_a_file_system_without_locks_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def flock(_descriptor: int, _operation: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(_tree.fcntl, "flock", flock)
    with pytest.raises(Problem, match="No locks available"), _tree.locked(f"{tmp_path}/a.lock"):
        pass


def test_a_lock_that_is_a_trap_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "a.lock").symlink_to(tmp_path / "victim")
    with pytest.raises(Problem, match="cannot be locked"), _tree.locked(f"{tmp_path}/a.lock"):
        pass
    assert not (tmp_path / "victim").exists()
    assert not _tree.RUN.startswith("/run/lock")
