"""A worker of the scheduler: what systemd is told of it, and what becomes of its tasks."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
import time
import types
from typing import Any

import pytest
from web2py_runtime import worker


@pytest.mark.parametrize(
    ("instance", "expected"),
    [
        ("jobs-main-1", ("jobs", "main", 1)),
        ("my_jobs2-mail-out-12", ("my_jobs2", "mail-out", 12)),
        ("a-1-1", ("a", "1", 1)),
    ],
)
def test_the_instance_names_what_is_run(instance: str, expected: tuple[str, str, int]) -> None:
    assert worker.parsed(instance) == expected


@pytest.mark.parametrize(
    "instance",
    ["", "jobs", "jobs-main", "jobs-main-0", "-main-1", "jobs--1", "1jobs-main-1", "../x-main-1", "é-a-1"],
)
def test_another_instance_is_refused(instance: str) -> None:
    with pytest.raises(ValueError, match="APPLICATION-GROUP-NUMBER"):
        worker.parsed(instance)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("RuntimeError: Failure to connect, tried 5 times", True),
        ("psycopg2.OperationalError: could not connect to server", True),
        ('pymysql.err.OperationalError: (2003, "Can\'t connect to MySQL server")', True),
        ("sqlite3.OperationalError: database is locked", True),
        ("psycopg2.InterfaceError: connection already closed", True),
        ("ConnectionRefusedError: [Errno 111] Connection refused", True),
        ("sqlite3.OperationalError: no such table: shop", False),
        ("pymysql.err.OperationalError: (1054, \"Unknown column 'x'\")", False),
        ("NameError: name 'Scheduler' is not defined", False),
        ("MyOperationalErrors: no", False),
        ("", False),
    ],
)
def test_a_missing_database_is_no_fault_of_the_models(text: str, expected: bool) -> None:
    assert worker.unreachable(text) is expected


def test_the_watchdogs_time_is_systemds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "8000000")
    assert worker.watchdog_seconds() == 8
    for text in ("", "0"):
        monkeypatch.setenv("WATCHDOG_USEC", text)
        assert worker.watchdog_seconds() == 0
    monkeypatch.delenv("WATCHDOG_USEC")
    assert worker.watchdog_seconds() == 0


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    words: list[str] = []
    monkeypatch.setattr(worker, "tell", words.append)
    return words


def test_a_start_waits_for_the_database(told: list[str]) -> None:
    """Systemd is asked for more time at each try."""
    answers: list[Any] = [sqlite3.OperationalError("locked"), ConnectionRefusedError(), "a scheduler"]
    pauses: list[float] = []

    def task() -> Any:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert worker.patient(task, pauses.append) == "a scheduler"
    assert pauses == [worker.WAIT_SECONDS] * 2
    assert len(told) == 2 and all("EXTEND_TIMEOUT_USEC=60000000" in words for words in told)


def test_a_fault_of_the_models_ends_the_start(told: list[str]) -> None:
    class Restricted(Exception):
        """What web2py raises of a model, with the traceback as text."""

        traceback = "Traceback:\nNameError: name 'nonsense' is not defined"

    def fault() -> None:
        raise Restricted

    def ended() -> None:
        raise worker.Ended("no scheduler")

    with pytest.raises(worker.Ended, match="nonsense"):
        worker.patient(fault)
    with pytest.raises(worker.Ended, match="no scheduler"):
        worker.patient(ended)
    assert told == []


@pytest.fixture
def gluon(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Any:
    """As much of a web2py as models need; `made` is what they make."""
    current = types.SimpleNamespace()
    found = types.SimpleNamespace(made=None, asked=[])

    def env(application: str, **options: Any) -> dict[str, Any]:
        found.asked.append((application, options["extra_request"]))
        return {}

    def run_models_in(_environment: dict[str, Any]) -> None:
        if found.made:
            current._scheduler = found.made

    monkeypatch.setitem(sys.modules, "gluon", types.ModuleType("gluon"))
    monkeypatch.setitem(sys.modules, "gluon.globals", types.SimpleNamespace(current=current))  # type: ignore[arg-type]
    monkeypatch.setitem(sys.modules, "gluon.shell", types.SimpleNamespace(env=env))  # type: ignore[arg-type]
    compileapp: Any = types.SimpleNamespace(run_models_in=run_models_in)
    monkeypatch.setitem(sys.modules, "gluon.compileapp", compileapp)
    (tmp_path / "applications/jobs").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    return found


def test_the_scheduler_is_that_of_the_models(gluon: Any) -> None:
    gluon.made = "a scheduler"
    assert worker.scheduler_of("jobs") == "a scheduler"
    assert gluon.asked == [("jobs", {"is_scheduler": True})]
    gluon.made = None
    with pytest.raises(worker.Ended, match="make no Scheduler"):
        worker.scheduler_of("jobs")
    with pytest.raises(worker.Ended, match="no application other"):
        worker.scheduler_of("other")


class Row(types.SimpleNamespace):
    """One row of scheduler_worker."""


class Database:
    """As much of a DAL as a heartbeat reads and writes."""

    def __init__(self) -> None:
        self.row: Any = Row(last_heartbeat=0)
        self.updates: list[dict[str, Any]] = []
        self.scheduler_worker = types.SimpleNamespace(worker_name="", last_heartbeat="")

    def __call__(self, _query: Any) -> Database:
        return self

    def select(self, *_fields: Any) -> Database:
        return self

    def first(self) -> Any:
        return self.row

    def update(self, **fields: Any) -> None:
        self.updates.append(fields)
        self.row = Row(last_heartbeat=fields["last_heartbeat"])

    def commit(self) -> None:
        pass


class Scheduler:
    """As much of web2py's as a worker changes."""

    def __init__(self) -> None:
        self.heartbeat = 1.0
        self.have_heartbeat = True
        self.w_stats = types.SimpleNamespace(status="ACTIVE")
        self.db_thread = Database()
        self.beats = 0
        self.arrives = True

    def send_heartbeat(self, _counter: int) -> None:
        self.beats += 1
        if self.arrives:
            self.db_thread.row = Row(last_heartbeat=self.beats)

    def now(self) -> float:
        return time.monotonic()

    def pop_task(self) -> Any:
        return None

    def execute(self, task: Any) -> Any:
        return task


