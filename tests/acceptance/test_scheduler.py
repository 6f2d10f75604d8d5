"""Workers of the scheduler: tasks are run, not lost, and not run by what is dead."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from client import Client
from hosts import Machine, Site, waited

testinfra_hosts = ["ansible://web2py_web"]

# A worker starts, its models run, and a ticker of before is missed for some heartbeats.
SOON = 60
SLOW = "/var/lib/{}/applications/jobs/private/slow.log"


class Jobs:
    """The application whose tasks the workers run."""

    def __init__(self, web: Client, machine: Machine, site: Site) -> None:
        self.web, self.machine, self.site = web, machine, site
        self.log = SLOW.format(site["name"])

    def unit(self, group: str) -> str:
        return next(str(row["unit"]) for row in self.site["scheduler"] if row["group"] == group)

    def ask(self, path: str) -> Any:
        answer = self.web.ask(f"/jobs/default/{path}")
        assert answer.status == 200, answer.status
        return answer.json()

    def queue(self, function: str, *arguments: Any, group: str = "main") -> int:
        told = self.ask(f"queue/{function}/{group}?args={quote(json.dumps(arguments))}")
        assert told["errors"] == {}
        return int(told["id"])

    def task(self, number: int) -> dict[str, Any]:
        return dict(self.ask(f"task/{number}"))

    def done(self, number: int, seconds: float = SOON) -> list[dict[str, Any]]:
        """The runs of a task that has come to its end."""
        waited(lambda: self.task(number)["status"] == "COMPLETED", seconds)
        return list(self.task(number)["runs"])

    def runs(self, number: int) -> bool:
        return bool(self.task(number)["status"] == "RUNNING" and "begin" in self.slept())

    def slept(self) -> list[str]:
        return self.machine.lines(f"cat {self.log} 2>/dev/null || true")

    def main(self, group: str = "main") -> int:
        return int(self.machine.property(self.unit(group), "MainPID"))


# As wide as the client, so that it comes first.
@pytest.fixture(scope="module", autouse=True)
def chosen(site: Site) -> None:
    if not site["scheduler"]:
        pytest.skip("the site has no workers of the scheduler")


@pytest.fixture
def jobs(web: Client, machine: Machine, site: Site) -> Iterator[Jobs]:
    found = Jobs(web, machine, site)
    machine.run(f"rm -f {found.log}")
    yield found
    units = " ".join(row["unit"] for row in site["scheduler"])
    machine.run(f"systemctl reset-failed; systemctl start {units}")


def test_a_task_is_run(jobs: Jobs) -> None:
    """Queued and seen over HTTP."""
    runs = jobs.done(jobs.queue("add", 20, 22))
    assert [(run["status"], run["result"]) for run in runs] == [("COMPLETED", "42")]


def test_a_task_makes_links_to_the_site(jobs: Jobs) -> None:
    """Such as those in its mails."""
    result = json.loads(jobs.done(jobs.queue("link"))[0]["result"])
    assert result.startswith(f"{jobs.site['url']}/") and result.endswith("index")


def test_groups_keep_apart(jobs: Jobs) -> None:
    """Each worker takes the tasks of its own group."""
    for group in ("main", "mail"):
        instance = jobs.unit(group).partition("@")[2].removesuffix(".service")
        workers = {run["worker"].partition("#")[2] for run in jobs.done(jobs.queue("add", 1, 2, group=group))}
        assert workers == {instance}
    assert sorted(jobs.ask("workers").values()) == [["mail"], ["main"]]


def test_workers_are_confined_as_the_site_is(jobs: Jobs) -> None:
    from test_host import exposure

    for row in jobs.site["scheduler"]:
        assert exposure(row["unit"], jobs.machine) <= 2.0
        assert jobs.machine.property(row["unit"], "User") == jobs.site["user"]
        assert jobs.machine.property(row["unit"], "UnitFileState") == "enabled"
        assert jobs.machine.property(row["unit"], "SyslogIdentifier").endswith(row["unit"].removesuffix(".service"))


def test_options_reach_the_unit(jobs: Jobs, variables: dict[str, Any]) -> None:
    unit = jobs.unit("main")
    assert jobs.machine.property(unit, "TimeoutStopUSec") == f"{variables['scheduler_stop_seconds']}s"
    assert jobs.machine.property(unit, "WatchdogUSec") == f"{variables['scheduler_watchdog_seconds']}s"
    memory = int(jobs.machine.run("awk '/MemTotal/ {print $2}' /proc/meminfo")) * 1024
    share = int(jobs.machine.property(unit, "MemoryMax")) / memory
    assert share == pytest.approx(int(variables["scheduler_memory_max"].rstrip("%")) / 100, abs=0.01)


@pytest.mark.late
def test_a_running_task_ends_before_its_worker(jobs: Jobs) -> None:
    """It is run once, and what waits is run by the next worker."""
    number = jobs.queue("slow", 3)
    waited(lambda: jobs.runs(number), SOON)
    waiting = jobs.queue("add", 1, 2)
    jobs.machine.run(f"systemctl stop {jobs.unit('main')}")
    assert jobs.machine.property(jobs.unit("main"), "Result") == "success"
    assert [run["result"] for run in jobs.done(number, 1)] == ['"slept"']
    assert jobs.slept() == ["begin", "end"]
    assert jobs.task(waiting)["status"] == "QUEUED"
    assert list(jobs.ask("workers").values()) == [["mail"]]
    jobs.machine.run(f"systemctl start {jobs.unit('main')}")
    assert len(jobs.done(waiting)) == 1


@pytest.mark.late
def test_another_worker_does_not_take_the_task_of_one_that_ends(jobs: Jobs) -> None:
    """The task outlasts the heartbeats after which upstream takes a worker for dead."""
    number = jobs.queue("slow", 12)
    waited(lambda: jobs.runs(number), SOON)
    jobs.machine.run(f"systemctl stop {jobs.unit('main')}")
    assert jobs.slept() == ["begin", "end"]
    assert [run["status"] for run in jobs.done(number, 1)] == ["COMPLETED"]


@pytest.mark.late
def test_a_killed_worker_is_replaced_and_its_task_run_again(jobs: Jobs) -> None:
    number = jobs.queue("slow", 4)
    waited(lambda: jobs.runs(number), SOON)
    before = jobs.main()
    jobs.machine.run(f"kill -9 {before}")
    waited(lambda: jobs.main() not in (0, before), 5)
    assert [run["status"] for run in jobs.done(number)] == ["STOPPED", "COMPLETED"]
    assert jobs.slept() == ["begin", "begin", "end"]


@pytest.mark.late
def test_a_worker_without_a_heartbeat_is_replaced(jobs: Jobs, variables: dict[str, Any]) -> None:
    """It is there and says nothing; systemd's watchdog counts heartbeats that arrived in the database."""
    before = jobs.main()
    jobs.machine.run(f"kill -STOP {before}")
    waited(lambda: jobs.main() not in (0, before), variables["scheduler_watchdog_seconds"] + 10)
    assert jobs.done(jobs.queue("add", 2, 3))[0]["result"] == "5"


