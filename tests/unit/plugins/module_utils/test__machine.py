"""How a host does."""

from __future__ import annotations

from pathlib import Path

from ansible_collections.web2py.deploy.plugins.module_utils._machine import file_system, machine, percent


def test_a_file_system_is_measured(tmp_path: Path) -> None:
    found = file_system(str(tmp_path))
    assert 0 <= found["percent"] <= 100 and found["bytes_free"] <= found["bytes_total"]
    assert percent(1, 0) == 0 and percent(1, 4) == 25


def test_the_machine_is_known() -> None:
    found = machine()
    assert found["memory_bytes"] >= found["memory_available_bytes"] > 0 and found["up_seconds"] > 0
