"""A primary and a standby of PostgreSQL: who is asked, what a dead one costs, and how it takes its primary's place."""

from __future__ import annotations

import os
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

CLUSTER = "postgresql@15-main"
DATA = "/var/lib/postgresql/15/main"
MODEL = """
db = DAL("sqlite://storage.sqlite")
db.define_table("note", Field("name"))
"""
CONTROLLER = """
def told(**words):
    words["standby"] = db.executesql("select pg_is_in_recovery()")[0][0]
    return response.json(dict(words, count=db(db.note).count()))

def index():
    return told()

def add():
    before = db.executesql("select pg_is_in_recovery()")[0][0]
    db.note.insert(name="x")
    return told(before=before)
"""


@pytest.fixture(scope="module")
def pair() -> list[Host]:
    """The host of the primary, which is the web host too, and that of the standby: no other test has been there."""
    bed = Bed(os.environ.get("WEB2PY_TEST_LIVE", "live"))
    return bed.up([Host("primary", "bookworm", "warm"), Host("standby", "bookworm", "warm")])


@pytest.fixture(scope="module")
def first(pair: list[Host]) -> Host:
    return pair[0]


@pytest.fixture(scope="module")
def second(pair: list[Host]) -> Host:
    return pair[1]


@pytest.fixture(scope="module")
def choices(desk: Desk) -> dict[str, Any]:
    folder = desk.folder / "notes"
    for name, text in (("models/db.py", MODEL), ("controllers/default.py", CONTROLLER), ("views/README", "none\n")):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return {
        "web2py_source": {"type": "pypi"},
        "web2py_database": {"type": "postgresql", "reads": "round_robin"},
        "web2py_database_password": "a word for the site",
        "web2py_database_replication_password": "a word: for \\ standbys",
        "web2py_applications": [{"name": "notes", "source": {"type": "directory", "path": str(folder)}}],
    }


@pytest.fixture(scope="module")
def run(desk: Desk, first: Host, second: Host) -> Callable[..., Run]:
    """As a host of the group the web host has another name; the desk has variables of its own host's."""
    inventory = {
        "web2py_web": {"hosts": {"web": {**first.inventory(), "web2py_domain": "www.example.org"}}},
        "web2py_database": {"hosts": {"one": first.inventory(), "two": second.inventory()}},
    }
    (desk.folder / "group.yml").write_text(yaml.safe_dump(inventory))

    def play(playbook: str, *words: str, **choices: Any) -> Run:
        (desk.folder / "choices.yml").write_text(yaml.safe_dump(choices))
        return desk.ansible(
            "ansible-playbook", "-i", "group.yml", f"web2py.deploy.{playbook}", "-e", "@choices.yml", *words
        )

    return play


@pytest.fixture(scope="module")
def web(first: Host, run: Callable[..., Run], choices: dict[str, Any]) -> Client:
    done = run("site", **choices)
    assert done.status == 0, done.output
    trust = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trust.load_verify_locations(cadata=first.run("cat /etc/web2py/tls/ca.pem"))
    return Client(first.ip, 443, "www.example.org", trust)


def page(web: Client, name: str = "index", **words: Any) -> dict[str, Any]:
    answer = web.ask(f"/notes/default/{name}", **words)
    assert answer.status == 200, answer.text
    return dict(answer.json())


class Visitors:
    """They ask for pages as long as the block lasts, and count."""

    def __init__(self, web: Client) -> None:
        self.web, self.ended = web, threading.Event()
        self.counts: Counter[Any] = Counter()
        self.threads = [threading.Thread(target=self.visit) for _ in range(3)]

    def visit(self) -> None:
        while not self.ended.is_set():
            answer = self.web.ask("/notes/default/index")
            self.counts[answer.status, answer.status == 200 and answer.json()["standby"]] += 1

    def __enter__(self) -> Counter[Any]:
        for thread in self.threads:
            thread.start()
        return self.counts

    def __exit__(self, *_words: object) -> None:
        self.ended.set()
        for thread in self.threads:
            thread.join()


