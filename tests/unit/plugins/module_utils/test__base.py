from __future__ import annotations

import py_compile
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from ansible_collections.web2py.deploy.plugins.module_utils import _base
from ansible_collections.web2py.deploy.plugins.module_utils._base import Place
from ansible_collections.web2py.deploy.plugins.module_utils._pip import Pip
from ansible_collections.web2py.deploy.plugins.module_utils._run import Problem
from tests.unit.plugins.module_utils.conftest import names


def web2py(root: Path, version: str = 'VERSION = "3.3.3-stable+timestamp.2026"') -> str:
    (root / "gluon/packages/pydal").mkdir(parents=True)
    (root / "gluon/packages/pydal/x.py").touch()
    (root / "gluon/main.py").touch()
    (root / "gluon/version.py").write_text(version)
    return str(root)


def test_version_is_read_from_either_file(tmp_path: Path) -> None:
    assert _base.version_of(web2py(tmp_path / "new")) == "3.3.3-stable+timestamp.2026"
    (tmp_path / "VERSION").write_text("Version 2.26.1-stable+timestamp.2023\n")
    assert _base.version_of(str(tmp_path)) == "2.26.1-stable+timestamp.2023"
    assert _base.version_of(str(tmp_path / "nowhere")) == ""
    assert _base.short("3.3.3-stable+timestamp.2026") == "3.3.3"


def test_tree_that_is_not_web2py_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Problem, match=r"has no gluon/main\.py"):
        _base.check_web2py(str(tmp_path), "archive x")
    with pytest.raises(Problem, match="does not say its version"):
        _base.check_web2py(web2py(tmp_path / "a", ""), "archive x")
    tree = web2py(tmp_path / "b")
    _base.check_web2py(tree, "archive x")
    (tmp_path / "b/gluon/packages/pydal/x.py").unlink()
    with pytest.raises(Problem, match="lacks its submodules: gluon/packages/pydal"):
        _base.check_web2py(tree, "archive x")


def test_impossible_pair_is_refused() -> None:
    _base.refuse_impossible("3.3.3", "3.13")
    with pytest.raises(Problem, match="FancyURLopener"):
        _base.refuse_impossible("2.26.1", "3.14")


@pytest.mark.parametrize(
    ("chosen", "needed", "together"),
    [
        ([], ["pydal==1"], ["pydal==1"]),
        (["pydal==2"], ["pydal==1"], ["pydal==2"]),
        (["Py_DAL>=2"], ["py-dal==1"], ["Py_DAL>=2"]),
        (["redis[hiredis]==8", "redis @ https://example.org/x"], ["yatl==1"],
         ["redis @ https://example.org/x", "redis[hiredis]==8", "yatl==1"]),
    ],
)  # fmt: skip
def test_chosen_requirements_win(chosen: list[str], needed: list[str], together: list[str]) -> None:
    assert _base.with_needs(chosen, needed) == together


def test_requirements_follow_the_real_version(tmp_path: Path) -> None:
    """An archive does not say beforehand that it is an old web2py."""
    tree = web2py(tmp_path, 'VERSION = "2.27.1"')
    site = {"source": {"type": "archive"}, "requirements": ["requests==2.32.5"]}
    names = [need.split("==")[0] for need in _base.requirements_of(site, tree, "3.13")]
    assert names == ["legacy-cgi", "requests", "zombie-imp"]
    (tmp_path / "gluon/packages/pydal/x.py").unlink()
    (tmp_path / "gluon/packages/pydal").rmdir()
    names = [need.split("==")[0] for need in _base.requirements_of(site, tree, "3.11")]
    assert names == ["pydal", "requests", "yatl"]


def test_environment_is_named_by_python_and_requirements() -> None:
    name = _base.environment_name("3.11", ["a==1", "b==1"])
    assert name == _base.environment_name("3.11", ["b==1", "a==1"])
    assert name != _base.environment_name("3.13", ["a==1", "b==1"])
    assert name != _base.environment_name("3.11", ["a==2", "b==1"])


def test_environment_is_not_named_by_what_opens_an_address() -> None:
    name = _base.environment_name("3.11", ["a @ https://me:one@example.org/a"])
    assert name == _base.environment_name("3.11", ["a @ https://me:two@example.org/a"])


