"""What a unit has taken in, and what is left to do."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from ansible_collections.web2py.deploy.plugins.module_utils._service import (
    Seen,
    Unit,
    children,
    full_name,
    own_files,
    parse_show,
    pending,
    plan_instead,
    plan_ready,
    plan_started,
    plan_stopped,
    read_stamp,
    remove_stamp,
    see,
    settled,
    tail,
    unread,
    untaken,
    write_stamp,
)

UP = Unit("a.service", "loaded", "active", "running", "enabled", can_reload=True, life="1", begun=100.0)
SOCKET = Unit("a.socket", "loaded", "active", "listening", "enabled", files=("/etc/systemd/system/a.socket",))
SHOWN = """LoadState=loaded
ActiveState=active
SubState=running
UnitFileState=enabled
NeedDaemonReload=yes
CanReload=yes
FragmentPath=/usr/lib/systemd/system/nginx.service
DropInPaths=/etc/systemd/system/nginx.service.d/a.conf /etc/systemd/system/nginx.service.d/b.conf
InvocationID=abc
MainPID=77
InactiveExitTimestampMonotonic=5000000

LoadState=not-found
ActiveState=inactive
SubState=dead
InactiveExitTimestampMonotonic=0
"""


def test_systemctl_show_is_read() -> None:
    unit, missing = parse_show(SHOWN, ["nginx.service", "x.service"], 1000.0)
    assert (unit.stale, unit.can_reload, unit.life, unit.begun) == (True, True, "abc", 1005.0)
    assert own_files([unit]) == [f"/etc/systemd/system/nginx.service.d/{name}.conf" for name in "ab"]
    assert (unit.main, missing.main) == (77, 0)
    assert (missing.name, missing.known, missing.running, missing.enabled) == ("x.service", False, False, False)


@pytest.mark.parametrize("name", ["", "a/b", "-x", "a b", "a\n"])
def test_what_cannot_be_a_unit_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="not the name of a unit"):
        full_name(name)


@pytest.mark.parametrize(("name", "full"), [("a", "a.service"), ("a.b", "a.b.service"), ("a.timer", "a.timer")])
def test_the_type_may_be_left_out(name: str, full: str) -> None:
    assert full_name(name) == full


@pytest.mark.parametrize(
    ("stamp", "seen", "left"),
    [
        ({"life": "1", "files": {"f": "x"}}, Seen("x", 200), []),  # rewritten with the same content
        ({"life": "1", "files": {"f": "x"}}, Seen("y", 50), ["f"]),  # the clock says nothing against a digest
        ({"life": "1", "files": {"f": "x"}}, Seen(None, 0), ["f"]),  # taken away
        ({"life": "0", "files": {"f": "x"}}, Seen("x", 200), ["f"]),  # another life: changed since its start
        ({"life": "0", "files": {"f": "x"}}, Seen("y", 50), []),  # another life read it at its start
        ({}, Seen("x", 50), []),
        ({}, Seen("x", 150), ["f"]),
        ({}, Seen(None, 0), []),
        ({"life": "1", "files": {}}, Seen("x", 150), ["f"]),  # watched since now
    ],
)
def test_what_is_not_taken_in_yet(stamp: dict[str, object], seen: Seen, left: list[str]) -> None:
    assert pending(UP, stamp, {"f": seen}) == left


@pytest.mark.parametrize(
    ("units", "restart", "reload", "commands"),
    [
        ([UP], [], [], []),
        ([UP], [], ["f"], [["reload", "a.service"]]),
        ([UP], ["g"], ["f"], [["reset-failed", "a.service"], ["restart", "a.service"]]),
        ([replace(UP, can_reload=False)], [], ["f"], [["reset-failed", "a.service"], ["restart", "a.service"]]),
        ([replace(UP, file_state="disabled")], [], [], [["enable", "a.service"]]),
        ([replace(UP, file_state="static")], [], [], []),
        ([replace(UP, active="inactive")], [], [], [["start", "a.service"]]),
        ([replace(UP, active="failed")], [], [], [["reset-failed", "a.service"], ["start", "a.service"]]),
        ([SOCKET, UP], [], ["f"], [["reload", "a.service"]]),
        (
            [SOCKET, UP],
            ["/etc/systemd/system/a.socket"],
            [],
            [
                ["stop", "a.service"],
                ["restart", "a.socket"],
                ["reset-failed", "a.service"],
                ["start", "a.service"],
            ],
        ),
        (
            [replace(SOCKET, active="inactive"), replace(UP, active="inactive")],
            [],
            [],
            [["restart", "a.socket"], ["start", "a.service"]],
        ),
    ],
)
def test_steps_to_a_running_unit(
    units: list[Unit], restart: list[str], reload: list[str], commands: list[list[str]]
) -> None:
    assert plan_started(units, True, restart, reload).commands == commands


DOWN = replace(UP, active="inactive", sub="dead", file_state="static", life="", begun=0.0)


@pytest.mark.parametrize(
    ("units", "stale", "commands"),
    [
        ([SOCKET, DOWN], set(), []),
        ([SOCKET, UP], set(), []),
        ([SOCKET, UP], {"a.service"}, [["stop", "a.service"]]),
        ([SOCKET, UP], {"a.socket"}, [["stop", "a.service"], ["restart", "a.socket"]]),
        ([SOCKET, DOWN], {"a.socket"}, [["restart", "a.socket"]]),
        (
            [replace(SOCKET, active="inactive", file_state="disabled"), DOWN],
            set(),
            [["enable", "a.socket"], ["restart", "a.socket"]],
        ),
        ([SOCKET, replace(DOWN, active="failed")], set(), [["reset-failed", "a.service"]]),
    ],
)
def test_a_unit_for_its_socket_is_left_alone_unless_it_is_stale(
    units: list[Unit], stale: set[str], commands: list[list[str]]
) -> None:
    assert plan_ready(units, stale).commands == commands


def test_sockets_stop_first_or_they_would_wake_the_unit() -> None:
    assert plan_stopped([SOCKET, UP], False).commands == [
        ["stop", "a.socket"],
        ["disable", "a.socket"],
        ["stop", "a.service"],
        ["disable", "a.service"],
    ]
    assert plan_stopped([Unit("a.service")], False).words == []


def test_a_drop_in_that_was_taken_away_is_forgotten_too() -> None:
    assert plan_stopped([replace(UP, active="inactive", stale=True)], True).commands == [["daemon-reload"]]


@pytest.mark.parametrize(
    ("unit", "state"),
    [
        (UP, True),
        (replace(UP, active="activating", sub="auto-restart"), None),
        (replace(UP, active="failed"), False),
        (replace(UP, active="inactive", sub="dead"), False),
    ],
)
def test_a_unit_settles(unit: Unit, state: bool | None) -> None:
    assert settled(unit) is state


def test_the_processes_of_a_unit_are_told_from_all_others(tmp_path: Path) -> None:
    for number, name, parent in ((7, "nginx", 1), (8, "a) b (c", 7), (9, "odd (7) S", 8)):
        (tmp_path / str(number)).mkdir()
        words = ["S", str(parent), *map(str, range(17)), str(1000 + number), "0"]
        (tmp_path / str(number) / "stat").write_text(f"{number} ({name}) {' '.join(words)}\n")
    (tmp_path / "10").mkdir()  # it has just ended
    assert children(7, str(tmp_path)) == {(8, 1008)}
    assert children(0) == set()  # systemd itself is a child of 0
    assert untaken(replace(UP, main=7), {(8, 1008)}, str(tmp_path))
    assert not untaken(replace(UP, main=7), {(8, 1000)}, str(tmp_path))  # the same number, another process
    assert not untaken(replace(UP, main=9), set(), str(tmp_path))  # it never had workers


def test_this_process_is_a_child_of_its_parent() -> None:
    assert os.getpid() in {number for number, _start in children(os.getppid())}


def test_the_end_of_a_log_is_shown(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("".join(f"{number}\n" for number in range(20)))
    assert tail(f"{tmp_path}/log", 2) == f"\nLast lines of {tmp_path}/log:\n18\n19"
    assert tail(None) == tail(f"{tmp_path}/none") == ""


@pytest.mark.parametrize(
    ("load", "file_state", "held"),
    [("masked", "masked-runtime", True), ("masked", "masked", False), ("loaded", "enabled", False)],
)
def test_a_mask_until_the_next_boot_is_told_from_one_for_good(load: str, file_state: str, held: bool) -> None:
    assert replace(UP, load=load, file_state=file_state).held is held


def test_a_first_drop_in_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = "ansible_collections.web2py.deploy.plugins.module_utils._service.UNITS"
    monkeypatch.setattr(module, str(tmp_path))
    (tmp_path / "x.conf").write_text("")
    assert unread([UP], [f"{tmp_path}/x.conf"])
    assert not unread([replace(UP, files=(f"{tmp_path}/x.conf",))], [f"{tmp_path}/x.conf", f"{tmp_path}/absent"])
    assert unread([replace(UP, stale=True)])


def test_a_switched_link_is_another_file(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "f").write_text(name)
        os.utime(tmp_path / name / "f", (1, 1))
    (tmp_path / "current").symlink_to("one")
    first = see(f"{tmp_path}/current/f")
    (tmp_path / "next").symlink_to("two")
    (tmp_path / "next").rename(tmp_path / "current")
    second = see(f"{tmp_path}/current/f")
    assert first.digest != second.digest
    assert second.changed >= os.lstat(tmp_path / "current").st_ctime
    assert see(f"{tmp_path}/none").digest is None


def test_a_directory_stands_for_its_files(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/f").write_text("1")
    first = see(str(tmp_path))
    (tmp_path / "sub/f").write_text("2")
    assert see(str(tmp_path)).digest != first.digest
    (tmp_path / "sub/f").unlink()
    assert see(str(tmp_path)).digest != first.digest


def test_a_stamp_is_kept_and_a_spoilt_one_is_none(tmp_path: Path) -> None:
    write_stamp(UP, {"f": Seen("x", 1.0)}, str(tmp_path))
    assert read_stamp("a.service", str(tmp_path)) == {"life": "1", "files": {"f": "x"}}
    (tmp_path / "a.service.json").write_text("{")
    assert read_stamp("a.service", str(tmp_path)) == {}
    remove_stamp("a.service", str(tmp_path))
    remove_stamp("a.service", str(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_who_runs_or_would_makes_way() -> None:
    units = [
        Unit("nginx.service", load="loaded", active="active", file_state="enabled"),
        Unit("lighttpd.service", load="loaded", file_state="enabled"),
        Unit("cherokee.service", load="loaded", file_state="disabled"),
        Unit("none.service"),
    ]
    plan = plan_instead(units)
    assert plan.commands == [["disable", "--now", "nginx.service"], ["disable", "--now", "lighttpd.service"]]
