"""The two steps of a deployment, without root: what needs the site's user or the network is replaced."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.web2py.deploy.plugins.module_utils import _application, _base, _deploy, _release
from ansible_collections.web2py.deploy.plugins.module_utils._base import Place
from ansible_collections.web2py.deploy.plugins.module_utils._run import Problem
from tests.unit.plugins.module_utils.conftest import names

CLOSED = {"mode": "disabled", "ports": [], "networks": [], "tunnel_port": 8002}


class Host:
    """A host with a site on it, and what lies on the controller."""

    def __init__(self, place: Place, folder: Path) -> None:
        self.place, self.folder = place, folder
        self.broken = False
        self.local: dict[str, dict[str, str]] = {}
        self.private: dict[str, dict[str, str]] = {}
        self.site: dict[str, Any] = {
            "name": "shop",
            "user": "shop",
            "url": "https://www.example.org",
            "paths": {"root": place.root, "settings": place.settings, "state": "/var/lib/shop"},
            "source": {"type": "directory", "path": "web2py"},
            "requirements": [],
            "keep_releases": 2,
            "routes": {"default_application": "shop", "domains": {}},
            "log_level": "WARNING",
            "request_log": False,
            "profiles": 0,
            "admin": CLOSED,
            "secure_cookies": True,
            "server": {"name": "uwsgi", "cpus": 2, "memory_mb": 2048},
            "claims": {"site": "shop", "names": ["www.example.org"], "ports": []},
            "front_end": {"name": "nginx", "lacks": []},
            "applications": [
                {"name": "shop", "source": {"type": "directory", "path": "shop"}, "compile": False, "compress": True}
            ],
        }
        self.bring("runtime", web2py_runtime__entry="")
        self.bring("web2py", gluon__main="", gluon__packages__pydal__x="", VERSION="Version 3.3.3-stable")
        self.bring("shop", controllers__default="1")

    def bring(self, label: str, **content: str) -> None:
        tree = self.folder / f"{label}-{len(self.local)}-{sum(map(len, content.values()))}"
        for name, text in content.items():
            path = tree / (name.replace("__", "/") + ("" if name == "VERSION" else ".py"))
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        with tarfile.open(f"{tree}.tar", "w") as archive:
            archive.add(tree, ".")
        self.local[label] = {"digest": str(sorted(content.items())), "path": f"{tree}.tar"}

    def stage(self, check_mode: bool = False) -> dict[str, Any]:
        return _deploy.stage_base(self.site, self.local, check_mode)

    def deploy(self, check_mode: bool = False) -> dict[str, Any]:
        return _deploy.deploy(self.site, self.private, self.local, check_mode)

    def files(self) -> set[str]:
        return {str(path) for path in self.folder.parent.rglob("*")}


@pytest.fixture
def host(place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    (tmp_path / "controller").mkdir()
    host = Host(place, tmp_path / "controller")

    def check(*_: Any) -> None:
        if host.broken:
            raise Problem("The new release does not serve")

    monkeypatch.setattr(_base, "place_of", lambda _site: place)
    monkeypatch.setattr(_base, "host_python", lambda: "3.13")
    monkeypatch.setattr(_base, "byte_compile", lambda *_: None)
    monkeypatch.setattr(_base, "stage_environment", lambda place, name, _: Path(place.part(name)).mkdir())
    monkeypatch.setattr(_application, "byte_compile", lambda *_: None)
    monkeypatch.setattr(_application, "seed", lambda *_: None)
    monkeypatch.setattr(_release, "check", check)
    return host


def test_site_is_deployed_and_the_second_run_changes_nothing(host: Host) -> None:
    staged, deployed = host.stage(), host.deploy()
    assert (staged["changed"], deployed["changed"]) == (True, True)
    assert deployed["versions"] == {"web2py": "3.3.3", "python": "3.13"}
    assert _release.current(host.place) == deployed["release"]
    assert Path(f"{host.place.root}/current/web2py/applications/shop/controllers").is_dir()
    for label in host.local:
        host.local[label].pop("path")
    before = host.files()
    assert (host.stage()["changed"], host.deploy()["changed"]) == (False, False)
    assert host.files() == before


def test_manifest_holds_claims_and_nothing_secret_or_of_the_machine(host: Host) -> None:
    host.stage()
    host.deploy()
    manifest = json.loads(Path(host.place.settings, "site.json").read_text())
    assert manifest == {
        "managed_by": "web2py.deploy",
        "claims": host.site["claims"],
        "admin": "disabled",
        "front_end": "nginx",
        "server": "uwsgi",
    }
    host.site["server"] = {"name": "uwsgi", "cpus": 8, "memory_mb": 2047}
    assert (host.stage()["changed"], host.deploy()["changed"]) == (False, False)


def test_content_is_asked_for_before_anything_changes(host: Host) -> None:
    paths = {label: host.local[label].pop("path") for label in host.local}
    before = host.files()
    assert host.stage() == {"changed": False, "missing": ["runtime", "web2py"]}
    assert host.files() == before
    host.local["runtime"]["path"], host.local["web2py"]["path"] = paths["runtime"], paths["web2py"]
    host.stage()
    assert host.deploy() == {"changed": False, "missing": ["shop"]}


def test_check_mode_tells_and_leaves_everything(host: Host) -> None:
    before = host.files()
    assert host.stage(True)["changed"]
    assert host.deploy(True)["changed"]
    assert host.files() == before
    host.stage()
    host.deploy()
    before = host.files()
    assert not host.stage(True)["changed"]
    assert not host.deploy(True)["changed"]
    host.bring("shop", controllers__default="22")
    told = host.deploy(True)
    assert told["changed"]
    assert told["diff"]["before"] != told["diff"]["after"]
    host.site["requirements"] = ["requests==2.32.5"]
    assert host.stage(True)["changed"]
    assert host.deploy(True)["changed"]
    assert host.files() - before <= {str(path) for path in host.folder.rglob("*")}


def test_broken_release_changes_nothing_that_serves(host: Host) -> None:
    host.private = {"shop": {"key": "old"}}
    host.stage()
    good = host.deploy()["release"]
    host.bring("shop", controllers__default="broken")
    host.private = {"shop": {"key": "new", "more": "x"}}
    host.broken = True
    with pytest.raises(Problem):
        host.deploy()
    folder = Path(host.place.state, "applications/shop/private")
    assert _release.current(host.place) == good
    assert names(host.place.releases) == [good]
    assert {path.name: path.read_text() for path in folder.iterdir()} == {"key": "old"}
    host.broken = False
    assert host.deploy()["previous"] == good
    assert (folder / "key").read_text() == "new"


def test_private_file_alone_is_a_new_release_and_is_never_told(host: Host) -> None:
    host.stage()
    first = host.deploy()["release"]
    host.private = {"shop": {"appconfig.ini": "s3cret"}}
    second = host.deploy()
    assert second["release"] != first
    assert "s3cret" not in str(second)
    host.private = {}
    assert host.deploy()["release"] == first
    assert names(f"{host.place.state}/applications/shop/private") == []


def test_way_back_needs_nothing_staged_and_old_releases_go(host: Host) -> None:
    host.stage()
    host.deploy()
    contents = {}
    for text in ("22", "333", "4444"):
        host.bring("shop", controllers__default=text)
        contents[text] = dict(host.local["shop"])
        contents[text]["release"] = host.deploy()["release"]
    assert len(names(host.place.releases)) == host.site["keep_releases"]
    host.local["shop"] = {"digest": contents["333"]["digest"]}
    assert host.deploy()["release"] == contents["333"]["release"]


def test_application_that_is_taken_away_keeps_its_data_and_loses_its_secrets(host: Host) -> None:
    host.site["applications"].append(
        {"name": "blog", "source": {"type": "directory", "path": "blog"}, "compile": False, "compress": True}
    )
    host.bring("blog", controllers__default="blog")
    host.private = {"blog": {"key": "x"}}
    host.stage()
    host.deploy()
    data = Path(host.place.state, "applications/blog/databases/storage.sqlite")
    data.touch()
    host.site["applications"].pop()
    host.private = {}
    host.deploy()
    assert data.exists()
    assert names(data.parents[1] / "private") == []
    assert names(f"{host.place.root}/current/web2py/applications") != []
    assert not Path(host.place.root, "current/web2py/applications/blog").exists()


def test_killed_run_is_repeated_to_the_end(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """Composed and checked, but killed before the switch; and leftovers of other deaths."""
    host.stage()

    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(_release, "activate", killed)
        host.deploy()
    assert _release.current(host.place) is None
    Path(host.place.part(".tmp-app-shop-x")).mkdir()
    assert host.deploy()["changed"]
    assert not [name for name in names(host.place.parts) if name.startswith(".tmp-")]
    assert not host.deploy()["changed"]


@pytest.mark.parametrize(("version", "words"), [("2.14.6", "is not known here"), ("2.26.1", "FancyURLopener")])
def test_impossible_web2py_is_refused_after_staging_too(
    host: Host, monkeypatch: pytest.MonkeyPatch, version: str, words: str
) -> None:
    monkeypatch.setattr(_base, "host_python", lambda: "3.14")
    host.bring("web2py", gluon__main="", gluon__packages__pydal__x="", VERSION=f"Version {version}-stable")
    with pytest.raises(Problem, match=words):
        host.stage()
    assert not [name for name in names(host.place.parts) if "web2py" in name]
    assert not Path(f"{host.place.root}/base.json").exists()


def test_order_of_the_steps_is_told(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Problem, match="Run the module web2py_source first"):
        host.deploy()
    monkeypatch.setattr(_base, "place_of", lambda _site: None)
    with pytest.raises(Problem, match="user shop does not exist"):
        host.stage()