@pytest.mark.late
def test_a_heartbeat_that_does_not_arrive_is_none(jobs: Jobs, variables: dict[str, Any]) -> None:
    """The process is alive and well, but its database takes no heartbeat: a lock on SQLite's file."""
    unit = jobs.unit("main")
    before = jobs.machine.property(unit, "InvocationID")
    folder = f"/var/lib/{jobs.site['name']}/applications/jobs/databases/jobs.sqlite"
    hold = f"c = sqlite3.connect('{folder}', isolation_level=None); c.execute('BEGIN EXCLUSIVE'); time.sleep(40)"
    jobs.machine.run(f'systemd-run --collect --unit=hold-jobs python3 -c "import sqlite3, time; {hold}"')
    try:
        waited(lambda: jobs.machine.property(unit, "InvocationID") != before, 40)
    finally:
        jobs.machine.run("systemctl stop hold-jobs.service")
    assert jobs.machine.property(unit, "NRestarts") != "0"
    waited(lambda: jobs.machine.property(unit, "ActiveState") == "active", SOON)
    assert jobs.done(jobs.queue("add", 2, 3))[0]["result"] == "5"


@pytest.mark.late
def test_new_code_runs_the_next_task(jobs: Jobs) -> None:
    """The release is switched by hand; what the role does then restarts the workers after their tasks."""
    machine, paths = jobs.machine, jobs.site["paths"]
    words = {
        "template": jobs.unit("main").partition("@")[0] + "@",
        "units": [row["unit"] for row in jobs.site["scheduler"]],
        "restart_on": [f"{paths['current']}/release.json", f"{paths['settings']}/databases.json"],
    }
    release = machine.run(f"readlink -f {paths['current']}").strip()
    other = f"{release}-next"
    number = jobs.queue("slow", 3)
    waited(lambda: jobs.runs(number), SOON)
    switch = "ln -sfn {} " + f"{paths['root']}/.next && mv -T {paths['root']}/.next {paths['current']}"
    link = f"{other}/web2py/applications/jobs"
    try:
        machine.run(f"cp -a {release} {other} && echo >> {other}/release.json")
        machine.run(f"cp -a $(readlink -f {link}) {other}/jobs && ln -sfn {other}/jobs {link}")
        machine.run(f"sed -i 's/first/second/' {other}/jobs/models/tasks.py")
        machine.run(switch.format(other))
        done = machine.module("web2py.deploy.scheduler_workers", words)
        assert done.get("action") == "restart", done
        assert len(jobs.done(number, 1)) == 1 and jobs.slept() == ["begin", "end"]
        assert jobs.done(jobs.queue("version"))[0]["result"] == '"second"'
        assert machine.module("web2py.deploy.scheduler_workers", words)["changed"] is False
    finally:
        machine.run(f"{switch.format(release)}; rm -rf {other}")
        machine.module("web2py.deploy.scheduler_workers", words)
    assert jobs.done(jobs.queue("version"))[0]["result"] == '"first"'


@pytest.mark.late
def test_a_worker_that_cannot_start_is_given_up(jobs: Jobs) -> None:
    """Not started again and again for ever; the reason is in its journal, and the others go on."""
    unit = jobs.unit("main").replace("jobs-main-1", "nothing-main-1")
    try:
        jobs.machine.try_to(f"systemctl start --no-block {unit}")
        waited(lambda: jobs.machine.property(unit, "ActiveState") == "failed", SOON)
        assert "The site has no application nothing" in jobs.machine.run(f"journalctl -u {unit} -o cat")
        assert jobs.done(jobs.queue("add", 2, 3))[0]["result"] == "5"
    finally:
        jobs.machine.run(f"systemctl stop {unit}; systemctl reset-failed {unit} || true")
