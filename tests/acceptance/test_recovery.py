"""The site comes back by itself, and a change of code loses nobody's request."""

from __future__ import annotations

import os
import shlex
import subprocess
import threading
import time
from http.client import RemoteDisconnected
from typing import Any, Callable

import pytest
from hosts import Machine, Probe, Site, programs_told, waited

testinfra_hosts = ["ansible://web2py_web"]
pytestmark = pytest.mark.late

WORKER_SECONDS, SERVICE_SECONDS, HOST_SECONDS = 2, 5, 60
Question = Callable[[], bool]


@pytest.fixture
def worker_seconds(probe: Probe, machine: Machine, unit: str, site: Site) -> float:
    """How long a lost worker may be missed: where one process is all there is, web2py as a whole starts again."""
    main = machine.property(unit, "MainPID")
    # Behind the launcher's own door web2py is its child.
    processes = machine.lines(f"pgrep -P {main}") if site["front_end"]["name"] == "none" else [main]
    return SERVICE_SECONDS if str(probe.json("worker")["pid"]) in processes else WORKER_SECONDS


def test_a_killed_worker_is_replaced(probe: Probe, machine: Machine, answers: Question, worker_seconds: float) -> None:
    """A worker killed outright is soon replaced. Some have ended with their request by then."""
    killed = probe.json("worker")["pid"]
    machine.run(f"kill -9 {killed} || ! test -e /proc/{killed}")
    waited(answers, worker_seconds)
    waited(lambda: killed not in {probe.json("worker")["pid"] for _ in range(4)}, worker_seconds)


@pytest.mark.server
def test_a_killed_server_starts_again(
    machine: Machine, unit: str, inside: bool, front_end: str, answers: Question
) -> None:
    """With the first process of the application server killed, the site answers within five seconds."""
    unit = front_end if inside else unit
    first = machine.property(unit, "MainPID")
    machine.run(f"kill -9 {first}")
    waited(answers, SERVICE_SECONDS)
    waited(lambda: machine.property(unit, "MainPID") not in ("0", first), SERVICE_SECONDS)
    waited(lambda: machine.try_to(f"systemctl is-active {unit}").rc == 0, SERVICE_SECONDS)


def test_a_killed_front_end_starts_again(machine: Machine, front_end: str, answers: Question) -> None:
    """With every process of the front end killed, the site answers within five seconds."""
    machine.run(f"systemctl kill --signal=KILL {front_end}")
    try:
        waited(answers, SERVICE_SECONDS)
    finally:
        machine.run(f"systemctl start {front_end}")


@pytest.mark.parametrize(
    ("verb", "which", "times"),
    [
        ("reload-or-restart", "web2py", 10),
        pytest.param("restart", "web2py", 3, marks=pytest.mark.server),
        ("reload-or-restart", "front end", 10),
    ],
)
def test_reloads_and_restarts_lose_no_request(
    verb: str,
    which: str,
    times: int,
    machine: Machine,
    unit: str,
    inside: bool,
    front_end: str,
    probe: Probe,
    site: Site,
    record_property: Callable[[str, object], None],
) -> None:
    """Two readers and two uploads go on meanwhile: all are answered. How many, and the longest wait, is told."""
    if inside and (which, verb) != ("web2py", "reload-or-restart"):
        pytest.skip("a front end that runs web2py itself takes its processes along; the table of reloads says so")
    name = unit if which == "web2py" else front_end
    closes = which == "front end" and "ports" in site["front_end"]["lacks"]
    # Those that wait to be accepted are reset, new ones refused.
    away = (ConnectionRefusedError, ConnectionResetError) if closes else ()
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    form = b"text=" + b"x" * 200_000
    waits, lost, stop = [], [], threading.Event()

    def visit(uploads: bool) -> None:
        while not stop.is_set():
            begin = time.monotonic()
            try:
                if uploads:
                    answer = probe.ask("body", kind, method="POST", body=form)
                    assert answer.status == 200 and answer.json()["length"] == len(form), answer.status
                else:
                    answer = probe.ask("small/index")
                    assert answer.status == 200 and answer.text == "Hello from web2py", answer.status
                waits.append(time.monotonic() - begin)
            except RemoteDisconnected as error:  # one of the resets, but of a request that was taken
                lost.append(repr(error))
            except away:
                pass
            except Exception as error:  # each kind of failure is a lost request
                lost.append(repr(error))
            stop.wait(0.01)

    clients = [threading.Thread(target=visit, args=(uploads,)) for uploads in (False, True, False, True)]
    for client in clients:
        client.start()
    try:
        machine.run(f"systemctl reset-failed {name}")  # the tests before have started it often
        for _ in range(times):
            machine.run(f"systemctl {verb} {name}")
            time.sleep(0.5)
            waited(lambda: machine.try_to(f"systemctl is-active {name}").rc == 0, 20)
        waited(lambda: len(waits) >= 200, 60)
    finally:
        stop.set()
        for client in clients:
            client.join()
    record_property("served", len(waits))
    record_property("lost", len(lost))
    record_property("longest wait", f"{max(waits, default=0):.2f}")
    assert lost == [], machine.run(f"journalctl --no-pager -n 40 -u {name}; tail -n 40 /var/log/*/*error.log")


