from __future__ import annotations

import sys

import pytest

from ansible_collections.web2py.deploy.plugins.module_utils._run import (
    Problem,
    clean_environment,
    last_lines,
    masked,
    run,
)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://me:secret@git.example.org/x.git", "https://git.example.org/x.git"),
        ("fatal: 'https://token@example.org/x' not found", "fatal: 'https://example.org/x' not found"),
        ("ssh://git@example.org/x", "ssh://example.org/x"),
        ("https://me:s@cret@example.org/x", "https://example.org/x"),
        ("https://example.org/a@b", "https://example.org/a@b"),
    ],
)
def test_credentials_are_masked(text: str, shown: str) -> None:
    assert masked(text) == shown


def test_environment_keeps_proxies_and_nothing_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://proxy.example.org:3128")
    monkeypatch.setenv("PYTHONPATH", "/elsewhere")
    monkeypatch.setenv("GIT_DIR", "/elsewhere")
    environment = clean_environment("/home")
    assert environment["https_proxy"] == "http://proxy.example.org:3128"
    assert environment["HOME"] == "/home"
    assert not {"PYTHONPATH", "GIT_DIR"} & set(environment)


def test_failure_names_task_output_and_remedy() -> None:
    code = "import sys; print('https://u:p@h/x is gone', file=sys.stderr); sys.exit(3)"
    with pytest.raises(Problem) as caught:
        run([sys.executable, "-c", code], "Fetching x", "Check the URL.")
    assert str(caught.value) == "Fetching x failed.\nhttps://h/x is gone\nCheck the URL."


def test_program_that_is_not_there_is_named() -> None:
    with pytest.raises(Problem, match=r"Fetching x: no-such-program is not installed\. Install it\."):
        run(["no-such-program"], "Fetching x", "Install it.")


def test_program_that_hangs_is_stopped() -> None:
    with pytest.raises(Problem, match="no answer within 1 seconds"):
        run([sys.executable, "-c", "import time; time.sleep(60)"], "Waiting", timeout=1)


def test_only_the_end_of_an_output_is_told() -> None:
    assert last_lines("\n".join(map(str, range(100)))).splitlines()[0] == "85"
