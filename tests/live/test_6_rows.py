"""A site goes over from SQLite to a database server with its rows: none is lost, and no visitor sees it empty."""

from __future__ import annotations

import json
import os
import shlex
import ssl
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
import yaml
from desk import ROOT, Bed, Desk, Host, Run

sys.path.insert(0, str(ROOT / "tests/acceptance"))
from client import Client
from hosts import waited

SQLITE = "/var/lib/web2py/applications/shop/databases/storage.sqlite"
PASSWORD = "a word: for \\ the 'site'"
# The first item names the last, which comes long after it.
MODEL = """
from gluon.scheduler import Scheduler
db = DAL("sqlite://storage.sqlite")
db.define_table("maker", Field("name", unique=True))
db.define_table("item", Field("name", length=40), Field("above", "reference item"), Field("maker", "reference maker"),
    Field("at", "datetime"), Field("price", "decimal(8,2)"), Field("there", "boolean"), Field("words", "list:string"),
    Field("more", "json"), Field("picture", "blob"))
def count(number):
    db.item.insert(name="by the scheduler %s" % number)
    db.commit()
scheduler = Scheduler(db, dict(count=count), heartbeat=1)
"""
CONTROLLER = """
import datetime, decimal
def index():
    return response.json(dict(kind=db._adapter.dbengine, items=db(db.item).count()))
def fill():
    makers = [db.maker.insert(name=name) for name in ("Ann", "Zo\\u00eb \\U0001f600", "gone")]
    db(db.maker.id == makers[2]).delete()
    for number in range(1, 301):
        db.item.insert(name="item's %s" % number, above=number - 1 or None, maker=makers[number % 2], price="12.50",
            at=datetime.datetime(2026, 1, 2, 3, 4, number % 60), there=number % 3 == 0, words=["a|b", "%s {x}"],
            more={"number": [number, None]}, picture=bytes(range(256)))
    db(db.item.id == 1).update(above=300)
    return "filled"
def add():
    return str(db.item.insert(name=request.vars.name))
def maker():
    return str(db.maker.insert(name=request.vars.name))
def tell():
    rows = db(db.item.id <= 300).select(orderby=db.item.id)
    return response.json(dict(rows=[dict(row.as_dict(), picture=len(row.picture)) for row in rows],
        makers=db(db.maker).select(orderby=db.maker.id).as_list()))
def names():
    return response.json([row.name for row in db(db.item.id > 300).select(db.item.name)])
def later():
    return str(scheduler.queue_task("count", pvars=dict(number=request.vars.number)).id)
"""


@pytest.fixture(scope="module")
def host() -> Host:
    """A host of its own: no other test has been there, or goes there."""
    return Bed(os.environ.get("WEB2PY_TEST_LIVE", "live")).up([Host("rows", "bookworm", "warm")])[0]


@pytest.fixture(scope="module")
def play(desk: Desk, host: Host) -> Callable[..., Run]:
    folder = desk.folder / "rows_shop"
    for name, text in (("models/db.py", MODEL), ("controllers/default.py", CONTROLLER), ("views/README", "none\n")):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    row = {"name": "shop", "source": {"type": "directory", "path": str(folder)}, "scheduler": {}}
    given = {
        "web2py_source": {"type": "pypi"}, "web2py_database_password": PASSWORD, "web2py_applications": [row],
        # So that the file of the databases is there before the server is chosen.
        "web2py_sessions": {"store": "file", "expiry": 3600},
    }  # fmt: skip
    web = {**host.inventory(), "web2py_domain": "www.example.org"}
    (desk.folder / "rows.yml").write_text(yaml.safe_dump({"web2py_web": {"hosts": {"web": web}}}))

    def run(playbook: str, database: str, *words: str, **choices: Any) -> Run:
        choices = {**given, "web2py_database": {"type": database}, **choices}
        (desk.folder / "choices.yml").write_text(yaml.safe_dump(choices))
        command = ["ansible-playbook", "-i", "rows.yml", f"web2py.deploy.{playbook}", "-e", "@choices.yml", *words]
        return desk.ansible(*command)

    return run


@pytest.fixture(scope="module")
def web(host: Host, play: Callable[..., Run]) -> Client:
    done = play("site", "sqlite")
    assert done.status == 0, done.output
    trust = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trust.load_verify_locations(cadata=host.run("cat /etc/web2py/tls/ca.pem"))
    client = Client(host.ip, 443, "www.example.org", trust)
    assert page(client, "fill") == "filled"
    return client


def page(web: Client, name: str) -> str:
    answer = web.ask(f"/shop/default/{name}")
    assert answer.status == 200, answer.text
    return answer.text


def in_sqlite(host: Host, *statements: str) -> None:
    lines = ["import sqlite3", f"with sqlite3.connect({SQLITE!r}) as line:"]
    host.run("\n".join(["python3 - <<'E'", *lines, *(f"    line.execute({each!r})" for each in statements), "E"]))


def told(web: Client) -> dict[str, Any]:
    return dict(json.loads(page(web, "tell")))


def is_done_by_the_scheduler(number: int, web: Client, host: Host) -> None:
    page(web, f"later?number={number}")
    try:
        waited(lambda: f"by the scheduler {number}" in page(web, "names"), 60)
    except AssertionError as error:
        asked = "select t.*, r.* from scheduler_task t left join scheduler_run r on r.task_id = t.id"
        reading = f'import sqlite3; print(*sqlite3.connect("{SQLITE}").execute("{asked}"), sep="\\n")'
        told = host.run(f"python3 -c {shlex.quote(reading)}", check=False)
        told += host.run(f'runuser -u postgres -- psql -At -d web2py_shop -c "{asked}"', check=False)
        told += host.run("journalctl --no-pager -n 60 -u 'web2py-scheduler@*'")
        raise AssertionError(told) from error