def made(limit: float = 8.0) -> tuple[worker.Worker, Any]:
    scheduler: Any = Scheduler()
    return worker.Worker(scheduler, "host#jobs-main-1", "main", limit), scheduler


def test_a_worker_is_ready_when_its_heartbeat_has_arrived(told: list[str]) -> None:
    own, scheduler = made()
    scheduler.arrives, scheduler.db_thread.row = False, None
    own.beat(0)
    assert told == []
    scheduler.arrives = True
    own.beat(1)
    assert told[0] == "WATCHDOG=1" and told[1].startswith("READY=1") and "WATCHDOG_USEC=8000000" in told[1]
    own.beat(2)
    assert told[2:] == ["WATCHDOG=1"]
    assert (scheduler.worker_name, scheduler.group_names) == ("host#jobs-main-1", ["main"])


def test_an_old_heartbeat_is_none(told: list[str]) -> None:
    """web2py logs what goes wrong with it and goes on; the row in the database tells."""
    own, scheduler = made()
    own.beat(0)
    told.clear()
    scheduler.arrives = False
    own.beat(1)
    own.beat(2)
    assert told == []


def test_a_heartbeat_without_a_loop_is_none(told: list[str]) -> None:
    """The thread of the heartbeat can outlive a loop that hangs."""
    own, scheduler = made()
    own.due = time.monotonic() - 1
    own.beat(0)
    assert told == []
    scheduler.pop_task()
    own.beat(1)
    assert told[0] == "WATCHDOG=1"


def test_a_look_into_the_queue_that_fails_is_no_sign_of_life() -> None:
    own, scheduler = made()
    own.due = 0.0

    def broken() -> None:
        raise sqlite3.OperationalError

    own.pop = broken
    with pytest.raises(sqlite3.OperationalError):
        scheduler.pop_task()
    assert own.due == 0.0


def test_a_task_has_its_own_time() -> None:
    own, scheduler = made()
    seen: list[float] = []

    def run(_task: Any) -> str:
        seen.append(own.due - time.monotonic())
        return "done"

    own.run_task = run
    assert scheduler.execute(types.SimpleNamespace(timeout=300)) == "done"
    assert scheduler.execute(types.SimpleNamespace(timeout=None)) == "done"
    assert 350 < seen[0] <= 360 and seen[1] == float("inf")
    assert own.due - time.monotonic() <= 8


def test_a_slow_heartbeat_has_more_time() -> None:
    scheduler: Any = Scheduler()
    scheduler.heartbeat = 30
    assert worker.Worker(scheduler, "x", "main", 8).limit == 120
    assert worker.Worker(scheduler, "x", "main", 0).limit == 0


