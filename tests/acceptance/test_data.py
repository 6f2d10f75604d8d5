"""Databases on a server: what is where, who gets in, and that nothing shows the password."""

from __future__ import annotations

import json
import time
from typing import Any
from urllib.parse import quote

import pytest
from hosts import Machine, Probe, Site, waited
from servers import SERVERS, Server, database

testinfra_hosts = ["ansible://web2py_web"]
pytestmark = pytest.mark.data


@pytest.fixture(scope="module", autouse=True)
def served(site: Site) -> None:
    if not (site["data"] and site["data"]["local"]):
        pytest.skip("the site has no database server on its host")


@pytest.fixture(scope="module")
def password(variables: dict[str, Any]) -> str:
    return str(variables["web2py_database_password"])


@pytest.fixture(scope="module")
def server(site: Site) -> Server:
    return SERVERS[site["data"]["type"]]


def test_every_name_of_the_database_leads_to_the_server(probe: Probe, site: Site, password: str) -> None:
    told = probe.json("data/leads")
    name = database(site)
    assert told["model"] == told["gluon"] == told["pydal"]
    assert told["model"].startswith(("postgres://", "mysql:")) and f"/{name}?" in told["model"]
    assert told["other"] == "sqlite:memory"
    assert password not in str(told) and quote(password) not in str(told)


def test_tables_are_in_the_database_of_their_application(
    probe: Probe, site: Site, machine: Machine, server: Server
) -> None:
    # Another site may have been here before, with a file that is left alone.
    file = f"cksum {probe.state}/databases/probe.sqlite"
    before = machine.try_to(file).stdout
    words = "kept: d'été 密 \U0001f40d"
    number = probe.json(f"database/insert?name={quote(words)}")["id"]
    assert server.sql(machine, "select name from note where id = :'number'", database(site), number=number) == [[words]]
    assert probe.json(f"database/read/{number}")["name"] == words
    assert machine.try_to(file).stdout == before


def test_the_server_is_at_the_loopback_address_alone(site: Site, machine: Machine) -> None:
    rows = [row.split()[3] for row in machine.lines(f"ss -Hlnt 'sport = :{site['data']['port']}'")]
    assert rows and all(row.startswith(("127.0.0.1:", "[::1]:")) for row in rows)


def test_nothing_shows_the_password(site: Site, machine: Machine, password: str) -> None:
    """Neither files that others read, nor arguments, nor the journal, nor the server's log; as it is or encoded."""
    kept = f"{site['paths']['settings']}/databases.json"
    assert machine.run(f"stat -c '%a %U:%G' {kept}").strip() == f"640 root:{site['user']}"
    words = [password, quote(password), quote(password, safe=""), json.dumps(password)]
    folders = [*(site["paths"][key] for key in ("root", "state", "settings")), "/var/log", "/run", "/etc"]
    program = (
        f"import glob, os\nwords = [word.encode() for word in {words!r}]\n"
        "def holds(path):\n"
        " try:\n  data = open(path, 'rb').read()\n except OSError:\n  return False\n"
        " return any(word in data for word in words)\n"
        "found = [p for p in glob.glob('/proc/[0-9]*/cmdline') + glob.glob('/proc/[0-9]*/environ') if holds(p)]\n"
        f"for top in {folders!r}:\n"
        " for folder, _names, files in os.walk(top):\n"
        "  found += [p for p in (os.path.join(folder, n) for n in files) if os.path.isfile(p) and holds(p)]\n"
        f"print(sorted(set(found) - {{{kept!r}}}))\n"
    )
    assert machine.python(program).strip() == "[]"
    told = machine.run("journalctl -q --no-pager -o cat")
    assert password not in told and quote(password) not in told


def test_sessions_are_in_the_database(probe: Probe, site: Site, machine: Machine, server: Server) -> None:
    files = f"find {probe.state}/sessions -type f"
    before = set(machine.lines(files))
    first = probe.ask("session/index")
    cookie = first.all("set-cookie")[0]
    assert all(word in cookie.lower() for word in ("httponly", "samesite=lax"))
    assert ("secure" in cookie.lower()) == site["secure_cookies"]
    again = probe.ask("session/index", {"Cookie": cookie.split(";")[0]})
    assert (first.json()["count"], again.json()["count"]) == (1, 2)
    assert int(server.sql(machine, "select count(*) from web2py_session_probe", database(site))[0][0]) >= 1
    assert set(machine.lines(files)) <= before


