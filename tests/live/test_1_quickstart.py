"""The README's quick start, word for word, on a bare host."""

from __future__ import annotations

import os
import re

import pytest
from desk import ROOT, Desk, Run, readme_block

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


def test_the_status_says_the_same(runs: list[Run]) -> None:
    assert runs[2].status == 0 and runs[2].changed == 0, runs[2].output
    assert even(runs[2].summary) == even(runs[1].summary)


def test_a_second_run_changes_nothing(runs: list[Run], desk: Desk) -> None:
    again = desk.ansible(*COMMANDS[2].split())
    assert (again.status, again.changed) == (0, 0), again.output


def test_the_preview_on_the_built_host_finds_nothing_to_do(runs: list[Run], desk: Desk) -> None:
    again = desk.ansible(*COMMANDS[1].split())
    assert (again.status, again.changed) == (0, 0), again.output
