from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from web2py_runtime import migrate

from tests.unit.runtime.conftest import RUNTIME
from tests.unit.runtime.test_check import MAIN, release

__all__ = ["release"]

LOG = b"""timestamp: 2026-01-01T00:00:00
CREATE TABLE "old"(
    "id" INTEGER
);
success!
timestamp: 2026-02-02T00:00:00
CREATE TABLE "thing"(
    "id" INTEGER
);
success!
timestamp: 2026-02-02T00:00:01
ALTER TABLE "thing" ADD "name" CHAR(512);
success!
"""


def test_what_was_told_to_a_database_is_read_from_its_log(tmp_path: Path) -> None:
    log = tmp_path / "sql.log"
    assert migrate.size(log) == 0 and migrate.statements(log, 0) == []
    log.write_bytes(LOG)
    begin = LOG.index(b"timestamp: 2026-02")
    assert migrate.statements(log, begin) == ['CREATE TABLE "thing"(', 'ALTER TABLE "thing" ADD "name" CHAR(512);']
    assert migrate.statements(log, migrate.size(log)) == []


class Dal:
    """Takes what pydal takes."""

    def __init__(self, uri: Any = "sqlite://dummy.db", pool_size: int = 0, folder: Any = None, migrate: bool = True,
                 migrate_enabled: bool = True, lazy_tables: bool = False) -> None:  # fmt: skip
        self.found = (uri, pool_size, folder, migrate, migrate_enabled, lazy_tables)


@pytest.fixture
def dal() -> Any:
    kind = type("Own", (Dal,), {"__init__": Dal.__init__})
    migrate.enable(kind)
    return kind


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("sqlite://storage.sqlite",), {"migrate_enabled": False}),
        (("sqlite://storage.sqlite", 1, None, False, False, True), {}),
        ((), {"uri": "spatialite://x", "migrate": False, "lazy_tables": True}),
        ((), {}),
    ],
)
def test_own_files_are_migrated_whatever_the_code_says(dal: Any, args: tuple[Any, ...], words: dict[str, Any]) -> None:
    assert dal(*args, **words).found[3:] == (True, True, False)


@pytest.mark.parametrize("uri", ["postgres://erp/x", None, ["postgres://a", "sqlite://b"], "mysql://sqlite:"])
def test_the_tables_of_others_are_left_alone(dal: Any, uri: Any) -> None:
    assert dal(uri, 3, migrate_enabled=False, lazy_tables=True).found == (uri, 3, None, True, False, True)


def test_pydal_takes_it(tmp_path: Path) -> None:
    """With the real one, in a process of its own, because its class is changed."""
    program = f"""
import sys
sys.path.insert(0, {str(RUNTIME)!r})
from pydal import DAL, Field
from web2py_runtime.migrate import enable
enable(DAL)
db = DAL("sqlite://s.sqlite", folder={str(tmp_path)!r}, migrate_enabled=False, lazy_tables=True)
db.define_table("thing", Field("name"))
db.define_table("foreign_thing", Field("name"), migrate=False)
db.commit()
rows = db.executesql("PRAGMA table_list")
print(sorted(row[1] for row in rows if row[1].endswith("thing")))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['thing']"


def test_a_failure_ends_it_and_tells_what_was_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    def run_models(_url: str, application: str) -> None:
        folder = Path("applications", application, "databases")
        folder.mkdir(parents=True)
        (folder / "sql.log").write_bytes(LOG)
        if application == "bad":
            raise RuntimeError("no such column")

    monkeypatch.setattr(migrate, "run_models", run_models)
    found = migrate.migrate("https://www.example.org", ["shop", "bad", "never"])
    assert found["failure"].startswith("bad: ") and "no such column" in found["failure"]
    assert {name: len(rows) for name, rows in found["statements"].items()} == {"shop": 3, "bad": 3}
    assert not Path("applications/never").exists()


class Answered(Exception):
    status = 303


class Restricted(Exception):
    traceback = "Traceback of the model\n"


def test_reasons_are_those_of_the_model() -> None:
    assert migrate.reason(Answered()) == "a model answered with status 303 before the models' end"
    assert migrate.reason(Restricted()) == "Traceback of the model"


COMPILEAPP = """
from pathlib import Path
def build_environment(request, response, session):
    return {"request": request}
