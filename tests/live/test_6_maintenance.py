"""Visitors are kept out and let in again by a playbook; another one migrates databases while nobody else is let in."""

from __future__ import annotations

import os
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from desk import BIN, ROOT, Desk, Run

sys.path.insert(0, str(ROOT / "tests/acceptance"))
from client import Client
from hosts import waited

NOTICE = "/etc/web2py/maintenance.json"
# Code of an application that leaves its tables alone while it serves.
MODEL = """
db = DAL("sqlite://storage.sqlite", migrate_enabled=False)
db.define_table("thing", Field("name"){more})
{end}
"""
CONTROLLER = "def index():\n    return 'things: %s %s' % (db(db.thing).count(), db.thing.fields)\n"
BROKEN = "raise RuntimeError('not today')"
SLOW = "import os, time\nif os.environ.get('WEB2PY_RUNTIME_MIGRATES'):\n    time.sleep(600)\n"
# Prints the status that somebody on the host itself gets.
NEAR = """python3 - <<'E'
import socket, ssl
context = ssl.create_default_context(cafile="/etc/web2py/tls/ca.pem")
line = context.wrap_socket(socket.create_connection(("127.0.0.1", 443), 30), server_hostname="www.example.org")
line.sendall(b"GET /shop/default/index HTTP/1.1\\r\\nHost: www.example.org\\r\\nConnection: close\\r\\n\\r\\n")
print(line.makefile().readline().split()[1])
E
"""


class Shop:
    """An application on the desk, which can be written anew."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("models", "controllers", "views"):
            (folder / name).mkdir(parents=True)
        (folder / "controllers/default.py").write_text(CONTROLLER)
        (folder / "views/README").write_text("none\n")
        self.write()

    def write(self, *fields: str, end: str = "") -> None:
        more = "".join(f', Field("{name}")' for name in fields)
        (self.folder / "models/db.py").write_text(MODEL.format(more=more, end=end))


@pytest.fixture(scope="module")
def shop(desk: Desk) -> Shop:
    return Shop(desk.folder / "shop")


@pytest.fixture(scope="module")
def choices(shop: Shop) -> dict[str, Any]:
    source = {"type": "directory", "path": str(shop.folder)}
    rows = [{"name": "starter", "source": {"type": "starter"}}, {"name": "shop", "source": source}]
    # Who asks from the host itself is an operator, who asks from here a visitor.
    return {"web2py_applications": rows, "web2py_operators": ["127.0.0.0/8"]}


@pytest.fixture(scope="module")
def web(desk: Desk, choices: dict[str, Any]) -> Iterator[Client]:
    run = desk.play("site", **{**choices, "web2py_applications": choices["web2py_applications"][:1]})
    assert run.status == 0, run.output
    trust = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trust.load_verify_locations(cadata=desk.on_host("cat /etc/web2py/tls/ca.pem"))
    yield Client(desk.host.ip, 443, "www.example.org", trust)
    desk.on_host(f"rm -f {NOTICE}")


def pages(web: Client) -> tuple[int, int, int]:
    """What a visitor gets: of the starter, of the shop, and a balancer of the health page."""
    found = [web.ask(path).status for path in ("/starter/default/index", "/shop/default/index", "/healthz")]
    return found[0], found[1], found[2]


def switch(desk: Desk, choices: dict[str, Any], state: str, *words: str, **more: Any) -> Run:
    return desk.play("maintenance", "-e", f"web2py_maintenance={state}", *words, **{**choices, **more})


def test_new_tables_come_by_the_playbook_that_migrates(desk: Desk, web: Client, choices: dict[str, Any]) -> None:
    """The site's own run refuses code that has no tables and does not make them; that one makes them first."""
    run = desk.play("site", **choices)
    assert run.status != 0 and "no such table: thing" in run.output
    run = desk.play("migrate", **choices)
    assert run.status == 0, run.output
    assert pages(web) == (200, 200, 200)
    assert desk.on_host(f"test -e {NOTICE}; echo $?").strip() == "1"
    again = desk.play("migrate", **choices)
    assert (again.status, again.changed) == (0, 0), again.output
    assert desk.play("site", **choices).changed == 0


