"""The program that keeps a primary of before from starting."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[3] / "roles/postgresql/files/only_primary.py"
SPEC = importlib.util.spec_from_file_location("web2py_only_primary", SOURCE)
assert SPEC and SPEC.loader
only_primary = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(only_primary)


@pytest.mark.parametrize(
    ("answers", "found"),
    [({}, ""), ({"host=a": "on"}, ""), ({"host=a": "off"}, "host=a"), ({"host=a": "", "host=b": "off"}, "host=b")],
)
def test_another_primary_is_found(tmp_path: Path, answers: dict[str, str], found: str) -> None:
    def ask(place: str) -> str:
        return answers.get(place, "")

    assert only_primary.primary(str(tmp_path), ["host=a", "host=b"], ask) == found
    (tmp_path / "standby.signal").write_text("")
    assert only_primary.primary(str(tmp_path), ["host=a", "host=b"], ask) == ""


@pytest.mark.parametrize(("text", "status"), [("echo off", 1), ("echo on", 0), ("exit 2", 0), ("echo off; exit 2", 0)])
def test_the_unit_is_told(tmp_path: Path, text: str, status: int) -> None:
    (tmp_path / "psql").write_text(f"#!/bin/sh\n{text}\n")
    (tmp_path / "psql").chmod(0o755)
    words = [sys.executable, str(SOURCE), str(tmp_path), "host='10.0.0.3' user='x'"]
    environment = {**os.environ, "PATH": f"{tmp_path}:/bin"}
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == status
    assert ("10.0.0.3" in done.stderr) == bool(status)


def test_without_the_program_nothing_is_known(tmp_path: Path) -> None:
    words = [sys.executable, str(SOURCE), str(tmp_path), "host='10.0.0.3'"]
    assert subprocess.run(words, env={"PATH": str(tmp_path)}, check=False).returncode == 0
