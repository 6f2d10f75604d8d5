"""Questions to a host end in time, each for itself."""

from __future__ import annotations

import subprocess
import threading
import time

import pytest

from ansible_collections.web2py.deploy.plugins.module_utils import _bounded
from ansible_collections.web2py.deploy.plugins.module_utils._bounded import failure, output, together


def test_probes_run_side_by_side_and_fail_alone() -> None:
    hold = threading.Event()

    def broken() -> None:
        raise ValueError("bad\nmore")

    begun = time.monotonic()
    found = together({"good": lambda: 1, "broken": broken, "stuck": hold.wait}, 0.3)
    hold.set()
    assert found == {
        "good": 1,
        "broken": {"error": "ValueError: bad"},
        "stuck": {"error": "no answer within 0.3 seconds"},
    }
    assert time.monotonic() - begun < 3


def test_failures_are_short() -> None:
    assert failure(OSError()) == {"error": "OSError: "}
    assert len(failure(OSError("x" * 999))["error"]) == 300


def test_programs_are_asked_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    assert output("cat", input="x") == "x" and output("cat") == ""
    with pytest.raises(RuntimeError, match="ls: .*"):
        output("ls", "/nowhere/at/all")
    with pytest.raises(RuntimeError, match="false: ended with 1"):
        output("false")
    monkeypatch.setattr(_bounded, "ANSWER_SECONDS", 0.2)
    with pytest.raises(subprocess.TimeoutExpired):
        output("sleep", "5")