def run_models_in(environment):
    request = environment["request"]
    assert (request.controller, request.is_local, request.env["http_host"]) == ("appadmin", True, "www.example.org")
    assert request.is_https and request.env["wsgi_url_scheme"] == "https"
    folder = Path(request.folder, "databases")
    (folder / "sql.log").write_text("timestamp: 1\\nCREATE TABLE x(\\nsuccess!\\n")
    print("a model prints")
    if request.application == "bad":
        raise RuntimeError("the model exploded")
    if request.application == "slow":
        (folder / "pid").write_text(str(__import__("os").getpid()))
        __import__("time").sleep(60)
"""
GLOBALS = """
import types
current = types.SimpleNamespace()
class Request(dict):
    def __init__(self, environ):
        self.env = environ
    __getattr__ = dict.__getitem__
Response = Session = dict
"""
PYDAL = """
class DAL:
    def __init__(self, uri="sqlite://dummy.db", migrate=True, migrate_enabled=True, lazy_tables=False): pass
class BaseAdapter:
    @staticmethod
    def close_all_instances(action):
        import sys
        print("databases:", action, file=sys.stderr)
"""


@pytest.fixture
def site(release: Path) -> Path:
    gluon = release / "web2py/gluon"
    (gluon / "compileapp.py").write_text(COMPILEAPP)
    (gluon / "globals.py").write_text(GLOBALS + "secure_loads = secure_dumps = None\n")
    (gluon / "main.py").write_text(MAIN)
    (release / "web2py/pydal/__init__.py").write_text("")
    (release / "web2py/pydal/base.py").write_text(PYDAL)
    for name in ("shop", "bad", "slow"):
        (release / "web2py/applications" / name / "databases").mkdir(parents=True)
    return release


def command(*names: str) -> list[str]:
    return [sys.executable, "-B", "-m", "web2py_runtime.migrate", "https://www.example.org", *names]


def run(site: Path, *names: str) -> tuple[dict[str, Any], str]:
    done = subprocess.run(
        command(*names),
        env={"PYTHONPATH": str(site / "runtime")},
        cwd=site,
        capture_output=True,
        text=True,
        check=False,
    )
    found = json.loads(done.stdout)
    assert done.returncode == (1 if found["failure"] else 0)
    return found, done.stderr


def test_the_program_runs_the_models_of_the_release(site: Path) -> None:
    found, log = run(site, "shop")
    assert found == {"failure": "", "statements": {"shop": ["CREATE TABLE x("]}}
    assert "databases: commit" in log and "a model prints" in log


def test_the_program_rolls_back(site: Path) -> None:
    found, log = run(site, "bad", "shop")
    assert "the model exploded" in found["failure"] and found["statements"] == {"bad": ["CREATE TABLE x("]}
    assert "databases: rollback" in log and "commit" not in log


def test_the_program_ends_with_who_started_it(site: Path) -> None:
    """A killed run must not migrate on while visitors are let in again."""
    parent = f"import subprocess; subprocess.run({command('slow')!r}, env={{'PYTHONPATH': {str(site / 'runtime')!r}}})"
    process = subprocess.Popen([sys.executable, "-c", parent], cwd=site)
    noted = site / "web2py/applications/slow/databases/pid"
    try:
        wait(noted.exists)
    finally:
        process.kill()
        process.wait()
    number = noted.read_text()
    wait(lambda: state(number) in ("", "Z"))


def wait(question: Any) -> None:
    deadline = time.monotonic() + 20
    while not question():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def state(number: str) -> str:
    """The state of a process, "" where it is gone."""
    try:
        return Path("/proc", number, "stat").read_text().rpartition(") ")[2][:1]
    except OSError:
        return ""
