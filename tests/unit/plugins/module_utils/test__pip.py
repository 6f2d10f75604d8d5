from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from ansible_collections.web2py.deploy.plugins.module_utils import _base, _fetch, _pip
from ansible_collections.web2py.deploy.plugins.module_utils._base import Place
from ansible_collections.web2py.deploy.plugins.module_utils._pip import Pip
from ansible_collections.web2py.deploy.plugins.module_utils._run import Problem
from tests.unit.plugins.module_utils.conftest import names


def package(folder: Path) -> Path:
    """A wheel with one module, as pip installs it."""
    wheel = folder / "thing-1-py3-none-any.whl"
    about = "thing-1.dist-info"
    with zipfile.ZipFile(wheel, "w") as bundle:
        bundle.writestr("thing.py", "ANSWER = 42\n")
        bundle.writestr(f"{about}/METADATA", "Metadata-Version: 2.1\nName: thing\nVersion: 1\n")
        bundle.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        bundle.writestr(f"{about}/RECORD", "")
    return wheel


@pytest.fixture(autouse=True)
def only_here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No index is asked, and the Python that runs the tests is the host's."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    monkeypatch.setattr(_pip, "SYSTEM_PYTHON", sys.executable)
    monkeypatch.setattr(_base, "SYSTEM_PYTHON", sys.executable)
    monkeypatch.setattr(_fetch, "SYSTEM_PYTHON", sys.executable)


def test_environment_has_what_it_needs_and_no_pip(place: Place, tmp_path: Path) -> None:
    wheel = package(tmp_path)
    (tmp_path / "download").mkdir()
    with Pip(place.parts) as pip:
        assert names(place.parts) == []
        fetched = _fetch.wheel(pip, "thing", "1", None, str(tmp_path / "download"))
        _base.stage_environment(place, "environment-x", ["thing==1"], pip)
        assert len(names(place.parts)) == 2
        # Else a requirement `pip` would be taken for installed.
        assert list(Path(place.parts).glob("*/pip")) and not list(Path(place.parts).glob("*/*.dist-info"))
    assert Path(fetched).read_bytes() == wheel.read_bytes()
    assert names(place.parts) == ["environment-x"]
    environment = Path(place.part("environment-x"))
    (packages,) = environment.glob("lib/python3*/site-packages")
    assert names(packages) == ["__pycache__", "thing-1.dist-info", "thing.py"]
    found = subprocess.run(
        [environment / "bin/python", "-c", "import thing; print(thing.ANSWER)"], capture_output=True, check=True
    )
    assert found.stdout == b"42\n"


def test_failure_leaves_nothing(place: Place) -> None:
    with Pip(place.parts) as pip, pytest.raises(Problem, match=r"pip: installing nothing-of-that-name==1 failed"):
        _base.stage_environment(place, "environment-x", ["nothing-of-that-name==1"], pip)
    assert names(place.parts) == []


def test_python_without_pip_is_told(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_pip, "_FIND", "")
    with Pip(place.parts) as pip, pytest.raises(Problem, match=r"comes without pip\. The package python3-venv"):
        _base.stage_environment(place, "environment-x", ["thing==1"], pip)
    assert names(place.parts) == []