def test_tables_are_made_by_the_run_and_not_while_serving(
    probe: Probe, site: Site, machine: Machine, server: Server
) -> None:
    """All models' tables are there before any page was asked for; what a page defines itself is not made."""

    def tables() -> list[str]:
        return sorted(row[0] for row in server.sql(machine, server.tables, database(site, "frozen")))

    made = tables()
    assert {"article", "note", "document", "web2py_session_frozen"} <= set(made)
    # As the user of the site, in one process, once: no file of the tables has been touched since.
    stat = f"stat -c '%n %y %U' {site['paths']['state']}/applications/frozen/databases/*.table"
    before = machine.run(stat)
    assert {line.split()[-1] for line in before.splitlines()} == {site["user"]}
    assert probe.web.ask("/frozen/database/insert").json()["count"] >= 1
    assert probe.web.ask("/frozen/session/index").json() == {"count": 1}
    assert probe.web.ask("/frozen/data/note").status == 500
    assert tables() == made
    assert machine.run(stat) == before


def test_values_in_a_process_stay_within_their_bound(probe: Probe) -> None:
    """A hundred MiB go through the cache of one process, which may keep eight of them."""
    told = probe.web.ask("/frozen/store/fill?count=400&kb=256").json()
    assert 20 <= told["kept"] <= 32 and told["used"] <= told["most"] == 8 << 20
    assert told["evicted"] > 300
    assert told["grown_mb"] < 40, told


def test_a_compiled_application_runs_its_byte_code(probe: Probe) -> None:
    assert "/compiled/" in probe.web.ask("/frozen/store/fill?count=1&kb=1").json()["code"]
    assert "/compiled/" not in probe.web.ask("/probe/store/code").json()["code"]


def test_tickets_are_in_the_database_and_admin_reads_them(probe: Probe, machine: Machine, site: Site) -> None:
    collect = f"systemctl start {site['name']}-tickets.service"
    # Admin knows the table once something was collected.
    probe.ask("fail")
    machine.run(collect)
    before = set(probe.json("data/tickets")["tickets"])
    files = machine.lines(f"find {probe.state}/errors -type f")
    answer = probe.ask("fail")
    assert answer.status == 500
    machine.run(collect)
    told = probe.json("data/tickets")
    (new,) = set(told["tickets"]) - before
    assert "words of a traceback" in told["tickets"][new]
    assert told["named"] == "web2py.deploy:probe"
    assert machine.lines(f"find {probe.state}/errors -type f") == files


def test_status_tells_what_lies_in_each_database(probe: Probe, site: Site, machine: Machine, password: str) -> None:
    assert probe.ask("session/index").status == 200
    page = machine.module("web2py.deploy.site_status", {"site": site})["page"]
    rows = {row["name"]: row for row in page["databases"] if row["kind"] == site["data"]["type"]}
    assert set(rows) == set(site["data"]["databases"])
    assert not any(row.get("error") or row["faults"] for row in rows.values()), rows
    found = rows[database(site)]
    assert found["bytes"] > 0 and found["sessions"] >= 1
    assert password not in json.dumps(page, ensure_ascii=False)


def test_processes_share_the_cache(probe: Probe) -> None:
    key = f"shared{time.time_ns()}"
    assert len({probe.json(f"cache_ram/{key}")["value"] for _number in range(12)}) == 1


@pytest.mark.late
def test_a_server_that_is_down_holds_nobody_up(probe: Probe, machine: Machine, server: Server) -> None:
    """Pages fail at once, where sessions are in it before they have done anything, and come back with the server."""
    machine.run(f"systemctl stop {server.units}")
    try:
        begin = time.monotonic()
        answer = probe.ask("data/note")
        assert (answer.status, answer.get("retry-after"), answer.all("set-cookie")) == (503, "5", [])
        assert probe.web.ask("/paper/data/note").status == 500
        assert time.monotonic() - begin < 5
    finally:
        machine.run(f"systemctl start {server.unit}")
    waited(lambda: probe.ask("data/note").status == 200, 10)