@pytest.mark.parametrize("requirement", ["git+https://t0ken@example.org/x", "x @ https://me:t0ken@example.org/x.whl"])
def test_failure_of_pip_names_addresses_without_what_opens_them(
    place: Place, monkeypatch: pytest.MonkeyPatch, requirement: str
) -> None:
    told = []

    class Failing(Pip):
        def run(self, _python: str, words: Sequence[str], task: str, *_: object, **__: object) -> None:
            told.append(task)
            assert requirement in Path(words[-1]).read_text()
            raise Problem(task)

    monkeypatch.setattr(_base, "run", lambda _argv, task, *_: told.append(task))
    with pytest.raises(Problem, match=r"pip: installing .*https://example.org/x"):
        _base.stage_environment(place, "environment-x", [requirement], Failing(place.parts))
    assert "t0ken" not in str(told)
    with pytest.raises(Problem) as caught:
        _base.stage_environment(place, "environment-x", [f"--find-links={requirement}"], Failing(place.parts))
    assert "t0ken" not in str(caught.value)


@pytest.mark.parametrize("requirement", ["--index-url=https://example.org", "a==1\n-e ."])
def test_options_are_no_requirements(place: Place, requirement: str) -> None:
    with pytest.raises(Problem, match="is not a requirement"):
        _base.stage_environment(place, "environment-x", [requirement], Pip(place.parts))


@pytest.mark.parametrize(("more", "mode"), [(0, 0o700), (1, 0o755)])
def test_nobody_else_uses_the_environment_of_an_account(
    place: Place, monkeypatch: pytest.MonkeyPatch, more: int, mode: int
) -> None:
    def run(command: list[str], *_words: str, **_options: object) -> None:
        if "venv" in command:
            Path(command[-1], "bin").mkdir()
            Path(command[-1], "pyvenv.cfg").touch()

    monkeypatch.setattr(_base, "run", run)
    user = (place.account[0] + more, place.account[1])
    _base.stage_environment(place._replace(account=user), "environment-x", [], Pip(place.parts))
    assert Path(place.part("environment-x")).stat().st_mode & 0o777 == mode


def test_scripts_name_the_final_folder(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/tool").write_text(f"#!{tmp_path}/bin/python\n")
    (tmp_path / "bin/program").write_bytes(f"\0{tmp_path}".encode())
    (tmp_path / "bin/python").symlink_to(sys.executable)
    (tmp_path / "pyvenv.cfg").write_text(f"command = python -m venv {tmp_path}\n")
    _base._rename_in_scripts(str(tmp_path), "/srv/x")
    assert (tmp_path / "bin/tool").read_text() == "#!/srv/x/bin/python\n"
    assert (tmp_path / "pyvenv.cfg").read_text() == "command = python -m venv /srv/x\n"
    assert str(tmp_path).encode() in (tmp_path / "bin/program").read_bytes()


def test_modules_are_compiled_for_their_target_and_bad_ones_left(tmp_path: Path) -> None:
    (tmp_path / "gluon").mkdir()
    (tmp_path / "gluon/good.py").write_text("def f(): raise KeyError")
    (tmp_path / "gluon/bad.py").write_text("print 'Python 2'")
    _base.byte_compile(sys.executable, str(tmp_path), "/srv/part", ["gluon", "missing"])
    compiled = list((tmp_path / "gluon/__pycache__").iterdir())
    assert [path.name.split(".")[0] for path in compiled] == ["good"]
    data = compiled[0].read_bytes()
    assert b"/srv/part/gluon/good.py" in data
    assert str(tmp_path).encode() not in data
    assert data[4:8] == (1).to_bytes(4, "little"), py_compile.PycInvalidationMode.UNCHECKED_HASH


def test_wheel_becomes_a_root(tmp_path: Path) -> None:
    (tmp_path / "tree/web2py_gluon-2.26.1.dist-info").mkdir(parents=True)
    (tmp_path / "download").mkdir()
    with zipfile.ZipFile(tmp_path / "download/x.whl", "w") as bundle:
        bundle.writestr(zipfile.ZipInfo("x", (2023, 11, 16, 8, 2, 2)), "")
    _base._complete_wheel(str(tmp_path / "tree"), "2.26.1", str(tmp_path / "download"))
    assert names(tmp_path / "tree") == ["VERSION"]
    assert (tmp_path / "tree/VERSION").read_text() == "Version 2.26.1-stable+timestamp.2023.11.16.08.02.02\n"


def test_user_that_is_not_there_gives_no_place() -> None:
    assert _base.place_of({"user": "no-such-user"}) is None