def test_pages_read_from_the_standby_and_changes_are_the_primarys(web: Client, second: Host) -> None:
    assert page(web)["standby"] is True
    told = page(web, "add")
    assert (told["before"], told["standby"]) == (True, False)
    waited(lambda: page(web)["count"] == told["count"], 10)
    assert page(web, method="POST")["standby"] is False
    # It has followed by TLS, and the disk of the primary is safe from it.
    assert second.run(f"test -e {DATA}/standby.signal; echo $?").strip() == "0"


def test_the_primary_knows_the_standby_and_bounds_what_it_keeps(
    web: Client, first: Host, second: Host, run: Callable[..., Run], choices: dict[str, Any]
) -> None:
    query = (
        "select s.slot_name, s.active, l.ssl, current_setting('max_slot_wal_keep_size') from pg_replication_slots s"
        " join pg_stat_ssl l on l.pid = s.active_pid"
    )
    assert first.run(f'cd /; runuser -u postgres -- psql -XAtc "{query}"').strip() == "two|t|t|1GB"
    page = run("status", **choices)
    assert any(second.ip in line and "streaming" in line for line in page.output.splitlines()), page.output
    assert "cannot be asked" not in page.output


def test_a_second_run_changes_nothing(web: Client, run: Callable[..., Run], choices: dict[str, Any]) -> None:
    done = run("site", **choices)
    assert (done.status, done.changed) == (0, 0), done.output
    assert "for \\ standbys" not in done.output


def test_a_run_without_one_of_them_is_refused(run: Callable[..., Run], choices: dict[str, Any]) -> None:
    """It would know no certificate of the other, and the servers would trust each other no more."""
    done = run("site", "--limit", "web,one", **choices)
    assert done.status != 0 and done.changed == 0, done.output
    assert "group web2py_database: is not all in this run, two is left out" in " ".join(done.output.split())


def test_a_standby_that_is_killed_costs_no_request(web: Client, second: Host) -> None:
    waited(lambda: page(web)["standby"], 20)
    with Visitors(web) as counts:
        time.sleep(1)
        second.run("pkill -9 -u postgres")
        time.sleep(2)
        second.run(f"systemctl restart {CLUSTER}")
        time.sleep(1)
    assert {status for status, _standby in counts} == {200}, counts
    assert counts[200, True] and counts[200, False], counts
    waited(lambda: page(web)["standby"], 20)


def test_a_promotion_is_followed_and_the_primary_of_before_stays_down(
    web: Client, first: Host, run: Callable[..., Run], choices: dict[str, Any]
) -> None:
    wrong = run("promote", "-e", "web2py_promote=one", **choices)
    assert wrong.status != 0 and "It has two" in wrong.output
    count = page(web)["count"]
    done = run("promote", "-e", "web2py_promote=two", **choices)
    assert done.status == 0, done.output
    waited(lambda: web.ask("/notes/default/add").status == 200, 20)
    told = page(web)
    assert (told["standby"], told["count"]) == (False, count + 1)
    assert first.run(f"systemctl is-enabled {CLUSTER}", check=False).strip() == "masked"
    # Also somebody who takes the mask away gets no second primary.
    first.run(f"systemctl unmask {CLUSTER}")
    assert first.run(f"systemctl start {CLUSTER} 2>&1", check=False)
    assert "Another primary serves" in first.run(f"journalctl -u {CLUSTER} -n 30")


def test_the_primary_of_before_becomes_a_standby_on_request_only(
    web: Client, first: Host, run: Callable[..., Run], choices: dict[str, Any]
) -> None:
    choices = {**choices, "web2py_database_primary": "two"}
    done = run("site", **choices)
    assert done.status != 0 and "left alone" in done.output and "postgresql_rebuild=true" in done.output, done.output
    assert first.run(f"systemctl is-active {CLUSTER}", check=False).strip() != "active"
    done = run("site", "-e", "postgresql_rebuild=true", **choices)
    assert done.status == 0, done.output
    assert first.run(f"ls -d {DATA}.before-1").strip()
    waited(lambda: page(web)["standby"], 20)
    assert page(web, "add")["standby"] is False
