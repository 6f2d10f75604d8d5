"""A run killed at any point is repeated to the end by running it again."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from typing import Any

import pytest
import yaml
from desk import BIN, Desk

FRACTIONS = (0.15, 0.3, 0.45, 0.6, 0.75, 0.9)


def choices(number: int) -> dict[str, Any]:
    """Something of every role differs from one number to the next."""
    return {
        "web2py_aliases": [f"alias{number}.example.org"],
        "web2py_request_timeout_seconds": 30 + number,
        "web2py_applications": [
            {"name": "starter", "source": {"type": "starter"}},
            {
                "name": f"copy{number}",
                "source": {"type": "starter"},
                "private_files": {"appconfig.ini": f"number = {number}\n"},
            },
        ],
    }


@pytest.fixture(scope="module")
def seconds(desk: Desk) -> float:
    """How long a run takes that changes as much."""
    began = time.monotonic()
    run = desk.play(**choices(0))
    assert run.status == 0, run.output
    return time.monotonic() - began


@pytest.mark.parametrize("number", range(1, len(FRACTIONS) + 1))
def test_a_killed_run_is_repeated_to_the_end(number: int, desk: Desk, seconds: float) -> None:
    (desk.folder / "choices.yml").write_text(yaml.safe_dump(choices(number)))
    words = ["ansible-playbook", "-i", "inventory.yml", "web2py.deploy.site", "-e", "@choices.yml"]
    process = subprocess.Popen(
        [BIN / words[0], *words[1:]], cwd=desk.folder, env=desk.environment, stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    time.sleep(seconds * FRACTIONS[number - 1])
    desk.on_host("pkill -9 -f 'python3.*[A]nsiball|pip [i]nstall|[w]eb2py_runtime.check'", check=False)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    run = desk.play(**choices(number))
    assert run.status == 0, run.output
    again = desk.play(**choices(number))
    assert (again.status, again.changed) == (0, 0), again.output
    left = desk.on_host("ls -A /srv/web2py/parts /srv/web2py/releases | grep -E '^\\.|tmp|new$' || true")
    assert left == ""
