"""The hosts of tests: what beds of several purposes share."""

from __future__ import annotations

import importlib
import subprocess
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType

import pytest

TOOLS = Path(__file__).resolve().parents[3] / "tools"


@pytest.fixture
def bed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(TOOLS))
    module = importlib.import_module("bed")
    monkeypatch.setattr(module, "CACHE", tmp_path)
    monkeypatch.setattr(module, "KEY", tmp_path / "ssh" / "id")
    return module


def test_beds_that_come_up_side_by_side_share_one_key(bed: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    made = []

    def keygen(argv: Sequence[str | Path], **_options: object) -> None:
        key = Path(argv[-1])
        if key.exists():
            raise subprocess.CalledProcessError(1, argv, "already exists. Overwrite (y/n)?")
        key.write_text("secret")
        time.sleep(0.1)
        key.with_suffix(".pub").write_text("public")
        made.append(key)

    monkeypatch.setattr(bed.subprocess, "run", keygen)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _number: bed.make_key(), range(4)))
    assert made == [bed.KEY]


def test_a_key_of_which_half_is_there_is_made_anew(bed: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    bed.KEY.parent.mkdir()
    bed.KEY.write_text("half")

    def keygen(argv: Sequence[str | Path], **_options: object) -> None:
        assert not Path(argv[-1]).exists()
        Path(argv[-1]).write_text("whole")

    monkeypatch.setattr(bed.subprocess, "run", keygen)
    bed.make_key()
    assert bed.KEY.read_text() == "whole"
