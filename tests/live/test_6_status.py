"""One page about a site: healthy or not, what is wrong and the command that mends it. Nothing is changed by looking."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from desk import Desk, Run

# Everything that looking could change: files, what runs, units and when they were started.
STATE = (
    "find /etc/web2py /srv/web2py /var/lib/web2py /etc/nginx /etc/systemd/system -printf '%p %m %u %s %T@\\n' | sort"
    " | sha256sum; systemctl show -p Id,ActiveState,InvocationID,NRestarts web2py.service web2py.socket nginx.service"
)
STARTER = "/var/lib/web2py/applications/starter"
JOBS = """python3 - <<'E'
import datetime, sqlite3
base = sqlite3.connect("{path}")
base.execute("create table scheduler_task (status text)")
base.execute("insert into scheduler_task values ('QUEUED')")
columns = "worker_name text, status text, last_heartbeat timestamp, group_names text"
base.execute(f"create table scheduler_worker ({{columns}})")
base.execute("insert into scheduler_worker values ('a#1', 'ACTIVE', ?, 'main')", (str(datetime.datetime.now()),))
base.commit()
E
chown web2py: {path}"""
SECRET = "s3cret-of-the-database"
# In place of the front end: connections come into a queue and are never answered.
SILENT = """systemctl stop nginx
systemd-run --unit silent python3 -c '
import socket, time
held = [socket.create_server(("", port), backlog=9) for port in (80, 443)]
time.sleep(600)'"""


@pytest.fixture(scope="module", autouse=True)
def site(desk: Desk) -> None:
    run = desk.play("site")
    assert run.status == 0, run.output


def report(run: Run) -> dict[str, Any]:
    """What a program reads: the one line that begins with a brace."""
    lines = [line for line in run.output.splitlines() if line.startswith('{"')]
    assert len(lines) == 1, run.output
    found: dict[str, Any] = json.loads(lines[0])
    return found


def look(desk: Desk, **choices: Any) -> tuple[int, dict[str, Any]]:
    run = desk.play("status", web2py_format="json", **choices)
    return run.status, report(run)


def troubles(found: dict[str, Any], severity: str = "error") -> str:
    return "\n".join(f"{row['what']}: {row['remedy']}" for row in found["findings"] if row["severity"] == severity)


@pytest.mark.parametrize("words", [[], ["--check"]], ids=["", "check"])
def test_a_healthy_site_is_a_page_and_nothing_changes(desk: Desk, words: list[str]) -> None:
    before = desk.on_host(STATE)
    run = desk.play("status", *words)
    assert (run.status, run.changed) == (0, 0), run.output
    for word in (
        "web2py: healthy", "https://www.example.org", "web2py 2.26.1 on Python 3.11", "web2py.service", "nginx.service",
        "active (running)", "starter", "percent used", "self_signed, 36", "from nobody", "maintenance", "not chosen",
    ):  # fmt: skip
        assert word in run.output, f"{word}\n{run.output}"
    assert desk.on_host(STATE) == before


def test_programs_get_json(desk: Desk) -> None:
    status, found = look(desk)
    assert status == 0 and found["healthy"] and found["site"] == "web2py", found
    assert found["seconds"] < 15
    units = {row["name"]: row for row in found["units"]}
    assert {"web2py.service", "web2py.socket", "nginx.service"} <= set(units)
    assert units["web2py.service"]["processes"] > 1 and units["web2py.service"]["memory_bytes"] > 1 << 20
    assert found["answers"]["page"]["status"] == 200 and found["answers"]["admin"]["status"] == 404
    assert found["storage"]["path"] == "/var/lib/web2py" and found["certificate"]["days"] > 300


def test_a_browser_gets_a_file_of_its_own(desk: Desk, tmp_path: Path) -> None:
    run = desk.play("status", web2py_report=str(tmp_path / "site.html"))
    assert run.status == 0, run.output
    content = (tmp_path / "site.html").read_text()
    assert content.startswith("<!DOCTYPE html>") and "web2py: healthy" in content
    assert re.findall(r"(?:src|href|url)\s*[=(]|<(?:script|link|img|iframe)", content) == []
    run = desk.play("status", web2py_report=str(tmp_path))
    assert run.status == 0 and "web2py: healthy" in (tmp_path / "www.example.org.html").read_text()
    run = desk.play("status", web2py_report=str(tmp_path / "site.json"))
    assert run.status == 0 and json.loads((tmp_path / "site.json").read_text())["healthy"]


def test_a_report_that_cannot_be_written_is_told(desk: Desk) -> None:
    run = desk.play("status", web2py_report="/nowhere/at/all.html")
    assert run.status != 0 and "report cannot be written" in run.output, run.output


