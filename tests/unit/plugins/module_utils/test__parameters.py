from __future__ import annotations

import grp
import os
import pwd
from pathlib import Path

import pytest
from pydal.validators import CRYPT

from ansible_collections.web2py.deploy.plugins.module_utils._parameters import Plan, apply_changes, plan_changes
from ansible_collections.web2py.deploy.plugins.module_utils._password import file_line, hash_password

PASSWORD = "correct horse"
OWNER = pwd.getpwuid(os.getuid()).pw_name
GROUP = grp.getgrgid(os.getgid()).gr_name


def plan(directory: Path, ports: list[int], password: str | None = PASSWORD, group: str = GROUP) -> Plan:
    return plan_changes(str(directory), ports, password, OWNER, group)


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def test_one_file_for_each_port_that_web2py_verifies(tmp_path: Path) -> None:
    apply_changes(plan(tmp_path, [443, 8002, 443]))
    assert names(tmp_path) == ["parameters_443.py", "parameters_8002.py"]
    for path in tmp_path.iterdir():
        assert path.stat().st_mode & 0o7777 == 0o640
        assert path.read_text()[10:-2] == CRYPT()(PASSWORD)[0]


def test_same_password_is_no_change(tmp_path: Path) -> None:
    apply_changes(plan(tmp_path, [443, 8002]))
    again = plan(tmp_path, [8002, 443])
    assert (again.write, again.remove) == ([], [])
    assert again.before == again.after


def test_new_port_takes_the_line_of_the_others(tmp_path: Path) -> None:
    apply_changes(plan(tmp_path, [443]))
    more = plan(tmp_path, [443, 80])
    assert more.write == ["parameters_80.py"]
    assert more.line == (tmp_path / "parameters_443.py").read_text()


def test_files_of_other_ports_go_and_other_files_stay(tmp_path: Path) -> None:
    (tmp_path / "site.json").write_text("{}")
    apply_changes(plan(tmp_path, [443, 8002]))
    apply_changes(plan(tmp_path, [8002]))
    assert names(tmp_path) == ["parameters_8002.py", "site.json"]
    apply_changes(plan(tmp_path, [], None))
    assert names(tmp_path) == ["site.json"]


@pytest.mark.parametrize(
    "text",
    [
        "password=None\n",
        file_line(hash_password("another password")),
        file_line(hash_password(PASSWORD, iterations=1000)),
        file_line(hash_password(PASSWORD)) + "import os\n",
    ],
)
def test_other_weak_or_foreign_content_is_replaced(tmp_path: Path, text: str) -> None:
    path = tmp_path / "parameters_443.py"
    path.write_text(text)
    path.chmod(0o640)
    apply_changes(plan(tmp_path, [443]))
    assert path.read_text() != text
    assert plan(tmp_path, [443]).write == []


def test_wrong_mode_is_mended_and_keeps_the_hash(tmp_path: Path) -> None:
    apply_changes(plan(tmp_path, [443]))
    path = tmp_path / "parameters_443.py"
    before = path.read_text()
    path.chmod(0o644)
    assert plan(tmp_path, [443]).write == ["parameters_443.py"]
    apply_changes(plan(tmp_path, [443]))
    assert path.read_text() == before
    assert path.stat().st_mode & 0o7777 == 0o640


def test_link_is_replaced_not_followed(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_text("precious")
    (tmp_path / "parameters_443.py").symlink_to(target)
    apply_changes(plan(tmp_path, [443]))
    assert target.read_text() == "precious"
    assert not (tmp_path / "parameters_443.py").is_symlink()


def test_planning_on_a_bare_host_needs_neither_folder_nor_group(tmp_path: Path) -> None:
    bare = plan(tmp_path / "absent", [443], group="no-such-group")
    assert bare.write == ["parameters_443.py"]
    assert bare.before == ""
    assert plan(tmp_path / "absent", [], None).remove == []


def test_unknown_group_is_named_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no such user or group: .*no-such-group"):
        apply_changes(plan(tmp_path, [443], group="no-such-group"))
    assert names(tmp_path) == []


@pytest.mark.parametrize(("ports", "message"), [([], "ports is empty"), ([443, 70000, -1], "not a port: 70000, -1")])
def test_bad_ports_are_refused(tmp_path: Path, ports: list[int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        plan(tmp_path, ports)


def test_diff_shows_no_hash(tmp_path: Path) -> None:
    apply_changes(plan(tmp_path, [443]))
    other = plan(tmp_path, [443], "another password")
    assert other.before != other.after
    assert "$" not in other.before + other.after


def test_a_new_password_ends_the_sessions_of_before(tmp_path: Path) -> None:
    sessions = tmp_path / "sessions"
    sessions.mkdir()
    apply_changes(plan(tmp_path, [443]), str(sessions), OWNER)
    (sessions / "1").write_text("authorized")
    apply_changes(plan(tmp_path, [443]), str(sessions), OWNER)
    assert names(sessions) == ["1"]
    apply_changes(plan(tmp_path, [443], "another password"), str(sessions), OWNER)
    assert names(sessions) == []
    (sessions / "2").write_text("authorized")
    apply_changes(plan(tmp_path, [], None), str(sessions), OWNER)
    assert (names(sessions), names(tmp_path)) == ([], ["sessions"])


def test_admin_is_closed_while_sessions_end(tmp_path: Path) -> None:
    apply_changes(plan(tmp_path, [443]))
    (tmp_path / "sessions").mkdir()
    with pytest.raises(ValueError, match="no such user"):
        apply_changes(plan(tmp_path, [443], "another password"), str(tmp_path / "sessions"), "no-such-user")
    assert names(tmp_path) == ["sessions"]
