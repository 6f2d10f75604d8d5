"""What the operator can see of requests is there where it was asked for, closed to others, and nothing otherwise."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hosts import Machine, Probe, Site, excused, waited

testinfra_hosts = ["ansible://web2py_web"]
pytestmark = pytest.mark.server

READ = """
import glob, json, pstats
newest = sorted(glob.glob({folder!r} + "/*.prof"))[-1]
print(json.dumps(sorted({{name for _file, _line, name in pstats.Stats(newest).stats}})))
"""


@pytest.fixture
def logged(site: Site, machine: Machine, unit: str, inside: bool) -> Any:
    """Lines of the server's log that hold a word."""
    folder = f"/var/log/{machine.property(site['front_end']['unit'], 'Id').removesuffix('.service')}"
    log = f"cat {folder}/*error.log" if inside else f"journalctl --sync; journalctl -u {unit} -o cat --no-pager"
    return lambda word: [line for line in machine.lines(log) if word in line]


def test_requests_are_in_the_log_where_asked_for(site: Site, machine: Machine, probe: Probe, logged: Any) -> None:
    """A line tells who asked for which page, without what follows the question mark, and nothing without the choice."""
    before = len(logged("/probe/small/index 200"))
    assert probe.ask("small/index?word=not-for-the-log").status == 200
    if site["request_log"]:
        waited(lambda: len(logged("/probe/small/index 200")) > before, 5)
        line = logged("/probe/small/index 200")[-1]
        client = probe.json("echo")["client"]
        assert f"request {client} GET /probe/small/index 200 " in line
    assert logged("not-for-the-log") == []
    excused(site, "logs")
    # The site that the host had before may have been asked for it.
    assert site["request_log"] or len(logged("/probe/small/index 200")) == before


def test_profiles_are_there_where_asked_for(site: Site, machine: Machine, probe: Probe) -> None:
    """The newest requests have a profile that Python's own tool reads, no more than asked for, and none unasked."""
    folder = f"{site['paths']['state']}/profiles"
    if not site["profiles"]:
        assert machine.try_to(f"test -e {folder}").rc == 1
        return
    for _ in range(site["profiles"] + 2):
        assert probe.ask("small/index").status == 200
    files = machine.lines(f"ls {folder}")
    assert 1 <= len(files) <= site["profiles"]
    assert files[-1].endswith("-probe_small_index.prof")
    assert {"wsgibase", "run_controller_in"} <= set(json.loads(machine.python(READ.format(folder=folder))))


def test_profiles_are_closed(site: Site, machine: Machine) -> None:
    """Nobody but root and the site itself reads a profile, and nobody on the network is served one."""
    folder = f"{site['paths']['state']}/profiles"
    if not site["profiles"]:
        pytest.skip("web2py_profiles is 0")
    assert machine.lines(f"find {folder} -perm /0007") == []
    assert machine.run(f"stat -c '%U %a' {folder}").split() == [site["user"], "700"]
    assert machine.try_to(f"runuser -u nobody -- find {folder}/ -type f").stdout == ""
    excused(site, "apart")
    assert machine.try_to(f"runuser -u {site['front_end']['user']} -- find {folder}/ -type f").stdout == ""
