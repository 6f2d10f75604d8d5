"""The README's quick start, word for word, on a bare host."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
from desk import BIN, ROOT, Desk, Run, readme_block

COMMANDS = readme_block("commands").splitlines()
WRITE = "WEB2PY_WRITE_README"


@pytest.fixture(scope="module")
def runs(desk: Desk) -> list[Run]:
    """Every command in turn. The first installs from Galaxy; the desk has installed the built collection."""
    assert COMMANDS[0] == "ansible-galaxy collection install web2py.deploy"
    return [desk.ansible(*line.split()) for line in COMMANDS[1:]]


def even(lines: list[str]) -> list[str]:
    """Lines without what differs from run to run: the release's number and the days of a certificate."""
    return [re.sub(r"\b[0-9a-f]{12,}\b", "RELEASE", line) for line in lines]


def test_the_collection_installs_from_a_checkout(tmp_path: Path) -> None:
    """As the README says; what it needs from Galaxy is left out."""
    subprocess.run(["git", "clone", "-q", ROOT, tmp_path / "checkout"], check=True)
    words = readme_block("from a checkout").replace(" install ", " install --offline --no-deps ")
    environment = {"PATH": f"{BIN}:{os.environ['PATH']}", "HOME": str(tmp_path), "LANG": "C.UTF-8"}
    subprocess.run(["sh", "-ec", words], cwd=tmp_path / "checkout", env=environment, check=True)
    assert (tmp_path / ".ansible/collections/ansible_collections/web2py/deploy/MANIFEST.json").is_file()


def test_there_are_at_most_four_commands() -> None:
    assert len(COMMANDS) <= 4


def test_the_preview_on_a_bare_host_succeeds_and_changes_nothing(runs: list[Run], desk: Desk) -> None:
    assert runs[0].status == 0, runs[0].output
    assert runs[0].changed > 0


def test_the_run_succeeds(runs: list[Run]) -> None:
    assert runs[1].status == 0, runs[1].output


def test_the_summary_in_the_readme_is_that_of_the_run(runs: list[Run]) -> None:
    said = runs[1].summary
    assert said, runs[1].output
    if os.environ.get(WRITE):
        path = ROOT / "README.md"
        old = readme_block("summary")
        path.write_text(path.read_text().replace("```text\n" + old, "```text\n" + "\n".join(said) + "\n"))
    assert even(readme_block("summary").splitlines()) == even(said), f"write it again: {WRITE}=1 make live"


def test_the_status_says_that_it_is_healthy(runs: list[Run]) -> None:
    assert runs[2].status == 0 and runs[2].changed == 0, runs[2].output
    assert "web2py: healthy" in runs[2].output and "answers 200" in runs[2].output, runs[2].output


def test_no_group_is_missed_that_nobody_needs(runs: list[Run]) -> None:
    assert not [run.output for run in runs if "Could not match" in run.output]


def test_a_second_run_changes_nothing(runs: list[Run], desk: Desk) -> None:
    again = desk.ansible(*COMMANDS[2].split())
    assert (again.status, again.changed) == (0, 0), again.output


def test_the_preview_on_the_built_host_finds_nothing_to_do(runs: list[Run], desk: Desk) -> None:
    again = desk.ansible(*COMMANDS[1].split())
    assert (again.status, again.changed) == (0, 0), again.output
