"""The program that renews the keys of TLS sessions."""

from __future__ import annotations

import importlib.util
import os
import struct
import subprocess
import time
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[3] / "roles/tls/files/sessions.py"
SPEC = importlib.util.spec_from_file_location("web2py_tls_sessions", SOURCE)
assert SPEC and SPEC.loader
sessions = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(sessions)

TODAY = 20000
CHAIN = f"a1b2 {TODAY - 1} {'5c' * 32}\n"


def host(path: Path, chain: str = CHAIN) -> Path:
    path.mkdir()
    (path / "chain").write_text(chain)
    return path


def keys(folder: Path) -> dict[str, bytes]:
    """NGINX's."""
    return {name: (folder / f"{name}.key").read_bytes() for name in ("yesterday", "today", "tomorrow")}


def everything(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("*.key")}


def test_keys_are_three_for_root_alone(tmp_path: Path) -> None:
    folder = host(tmp_path / "one")
    assert sessions.renew(folder, TODAY) == f"a1b2 {TODAY}\n"
    found = keys(folder)
    assert {len(key) for key in found.values()} == {80} and len(set(found.values())) == 3
    # Nor has one a part of another.
    assert len({key[start : start + 16] for key in found.values() for start in range(0, 80, 16)}) == 15
    modes = {path.name: path.stat().st_mode & 0o777 for path in folder.glob("*.key")}
    assert modes == {**{f"{name}.key": 0o600 for name in found}, "lighttpd.key": 0o640}
    sessions.renew(folder, TODAY)
    assert keys(folder) == found


def test_lighttpd_has_the_key_of_today_in_its_own_words(tmp_path: Path) -> None:
    """It gives a key up when its second day begins. Its processes may read it, where they may enter the folder."""
    folder = host(tmp_path / "one")
    umask = os.umask(0o077)
    try:
        sessions.renew(folder, TODAY)
    finally:
        os.umask(umask)
    found = (folder / "lighttpd.key").read_bytes()
    assert found[12:] == keys(folder)["today"]
    assert struct.unpack("=3I", found[:12]) == (0, 0, (TODAY + 2) * 86400)
    assert (folder / "lighttpd.key").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("steps", [[1], [1, 2, 3], [3], [1, 1, 40]])
def test_each_host_grows_the_same(tmp_path: Path, steps: list[int]) -> None:
    """Also one that was away for days, and one that joined with what another had by then."""
    one, other = host(tmp_path / "one"), host(tmp_path / "other")
    for step in steps:
        sessions.renew(one, TODAY + step)
    joined = host(tmp_path / "joined", (one / "chain").read_text())
    for folder in (other, joined):
        sessions.renew(folder, TODAY + steps[-1])
    assert everything(one) == everything(other) == everything(joined)


def test_a_day_later_each_key_is_a_day_older(tmp_path: Path) -> None:
    folder = host(tmp_path / "one")
    sessions.renew(folder, TODAY)
    before = keys(folder)
    sessions.renew(folder, TODAY + 1)
    after = keys(folder)
    assert (after["yesterday"], after["today"]) == (before["today"], before["tomorrow"])
    # Nothing is left from which the oldest one comes.
    text = (folder / "chain").read_text()
    assert text.split()[:2] == ["a1b2", str(TODAY)] and text != CHAIN
    assert before["yesterday"] not in keys(folder).values()


def test_a_clock_that_goes_back_leaves_the_keys_alone(tmp_path: Path) -> None:
    folder = host(tmp_path / "one")
    sessions.renew(folder, TODAY + 2)
    before = everything(folder)
    assert sessions.renew(folder, TODAY) == f"a1b2 {TODAY + 2}\n"
    assert everything(folder) == before


@pytest.mark.parametrize("steps", [0, 1, 2, 3])
def test_a_run_that_was_killed_is_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, steps: int) -> None:
    """After so many of its steps: never is a key lost that the chain cannot give any more."""
    whole, folder = host(tmp_path / "whole"), host(tmp_path / "killed")
    sessions.renew(whole, TODAY + 5)
    left, replace = [None] * steps, os.replace

    def killed(source: str, target: Path) -> None:
        if not left:
            raise KeyboardInterrupt
        left.pop()
        replace(source, target)

    monkeypatch.setattr(os, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        sessions.renew(folder, TODAY + 5)
    monkeypatch.undo()
    sessions.renew(folder, TODAY + 5)
    assert everything(folder) == everything(whole)
    assert (folder / "chain").read_text() == (whole / "chain").read_text()


class Server:
    """One that is told to take keys in, or cannot."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.state, self.fails, self.day, self.told = folder, "loaded", False, TODAY, 0
        monkeypatch.setattr(sessions.subprocess, "run", self.run)
        monkeypatch.setattr(time, "time", lambda: self.day * 86400 + 86399)

    def run(self, words: list[str], check: bool, **_more: bool) -> subprocess.CompletedProcess[str]:
        assert check
        if words[1] == "show":
            assert words == ["systemctl", "show", "--property=LoadState", "--value", "nginx.service"]
            return subprocess.CompletedProcess(words, 0, f"{self.state}\n")
        assert words == ["systemctl", "try-reload-or-restart", "nginx.service"]
        if self.fails:
            raise subprocess.CalledProcessError(1, words)
        self.told += 1
        return subprocess.CompletedProcess(words, 0)

    def renewed(self, *words: str) -> int:
        sessions.main(str(self.folder), "nginx.service", *words)
        return self.told


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Server:
    return Server(host(tmp_path / "one"), monkeypatch)


def test_the_server_is_told_of_new_keys_only(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    assert [server.renewed(), server.renewed()] == [1, 1]
    server.day += 1
    assert [server.renewed(), server.renewed()] == [2, 2]
    # Another chain: one that leaked was given up.
    (server.folder / "chain").write_text(CHAIN.replace("a1b2", "c3d4"))
    assert [server.renewed(), server.renewed()] == [3, 3]
    assert capsys.readouterr().out.count("\n") == 3


def test_a_server_that_could_not_be_told_is_told_again(server: Server) -> None:
    """Though the keys have been written by then."""
    server.fails = True
    for _time in range(2):
        with pytest.raises(subprocess.CalledProcessError):
            server.renewed()
    server.fails = False
    assert [server.renewed(), server.renewed()] == [1, 1]


@pytest.mark.parametrize("state", ["not-found", "masked"])
def test_who_is_not_installed_yet_is_not_told(server: Server, state: str) -> None:
    server.state = state
    assert server.renewed() == 0


def test_who_looks_at_the_file_by_itself_is_told_of_another_chain_only(server: Server) -> None:
    """Of keys that somebody has seen none is to count any more."""
    assert server.renewed("--watches") == 1
    server.day += 1
    assert server.renewed("--watches") == 1
    (server.folder / "chain").write_text(CHAIN.replace("a1b2", "c3d4"))
    assert server.renewed("--watches") == 2


@pytest.mark.parametrize("text", ["", "a 1", "a day 00", f"a 1 {'x' * 64}"])
def test_what_is_no_chain_is_not_taken(tmp_path: Path, text: str) -> None:
    with pytest.raises(ValueError):
        sessions.renew(host(tmp_path / "one", text), TODAY)
