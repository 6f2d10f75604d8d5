"""Sessions that have expired go, live ones stay; tickets go to a database and are told."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from client import Client
from hosts import Machine, Probe, Site, waited
from servers import SERVERS, database
from test_state import carried

testinfra_hosts = ["ansible://web2py_web"]

AGES = """
import os, time
for path in {paths!r}:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    open(path, "ab").close()
    os.utime(path, (time.time() - {age},) * 2)
"""


@pytest.fixture(scope="module", autouse=True)
def chosen(site: Site) -> None:
    if not (site.get("upkeep") or {}).get("sessions"):
        pytest.skip("the site does not clean up sessions")


@pytest.fixture
def unit(site: Site) -> str:
    return f"{site['name']}-sessions"


@pytest.fixture
def rule(site: Site) -> dict[str, Any]:
    found = dict(site["upkeep"]["sessions"]["applications"]["probe"])
    if found["store"] != "file":
        pytest.skip("sessions of the application are not files")
    return found


@pytest.fixture
def quiet(machine: Machine, unit: str) -> Iterator[None]:
    """The timer does not come in between."""
    machine.run(f"systemctl stop {unit}.timer {unit}.service")
    try:
        yield
    finally:
        machine.run(f"systemctl start {unit}.timer")


def swept(machine: Machine, unit: str) -> str:
    """Run the clean-up; its own words."""
    before = machine.run("date +%s.%N").strip()
    machine.run(f"systemctl start {unit}.service")
    return machine.run(f"journalctl --sync; journalctl -u {unit}.service --since @{before} -o cat")


def test_the_timer_waits_for_its_time(unit: str, site: Site, machine: Machine) -> None:
    """It is there after a restart too, and its service runs as the site's user in a sandbox that lets nothing out."""
    from test_host import exposure

    assert machine.property(f"{unit}.timer", "ActiveState") == "active"
    assert machine.property(f"{unit}.timer", "UnitFileState") == "enabled"
    assert machine.property(f"{unit}.timer", "NextElapseUSecMonotonic") not in ("", "infinity")
    assert machine.property(f"{unit}.service", "User") == site["user"]
    assert machine.property(f"{unit}.service", "ReadWritePaths") == f"{site['paths']['state']}/applications"
    assert exposure(f"{unit}.service", machine) <= 2.0


def test_its_settings_are_no_strangers_to_read(unit: str, site: Site, machine: Machine) -> None:
    path = f"{site['paths']['settings']}/sessions.json"
    assert machine.run(f"stat -c '%a %U:%G' {path}").strip() == f"640 root:{site['user']}"


@pytest.mark.late
def test_expired_sessions_go_and_live_ones_stay(
    unit: str, rule: dict[str, Any], quiet: None, machine: Machine, probe: Probe, site: Site
) -> None:
    """Files, flat and in folders, go by their age; who was there lately goes on counting, who was not begins anew."""
    live, gone = (carried(probe.ask("session/index")) for _visitor in range(2))
    name = gone["Cookie"].partition("=")[2]
    path = machine.run(f"find {probe.state}/sessions -type f -name {name}").strip()
    assert path, "no file of the session"
    planted = [f"{probe.state}/sessions/{place}{uuid.uuid4()}" for place in ("", "0aa/0bb/127.0.0.1-", "ab/001/")]
    machine.python(AGES.format(paths=[path, *planted], age=rule["expiry"] + 5))
    machine.run(f"chown -R {site['user']}:{site['user']} {probe.state}/sessions")
    assert "probe: 4 of " in swept(machine, unit)
    assert machine.try_to(f"ls {path} {' '.join(planted)}").stdout == ""
    assert probe.json("session/index", live)["count"] == 2
    assert probe.json("session/index", gone)["count"] == 1


@pytest.mark.late
def test_a_session_in_the_middle_of_a_request_stays(
    unit: str, rule: dict[str, Any], quiet: None, machine: Machine, probe: Probe, site: Site
) -> None:
    path = f"{probe.state}/sessions/{uuid.uuid4()}"
    machine.python(AGES.format(paths=[path], age=rule["expiry"] + 5))
    machine.run(f"chown {site['user']}:{site['user']} {path}")
    told = machine.run(f"flock {path} systemctl start {unit}.service; journalctl --sync; test -e {path} && echo stays")
    assert "stays" in told
    assert "1 of " in swept(machine, unit) and machine.try_to(f"test -e {path}").rc == 1


