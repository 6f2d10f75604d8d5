"""Another front end and another application server by one word each, on a host that serves all the time."""

from __future__ import annotations

import json
import math
import ssl
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from desk import ROOT, Desk, Run

from ansible_collections.web2py.deploy.plugins.module_utils import _host
from ansible_collections.web2py.deploy.plugins.module_utils._backend import APP_SERVERS, FRONT_ENDS, backend

sys.path.insert(0, str(ROOT / "tests/acceptance"))
from client import Client, form

FIRST = ("nginx", "uwsgi")
SWITCHES = [
    ("apache", "mod_python"),
    ("apache", "mod_wsgi"),
    ("lighttpd", "fastcgi"),
    ("none", "rocket"),
    ("nginx", "cgi"),
    ("nginx", "rocket"),
    ("nginx", "uwsgi"),
]
# The part of a run for which the site may be away, however busy the machine is.
AWAY = 0.5
# What servers inside Apache have on the host beyond settings of the site.
INSIDE = {
    "mod_python": [
        "/etc/web2py/mod_python.conf",
        "/etc/systemd/system/apache2.service.d/web2py-mod_python.conf",
        "/etc/apache2/mods-enabled/python.load",
        "/var/lib/apache2/module/disabled_by_admin/wsgi",
    ],
    "mod_wsgi": ["/etc/web2py/mod_wsgi.conf", "/etc/systemd/system/apache2.service.d/web2py.conf"],
}
UPLOAD = b"kept " * 1000
PASSWORD = "a tunnel for the tests"


def choices(front_end: str, server: str) -> dict[str, Any]:
    # Once, so that it is taken away again.
    admin = {"web2py_admin": "tunnel", "web2py_admin_password": PASSWORD} if server == "mod_python" else {}
    source = {"type": "directory", "path": str(ROOT / "tests/applications/probe")}
    own = [{"name": name, "source": source} for name in (["probe", "admin"] if admin else ["probe"])]
    return {
        "web2py_front_end": front_end,
        "web2py_app_server": server,
        "web2py_applications": [{"name": "starter", "source": {"type": "starter"}}, *own],
        **admin,
    }


class Visitor(threading.Thread):
    """Asks for one page of its session all the time, and keeps when it was answered."""

    def __init__(self, web: Client) -> None:
        super().__init__(daemon=True)
        self.web, self.failed, self.counts = web, 0, [0]
        self.cookie = ""
        self.ended = threading.Event()
        # The last answer, the longest time without one, the sum of those with failures, the end of the last.
        self.at, self.longest, self.away, self.back = time.monotonic(), 0.0, 0.0, 0.0
        # Begin and end of the run of the playbook.
        self.play = (0.0, 0.0)

    def ask(self) -> int:
        answer = self.web.ask("/probe/session/index", {"Cookie": self.cookie} if self.cookie else {}, timeout=10)
        if answer.status == 200 and not self.cookie:
            self.cookie = answer.all("set-cookie")[0].split(";")[0]
        return int(answer.json()["count"])

    def run(self) -> None:
        failing = False
        while not self.ended.is_set():
            try:
                self.counts.append(self.ask())
            except (OSError, AssertionError, ValueError):
                self.failed += 1
                failing = True
            else:
                self.answered(failing)
                failing = False
            self.ended.wait(0.02)
        if failing:
            self.answered(failing)
            self.back = math.inf

    def answered(self, failed_before: bool) -> None:
        now = time.monotonic()
        self.longest = max(self.longest, now - self.at)
        if failed_before:
            self.away += now - self.at
            self.back = now
        self.at = now


@pytest.fixture(scope="module")
def web(desk: Desk) -> Client:
    """A visitor of the site, which has the probe from now on."""
    run = desk.play(**choices(*FIRST))
    assert run.status == 0, run.output
    trust = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trust.load_verify_locations(cadata=desk.on_host("cat /etc/web2py/tls/ca.pem"))
    return Client(desk.host.ip, 443, "www.example.org", trust)


@pytest.fixture(scope="module")
def data(web: Client) -> dict[str, Any]:
    """A row and an uploaded file, from before all switches."""
    headers, body = form("file", "kept.txt", UPLOAD)
    return {
        "row": web.ask("/probe/database/insert?name=kept").json()["id"],
        "file": web.ask("/probe/database/upload", headers, method="POST", body=body).json()["file"],
    }