@pytest.mark.late
def test_a_new_password_reaches_running_processes_and_no_table_is_made_again(
    probe: Probe, site: Site, machine: Machine, password: str, server: Server
) -> None:
    """Set on the server and in the file, as a run does; the number of rows goes on in every process."""
    kept, role = f"{site['paths']['settings']}/databases.json", site["data"]["user"]
    count = probe.json("data/note")["count"]
    tables = machine.run(f"ls {probe.state}/databases")

    def change(new: str) -> None:
        machine.python(
            f"import json, os\ntext = json.load(open({kept!r}))\n"
            "for row in text['applications'].values():\n"
            f" if row['uri']: row['driver_args']['password'] = {new!r}\n"
            f"json.dump(text, open('{kept}.new', 'w'))\nfound = os.stat({kept!r})\n"
            f"os.chown('{kept}.new', found.st_uid, found.st_gid)\nos.chmod('{kept}.new', 0o640)\n"
        )
        machine.run(f"mv {kept}.new {kept}")
        server.change_password(machine, role, new)

    change("another word altogether")
    try:
        waited(lambda: probe.ask("data/note").status == 200, 10)
        told = {probe.json("data/note")["count"] for _number in range(10)}
    finally:
        change(password)
    assert min(told) > count
    assert machine.run(f"ls {probe.state}/databases") == tables
    waited(lambda: probe.ask("data/note").status == 200, 10)


@pytest.mark.late
def test_a_backup_brings_tables_and_rows_back(probe: Probe, site: Site, machine: Machine, server: Server) -> None:
    """What came after it is gone then, the rows of before are there, and the site serves."""
    if not site["backup"]:
        pytest.skip("the site has no backups")
    base, folder = database(site), site["backup"]["folder"]
    number = probe.json("database/insert?name=saved")["id"]
    machine.run(f"systemctl start {site['backup']['unit']}.service")
    assert probe.json("database/insert?name=later")["id"] > number
    change = "create table later (id integer); update note set name = 'spoilt'"
    server.sql(machine, "".join([server.become, change]), base, role=site["data"]["user"])
    told = machine.run(f"python3 -I -B {folder}/program restore {folder}/settings.json latest")
    assert "is in place" in told
    # What was there before is kept, and nobody else reads it.
    before = f"{site['paths']['state']}/before-restore-*"
    assert machine.lines(f"find {before} -type f -path '*/{site['data']['type']}/*'")
    assert machine.lines(f"find {before} -perm /0007 -not -type l") == []
    rows = server.sql(machine, "select id, name from note where id >= :'number'", base, number=number)
    assert rows == [[str(number), "saved"]]
    assert ["later"] not in server.sql(machine, server.tables, base)
    waited(lambda: probe.ask(f"database/read/{number}").status == 200, 20)
    assert probe.json("database/insert?name=again")["id"] > number


@pytest.mark.late
def test_a_backup_is_proven_without_a_server_of_its_own(site: Site, machine: Machine) -> None:
    """As on a web host whose PostgreSQL is elsewhere: the dump is read, and its rows are counted in it."""
    if not (site["backup"] and site["data"]["type"] == "postgresql"):
        pytest.skip("the site has no backups of PostgreSQL")
    part = site["backup"]
    initdb = machine.lines("ls /usr/lib/postgresql/*/bin/initdb")[0]

    def told() -> Any:
        return json.loads(machine.run(f"cat {part['home']}/status.json"))

    machine.run(f"mv {initdb} {initdb}.away")
    try:
        machine.run(f"systemctl start {part['drill_unit']}.service")
    finally:
        machine.run(f"mv {initdb}.away {initdb}")
    made, proven = told()["backup"], told()["drill"]
    assert told()["troubles"] == {} and proven["snapshot"] == made["snapshot"]
    assert (proven["databases"], proven["rows"]) == (made["databases"], made["rows"]) and made["rows"] > 0
