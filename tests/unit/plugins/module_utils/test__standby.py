"""A cluster becomes a standby, and nothing that holds data is lost by it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.web2py.deploy.plugins.module_utils import _standby
from ansible_collections.web2py.deploy.plugins.module_utils._run import Problem
from ansible_collections.web2py.deploy.plugins.module_utils._tree import Owner

OWNER = Owner(os.getuid(), os.getgid())
PASSWORD = "it's: a\\very odd one"


class Machine:
    """A host with a cluster, and its primary, as far as the programs tell of them."""

    def __init__(self, folder: Path) -> None:
        self.data = folder / "main"
        self.params: dict[str, Any] = {
            "state": "following", "data": str(self.data), "programs": "/lib/bin", "service": "postgresql@15-main",
            "sockets": "/run/postgresql", "port": 5432, "primary": "10.0.0.2", "name": "db2.example.org",
            "user": "web2py_replication", "password": PASSWORD, "ca": "/etc/ca.pem", "folder": str(folder),
            "settings": str(folder / "standby.conf"), "rebuild": False,
        }  # fmt: skip
        self.running, self.identity = True, "77"
        self.primary: str | None = "77"
        self.slots: set[str] = set()
        self.slot_says = "physical|0/3000148|1\n"
        self.calls: list[str] = []
        self.killed = ""

    def filled(self, data: Path) -> None:
        for folder in ("base/1", "base/5", "pg_tblspc"):
            (data / folder).mkdir(parents=True)
        (data / "base/5/2601_vm").write_text("")

    def use(self, name: str) -> None:
        (self.data / name).write_text("")

    def cluster(self, *names: str, identity: str = "77") -> None:
        self.filled(self.data)
        for name in ("PG_VERSION", *names):
            (self.data / name).write_text("x")
        self.identity = identity

    def run(self, argv: Sequence[str], task: str, check: bool = True) -> str:
        assert PASSWORD not in " ".join(argv)
        if argv[0] == "systemctl":
            self.calls.append(argv[1])
            if argv[1] == "is-active":
                return "active\n" if self.running else "inactive\n"
            self.running = {"start": True, "stop": False}.get(argv[1], self.running)
            return ""
        assert argv[:3] == ["runuser", "--user=postgres", "--"]
        name = argv[3].rpartition("/")[2]
        self.calls.append(name)
        if name == self.killed:
            raise Problem("killed")
        if name == "pg_controldata":
            return f"x: y\nDatabase system identifier:           {self.identity}\n"
        if name == "pg_basebackup":
            assert "web2py_deploy.pgpass" in argv[-1] and "verify-full" in argv[-1]
            new = Path(argv[argv.index("--pgdata") + 1])
            self.filled(new)
            (new / "PG_VERSION").write_text("15")
            return ""
        where, query = argv[argv.index("-d") + 1], argv[-1]
        if "replication=true" not in where:
            assert self.running
            if "pg_promote" in query:
                os.remove(self.data / _standby.SIGNAL)
                return "t\n"
            raise AssertionError(query)
        if self.primary is None:
            raise Problem("Connection refused")
        if query == "IDENTIFY_SYSTEM":
            return f"{self.primary}|1|0/0|\n"
        verb, slot = query.split()[:2]
        if verb == "READ_REPLICATION_SLOT":
            return self.slot_says
        if verb == "DROP_REPLICATION_SLOT":
            self.slots.remove(slot)
            return ""
        if slot in self.slots:
            raise Problem(f'replication slot "{slot}" already exists')
        self.slots.add(slot)
        return ""

    def ensure(self, dry: bool = False, **words: Any) -> list[str]:
        self.calls.clear()
        params = {**self.params, **words}
        cluster = _standby.Cluster(*(params[key] for key in _standby.Cluster._fields))
        return _standby.ensure(_standby.Standby(cluster, self.run, OWNER), params, dry)

    @property
    def follows(self) -> bool:
        return (self.data / _standby.SIGNAL).exists() and self.running


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_a_cluster_that_was_never_used_becomes_a_standby(machine: Machine, tmp_path: Path) -> None:
    machine.cluster()
    told = machine.ensure(dry=True)
    assert machine.slots == set() and not machine.follows and "stop" not in machine.calls
    assert len(machine.ensure()) == len(told) + 1 == 4
    assert machine.follows and machine.slots == {"db2_example_org"}
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == ["main"]
    assert os.stat(tmp_path / "web2py_deploy.pgpass").st_mode & 0o777 == 0o600
    assert (tmp_path / "web2py_deploy.pgpass").read_text() == "*:*:*:web2py_replication:it's\\: a\\\\very odd one\n"
    # Nothing is changed by the next run.
    assert machine.ensure() == [] and machine.ensure(dry=True) == []
    assert PASSWORD not in "".join(told)


def test_without_a_cluster_one_is_made(machine: Machine) -> None:
    assert machine.ensure() and machine.follows
    shutil.rmtree(machine.data)
    machine.data.mkdir()
    assert machine.ensure() and machine.follows


@pytest.mark.parametrize("running", [True, False])
def test_data_are_never_overwritten(machine: Machine, running: bool, tmp_path: Path) -> None:
    machine.cluster("mine")
    machine.use("base/5/16384")
    machine.running = running
    for dry in (True, False):
        with pytest.raises(Problem, match="left alone.*postgresql_rebuild=true"):
            machine.ensure(dry)
    assert "stop" not in machine.calls and not (tmp_path / "standby.conf").exists()
    machine.ensure(rebuild=True)
    assert machine.running is running and (tmp_path / "main.before-1/mine").exists()
    machine.use("base/16390")
    os.remove(machine.data / _standby.SIGNAL)
    machine.ensure(rebuild=True)
    assert (machine.data / _standby.SIGNAL).exists() and (tmp_path / "main.before-2/PG_VERSION").exists()
    # A standby has nothing of its own, and is not made again.
    assert machine.ensure(rebuild=True) == []


def test_what_is_no_cluster_is_not_touched(machine: Machine) -> None:
    machine.data.mkdir()
    (machine.data / "letter.txt").write_text("dear")
    for rebuild in (True, False):
        with pytest.raises(Problem, match="neither empty nor a cluster"):
            machine.ensure(rebuild=rebuild)


@pytest.mark.parametrize("program", ["pg_basebackup", "psql"])
def test_a_run_that_ends_early_can_be_repeated(machine: Machine, program: str, tmp_path: Path) -> None:
    machine.cluster("mine")
    machine.killed = program
    (tmp_path / "main.web2py_deploy_new").mkdir()
    with pytest.raises(Problem, match="killed"):
        machine.ensure()
    assert (machine.data / "mine").exists() and machine.running
    machine.killed = ""
    assert machine.ensure() and machine.follows
    assert not (tmp_path / "main.web2py_deploy_new").exists()


def test_one_that_was_away_too_long_is_copied_anew(machine: Machine, tmp_path: Path) -> None:
    """The primary has let go what it would need, so that its own disk does not fill."""
    machine.cluster()
    machine.ensure()
    machine.slot_says = "physical||\n"
    assert machine.ensure()[-1].endswith("copied from 10.0.0.2") and machine.follows and machine.slots
    assert not (tmp_path / "main.before-1").exists()


def test_another_primary_is_followed_only_on_request(machine: Machine) -> None:
    machine.cluster(_standby.SIGNAL, identity="88")
    with pytest.raises(Problem, match="standby of another primary"):
        machine.ensure()
    assert (machine.data / _standby.SIGNAL).exists()
    assert machine.ensure(rebuild=True) and "pg_basebackup" in machine.calls


def test_it_goes_over_to_a_new_primary_with_its_data(machine: Machine, tmp_path: Path) -> None:
    machine.cluster()
    machine.ensure()
    machine.slots.clear()
    done = machine.ensure(primary="10.0.0.3")
    assert len(done) == 2 and "pg_basebackup" not in machine.calls
    assert "host=''10.0.0.3''" in (tmp_path / "standby.conf").read_text() and machine.slots


@pytest.mark.parametrize(
    ("name", "used"),
    [("base/5/16383", False), ("base/5/16384_fsm", True), ("base/5/16385.1", True), ("base/99999", True),
     ("base/5/pg_internal.init", False), ("base/pgsql_tmp", False), ("pg_tblspc/16386", True)],
)  # fmt: skip
def test_what_was_used_is_seen_without_asking(machine: Machine, name: str, used: bool) -> None:
    machine.cluster()
    machine.use(name)
    assert _standby.used(str(machine.data)) is used


def test_without_a_primary_nothing_is_copied(machine: Machine) -> None:
    machine.cluster()
    machine.primary = None
    with pytest.raises(Problem, match="refused"):
        machine.ensure()
    assert not machine.follows and "stop" not in machine.calls


def test_a_standby_takes_the_place_of_its_primary_once(machine: Machine) -> None:
    machine.cluster()
    machine.ensure()
    assert machine.ensure(True, state="promoted") == machine.ensure(state="promoted") != []
    assert machine.ensure(state="promoted") == [] and not machine.follows
    machine.use("base/20000")
    with pytest.raises(Problem, match="left alone"):
        machine.ensure()


def test_a_primary_has_the_password_for_later(machine: Machine, tmp_path: Path) -> None:
    assert machine.ensure(True, state="leading") and not (tmp_path / "web2py_deploy.pgpass").exists()
    assert machine.ensure(state="leading") and (tmp_path / "web2py_deploy.pgpass").exists()
    assert machine.ensure(state="leading") == [] and machine.calls == []


@pytest.mark.parametrize(
    ("name", "slot"), [("db2", "db2"), ("Db-2.example", "db_2_example"), ("10.0.0.3", "10_0_0_3"), ("x" * 70, "x" * 63)]
)
def test_slots_have_names_that_the_server_takes(name: str, slot: str) -> None:
    assert _standby.slot(name) == slot


def test_values_are_quoted_for_libpq() -> None:
    assert _standby.quoted("a'b\\c d") == "'a\\'b\\\\c d'"
    lead = _standby.Lead("h", 1, "u", "s", "/a'b", "/p")
    assert "sslrootcert='/a\\'b'" in _standby.conninfo(lead)
    assert "sslrootcert=''/a\\''b''" in _standby.settings(lead)
