from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from subprocess import PIPE
from typing import Any

import pytest

from ansible_collections.web2py.deploy.plugins.module_utils import _release
from ansible_collections.web2py.deploy.plugins.module_utils._base import Place
from ansible_collections.web2py.deploy.plugins.module_utils._release import Release
from ansible_collections.web2py.deploy.plugins.module_utils._run import Problem
from tests.unit.plugins.module_utils.conftest import names, nfs

RUNTIME = Path(__file__).resolve().parents[4] / "roles/web2py/files/runtime"
BASE = {
    "parts": {"web2py": "web2py-1", "environment": "environment-1", "runtime": "runtime-1"},
    "versions": {"web2py": "3.3.3", "python": "3.13"},
    "source": "git v3.3.3",
}
SITE: dict[str, Any] = {
    "name": "shop",
    "url": "https://www.example.org",
    "paths": {"settings": "/etc/shop", "state": "/var/lib/shop"},
    "routes": {"default_application": "shop", "domains": {}},
    "log_level": "WARNING",
    "request_log": False,
    "profiles": 0,
    "performance": {"level": "fast", "sessionless": []},
    "admin": {"mode": "https", "ports": [443], "networks": [], "tunnel_port": 8002},
    "secure_cookies": True,
    "server": {"name": "uwsgi"},
    "front_end": {"name": "nginx", "lacks": []},
}


def plan(site: dict[str, Any] = SITE, part: str = "app-shop-1", private: dict[str, str] | None = None) -> Release:
    return _release.plan(site, BASE, {"shop": part}, {"shop": "starter"}, private or {})


@pytest.fixture
def parts(place: Place) -> None:
    web2py = Path(place.part("web2py-1"))
    for name in ("gluon", "applications", "logs", "environment-1"):
        (web2py / name).mkdir(parents=True)
    for name in ("anyserver.py", "routes.py", "parameters_80.py", ".hidden"):
        (web2py / name).touch()
    for name in ("environment-1", "runtime-1", "app-shop-1", "app-shop-2"):
        Path(place.part(name)).mkdir()


def serve(place: Place, part: str = "app-shop-1") -> str:
    release = plan(part=part)
    _release.compose(place, release)
    _release.activate(place, release.id)
    return release.id


def test_id_names_everything_in_a_release() -> None:
    same = {**SITE, "domain": "not in a release"}
    other = [
        plan(part="app-shop-2"),
        plan({**SITE, "log_level": "INFO"}),
        plan({**SITE, "profiles": 5}),
        plan({**SITE, "routes": {"default_application": "blog", "domains": {}}}),
        plan({**SITE, "admin": {**SITE["admin"], "ports": [80]}}),
        plan(private={"shop": "fingerprint"}),
    ]
    assert plan().id == plan(same).id
    assert len({plan().id, *(each.id for each in other)}) == 7


@pytest.mark.usefixtures("parts")
def test_release_is_composed_of_links_and_own_files(place: Place) -> None:
    release = Path(_release.compose(place, plan()))
    assert str(Path(release / "web2py/gluon").readlink()) == place.part("web2py-1") + "/gluon"
    assert str(Path(release / "web2py/applications/shop").readlink()) == place.part("app-shop-1")
    assert str(Path(release / "web2py/parameters_443.py").readlink()) == f"{place.settings}/parameters_443.py"
    assert str(Path(release / "environment").readlink()) == place.part("environment-1")
    assert not (release / "web2py/routes.py").is_symlink()
    assert not {"parameters_80.py", ".hidden"} & set(names(release / "web2py"))
    assert stat.S_IMODE((release / "web2py/logs").stat().st_mode) == 0o751
    assert stat.S_IMODE((release / "runtime.json").stat().st_mode) == 0o640
    assert json.loads((release / "release.json").read_text())["parts"]["applications"] == {"shop": "app-shop-1"}


@pytest.mark.usefixtures("parts")
def test_a_damaged_file_of_a_release_is_written_anew(place: Place) -> None:
    """A full disk or a lost write is not there for good."""
    release = Path(_release.compose(place, plan()))
    whole = (release / "runtime.json").read_text()
    (release / "runtime.json").write_text("{\n")
    (release / "web2py/VERSION").unlink()
    assert _release.compose(place, plan()) == str(release)
    assert (release / "runtime.json").read_text() == whole
    assert (release / "web2py/VERSION").is_file()