def test_a_stopped_server_is_named_with_its_command_and_not_started(desk: Desk) -> None:
    desk.on_host("systemctl stop web2py.service")
    try:
        before = desk.on_host(STATE)
        run = desk.play("status")
        assert run.status == 2, run.output
        assert "web2py: NOT HEALTHY" in run.output and "web2py.service is inactive" in run.output, run.output
        assert "systemctl start web2py.service" in run.output and "Traceback" not in run.output
        assert desk.on_host(STATE) == before
    finally:
        desk.on_host("systemctl start web2py.service")
    assert look(desk)[0] == 0


def test_a_stopped_front_end_is_named_with_its_command(desk: Desk) -> None:
    desk.on_host("systemctl stop nginx.service")
    try:
        status, found = look(desk)
        assert status == 2 and "nginx.service is inactive: systemctl start nginx.service" in troubles(found), found
        assert "Connection refused" in found["answers"]["page"]["error"]
    finally:
        desk.on_host("systemctl start nginx.service")
    assert look(desk)[0] == 0


def test_what_hangs_or_is_all_down_is_lines_in_bounded_time(desk: Desk) -> None:
    desk.on_host(SILENT)
    try:
        status, found = look(desk)
        assert status == 2 and found["seconds"] < 60, found
        assert "nginx.service is inactive" in troubles(found) and "gave no answer" in troubles(found)
        desk.on_host("systemctl stop web2py.socket web2py.service")
        status, found = look(desk)
        assert status == 2 and "web2py.socket is inactive" in troubles(found), found
    finally:
        desk.on_host("systemctl stop silent; systemctl start web2py.socket web2py.service nginx.service")
    assert look(desk)[0] == 0


def test_tickets_and_sessions_are_counted(desk: Desk) -> None:
    before = look(desk)[1]["applications"][0]
    desk.on_host(f"mkdir -p {STARTER}/sessions/zzz/zzz && touch {STARTER}/sessions/zzz/zzz/one")
    desk.on_host(f"touch {STARTER}/errors/new && touch -d 2020-01-01 {STARTER}/errors/old")
    try:
        status, found = look(desk)
        row = found["applications"][0]
        assert status == 0 and row["tickets"]["today"] == before["tickets"]["today"] + 1
        assert row["tickets"]["total"] == before["tickets"]["total"] + 2
        assert row["sessions"]["total"] > before["sessions"]["total"]
        assert f"ls -lt {STARTER}/errors" in troubles(found, "warning")
    finally:
        desk.on_host(f"rm -rf {STARTER}/errors/new {STARTER}/errors/old {STARTER}/sessions/zzz")


def test_databases_are_looked_into_and_their_secret_stays(desk: Desk) -> None:
    settings, database = "/etc/web2py/databases.json", f"{STARTER}/databases/status.sqlite"
    desk.on_host(JOBS.format(path=database))
    row = {"uri": "postgres://shop@127.0.0.1:9/shop", "driver_args": {"password": SECRET}}
    given = json.dumps({"applications": {"starter": row}})
    desk.on_host(f"test ! -e {settings} && install -m 0640 -g web2py /dev/stdin {settings} <<'E'\n{given}\nE")
    try:
        run = desk.play("status", "-vvv")
        assert run.status == 2 and SECRET not in run.output
        assert "1 queued" in run.output and "shop of starter cannot be asked" in run.output, run.output
        rows = {row["kind"]: row for row in look(desk)[1]["databases"] if row["name"] in ("shop", "status.sqlite")}
        assert rows["sqlite"]["tasks"] == {"QUEUED": 1} and rows["sqlite"]["workers"][0]["silent_seconds"] < 300, rows
        assert rows["postgresql"]["error"], rows
    finally:
        desk.on_host(f"rm -f {settings} {database}")
    assert look(desk)[0] == 0


def test_limits_are_choices(desk: Desk) -> None:
    status, found = look(desk, status_disk_percent=0)
    assert status == 2 and "the file system of /var/lib/web2py is full to" in troubles(found)
    status, found = look(desk, status_certificate_days=400)
    assert status == 2 and "the certificate ends in" in troubles(found) and "--tags tls" in troubles(found)
    run = desk.play("status", status_disk_percent="much")
    assert run.status != 0 and "status_disk_percent" in run.output, run.output
    run = desk.play("status", web2py_format="xml")
    assert run.status != 0 and "status_format" in run.output, run.output


def test_a_host_without_the_site_is_a_page(desk: Desk) -> None:
    status, found = look(desk, web2py_site="nothing")
    assert status == 2 and "no release of nothing serves on this host" in troubles(found), found
    assert "nothing.service is not on the host: ansible-playbook" in troubles(found)


def test_maintenance_is_told_and_is_no_fault(desk: Desk) -> None:
    path = "/etc/web2py/maintenance.json"
    words = '{"site": false, "applications": ["starter"], "operators": [], "message": "", "retry_seconds": 300}'
    desk.on_host(f"echo '{words}' > {path}")
    try:
        status, found = look(desk)
        assert status == 0 and found["maintenance"]["on"], found
        assert "maintenance mode is on: starter" in troubles(found, "warning")
    finally:
        desk.on_host(f"rm {path}")