def test_a_site_is_closed_and_opened_by_one_word(desk: Desk, web: Client, choices: dict[str, Any]) -> None:
    lives = desk.on_host("systemctl show -p InvocationID -p NRestarts web2py.service nginx.service")
    dry = switch(desk, choices, "on", "--check", "--diff")
    assert (dry.status, dry.changed, pages(web)) == (0, 1, (200, 200, 200)), dry.output
    words = ("-e", "web2py_maintenance_message='Back at six.'", "-e", "web2py_maintenance_retry_seconds=77")
    run = switch(desk, choices, "on", *words)
    assert (run.status, run.changed, pages(web)) == (0, 1, (503, 503, 503)), run.output
    answer = web.ask("/")
    assert answer.get("retry-after") == "77" and "Back at six." in answer.text
    assert switch(desk, choices, "on", *words).changed == 0
    status = desk.play("status", **choices)
    assert status.status == 0 and "aintenance" in status.output, status.output
    # The site can be built anew behind the page, and stays closed.
    run = desk.play("site", **choices, web2py_log_level="ERROR")
    assert run.status == 0 and "In maintenance: the whole site" in run.summary[0], run.output
    assert pages(web) == (503, 503, 503)
    assert desk.play("site", **choices).status == 0
    run = switch(desk, choices, "off")
    assert (run.status, run.changed, pages(web)) == (0, 1, (200, 200, 200)), run.output
    assert switch(desk, choices, "off").changed == 0
    after = desk.on_host("systemctl show -p InvocationID -p NRestarts web2py.service nginx.service")
    assert after == lives


def test_one_application_is_closed_and_operators_pass(desk: Desk, web: Client, choices: dict[str, Any]) -> None:
    run = switch(desk, choices, "on", web2py_maintenance_applications="shop")
    assert (run.status, run.changed, pages(web)) == (0, 1, (200, 503, 200)), run.output
    assert desk.on_host(NEAR).strip() == "200"
    run = switch(desk, choices, "off", web2py_maintenance_applications="shop")
    assert (run.status, run.changed, pages(web)) == (0, 1, (200, 200, 200)), run.output


def test_wrong_words_are_refused_together(desk: Desk, web: Client, choices: dict[str, Any]) -> None:
    run = switch(desk, choices, "of", web2py_maintenance_applications="shp,starter", web2py_maintenance_retry_seconds=0)
    assert run.status != 0 and run.changed == 0
    for words in ("'of': is not a word for it", "nearest known name is shop", "web2py_maintenance_retry_seconds = 0"):
        assert words in run.output
    assert desk.play("maintenance", **choices).status != 0
    run = desk.play("migrate", **choices, web2py_migrate_applications="shop,blog,other")
    assert run.status != 0 and "blog, other: no application" in " ".join(run.output.split())
    assert pages(web) == (200, 200, 200)


def test_a_new_column_is_there_before_the_code_that_asks_for_it(
    desk: Desk, web: Client, choices: dict[str, Any], shop: Shop
) -> None:
    shop.write("colour")
    assert switch(desk, choices, "on", web2py_maintenance_applications="starter").status == 0
    run = desk.play("migrate", "--diff", **choices, web2py_migrate_applications="shop")
    assert run.status == 0, run.output
    assert "ALTER TABLE" in run.output and "colour" in run.output
    # What was in maintenance before is so again.
    assert pages(web) == (503, 200, 200)
    assert "colour" in web.ask("/shop/default/index").text
    assert switch(desk, choices, "off").status == 0


def test_a_failed_migration_leaves_what_served(desk: Desk, web: Client, choices: dict[str, Any], shop: Shop) -> None:
    release = desk.on_host("readlink /srv/web2py/current")
    shop.write("colour", end=BROKEN)
    run = desk.play("migrate", **choices)
    assert run.status != 0 and "The migration failed" in run.output and "not today" in run.output
    assert desk.on_host("readlink /srv/web2py/current") == release
    assert pages(web) == (200, 200, 200)
    assert desk.on_host(f"test -e {NOTICE}; echo $?").strip() == "1"


def test_a_killed_migration_does_not_stick(desk: Desk, web: Client, choices: dict[str, Any], shop: Shop) -> None:
    shop.write("colour", "size", end=SLOW)
    given = {**choices, "web2py_migrate_applications": "shop"}
    (desk.folder / "choices.yml").write_text(yaml.safe_dump(given))
    words = ["ansible-playbook", "-i", "inventory.yml", "web2py.deploy.migrate", "-e", "@choices.yml"]
    process = subprocess.Popen(
        [BIN / words[0], *words[1:]], cwd=desk.folder, env=desk.environment, stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    try:
        waited(lambda: pages(web) == (200, 503, 200), 120)
        time.sleep(8)
        assert pages(web) == (200, 503, 200)
        desk.on_host("pkill -9 -f 'python3.*[A]nsiballZ'")
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    waited(lambda: desk.on_host("pgrep -f [w]eb2py_runtime.migrate", check=False) == "", 10)
    waited(lambda: pages(web) == (200, 200, 200), 40)
    shop.write("colour")
    run = desk.play("site", **choices)
    assert run.status == 0, run.output
    assert switch(desk, choices, "off").status == 0
    assert desk.on_host(f"test -e {NOTICE}; echo $?").strip() == "1"
