"""Inventories that the demo and the tests write."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest
import yaml

TOOLS = Path(__file__).resolve().parents[3] / "tools"


@pytest.mark.parametrize("keep", [True, False])
def test_what_somebody_wrote_stays_where_it_may(keep: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The demo's inventory is its visitor's to change; the address of its host is not."""
    monkeypatch.syspath_prepend(str(TOOLS))
    write, host = importlib.import_module("inventory").write, importlib.import_module("bed").Host
    folder = tmp_path / "inventory"
    write(folder, [host("web1", ip="192.0.2.1")], keep=keep)
    example, own = folder / "group_vars/web2py_web/1_example.yml", folder / "shop/models/db.py"
    example.write_text("web2py_tls: {provider: none}\n")
    own.parent.mkdir(parents=True)
    own.touch()
    write(folder, [host("web1", ip="192.0.2.2")], keep=keep)
    assert (example.read_text() == "web2py_tls: {provider: none}\n", own.exists()) == (keep, keep)
    rows = yaml.safe_load((folder / "hosts.yml").read_text())["web2py_web"]["hosts"]
    assert rows["web1"]["ansible_host"] == "192.0.2.2"