@pytest.mark.late
def test_no_session_is_lost_that_comes_while_folders_go(
    unit: str, rule: dict[str, Any], quiet: None, machine: Machine, probe: Probe
) -> None:
    """Empty folders of sessions are removed all the time while visitors come: each of them keeps his session."""
    over, lost = threading.Event(), []

    def visit() -> None:
        while not over.is_set():
            first = probe.ask("session/index")
            second = probe.ask("session/index", carried(first))
            if first.status != 200 or second.status != 200 or second.json()["count"] != 2:
                lost.append((first.status, second.status))

    visitors = [threading.Thread(target=visit) for _number in range(3)]
    for visitor in visitors:
        visitor.start()
    try:
        for _round in range(10):
            machine.run(f"find {probe.state}/sessions -mindepth 1 -type d -exec touch -d '2 hours ago' {{}} +")
            swept(machine, unit)
    finally:
        over.set()
        for visitor in visitors:
            visitor.join()
    assert lost == []


@pytest.mark.data
@pytest.mark.late
def test_expired_rows_go_and_live_ones_stay(unit: str, quiet: None, machine: Machine, probe: Probe, site: Site) -> None:
    if site["upkeep"]["sessions"]["applications"]["probe"]["store"] != "database":
        pytest.skip("sessions of the application are not in a database")
    live, gone = (carried(probe.ask("session/index")) for _visitor in range(2))
    number = gone["Cookie"].partition("=")[2].strip('"').partition(":")[0]
    base, server = database(site), SERVERS[site["data"]["type"]]
    sql = server.sql
    old = "update web2py_session_probe set modified_datetime = LONG_AGO where id = :'number'"
    sql(machine, old.replace("LONG_AGO", server.long_ago), base, number=number)
    sql(machine, "update web2py_session_probe set session_data = '' where id = :'number'", base, number=number)
    assert "probe: 1 of " in swept(machine, unit)
    assert sql(machine, "select count(*) from web2py_session_probe where id = :'number'", base, number=number) == [
        ["0"]
    ]
    assert probe.json("session/index", live)["count"] == 2
    assert probe.json("session/index", gone)["count"] == 1


@pytest.fixture
def collector(site: Site) -> str:
    if not site["upkeep"]["tickets"]:
        pytest.skip("the site keeps its tickets in files")
    return f"{site['name']}-tickets"


@pytest.mark.data
@pytest.mark.late
def test_with_the_database_down_tickets_wait(
    ticket: str, collector: str, machine: Machine, probe: Probe, site: Site
) -> None:
    """The unit says so and fails; with the database back each ticket is there once."""
    server = SERVERS[site["data"]["type"]]
    machine.run(f"systemctl stop {collector}.timer {collector}.service {server.units}")
    try:
        assert machine.try_to(f"systemctl start {collector}.service").rc != 0
        assert machine.property(f"{collector}.service", "Result") == "exit-code"
        told = machine.run(f"journalctl --sync; journalctl -u {collector}.service -n 20 -o cat")
        assert "the database takes no tickets" in told
        assert machine.try_to(f"test -e {probe.state}/errors/{ticket}").rc == 0
    finally:
        machine.run(f"systemctl start {server.unit}")
    machine.run(f"cp -p {probe.state}/errors/{ticket} /run/kept")
    waited(lambda: machine.try_to(f"systemctl start {collector}.service").rc == 0, 30)
    # As a run would leave it that was killed between commit and removal.
    machine.run(f"mv /run/kept {probe.state}/errors/{ticket} && systemctl start {collector}.service {collector}.timer")
    assert machine.try_to(f"test -e {probe.state}/errors/{ticket}").rc == 1
    query = "select count(*) from web2py_ticket_probe where ticket_id = :'ticket'"
    assert server.sql(machine, query, database(site), ticket=ticket) == [["1"]]
    told = machine.module("web2py.deploy.tickets_info", {"site": site, "newest": 50})
    assert any(group["in_database"] for group in told["groups"]) and told["failures"] == []


@pytest.fixture
def full(collector: str, site: Site, machine: Machine, probe: Probe) -> Iterator[str]:
    """The folder of tickets is on a disk of its own that is full; the path of what fills it."""
    folder, user = f"{probe.state}/errors", site["user"]
    owner = machine.run(f"printf 'uid=%s,gid=%s' $(id -u {user}) $(id -g {user})")
    machine.run(f"systemctl stop {collector}.timer {collector}.service")
    machine.run(f"mount -t tmpfs -o size=64k,mode=0700,{owner} tmpfs {folder}")
    try:
        machine.run(f"! dd if=/dev/zero of={folder}/filler bs=4k 2>&1")
        # What runs has the folder of before.
        machine.run(f"systemctl restart {site['name']}")
        yield f"{folder}/filler"
    finally:
        machine.run(f"umount -l {folder}; systemctl restart {site['name']}; systemctl start {collector}.timer")
        waited(lambda: probe.ask("small/index").status == 200, 20)


