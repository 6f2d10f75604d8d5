"""What is read of a host."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ansible_collections.web2py.deploy.plugins.module_utils import _host
from ansible_collections.web2py.deploy.plugins.module_utils._host import (
    groups,
    host,
    installed_packages,
    listening,
    memory_mb,
    os_release,
    traces,
    unfinished,
    users,
)


def test_the_distribution_and_its_major_version() -> None:
    assert os_release('PRETTY_NAME="Debian"\nID=debian\nVERSION_ID="12"\n') == ("debian", "12")
    assert os_release("ID=ubuntu\nVERSION_ID=24.04\n") == ("ubuntu", "24")


def test_a_host_that_does_not_say_is_unknown() -> None:
    assert os_release("") == ("unknown", "unknown")


def test_only_installed_packages_count() -> None:
    text = (
        "Package: nginx\nStatus: install ok installed\n\n"
        "Package: apache2\nStatus: deinstall ok config-files\n\nPackage: cron\nStatus: install ok installed\n"
    )
    assert installed_packages(text) == ["cron", "nginx"]


@pytest.mark.parametrize(
    ("status", "journal", "killed"),
    [
        ("install ok installed", [], False),
        ("deinstall ok config-files", [], False),
        ("install ok unpacked", [], True),
        ("install ok half-configured", [], True),
        ("install ok triggers-awaited", [], True),
        ("install reinstreq half-installed", [], True),
        ("install ok installed", ["0001"], True),
        ("install ok installed", ["tmp.i"], False),
    ],
)
def test_an_installation_that_was_killed_is_seen(status: str, journal: list[str], killed: bool) -> None:
    assert unfinished(f"Package: a\nStatus: {status}\nVersion: 1\n", journal) is killed


def test_users_and_their_homes() -> None:
    assert users("root:x:0:0:root:/root:/bin/sh\nshop:x:9:9::/var/lib/shop:/usr/sbin/nologin\nodd\n") == {
        "root": "/root",
        "shop": "/var/lib/shop",
    }


def test_groups() -> None:
    assert groups("root:x:0:\ndisk:x:6:\nodd\n") == ["disk", "root"]


def test_only_listening_sockets_count() -> None:
    head = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
    row = "   0: 0100007F:1F42 00000000:0000 {} 00000000:00000000 00:00000000 00000000     0        0 {} 1\n"
    assert listening(head + row.format("0A", 77) + row.format("01", 78)) == {"77": 8002}


def test_memory_is_in_mebibytes() -> None:
    assert memory_mb("MemTotal:        2097152 kB\nMemFree: 1 kB\n") == 2048


@pytest.mark.parametrize(("text", "word"), [("1", "enforcing"), ("0\n", "permissive"), ("", "disabled")])
def test_selinux_has_three_words(text: str, word: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_host, "_read", lambda path: text if path == "/sys/fs/selinux/enforce" else "")
    assert host()["selinux"] == word


def test_this_machine_can_be_read() -> None:
    found = host()
    assert found["cpus"] >= 1 and found["memory_mb"] > 0 and found["users"]["root"]


def test_sites_leave_their_names_where_the_pattern_has_its_star(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("on/60-shop.conf", "on/000-default.conf", "on/default", "on/byhand", "etc/blog/uwsgi.ini"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    patterns = {"a": f"{tmp_path}/on/60-*.conf", "b": f"{tmp_path}/on/*", "c": f"{tmp_path}/etc/*/uwsgi.ini"}
    monkeypatch.setattr(_host, "TRACES", patterns)
    monkeypatch.setattr(_host, "MORE_TRACES", {"a": f"{tmp_path}/etc/*/uwsgi.ini"})
    assert traces() == {"a": ["shop", "blog"], "b": ["60-shop", "byhand"], "c": ["blog"]}


def test_a_front_end_that_no_distribution_has_is_found_by_its_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "program"
    monkeypatch.setattr(_host, "PROVIDED", {"front_end": (str(program), f"{program}-missing")})
    assert host()["programs"] == []
    program.touch(mode=0o755)
    assert host()["programs"] == [str(program)]


def test_it_runs_where_nothing_of_the_collection_is() -> None:
    """The acceptance suite runs its text on the hosts themselves."""
    subprocess.run([sys.executable, "-I", "-S", _host.__file__], check=True)