def test_one_that_is_asked_to_end_keeps_its_heartbeat(told: list[str]) -> None:
    """Nobody gives it a task, and nobody takes it for dead."""
    own, scheduler = made()
    own.asked(15, None)
    assert told == ["STOPPING=1"] and not scheduler.have_heartbeat
    own.beat(0)
    assert scheduler.beats == 0
    assert scheduler.db_thread.updates[0]["status"] == "DISABLED"
    assert told[1] == "WATCHDOG=1"


def test_the_process_of_a_task_ends_by_the_signal(told: list[str]) -> None:
    own, scheduler = made()
    own.process = os.getpid() + 1
    with pytest.raises(SystemExit):
        own.asked(15, None)
    assert scheduler.have_heartbeat and told == []


def test_the_heartbeat_outlives_a_lost_connection(told: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Upstream's thread would end here, and the worker go on without it."""
    own, scheduler = made()
    calls: list[int] = []

    def beat(counter: int) -> None:
        calls.append(counter)
        if len(calls) == 1:
            raise AttributeError("no connection")
        own.over = True

    monkeypatch.setattr(own, "beat", beat)
    monkeypatch.setattr(own, "pause", lambda: None)
    own.beats()
    assert calls == [0, 1] and scheduler.db_thread is None


def test_the_loop_rests_until_it_is_asked_to_end() -> None:
    _own, scheduler = made()
    scheduler.heartbeat = 30
    threading.Timer(0.3, lambda: setattr(scheduler, "have_heartbeat", False)).start()
    begin = time.monotonic()
    scheduler.sleep()
    assert time.monotonic() - begin < 5


def test_a_second_connection_is_made_as_the_first() -> None:
    class Connection:
        """What a DAL keeps of its own making."""

        _uri, _db_codec, _decode_credentials = "postgres://u:p%40@h/d", "UTF-8", True
        _driver_args, _adapter_args = {"sslmode": "require"}, {"x": 1}
        _adapter = types.SimpleNamespace(folder="/databases", _after_connection=print)

        def __init__(self, *words: Any, **options: Any) -> None:
            self.told = (words, options)

    words, options = worker.twin(Connection()).told
    assert words == ("postgres://u:p%40@h/d",)
    assert options["driver_args"] == {"sslmode": "require"} and options["decode_credentials"] is True
    assert options["folder"] == "/databases" and options["after_connection"] is print


def test_links_lead_to_the_site(gluon: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    shell: Any = sys.modules["gluon.shell"]
    shell.build_environment = lambda request, response, session: (request, response, session)
    worker.address("https://www.example.org")
    request: Any = types.SimpleNamespace(env=types.SimpleNamespace(http_host="None:None"), is_https=False)
    assert shell.build_environment(request, "response", "session") == (request, "response", "session")
    assert (request.env.http_host, request.env.wsgi_url_scheme, request.is_https) == ("www.example.org", "https", True)


def test_an_end_without_a_database_is_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not given back now is given back by the next life."""
    own, scheduler = made()
    calls: list[str] = []

    def give_back() -> None:
        calls.append("give back")
        if len(calls) > 2:
            raise sqlite3.OperationalError("database is locked")

    monkeypatch.setattr(own, "give_back", give_back)
    scheduler.loop = lambda: calls.append("loop")
    scheduler.join = lambda _seconds: None
    own.work()
    assert calls == ["give back", "loop", "give back"] and own.over


FORKS = """
import os, threading, time, types
from web2py_runtime import worker

class Scheduler:
    heartbeat, have_heartbeat, db_thread = 0.01, True, None
    pop_task = execute = lambda *words: None
    def send_heartbeat(self, counter):
        global inside
        inside = True
        begun.set()
        time.sleep(0.02)
        inside = False

inside, begun = False, threading.Event()
one = worker.Worker(Scheduler(), "a-main-1", "main", 0)
one.arrived = lambda: False
worker.fork_between_beats(one)
threading.Thread(target=one.beats, daemon=True).start()
begun.wait()
for number in range(20):
    time.sleep(0.005 + number / 5000)
    child = os.fork()
    if not child:
        # A task may make processes, too.
        again = os.fork() if not inside else 0
        os._exit(1 if inside else again and os.waitstatus_to_exitcode(os.waitpid(again, 0)[1]))
    if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]):
        raise SystemExit(f"fork {number} was made in the middle of a heartbeat")
begun.clear()
assert begun.wait(5), "the heartbeat has stopped"
"""


def test_a_tasks_process_is_made_between_heartbeats() -> None:
    """A lock that the other thread holds then, in SQLite or Python, is never given back in the copy."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", FORKS]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