@pytest.mark.usefixtures("parts")
def test_activation_is_recorded_in_order(place: Place) -> None:
    assert _release.current(place) is None
    one, two = serve(place), serve(place, "app-shop-2")
    assert _release.current(place) == two
    assert _release.activated(place) == [one, two]
    _release.activate(place, one)
    assert (_release.current(place), _release.activated(place)) == (one, [two, one])
    assert str(Path(f"{place.root}/current").readlink()) == f"releases/{one}"


@pytest.mark.usefixtures("parts")
def test_prune_keeps_the_last_that_served_and_the_next_base(place: Place) -> None:
    one, two = serve(place), serve(place, "app-shop-2")
    os.utime(Path(place.releases, one))  # time decides nothing
    for name in ("parts/.tmp-x", "parts/web2py-2", "releases/.tmp-y", ".tmp-z"):
        Path(place.root, name).mkdir()
    base = {**BASE["parts"], "web2py": "web2py-2"}  # type: ignore[dict-item]
    assert _release.prune(place, 1, base)
    assert names(place.releases) == [two]
    assert names(place.parts) == ["app-shop-2", "environment-1", "runtime-1", "web2py-1", "web2py-2"]
    assert not Path(place.root, ".tmp-z").exists()
    assert _release.activated(place) == [two]
    assert not _release.prune(place, 1, base)


@pytest.mark.usefixtures("parts")
def test_release_that_a_server_runs_stays_with_its_parts(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server goes on with the old release until its role reloads it, which a killed run never does."""
    nfs(monkeypatch)
    old, two = serve(place), serve(place, "app-shop-2")
    path = f"{place.releases}/{old}/runtime.json"
    code = f"from web2py_runtime import lease; lease.take('{path}'); print(1, flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", code], cwd=RUNTIME, stdin=PIPE, stdout=PIPE) as server:
        assert server.stdout and server.stdout.read(1)
        assert _release.in_use(place) == {old}
        assert not _release.prune(place, 1, BASE["parts"])  # type: ignore[arg-type]
        _release.discard(place, old)
        assert names(place.releases) == sorted([old, two])
        assert "app-shop-1" in names(place.parts)
    assert _release.in_use(place) == set()
    assert _release.prune(place, 1, BASE["parts"])  # type: ignore[arg-type]
    assert (names(place.releases), "app-shop-1" in names(place.parts)) == ([two], False)


@pytest.mark.usefixtures("parts")
def test_release_that_served_is_not_discarded(place: Place) -> None:
    one = serve(place)
    new = plan(part="app-shop-2")
    _release.compose(place, new)
    _release.discard(place, new.id)
    _release.discard(place, one)
    assert names(place.releases) == [one]


@pytest.mark.usefixtures("parts")
@pytest.mark.parametrize(
    ("stdout", "stderr", "words"),
    [
        ('{"failures": ["/ answered 500:\\nRuntimeError: boom"]}', "", "RuntimeError: boom"),
        ("", "Segmentation fault", "Segmentation fault"),
    ],
)
def test_failed_check_says_why_and_who_serves(
    place: Place, monkeypatch: pytest.MonkeyPatch, stdout: str, stderr: str, words: str
) -> None:
    one = serve(place)
    done = subprocess.CompletedProcess([], 1, stdout, stderr)
    monkeypatch.setattr(_release, "run", lambda *_, **__: done)
    with pytest.raises(Problem) as caught:
        _release.check(place, "/release", "https://www.example.org", ["/"])
    assert words in str(caught.value)
    assert f"release {one} still serves" in str(caught.value)


def test_a_good_check_leaves_what_is_on(place: Place, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    told = {"failures": [], "performance": {"level": "fast", "on": ["html"], "off": {"conn": "changed"}}}
    done = subprocess.CompletedProcess([], 0, json.dumps(told), "")
    monkeypatch.setattr(_release, "run", lambda *_, **__: done)
    _release.check(place, str(tmp_path), "https://www.example.org", ["/"])
    assert json.loads((tmp_path / "performance.json").read_text()) == told["performance"]


def test_long_failure_keeps_its_head_and_its_end() -> None:
    text = _release.tail("\n".join(map(str, range(100))))
    assert text.splitlines()[0] == "0"
    assert text.splitlines()[-1] == "99"
    assert len(text.splitlines()) == 31


def test_description_names_private_files_only() -> None:
    text = _release.describe(plan().about, ["shop/appconfig.ini"])
    assert "web2py 3.3.3" in text
    assert "private file shop/appconfig.ini: changed (not shown)" in text
    assert _release.describe({}) == ""
