from __future__ import annotations

import grp
import io
import json
import os
import pwd
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils import basic

from ansible_collections.web2py.deploy.plugins.modules import admin_password

PASSWORD = "correct horse $\"'"


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    def run(check: bool = False, **arguments: Any) -> dict[str, Any]:
        arguments = {
            "owner": pwd.getpwuid(os.getuid()).pw_name,
            "group": grp.getgrgid(os.getgid()).gr_name,
            "_ansible_check_mode": check,
            **arguments,
        }
        monkeypatch.setattr(basic, "_ANSIBLE_ARGS", json.dumps({"ANSIBLE_MODULE_ARGS": arguments}).encode())
        monkeypatch.setattr(basic, "_ANSIBLE_PROFILE", "legacy", raising=False)
        monkeypatch.setattr("sys.stdin", io.StringIO())
        with pytest.raises(SystemExit):
            admin_password.main()
        output = capsys.readouterr().out
        assert PASSWORD not in json.dumps(json.loads(output).get("diff"))
        assert "pbkdf2" not in output
        return json.loads(output)  # type: ignore[no-any-return]

    return run


def test_check_mode_writes_nothing_then_run_then_no_change(tmp_path: Path, run: Any) -> None:
    arguments = {"directory": str(tmp_path), "ports": [443], "password": PASSWORD}
    assert run(check=True, **arguments)["written"] == [str(tmp_path / "parameters_443.py")]
    assert list(tmp_path.iterdir()) == []
    assert run(**arguments)["changed"]
    again = run(**arguments)
    assert (again["changed"], again["written"], again["removed"]) == (False, [], [])


def test_absent_removes(tmp_path: Path, run: Any) -> None:
    run(directory=str(tmp_path), password=PASSWORD)
    assert run(check=True, directory=str(tmp_path), state="absent")["changed"]
    assert run(directory=str(tmp_path), state="absent")["removed"] == [str(tmp_path / "parameters_443.py")]
    assert not run(directory=str(tmp_path), state="absent")["changed"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "state is present but all of the following are missing: password"),
        ({"password": "short"}, "at least 8"),
        ({"password": PASSWORD, "ports": []}, "ports is empty"),
        ({"password": PASSWORD, "directory": "/nonexistent/folder"}, "No such file"),
    ],
)
def test_bad_input_fails_with_words(tmp_path: Path, run: Any, arguments: dict[str, Any], message: str) -> None:
    result = run(**{"directory": str(tmp_path), **arguments})
    assert result["failed"]
    assert message in result["msg"]
