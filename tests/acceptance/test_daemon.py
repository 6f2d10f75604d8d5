"""Each unit is a daemon: it stops when told to, is given up when it cannot start, and its logs are kept small."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from client import Client
from hosts import Machine, Site, excused, waited

testinfra_hosts = ["ansible://web2py_web"]

# Twenty starts in two minutes are too many; one that fails soon gets there sooner.
GIVEN_UP_SECONDS, STARTS = 240, 20
SHOWN_BY = ("uwsgi", "mod_wsgi", "rocket")
KEPT = "/run/web2py_test_kept.json"
Question = Callable[[], bool]


@pytest.mark.server
@pytest.mark.late
def test_a_server_stops_cleanly(machine: Machine, unit: str, inside: bool, site: Site, answers: Question) -> None:
    """Told to stop, the server ends by itself within its time, with status 0; nobody has to kill it."""
    if inside:
        pytest.skip("the processes are the front end's")
    try:
        machine.run(f"systemctl stop {unit}")
        found = {name: machine.property(unit, name) for name in ("Result", "ExecMainCode", "ExecMainStatus")}
    finally:
        machine.run(f"systemctl start {unit}")
        waited(answers, 20)
    # ExecMainCode 1 is CLD_EXITED: it was not killed. Beyond its time the result would be `timeout`.
    assert found == {"Result": "success", "ExecMainCode": "1", "ExecMainStatus": "0"}


@pytest.mark.parametrize(("role", "suffix"), [("cgi", ""), ("tunnel", "-admin")])
def test_a_launcher_has_what_was_chosen(
    role: str, suffix: str, variables: dict[str, Any], site: Site, machine: Machine
) -> None:
    """So many requests at a time, and so much memory, as the inventory says."""
    if f"{role}_memory_limit_mb" not in variables:
        pytest.skip(f"the inventory says nothing of {role}_memory_limit_mb")
    name = f"{site['name']}{suffix}.service"
    assert machine.property(name, "LimitAS") == str(variables[f"{role}_memory_limit_mb"] << 20)
    workers = variables["cgi_processes" if role == "cgi" else "tunnel_threads"]
    assert f"--workers {workers} " in machine.property(name, "ExecStart")


def test_mod_python_has_what_was_chosen(variables: dict[str, Any], machine: Machine, front_end: str) -> None:
    """So many processes of so many threads and so much memory; few arenas, or threads would use it up unused."""
    if "mod_python_processes" not in variables:
        pytest.skip("the inventory says nothing of mod_python_processes")
    main = machine.property(front_end, "MainPID")
    memory = variables["mod_python_memory_limit_mb"] << 20
    wanted = f"grep -lE 'Max address space +{memory} ' /proc/{{}}/limits"

    def those() -> list[str]:
        children = machine.lines(f"pgrep -P {main}")
        return [number for number in children if machine.try_to(wanted.format(number)).rc == 0]

    waited(lambda: len(those()) == variables["mod_python_processes"], 20)
    for number in those():
        assert int(machine.run(f"ps -o nlwp= -p {number}")) > variables["mod_python_threads"]
        assert "MALLOC_ARENA_MAX=2" in machine.run(f"tr '\\0' '\\n' < /proc/{number}/environ").split()


@pytest.fixture
def spoilt(machine: Machine, site: Site, unit: str, front_end: str, inside: bool, answers: Question) -> Iterator[str]:
    """The release that serves was edited by hand, and wrongly: a file that is read at each start ends too early."""
    if site["server"]["name"] not in SHOWN_BY:
        pytest.skip(f"{', '.join(SHOWN_BY)} show it for all: one unit pattern, one launcher")
    name = front_end if inside else unit
    file = f"{site['paths']['current']}/runtime.json"
    again = " ".join([name] if inside else [f"{site['name']}.socket", name])
    machine.run(f"systemctl reset-failed; cp {file} {KEPT} && echo '{{' > {file}")
    try:
        machine.try_to(f"systemctl restart {name}")
        yield name
    finally:
        machine.run(f"cat {KEPT} > {file} && rm {KEPT}; systemctl reset-failed; systemctl start {again}")
        waited(answers, 20)


@pytest.mark.late
def test_a_server_that_cannot_start_is_given_up(
    spoilt: str, machine: Machine, web: Client, site: Site, inside: bool
) -> None:
    """It ends in `failed` after some starts, its journal tells why, and visitors get the front end's page."""
    words = site["policy"]["errors"]
    path = site["applications"][0]["check_path"]
    if not inside:
        waited(lambda: machine.property(spoilt, "ActiveState") == "failed", GIVEN_UP_SECONDS)
        assert int(machine.property(spoilt, "NRestarts")) <= STARTS
        journal = machine.run(f"journalctl -u {spoilt} -n 200 -o cat --no-pager")
        assert "JSONDecodeError" in journal and "Start request repeated too quickly" in journal
        assert "failed" in machine.try_to(f"systemctl status --no-pager {spoilt}").stdout
        assert machine.property(spoilt, "MainPID") == "0"
    excused(site, "stopped")
    # The first visitor wakes the socket, which gives up as well: nothing starts again and again.
    for _ in range(3):
        answer = web.ask(path, timeout=30)
        assert answer.status in ((500,) if inside else (502, 503))
        assert words[str(answer.status)][1] in answer.text
    if not inside:
        assert machine.property(spoilt, "ActiveState") == "failed"
        assert web.ask(f"/{site['applications'][0]['name']}/static/robots.txt").status in (200, 404)


def test_logs_are_turned_over(site: Site, machine: Machine, front_end: str) -> None:
    """The host's logrotate runs, and knows each log that the front end writes for the site."""
    excused(site, "logs")
    assert machine.run("systemctl is-enabled logrotate.timer").strip() == "enabled"
    folder = f"/var/log/{front_end.removesuffix('.service')}"
    known = machine.try_to("logrotate --debug /etc/logrotate.conf").stderr
    files = machine.lines(f"find {folder} -name '*.log'")
    assert [name for name in files if f"considering log {name}" not in known] == []
    assert f"{folder}/{site['name']}-access.log" in files
