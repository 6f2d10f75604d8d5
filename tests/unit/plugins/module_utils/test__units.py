"""Units of a site: which they are, what they do."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.web2py.deploy.plugins.module_utils import _units
from ansible_collections.web2py.deploy.plugins.module_utils._units import (
    blocks,
    is_own,
    members,
    processes,
    shares,
    unit,
    unit_names,
    units,
)

SHOW = """Id=shop.service
LoadState=loaded
ActiveState=active
SubState=running
Result=success
Type=notify
UnitFileState=enabled
ActiveEnterTimestampMonotonic=5000000
NRestarts=2
MemoryCurrent=1048576
MemoryMax=infinity
ControlGroup=/system.slice/shop.service

Id=nginx.service
LoadState=not-found
ActiveState=inactive

Id=shop-backup.service
LoadState=loaded
ActiveState=failed
Type=oneshot
UnitFileState=enabled
MemoryCurrent=[not set]
MemoryMax=18446744073709551615
"""


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("shop.service", True),
        ("shop.socket", True),
        ("shop-scheduler@starter-main-1.service", True),
        ("shop_acme.timer", True),
        ("shop-two.service", False),
        ("shop-two-backup.timer", False),
        ("shop-two@x.service", False),
        ("shopping.service", False),
        ("shop.mount", False),
        ("my-shop.service", False),
        ("shop-x.service.d", False),
    ],
)
def test_units_are_told_from_those_of_other_sites(name: str, expected: bool) -> None:
    assert is_own(name, "shop", ["shop-two"]) is expected


def test_units_are_found_by_files_links_and_what_runs(
    site: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "system"
    (folder / "timers.target.wants").mkdir(parents=True)
    for name in (
        "shop.service",
        "shop-scheduler@.service",
        "shop-drill.service",
        "timers.target.wants/shop-drill.timer",
    ):
        (folder / name).write_text("")
    monkeypatch.setattr(_units, "UNITS", str(folder))
    monkeypatch.setattr(
        _units,
        "output",
        lambda *words: "shop-scheduler@a-main-1.service loaded active running X\nshopping.service a\n",
    )
    assert unit_names(site) == [
        "shop.service", "shop-admin.socket", "nginx.service", "shop-drill.service", "shop-drill.timer",
        "shop-scheduler@a-main-1.service",
    ]  # fmt: skip


def test_units_are_read_from_what_systemd_says(site: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_units, "unit_names", lambda site: ["shop.service"])
    monkeypatch.setattr(_units, "output", lambda *words: SHOW)
    monkeypatch.setattr(_units, "members", lambda: {"/box/system.slice/shop.service": [1], "/system.slice/x": [9]})
    first, second, third = units(site)
    assert (first["active"], first["sub"], first["restarts"], first["processes"]) == ("active", "running", 2, 1)
    assert (first["memory_bytes"], first["memory_limit_bytes"], first["expected"]) == (1 << 20, None, True)
    assert first["active_seconds"] >= 0
    assert (second["active"], second["expected"]) == ("not-found", True)
    # A timer starts it; it need not run now.
    assert (third["active"], third["expected"], third["memory_limit_bytes"]) == ("failed", False, None)


@pytest.mark.parametrize("text_of_systemd", ["", "\n\n", "nonsense", "Id=\nx=1", "=\n=\n"])
def test_what_systemd_does_not_say_is_no_unit(text_of_systemd: str) -> None:
    assert list(blocks(text_of_systemd)) == []


def test_a_unit_without_properties_is_unknown() -> None:
    assert unit({"Id": "a.service"}, [], 1.0, {})["active"] == "unknown"


def test_processes_are_found_by_their_control_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With one hierarchy or several, in a container or not; what is gone or odd is passed over."""
    for pid, text_of_kernel in {
        "1": "0::/init.scope\n",
        "20": "0::/system.slice/shop.service\n",
        "21": "3:memory:/\n1:name=systemd:/box/system.slice/shop.service\n0::/box/system.slice/shop.service\n",
        "22": "0::/system.slice/shop.service/worker\n",
        "23": "0::/system.slice/shop.service2\n",
        "24": "nonsense\n",
    }.items():
        (tmp_path / pid).mkdir()
        (tmp_path / pid / "cgroup").write_text(text_of_kernel)
    (tmp_path / "25").mkdir()
    monkeypatch.setattr(_units, "PROCESSES", str(tmp_path))
    known = members()
    assert processes("/system.slice/shop.service", known) == [20, 21, 22]
    assert processes("", known) == [] and processes("/system.slice/none", known) == []


def test_memory_of_processes_that_are_gone_is_none() -> None:
    assert shares([2**31 - 1]) == 0
    assert shares([os.getpid()]) >= 0