@pytest.fixture(scope="module", params=SWITCHES, ids="/".join)
def switch(
    request: pytest.FixtureRequest, desk: Desk, web: Client, data: dict[str, Any]
) -> Iterator[tuple[str, str, Run, Visitor]]:
    """One run of the playbook with other words, under a visitor's eyes."""
    visitor = Visitor(web)
    visitor.start()
    begin = time.monotonic()
    run = desk.play(**choices(*request.param))
    visitor.play = (begin, time.monotonic())
    time.sleep(1)
    visitor.ended.set()
    visitor.join()
    yield *request.param, run, visitor


def test_the_switch_is_one_run_and_short(
    switch: tuple[str, str, Run, Visitor], record_property: Callable[[str, object], None]
) -> None:
    front_end, server, run, visitor = switch
    assert run.status == 0, run.output
    record_property(
        f"switch to {front_end}/{server}",
        f"{len(visitor.counts) - 1} answered, {visitor.failed} failed, longest {visitor.longest:.1f} s, "
        f"away {visitor.away:.1f} s",
    )
    begin, end = visitor.play
    assert visitor.away < AWAY * (end - begin)
    assert visitor.back < end, "the site is back before the playbook says so"
    assert visitor.ask() == visitor.counts[-1] + 1, "the site serves, and the session goes on"


def test_sessions_rows_and_files_are_kept(switch: tuple[str, str, Run, Visitor], web: Client, data: dict) -> None:
    visitor = switch[3]
    counts = visitor.counts
    assert counts == sorted(counts) and len(set(counts)) == len(counts), "the session was never begun anew"
    assert web.ask(f"/probe/database/read/{data['row']}").json()["name"] == "kept"
    assert web.ask(f"/probe/database/download/{data['file']}").body == UPLOAD


def test_the_new_one_serves_and_the_old_one_is_gone(switch: tuple[str, str, Run, Visitor], desk: Desk) -> None:
    """Its unit, its socket, its settings for the site and its processes."""
    front_end, server = switch[:2]
    source = Path(_host.__file__).read_text() + "\nprint(json.dumps(traces()))"
    traces = json.loads(desk.on_host(f"python3 - <<'E'\n{source}\nE"))
    own = {front_end, APP_SERVERS[server].role} | ({"tunnel"} if server == "mod_python" else set())
    assert {name for name, sites in traces.items() if "web2py" in sites} == own & set(traces)
    for name, other in FRONT_ENDS.items():
        if not other.units:  # the application server by itself
            continue
        wanted = name == front_end
        for unit in other.units:
            assert (desk.on_host(f"systemctl is-active {unit}", check=False).strip() == "active") is wanted, unit
            assert (desk.on_host(f"systemctl is-enabled {unit}", check=False).strip() == "enabled") is wanted, unit
        assert bool(desk.on_host(f"pgrep -x {other.program}", check=False)) is wanted, name
    path = backend("web2py", front_end, server)["path"]
    assert desk.on_host("find /run/web2py -type s", check=False).split() == ([path] if path else [])
    assert desk.on_host("systemctl is-active web2py.socket", check=False).strip() == ("active" if path else "inactive")
    # The tunnel's instance is another thing, and may be there without being asked.
    processes = desk.on_host("ps -u web2py -o args --no-headers | grep -v -e --admin-port", check=False)
    words = {"mod_wsgi": "wsgi:web2py", "mod_python": "apache2 -k", "uwsgi": "uWSGI master"}
    seen = {name for name in {name for _front_end, name in SWITCHES} if words.get(name, f"serve {name}") in processes}
    assert seen == {server}, processes


def test_nothing_of_the_old_one_stays_outside_of_the_site(switch: tuple[str, str, Run, Visitor], desk: Desk) -> None:
    """Drop-ins and modules of Apache, the marks that keep modules off, the user it runs as; and the tunnel to admin."""
    front_end, server = switch[:2]
    paths = [path for name, own in INSIDE.items() if name != server for path in own]
    assert desk.on_host(f"ls -d {' '.join(paths)} 2>/dev/null", check=False) == ""
    tunnel = desk.on_host("ls -d /etc/systemd/system/web2py-admin.* 2>/dev/null", check=False)
    assert bool(tunnel) is (server == "mod_python"), tunnel
    users = set(desk.on_host("ps -C apache2 -o user --no-headers", check=False).split())
    assert ("www-data" in users) is (front_end == "apache" and server != "mod_python"), users


def test_after_all_a_second_run_changes_nothing(desk: Desk, web: Client) -> None:
    run = desk.play(**choices(*SWITCHES[-1]))
    assert (run.status, run.changed) == (0, 0), run.output
    assert desk.play("status", **choices(*SWITCHES[-1])).status == 0
