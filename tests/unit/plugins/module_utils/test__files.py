"""A set of files is written whole or not at all."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from ansible_collections.web2py.deploy.plugins.module_utils._files import (
    HIDDEN,
    Refused,
    apply,
    diff,
    differs,
    found,
    missing_names,
    obstacle,
    put,
    refusal,
    wanted,
    wanted_all,
)


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"path": "etc/x", "content": ""}, "must be absolute"),
        ({"path": "/etc/../x", "content": ""}, "must be absolute"),
        ({"path": "/etc//x", "content": ""}, "must be absolute"),
        ({"path": "/x"}, "needs 'content', 'target' or 'state'"),
        ({"path": "/x", "state": "link"}, "needs 'target'"),
        ({"path": "/x", "state": "directory", "content": "a"}, "'content' has no meaning"),
        ({"path": "/x", "state": "absent", "target": "a"}, "'target' has no meaning"),
        ({"path": "/x", "content": "", "target": "a"}, "'content' has no meaning"),
        ({"path": "/x", "content": "", "mode": "644"}, "four octal digits"),
        ({"path": "/x", "content": "", "mode": "0948"}, "four octal digits"),
        ({"path": "/x", "content": "", "mode": "u=rw"}, "four octal digits"),
    ],
)
def test_an_impossible_wish_is_named(entry: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        wanted(entry)


def test_all_problems_are_named_at_once() -> None:
    with pytest.raises(ValueError, match=r"a: .*b: .*/c: listed twice"):
        wanted_all([{"path": "a"}, {"path": "b"}, {"path": "/c", "content": ""}, {"path": "/c", "content": ""}])


def test_files_links_and_directories_come_to_be(tmp_path: Path) -> None:
    items = wanted_all(
        [
            {"path": f"{tmp_path}/d", "state": "directory", "mode": "0750"},
            {"path": f"{tmp_path}/d/f", "content": "text", "mode": "0640"},
            {"path": f"{tmp_path}/l", "target": "d/f"},
        ]
    )
    assert all(differs(item, found(item.path)) for item in items)
    for item in items:
        put(item)
    assert not any(differs(item, found(item.path)) for item in items)
    assert (tmp_path / "l").read_text() == "text"
    assert stat.S_IMODE((tmp_path / "d/f").stat().st_mode) == 0o640


@pytest.mark.parametrize("words", ["the checker's words", None])
def test_the_checker_decides_what_stays(tmp_path: Path, words: str | None) -> None:
    old, new, link, gone = (tmp_path / name for name in ("old", "new", "link", "gone"))
    old.write_text("before")
    old.chmod(0o600)
    os.utime(old, (1, 1))
    gone.write_text("gone")
    link.symlink_to("old")
    items = wanted_all(
        [
            {"path": str(old), "content": "after", "mode": "0644"},
            {"path": str(new), "content": "new"},
            {"path": str(link), "target": "new"},
            {"path": str(gone), "state": "absent"},
        ]
    )
    before = {item.path: found(item.path) for item in items}
    if words is None:
        apply(items, before, lambda: None)
        assert [old.read_text(), new.read_text(), str(link.readlink()), gone.exists()] == ["after", "new", "new", False]
        return
    with pytest.raises(Refused, match=words):
        apply(items, before, lambda: words)
    assert {item.path: found(item.path).content for item in items} == {p: f.content for p, f in before.items()}
    assert [old.stat().st_mtime, stat.S_IMODE(old.stat().st_mode)] == [1, 0o600]
    assert [new.exists(), str(link.readlink()), gone.read_text()] == [False, "old", "gone"]
    assert [path.name for path in tmp_path.glob(".checked*")] == []


def test_an_interruption_and_a_full_disk_undo_too(tmp_path: Path) -> None:
    items = wanted_all([{"path": f"{tmp_path}/a", "content": "a"}, {"path": f"{tmp_path}/no/b", "content": "b"}])
    before = {item.path: found(item.path) for item in items}
    with pytest.raises(Refused, match="cannot write"):
        apply(items, before, lambda: None)
    assert not (tmp_path / "a").exists()

    def interrupted() -> str | None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        apply(items[:1], before, interrupted)
    assert not (tmp_path / "a").exists()


def test_nothing_of_value_is_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d/f").write_text("")
    os.mkfifo(tmp_path / "p")
    cases = [
        ("d", {"content": ""}, "is a directory"),
        ("p", {"content": ""}, "device"),
        ("d", {"state": "absent"}, "not empty"),
    ]
    cases.append(("d/f", {"state": "directory"}, "not a directory"))
    for name, entry, words in cases:
        item = wanted({"path": f"{tmp_path}/{name}", **entry})
        assert words in str(obstacle(item, found(item.path)))
    item = wanted({"path": f"{tmp_path}/d", "state": "absent"})
    assert obstacle(item, found(item.path), {f"{tmp_path}/d/f"}) is None


def test_only_owner_and_mode_can_be_asked_for(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("kept")
    item = wanted({"path": f"{tmp_path}/f", "state": "file", "mode": "0600"})
    put(item)
    assert (tmp_path / "f").read_text() == "kept"
    assert not differs(item, found(item.path))


def test_an_unknown_owner_is_a_difference_and_has_a_name(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("x")
    item = wanted({"path": f"{tmp_path}/f", "content": "x", "owner": "nobody-here", "group": "nothing-here"})
    assert differs(item, found(item.path))
    assert missing_names([item]) == ["group nothing-here", "user nobody-here"]


def test_a_diff_shows_text_and_hides_secrets(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("old secret")
    plain = diff(wanted({"path": f"{tmp_path}/f", "content": "new"}), found(f"{tmp_path}/f"))
    assert "old secret" in plain["before"]
    assert "new" in plain["after"]
    masked = diff(wanted({"path": f"{tmp_path}/f", "content": "new", "sensitive": True}), found(f"{tmp_path}/f"))
    assert HIDDEN in masked["before"]
    assert "different" in masked["after"]
    assert "secret" not in str(masked)
    assert "new" not in str(masked)


def test_an_objection_to_what_was_there_before_is_not_blamed_on_new_files() -> None:
    assert "the previous files are back" in refusal([wanted({"path": "/etc/a", "content": ""})])
    assert "what is there already" in refusal([])