@pytest.mark.data
@pytest.mark.late
def test_with_a_full_disk_pages_answer_and_tickets_come_again(
    full: str, collector: str, machine: Machine, probe: Probe, site: Site
) -> None:
    """An empty file tells of the ticket that found no room, no stranger is told; the next one is collected again."""
    waited(lambda: probe.ask("small/index").status == 200, 20)
    answer = probe.ask("fail")
    assert answer.status == 500 and "words of a traceback" not in answer.text and "No space" not in answer.text
    assert probe.ask("small/index").status == 200
    machine.run(f"systemctl start {collector}.service")
    machine.run(f"rm {full}")
    assert probe.ask("fail").status == 500
    (ticket,) = machine.lines(f"find {probe.state}/errors -type f -size +1k -printf '%f\\n'")
    machine.run(f"systemctl start {collector}.service")
    query = "select count(*) from web2py_ticket_probe where ticket_id = :'ticket'"
    assert SERVERS[site["data"]["type"]].sql(machine, query, database(site), ticket=ticket) == [["1"]]
    assert machine.lines(f"find {probe.state}/errors -type f -size +0") == []


FROM_WEB2PY = """
import os, sys
root = {root!r}
os.chdir(root); os.environ["web2py_path"] = root; sys.path[:0] = [root]
from web2py_runtime import compat
compat.before_import({version!r})
from gluon.dal import DAL
from gluon.restricted import TicketStorage
from gluon.storage import Storage
import gluon.main
compat.after_import({version!r})
db = DAL("sqlite://upkeep-test.sqlite", folder={folder!r}, auto_import=True)
found = TicketStorage(db=db).load(Storage(), "probe", {ticket!r})
print(found["traceback"].strip().splitlines()[-1])
"""


@pytest.fixture
def ticket(probe: Probe, machine: Machine) -> str:
    """The number of a ticket that a page has just made."""
    folder = f"{probe.state}/errors"
    before = set(machine.lines(f"ls {folder}"))
    assert probe.ask("fail").status == 500
    (new,) = set(machine.lines(f"ls {folder}")) - before
    return new


def test_tickets_are_told(ticket: str, site: Site, machine: Machine) -> None:
    """The newest come first, with their exception and the application's own line."""
    told = machine.module("web2py.deploy.tickets_info", {"site": site, "newest": 50})
    assert told["failures"] == [] and told["changed"] is False
    group = told["groups"][0]
    assert group["application"] == "probe" and group["newest"] == ticket
    assert group["exception"] and group["place"].startswith("probe/controllers/default.py:")
    assert group["place"] in told["table"][1]


@pytest.mark.late
def test_a_ticket_goes_to_a_database_as_web2py_reads_it(
    ticket: str, site: Site, machine: Machine, probe: Probe, web: Client
) -> None:
    """Into a database of the test's own: each ticket once, and web2py's own reader shows it."""
    paths, place = site["paths"], f"/run/{site['name']}-upkeep-test"
    python = f"PYTHONPATH={paths['runtime']} runuser -u {site['user']} -- {paths['environment']}/bin/python -s"
    row = {"uri": "sqlite://upkeep-test.sqlite", "driver_args": {}}
    settings = {
        "state": f"{paths['state']}/applications", "code": paths["code"], "databases": f"{place}/databases.json",
        "applications": {"probe": {"store": "database"}},
    }  # fmt: skip
    version = json.loads(machine.run(f"cat {paths['current']}/release.json"))["versions"]["web2py"]
    source = FROM_WEB2PY.format(root=paths["code"], version=version, folder=f"{probe.state}/databases", ticket=ticket)
    texts = {"databases.json": json.dumps({"applications": {"probe": row}}), "settings.json": json.dumps(settings)}
    texts["read.py"] = source
    machine.run(f"install -d -m 0755 {place}")
    try:
        machine.python(f"for name, text in {texts!r}.items(): open('{place}/' + name, 'w').write(text)")
        machine.run(f"chmod 0644 {place}/*")
        for words in ("1 tickets moved", ""):
            # A file of the same ticket that a killed run would have left.
            kept = f"{probe.state}/errors/{ticket}"
            machine.run(f"cp -p {kept} {place}/kept" if words else f"cp -p {place}/kept {kept}")
            machine.run(f"find {probe.state}/errors -type f ! -name {ticket} -delete")
            assert words in machine.run(f"{python} -m web2py_runtime.tickets collect {place}/settings.json")
            assert machine.try_to(f"test -e {kept}").rc == 1
        assert "Error" in machine.run(f"{python} {place}/read.py")
    finally:
        machine.run(f"rm -rf {place} {probe.state}/databases/*upkeep-test*")
        machine.run(f"find {probe.state}/databases -name '*_web2py_ticket_probe.table' -mmin -5 -delete")
