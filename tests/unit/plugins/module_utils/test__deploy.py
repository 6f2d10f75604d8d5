"""The two steps of a deployment, without root: what needs the site's user or the network is replaced."""

from __future__ import annotations

import contextlib
import functools
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.web2py.deploy.plugins.module_utils import (
    _application,
    _base,
    _deploy,
    _migrate,
    _release,
    _rows,
)
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
            "performance": {"level": "fast", "sessionless": []},
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
    monkeypatch.setattr(_base, "stage_environment", lambda place, name, *_: Path(place.part(name)).mkdir())
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


def test_a_new_part_knows_the_one_that_serves(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was compressed for that is not compressed again."""
    formers: list[str] = []

    def leave_twins(static: str, wanted: bool, former: str) -> dict[str, str]:
        formers.append(former)
        return {}

    monkeypatch.setattr(_application, "leave_twins", leave_twins)
    host.stage()
    for text in ("1", "22"):
        host.bring("shop", controllers__default=text)
        host.deploy()
    assert formers[0] == "" and Path(formers[1], "controllers/default.py").read_text() == "1"


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


def test_a_migration_comes_before_the_check_and_a_failed_one_leaves_what_serves(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []

    def migrate(_site: Any, _place: Any, release: str, names: list[str]) -> dict[str, list[str]]:
        told.append(f"migrate {Path(release).name} {','.join(names)}")
        if host.broken:
            raise Problem("The migration failed.")
        return {"shop": ["CREATE TABLE t("]}

    @contextlib.contextmanager
    def closed(_site: Any, names: list[str], _hold: float) -> Any:
        told.append("close")
        yield
        told.append("open")

    monkeypatch.setattr(_migrate, "migrate", migrate)
    monkeypatch.setattr(_migrate, "closed", closed)
    host.site["paths"]["current"] = f"{host.place.root}/current"
    run = functools.partial(_deploy.deploy, host.site, host.private, host.local, False, migrate=["shop"])
    host.stage()
    first = run()
    assert told == ["close", f"migrate {first['release']} shop", "open"]
    assert first["migrated"] == {"shop": ["CREATE TABLE t("]} and "migrated shop: CREATE" in first["diff"]["after"]
    # Nothing new but the question: asked again, of the release that serves.
    assert run()["changed"] and run()["release"] == first["release"]
    host.deploy()
    host.bring("shop", controllers__default="22")
    host.broken = True
    with pytest.raises(Problem, match="The migration failed"):
        run()
    assert _release.current(host.place) == first["release"]


@pytest.mark.parametrize(
    ("names", "runtime", "words"),
    [(["shp", "x"], None, "'shp': is no application.*'x'"), (["shop"], {}, "older than maintenance")],
)
def test_a_migration_that_cannot_be_is_refused_first(host: Host, names: list[str], runtime: Any, words: str) -> None:
    host.site["paths"]["current"] = f"{host.place.root}/current"
    if runtime is not None:
        Path(host.place.root, "current").mkdir(parents=True)
        Path(host.place.root, "current/runtime.json").write_text(json.dumps(runtime))
    with pytest.raises(Problem, match=f"(?s)Nothing was changed.*{words}"):
        _deploy.deploy(host.site, host.private, host.local, False, migrate=names)


@pytest.fixture
def migrations(host: Host, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What was migrated, and who was kept out meanwhile."""
    found: list[Any] = []

    @contextlib.contextmanager
    def closed(_site: Any, names: Any, hold: float) -> Any:
        found.append(("closed", sorted(names)))
        if hold:
            found.append(("held", []))
        yield

    def migrate(_site: Any, _place: Any, _folder: str, names: Any) -> dict[str, list[str]]:
        found.append(("migrated", sorted(names)))
        if host.broken:
            raise Problem("The migration failed.")
        return {name: [f"CREATE TABLE {name}"] for name in names}

    monkeypatch.setattr(_migrate, "closed", closed)
    monkeypatch.setattr(_migrate, "migrate", migrate)
    monkeypatch.setattr(_deploy._databases, "changed", lambda *_: {})
    monkeypatch.setattr(_deploy._maintenance, "runtime_of", lambda _site: None)
    host.site["applications"][0]["settings"] = {
        "database": {"type": "sqlite", "replaces": []}, "sessions": {"store": "file", "expiry": 60},
        "cache": {"store": "ram"}, "tickets": {"store": "file"}, "migrate": False,
    }  # fmt: skip
    return found


def test_tables_are_made_once_for_new_code(host: Host, migrations: list[Any]) -> None:
    host.stage()
    done = host.deploy()
    assert done["migrated"] == {"shop": ["CREATE TABLE shop"]} and "CREATE TABLE shop" in done["diff"]["after"]
    assert migrations == [("migrated", ["shop"])]
    assert not host.deploy()["changed"]
    host.site["log_level"] = "ERROR"
    assert host.deploy()["changed"] and migrations == [("migrated", ["shop"])]
    host.bring("shop", controllers__default="22")
    host.deploy()
    assert migrations == [("migrated", ["shop"])] * 2


def test_rows_of_sqlite_come_before_the_check_and_visitors_stay_outside(
    host: Host, migrations: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def bring(_site: Any, _place: Any, _folder: str, names: Any, replace: bool) -> list[dict[str, Any]]:
        migrations.append(("replaced" if replace else "brought", names))
        row = {"application": "shop", "tables": {"t": {"rows": 3, "brought": 3}}, "left": {}, "columns": []}
        return [{**row, "stamps": {}}]

    monkeypatch.setattr(_rows, "bring", bring)
    monkeypatch.setattr(_rows, "_systemctl", lambda *_words: "")
    host.site["applications"][0]["settings"]["database"] = {"type": "sqlite", "replaces": []}
    with pytest.raises(Problem, match=r"Nothing was changed:\nshop has no database on a server. Choose a server"):
        _deploy.deploy(host.site, host.private, host.local, False, rows=["shop"])
    host.stage()
    monkeypatch.setattr(_deploy._databases, "drop", lambda *_words: None)
    host.site["applications"][0]["settings"]["database"] = {"type": "postgresql", "name": "web2py_shop"}
    run = functools.partial(_deploy.deploy, host.site, host.private, host.local, rows=["shop"])
    dry = run(check_mode=True)
    assert "rows of shop: brought from SQLite" in dry["diff"]["after"] and migrations == []
    host.broken = False
    done = run(check_mode=False)
    assert migrations == [("closed", ["shop"]), ("held", []), ("migrated", ["shop"]), ("brought", ["shop"])]
    assert "rows of shop: 3 in 1 tables are on the server" in done["diff"]["after"]
    migrations.clear()
    assert not run(check_mode=False)["changed"] and migrations == []
    assert run(check_mode=False, replace_rows=True)["changed"]
    assert migrations == [("closed", ["shop"]), ("held", []), ("migrated", ["shop"]), ("replaced", ["shop"])]
    migrations.clear()
    # Another host does it.
    run(check_mode=False, replace_rows=True, elsewhere="first")
    assert migrations == []


def test_tables_are_made_without_visitors_where_that_is_asked_for(host: Host, migrations: list[Any]) -> None:
    host.stage()
    _deploy.deploy(host.site, host.private, host.local, False, migrate=["shop"])
    assert migrations == [("closed", ["shop"]), ("migrated", ["shop"])]


def test_another_host_makes_the_tables(host: Host, migrations: list[Any]) -> None:
    host.stage()
    _deploy.deploy(host.site, host.private, host.local, False, migrate=["shop"], elsewhere="first")
    assert migrations == []


def test_what_serves_stays_where_tables_cannot_be_made(host: Host, migrations: list[Any]) -> None:
    host.stage()
    served = host.deploy()["release"]
    host.bring("shop", controllers__default="22")
    host.broken = True
    with pytest.raises(Problem, match="migration failed"):
        host.deploy()
    assert _release.current(host.place) == served
    host.broken = False
    assert host.deploy()["migrated"]