class Visitors:
    """One writes and one reads, without a pause as long as the block lasts."""

    def __init__(self, web: Client) -> None:
        self.web, self.ended = web, threading.Event()
        self.written: list[str] = []
        self.statuses: Counter[int] = Counter()
        self.fewest = 10**9
        self.threads = [threading.Thread(target=self.write), threading.Thread(target=self.read)]

    def write(self) -> None:
        number = 0
        while not self.ended.is_set():
            number += 1
            answer = self.web.ask(f"/shop/default/add?name=new{number}")
            self.statuses[answer.status] += 1
            if answer.status == 200:
                self.written.append(f"new{number}")
            time.sleep(0.05)

    def read(self) -> None:
        while not self.ended.is_set():
            answer = self.web.ask("/shop/default/index")
            self.statuses[answer.status] += 1
            if answer.status == 200:
                self.fewest = min(self.fewest, answer.json()["items"])
            time.sleep(0.05)

    def __enter__(self) -> Visitors:
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_words: object) -> None:
        self.ended.set()
        for thread in self.threads:
            thread.join()


def test_what_a_server_does_not_take_leaves_the_site_where_it_was(
    web: Client, host: Host, play: Callable[..., Run]
) -> None:
    """A row that is too long is named; the site goes on with SQLite, and so does its scheduler."""
    in_sqlite(host, "insert into item (id, name) values (999, hex(zeroblob(25)))")
    run = play("rows", "postgresql")
    assert run.status != 0 and "No row was brought" in run.output and "item 999" in run.output, run.output
    assert PASSWORD not in run.output
    # Processes that begin now go there, too.
    host.run("systemctl restart web2py")
    waited(lambda: web.ask("/shop/default/index").status == 200, 20)
    found = json.loads(page(web, "index"))
    assert found == {"kind": "sqlite", "items": 301}
    is_done_by_the_scheduler(1, web, host)
    in_sqlite(host, "delete from item where id = 999")


def test_wrong_words_are_refused_before_anything_changes(play: Callable[..., Run]) -> None:
    run = play("rows", "sqlite")
    assert run.status != 0 and run.changed == 0 and "Choose a server in web2py_database" in run.output, run.output
    run = play("rows", "postgresql", web2py_rows_applications="shop,shoq")
    assert run.status != 0 and run.changed == 0 and "shoq: no application of web2py" in run.output, run.output


def test_a_site_goes_over_while_visitors_write(web: Client, host: Host, play: Callable[..., Run]) -> None:
    before = told(web)
    dry = play("rows", "postgresql", "--check", "--diff")
    assert dry.status == 0 and dry.changed, dry.output
    assert "rows of shop: brought from SQLite" in dry.output, dry.output
    assert json.loads(page(web, "index"))["kind"] == "sqlite"
    with Visitors(web) as visitors:
        run = play("rows", "postgresql", "--diff")
    assert run.status == 0 and "are on the server as they were in SQLite" in run.output, run.output
    assert PASSWORD not in run.output
    assert json.loads(page(web, "index"))["kind"] == "postgres"
    assert told(web) == before
    # Each answered write is there, and nobody saw less than there was.
    assert set(visitors.statuses) <= {200, 503}, visitors.statuses
    assert visitors.statuses[503] > 0 and visitors.fewest >= 301
    assert visitors.written and set(visitors.written) <= set(json.loads(page(web, "names")))
    # No number is given twice: that of `gone` was the third.
    assert int(page(web, "maker?name=New")) == 4
    is_done_by_the_scheduler(2, web, host)
    constraints = "select count(*) from pg_constraint where contype = 'f' and condeferrable"
    assert host.run(f'runuser -u postgres -- psql -At -d web2py_shop -c "{constraints}"').strip() == "0"


def test_the_second_run_changes_nothing(web: Client, play: Callable[..., Run]) -> None:
    items = json.loads(page(web, "index"))["items"]
    for playbook in ("rows", "site"):
        run = play(playbook, "postgresql")
        assert (run.status, run.changed) == (0, 0), run.output
    assert json.loads(page(web, "index"))["items"] == items


def test_what_is_on_a_server_is_replaced_on_request_only(web: Client, play: Callable[..., Run]) -> None:
    """MariaDB, where the site was put before anybody thought of its rows."""
    run = play("site", "mysql")
    assert run.status == 0 and f"{SQLITE}: its rows stay there" in " ".join(run.output.split()), run.output
    assert json.loads(page(web, "index")) == {"kind": "mysql", "items": 0}
    assert page(web, "add?name=Eve") == "1"
    run = play("rows", "mysql")
    assert run.status != 0 and "item 1" in run.output and "web2py_rows_replace=true" in run.output, run.output
    waited(lambda: web.ask("/shop/default/index").status == 200, 20)
    assert json.loads(page(web, "index"))["items"] == 1
    run = play("rows", "mysql", web2py_rows_replace=True)
    assert run.status == 0, run.output
    found = told(web)
    assert len(found["rows"]) == 300 and found["rows"][0]["above"] == 300
    assert [row["name"] for row in found["makers"]] == ["Ann", "Zoë \U0001f600"]
    assert int(page(web, "maker?name=New")) == 4
    run = play("rows", "mysql")
    assert (run.status, run.changed) == (0, 0), run.output
