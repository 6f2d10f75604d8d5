"""Replicas of the database server: what is refused, and what applications are told of them."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.web2py.deploy.plugins.module_utils import _data, _far, _replicas, _tuning
from ansible_collections.web2py.deploy.plugins.module_utils._preflight import examine
from ansible_collections.web2py.deploy.plugins.module_utils._site import resolve
from tests.unit.plugins.module_utils.choices import (
    ELSEWHERE,
    HOST,
    OPTIONS,
    PASSWORD,
    SERVER,
    application,
    problems,
    site,
)

REPLICAS = {**ELSEWHERE, "replicas": ["db2.example.org", "db3.example.org"]}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"type": "postgresql", "replicas": ["db2"]}, "replicas = ['db2']: belong to a server elsewhere"),
        ({"type": "sqlite", "replicas": ["db2"]}, "belong to a server elsewhere"),
        ({**ELSEWHERE, "replicas": ["postgres://db2"]}, "is not a host"),
        ({**ELSEWHERE, "replicas": ["db2:5432"]}, "is not a host"),
        ({**ELSEWHERE, "replicas": ["a,b"]}, "is not a host"),
        ({**ELSEWHERE, "replicas": [""]}, "is not a host"),
        ({**ELSEWHERE, "replicas": ["db.example.org"]}, "is the primary itself"),
        ({**ELSEWHERE, "replicas": ["db2", "db2"]}, "names a host twice"),
        ({**ELSEWHERE, "type": "mysql", "replicas": ["db2"]}, "are of PostgreSQL, and the type is mysql"),
        ({**ELSEWHERE, "reads": "random"}, "reads = 'random': needs replicas"),
        ({**ELSEWHERE, "replicas": [], "reads": "random"}, "needs replicas"),
        ({**REPLICAS, "reads": "always"}, "is not a word for it"),
        ({**REPLICAS, "reads": "actions"}, "read_actions: missing, and reads is actions"),
        ({**REPLICAS, "reads": "random", "read_actions": ["default/index"]}, "is for reads: actions only"),
        ({**REPLICAS, "read_actions": ["default/index"]}, "is for reads: actions only"),
        *(
            ({**REPLICAS, "reads": "actions", "read_actions": [action]}, "is not an action")
            for action in ("index", "shop/default/index", "*/index", "default/", "/index", "default/in dex", "ä/x", "")
        ),
    ],
)
def test_wrong_choices_are_told(given: dict[str, Any], words: str) -> None:
    found = problems(web2py_database=given)
    assert any(words in problem for problem in found), found


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"database": {"reads": "actions"}}, "web2py_applications (shop).database.read_actions: missing"),
        ({"database": {"read_actions": ["a/b"]}}, "is for reads: actions only"),
        ({"database": {"type": "sqlite", "reads": "random"}}, "needs replicas"),
    ],
)
def test_wrong_choices_of_an_application_are_told(row: dict[str, Any], words: str) -> None:
    found = problems(web2py_database=REPLICAS, **application(**row))
    assert len(found) == 1 and words in found[0], found


def secrets(chosen: dict[str, Any], **row: Any) -> dict[str, Any]:
    found = site(web2py_database=chosen, **application(**row))
    return dict(_data.secrets(found, PASSWORD)["shop"])


def test_without_replicas_nothing_is_said_of_them() -> None:
    words = site(web2py_database=ELSEWHERE, **application())["applications"][0]["settings"]["database"]
    assert not {"replicas", "reads", "read_actions"} & set(words)
    assert "standbys" not in secrets(ELSEWHERE)


def test_the_one_that_takes_changes_is_found_also_after_a_promotion() -> None:
    row = secrets(REPLICAS)
    hosts = "db.example.org,db2.example.org,db3.example.org"
    assert row["uri"] == f"postgres://web2py@{hosts}:5432/web2py_shop?sslmode=verify-full"
    assert row["driver_args"] == {
        "password": PASSWORD,
        "connect_timeout": 3,
        "target_session_attrs": "read-write",
        "sslrootcert": "/etc/ssl/ca.pem",
    }
    # Nothing was said of reading: all of it is the primary's. The tables stay where they are.
    assert "standbys" not in row and row["table_hash"] == secrets(ELSEWHERE)["table_hash"]


@pytest.mark.parametrize("reads", ["random", "round_robin"])
def test_pages_read_from_them_where_that_is_said(reads: str) -> None:
    assert secrets({**REPLICAS, "port": 6432, "reads": reads})["standbys"] == {
        "reads": reads,
        "actions": [],
        "places": [
            {"name": "db2.example.org", "args": {"host": "db2.example.org", "port": 6432}},
            {"name": "db3.example.org", "args": {"host": "db3.example.org", "port": 6432}},
        ],
    }


def test_the_primary_is_asked_first() -> None:
    assert _replicas.hosts({"host": "a"}) == "a"
    assert _replicas.hosts({"host": "a", "replicas": ["c", "b"]}) == "a,c,b"


def test_an_application_has_its_own_way() -> None:
    own = {"reads": "actions", "read_actions": ["report/*", "default/index"]}
    assert secrets({**REPLICAS, "reads": "random"}, database=own)["standbys"]["actions"] == [
        "default/index",
        "report/*",
    ]
    # What the site says of actions counts only where the application has them.
    whole = {**REPLICAS, **own}
    assert secrets(whole, database={"reads": "random"})["standbys"]["actions"] == []


def test_a_change_of_it_is_a_new_release() -> None:
    """Running processes keep to what they began with."""
    texts = {
        str(site(web2py_database={**REPLICAS, **words}, **application())["applications"][0]["settings"])
        for words in ({}, {"reads": "random"}, {"reads": "actions", "read_actions": ["a/b"]}, {"replicas": ["db2"]})
    }
    assert len(texts) == 4


GROUP = {
    "web2py_web": ["one"],
    "web2py_database": ["db1", "db2", "db3"],
}
HOSTS: dict[str, dict[str, Any]] = {
    "one": {"ansible_host": "10.0.0.9"},
    **{f"db{number}": {"ansible_host": f"10.0.1.{number}"} for number in (1, 2, 3)},
}
REPLICATION = "a password of standbys"


def grouped(count: int = 3, **given: Any) -> tuple[dict[str, Any], list[str]]:
    groups = {**GROUP, "web2py_database": GROUP["web2py_database"][:count]}
    found = _far.gather({"inventory_hostname": "one", "groups": groups, "hostvars": HOSTS})
    choices, faults = examine(OPTIONS, {**SERVER, **given}, {**HOST, "addresses": ["10.0.0.9"]}, far=found)
    return choices, [str(fault) for fault in faults]


@pytest.mark.parametrize(
    ("count", "given", "words"),
    [
        (3, {"web2py_database_replication_password": None}, "replication_password: missing, and the group"),
        (3, {"web2py_database_replication_password": "short"}, "replication_password = (not shown): is not fit"),
        (3, {"web2py_database_replication_password": "two\nlines of it"}, "is not fit"),
        (3, {"web2py_database_replication_password": "x" * 1025}, "is not fit"),
        (1, {}, "replication_password = (not shown): is for standbys"),
        (3, {"web2py_database_primary": "db9"}, "web2py_database_primary = 'db9': is no host of the group"),
        (3, {"web2py_database": {"type": "postgresql", "replicas": ["x"]}}, "replicas = ['x']: is for a server"),
        (3, {"web2py_database": ELSEWHERE}, "replication_password = (not shown): is for standbys"),
    ],
)
def test_wrong_choices_of_a_group_are_told(count: int, given: dict[str, Any], words: str) -> None:
    found = grouped(count, **{"web2py_database_replication_password": REPLICATION, **given})[1]
    assert any(words in problem for problem in found), found
    assert not any(REPLICATION in problem for problem in found)


@pytest.mark.parametrize(("chosen", "order"), [("", [1, 2, 3]), ("db2", [2, 1, 3])])
def test_each_host_of_a_group_knows_its_place(chosen: str, order: list[int]) -> None:
    given = {"web2py_database_replication_password": REPLICATION, "web2py_database_primary": chosen}
    choices, faults = grouped(**given)
    assert faults == []
    whole = resolve(choices, HOST)
    assert whole["data"]["host"] == f"10.0.1.{order[0]}" and REPLICATION not in str(whole)
    assert choices["web2py_database"]["replicas"] == [f"10.0.1.{number}" for number in order[1:]]
    for number in order:
        name = f"db{number}"
        found = _far.services(name, {"one": whole}, {**HOST, "addresses": [f"10.0.1.{number}"]})
        assert found["follows"] is (number != order[0])
        assert _far.service_problems(name, {"one": whole}, {**HOST, "addresses": [f"10.0.1.{number}"]}) == []
        data = found["postgresql"][0]["data"]
        assert data["serves"]["address"] == f"10.0.1.{number}"
        assert data["serves"]["address"] in found["certificate"]["names"]
        others = [f"10.0.1.{other}" for other in order if other != number]
        assert data["replication"] == {
            "user": "web2py_replication",
            "name": name,
            "primary": "" if number == order[0] else f"10.0.1.{order[0]}",
            "hosts": [f"db{other}" for other in order],
            "others": others,
        }
        rules = [row for row in _data.rules(data) if row["databases"] == "replication"]
        assert [row["address"] for row in rules] == [f"{other}/32" for other in others]
        assert {(row["contype"], row["method"], row["users"]) for row in rules} == {
            ("hostssl", "scram-sha-256", "web2py_replication")
        }
        # A standby with fewer connections than its primary would stop.
        pair = {"own_certificate": "/c", "own_key": "/k"}
        tunings = [_tuning.tuning(memory, {**data["serves"], **pair}) for memory in (512, 65536)]
        assert {words["max_connections"] for words in tunings} == {"300"}
        assert tunings[0]["max_slot_wal_keep_size"] == "1GB"
    assert _replicas.member(whole["data"]["group"], "db9") is None


def test_sites_that_share_a_group_have_one_primary() -> None:
    first, second = (
        resolve(grouped(web2py_database_replication_password=REPLICATION, web2py_database_primary=primary)[0], HOST)
        for primary in ("db1", "db2")
    )
    for number in (1, 2, 3):
        place = {**HOST, "addresses": [f"10.0.1.{number}"]}
        found = _far.service_problems(f"db{number}", {"one": first, "two": {**second, "name": "second"}}, place)
        assert [problem.variable for problem in found] == ["web2py_database_primary"]


@pytest.mark.parametrize(
    ("playing", "told"),
    [
        (["one", "db1", "db2", "db3"], ""),
        (["db1", "db3"], "db2 is left out"),
        (["db2"], "db1, db3 are left out"),
    ],
)
def test_a_run_has_all_hosts_of_a_group_or_none(playing: list[str], told: str) -> None:
    """Each is trusted by its certificate, which a run learns where it comes by."""
    whole = resolve(grouped(web2py_database_replication_password=REPLICATION)[0], HOST)
    for name in playing:
        found = [str(problem) for problem in _far.run_problems(name, {"one": whole}, {}, playing)]
        assert len(found) == bool(told and name != "one") and all(told in text and "--limit" in text for text in found)
    alone = resolve(grouped(1)[0], HOST)
    assert _far.run_problems("db1", {"one": alone}, {}, ["db1"]) == []


@pytest.mark.parametrize(
    ("words", "refused"),
    [
        ({"one": REPLICATION, "two": REPLICATION}, False),
        ({"one": REPLICATION, "two": "another password"}, True),
        ({"one": REPLICATION}, True),
    ],
)
def test_sites_that_share_a_group_have_one_password_for_its_standbys(words: dict[str, str], refused: bool) -> None:
    whole = resolve(grouped(web2py_database_replication_password=REPLICATION)[0], HOST)
    sites = {"one": whole, "two": {**whole, "name": "second"}}
    found = [str(problem) for problem in _far.run_problems("db2", sites, words, ["db1", "db2", "db3"])]
    assert len(found) == refused
    for text in found:
        assert "replication_password = (not shown): differs between second and web2py, which share" in text
        assert REPLICATION not in text and "another password" not in text


@pytest.mark.parametrize(
    ("chosen", "remedy"),
    [
        ({"type": "postgresql"}, "Give the group web2py_database a host more, which stands by, or remove it."),
        (ELSEWHERE, "Give web2py_database.replicas, or remove it."),
        ({**ELSEWHERE, "type": "mysql"}, "Use PostgreSQL with replicas, or remove it."),
    ],
)
def test_the_way_to_replicas_is_one_that_can_be_gone(chosen: dict[str, Any], remedy: str) -> None:
    found = grouped(1, web2py_database={**chosen, "reads": "random"})[1]
    assert found == [f"web2py_database.reads = 'random': needs replicas of a database server. {remedy}"]


def test_without_a_group_a_server_on_the_host_has_none() -> None:
    (found,) = problems(web2py_database={"type": "postgresql", "reads": "random"})
    assert "Give host and replicas of a server elsewhere, or a group web2py_database of two hosts" in found


def test_a_group_of_one_has_nothing_of_it() -> None:
    choices, faults = grouped(1)
    assert faults == []
    whole = resolve(choices, HOST)
    data = _far.services("db1", {"one": whole}, {**HOST, "addresses": ["10.0.1.1"]})["postgresql"][0]["data"]
    assert data["replication"] is None and _replicas.member(None, "db1") is None
    assert [row for row in _data.rules(data) if row["databases"] == "replication"] == []