@pytest.mark.server
def test_new_code_is_served_after_a_reload(probe: Probe, machine: Machine, unit: str) -> None:
    """A reload really loads: other workers answer afterwards."""
    before = {probe.json("worker")["pid"] for _ in range(12)}
    machine.run(f"systemctl reload-or-restart {unit}")
    waited(lambda: not before & {probe.json("worker")["pid"] for _ in range(6)}, 20)


def test_a_greedy_page_is_contained(probe: Probe, site: Site, answers: Question, worker_seconds: float) -> None:
    """A page that takes more memory than the host can spare fails alone."""
    greed = min(4096, max(1536, site["server"]["memory_mb"]))
    assert probe.ask(f"memory/{greed}", timeout=60).status in (500, 502, 503)
    assert waited(answers, worker_seconds) < worker_seconds


def test_a_hung_page_is_ended(
    probe: Probe, machine: Machine, site: Site, answers: Question, worker_seconds: float
) -> None:
    """A page that runs beyond the site's limit is ended, with an error page, and the site goes on."""
    limit = site["limits"]["request_seconds"]
    if limit > 20:
        pytest.skip(f"the limit of {limit} s is too long to wait for; give web2py_request_timeout_seconds: 15 or less")
    begin = time.monotonic()
    answer = probe.ask("slow/30", timeout=40)
    assert answer.status in (500, 502, 503, 504)
    assert limit - 1 <= time.monotonic() - begin <= limit + 8
    assert programs_told(site, answer.text) == []
    # Ended it is with its process: the front end may have given up before.
    process = machine.run(f"cat {probe.state}/cache/slow").strip()
    waited(lambda: machine.try_to(f"test -e /proc/{process}").rc != 0, 20)
    waited(answers, worker_seconds)


def test_a_full_state_is_answered_and_left_behind(probe: Probe, machine: Machine, site: Site) -> None:
    """With sessions that cannot be written a page fails soon, other pages serve, and all is well afterwards."""
    folder = f"{probe.state}/sessions"
    mode = machine.run(f"stat -c %a {folder}").strip()
    machine.run(f"chmod 0500 {folder}")
    try:
        begin = time.monotonic()
        assert probe.ask("session/index").status in (200, 500, 503)
        assert time.monotonic() - begin < 10
        assert probe.ask("small/index").status == 200
    finally:
        machine.run(f"chmod {mode} {folder}")
    assert probe.json("session/index") == {"count": 1}


@pytest.mark.late(last=True)
def test_the_site_starts_with_the_host(
    site: Site, machine: Machine, unit: str, front_end: str, answers: Question, variables: dict[str, Any], probe: Probe
) -> None:
    """After a restart of the host the site answers unattended, with its data.

    WEB2PY_TEST_REBOOT_COMMAND restarts the host ({host} stands for its inventory name). Without it everything that the
    site runs is stopped, what lies in /run is lost, and the system is asked to reach its usual state.
    """
    count = probe.json("database/insert")["count"]
    command = os.environ.get("WEB2PY_TEST_REBOOT_COMMAND")
    if command:
        subprocess.run(shlex.split(command.format(host=variables["inventory_hostname"])), check=True, timeout=120)
    else:
        machine.try_to(f"systemctl stop {site['name']}.socket")
        machine.run(f"systemctl stop {unit} {front_end} && rm -rf {site['paths']['sockets']}")
        machine.run("systemctl daemon-reload && systemctl start multi-user.target")
    waited(answers, HOST_SECONDS)
    after = probe.json("database/insert")["count"]
    assert after == count + 1
    waited(lambda: machine.try_to(f"systemctl is-active {unit} {front_end}").rc == 0, HOST_SECONDS)


@pytest.mark.late(last=True)
def test_nothing_has_failed_after_all(machine: Machine) -> None:
    """After everything above, no unit is in a failed state."""
    assert machine.lines("systemctl list-units --failed --plain --no-legend") == []
