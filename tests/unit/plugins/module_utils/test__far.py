"""Services on hosts of their own: what the inventory says, what is refused, what each host is told."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.web2py.deploy.plugins.module_utils import _data, _far, _host
from ansible_collections.web2py.deploy.plugins.module_utils._preflight import examine, examine_names
from ansible_collections.web2py.deploy.plugins.module_utils._site import resolve
from tests.unit.plugins.module_utils.choices import HOST as MACHINE
from tests.unit.plugins.module_utils.choices import OPTIONS, PASSWORD

HOST = {**MACHINE, "addresses": ["10.0.0.9"]}
SHOP = {
    "web2py_site": "shop",
    "web2py_domain": "shop.example.org",
    "web2py_source": {"type": "pypi"},
    "web2py_database": {"type": "postgresql"},
    "web2py_database_password": PASSWORD,
    "web2py_sessions": {"store": "redis"},
    "web2py_cache": {"store": "redis"},
    "web2py_redis_password": PASSWORD,
}
MYSQL: dict[str, Any] = {"web2py_database": {"type": "mysql"}}
GROUPS = {
    "web2py_web": ["one", "two", "other"],
    "web2py_database": ["db"],
    "web2py_redis": ["db"],
    "web2py_memcached": ["db"],
}
# By which the hosts of a site are known.
NAMES = {"web2py_site": "shop", "web2py_domain": "shop.example.org"}
HOSTS: dict[str, dict[str, Any]] = {
    "one": {"ansible_host": "10.0.0.1", **NAMES},
    "two": {"ansible_host": "203.0.113.7", "web2py_address": "10.0.0.2", **NAMES},
    "other": {"ansible_host": "10.0.0.3"},
    "db": {"ansible_host": "db.example.org", "web2py_address": "10.0.0.9"},
    "standby": {"ansible_host": "10.0.0.10"},
}


def far(**changed: dict[str, Any]) -> dict[str, Any]:
    return _far.gather({"inventory_hostname": "one", "groups": GROUPS, "hostvars": {**HOSTS, **changed}})


def found(given: dict[str, Any], inventory: dict[str, Any] | None = None) -> list[str]:
    _choices, problems = examine(OPTIONS, {**SHOP, **given}, HOST, far=far() if inventory is None else inventory)
    return [str(problem) for problem in problems]


def site(given: dict[str, Any] | None = None, inventory: dict[str, Any] | None = None) -> dict[str, Any]:
    inventory = far() if inventory is None else inventory
    choices, problems = examine(OPTIONS, {**SHOP, **(given or {})}, HOST, far=inventory)
    assert problems == []
    return resolve(choices, HOST)


def test_addresses_are_those_that_the_inventory_names() -> None:
    assert far()["clients"] == {"one": "10.0.0.1", "two": "10.0.0.2"}
    assert far()["services"]["database"] == [
        {"host": "db", "address": "10.0.0.9"},
    ]
    assert _far.gather({"inventory_hostname": "one", "groups": {"web2py_web": ["one"]}, "hostvars": HOSTS}) == {}
    # Another site that has its name, which is refused where both have the service.
    assert far(two={**HOSTS["two"], "web2py_domain": "b.example.org"})["clients"] == {"one": "10.0.0.1"}
    assert _far.address("10.0.0.4", {}) == "10.0.0.4"
    assert _far.address("fd00::0:7", {}) == "fd00::7"
    assert _far.address("name", {"ansible_host": "other.name"}) == ""
    assert _far.address("name", {"ansible_host": "10.0.0.1", "web2py_address": "nonsense"}) == "nonsense"


def test_the_database_is_on_the_first_host_of_its_group() -> None:
    resolved = site()
    data = resolved["data"]
    assert (data["local"], data["host"], data["ssl_mode"], data["ca"]) == (
        False,
        "10.0.0.9",
        "verify-full",
        "/etc/shop/database_ca.pem",
    )
    assert data["group"] == {"host": "db", "address": "10.0.0.9", "clients": ["10.0.0.1", "10.0.0.2"]}
    assert "postgresql" not in resolved["packages"] and "redis-server" not in resolved["packages"]
    told = _data.secrets(resolved, PASSWORD)["starter"]
    assert told["uri"] == "postgres://shop@10.0.0.9:5432/shop_starter?sslmode=verify-full"
    assert told["driver_args"]["sslrootcert"] == "/etc/shop/database_ca.pem"


def test_mariadb_is_there_as_postgresql_is() -> None:
    resolved = site(MYSQL)
    data = resolved["data"]
    assert (data["local"], data["host"], data["port"], data["ssl_mode"]) == (False, "10.0.0.9", 3306, "verify-full")
    assert data["group"] == {"host": "db", "address": "10.0.0.9", "clients": ["10.0.0.1", "10.0.0.2"]}
    assert "mariadb-server" not in resolved["packages"]
    told = _data.secrets(resolved, PASSWORD)["starter"]
    assert told["uri"] == "mysql:pymysql://shop@10.0.0.9:3306/shop_starter?set_encoding=utf8mb4"
    verified = {"ca": "/etc/shop/database_ca.pem", "check_hostname": True, "verify_mode": True}
    assert told["driver_args"] == {"password": PASSWORD, "connect_timeout": 5, "ssl": verified}
    backed = {
        "web2py_backup": {"repository": "/srv/backups/shop", "keep": {"last": 1}},
        "web2py_backup_password": PASSWORD,
    }
    assert "mariadb-client" in site({**MYSQL, **backed})["packages"]


def test_mariadb_has_no_standbys() -> None:
    two = _far.gather(
        {
            "inventory_hostname": "one",
            "groups": {**GROUPS, "web2py_database": ["db", "standby"]},
            "hostvars": HOSTS,
        }
    )
    told = found(MYSQL, two)
    words = "group web2py_database = db, standby: has further hosts, and MariaDB has no standbys here."
    assert told == [f"{words} Keep one host in it, or use postgresql."]
    # Who takes the site away is not led to a standby.
    choices, _problems = examine_names(OPTIONS, {**SHOP, **MYSQL}, HOST, two)
    looked = resolve(choices, HOST)
    assert "standbys" not in looked["data"]["group"] and looked["data"]["replicas"] == []
    assert _far.services("standby", {"one": looked}, HOST)["mariadb"] == []


def test_redis_and_memcached_have_a_port_for_each_use() -> None:
    redis = site()["redis"]
    assert redis["instances"] == [] and redis["elsewhere"]
    place = {"host": "10.0.0.9", "port": 6379, "user": "shop", "ca": "/etc/shop/redis_ca.pem"}
    assert redis["places"] == {"sessions": place, "cache": {**place, "port": 6380}}
    stores = {"web2py_sessions": {"store": "memcached"}, "web2py_cache": {"store": "memcached"}}
    stores["web2py_redis_password"] = None  # type: ignore[assignment]
    memcached = site({**stores, "web2py_memcached": {"port": 12000}})["memcached"]
    assert memcached["places"] == {
        "sessions": {"servers": ["10.0.0.9:12000"]},
        "cache": {"servers": ["10.0.0.9:12001"]},
    }
    six = far(db={"web2py_address": "fd00::9"})
    stores |= {"web2py_database": {"type": "sqlite"}, "web2py_database_password": None}  # type: ignore[dict-item]
    assert site(stores, six)["memcached"]["places"]["sessions"] == {"servers": ["[fd00::9]:11211"]}


def test_what_a_site_does_not_use_or_has_elsewhere_is_left_alone() -> None:
    elsewhere = {"type": "postgresql", "host": "db.example.net", "ca": "/etc/ssl/db.pem"}
    resolved = site({"web2py_database": elsewhere})
    assert resolved["data"]["group"] is None and resolved["data"]["host"] == "db.example.net"
    plain = {
        "web2py_database": {"type": "sqlite"},
        "web2py_sessions": {"store": "file"},
        "web2py_cache": {"store": "ram"},
    }
    nobody = far(db={"ansible_host": "no.address"})
    resolved = site({**plain, "web2py_database_password": None, "web2py_redis_password": None}, nobody)
    assert resolved["data"] is None and resolved["redis"]["group"] is None
    assert site({"web2py_redis_password": None}, {})["data"]["local"]


@pytest.mark.parametrize(
    ("host", "words", "fault"),
    [
        ("db", {"ansible_host": "db.example.org"}, "web2py_address (db): missing"),
        ("db", {"web2py_address": "8.8.8.8"}, "is a public address"),
        ("db", {"web2py_address": "2001:4860:4860::8888"}, "is a public address"),
        ("db", {"web2py_address": "127.0.0.1"}, "no address that other hosts reach"),
        ("db", {"web2py_address": "::"}, "no address that other hosts reach"),
        ("db", {"web2py_address": "fe80::1"}, "no address that other hosts reach"),
        ("db", {"web2py_address": "10.0.0.0/24"}, "is not an address"),
        ("two", {"ansible_host": "8.8.4.4", **NAMES}, "web2py_address (two) = '8.8.4.4'"),
        ("two", {"ansible_host": "two", **NAMES}, "web2py_address (two): missing"),
    ],
)
def test_addresses_that_cannot_be_are_refused(host: str, words: dict[str, Any], fault: str) -> None:
    assert any(fault in text for text in found({}, far(**{host: words}))), found({}, far(**{host: words}))


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ({"web2py_database": {"type": "postgresql", "ca": "/etc/x.pem"}}, "web2py_database.ca"),
        ({"web2py_database": {"type": "postgresql", "ssl_mode": "require"}}, "web2py_database.ssl_mode"),
        ({"web2py_database": {"type": "mysql", "ca": "/etc/x.pem"}}, "web2py_database.ca"),
        ({**MYSQL, "web2py_database_primary": "db"}, "web2py_database_primary = 'db': is for standbys, and MariaDB"),
        (
            {**MYSQL, "web2py_database_replication_password": PASSWORD},
            "web2py_database_replication_password = (not shown): is for standbys, and MariaDB has none here",
        ),
        (
            {"web2py_database": {"type": "mysql", "reads": "random"}},
            "needs replicas of a database server. Use PostgreSQL with replicas, or remove it",
        ),
        ({"web2py_redis": {"ca": "/etc/x.pem"}}, "web2py_redis.ca"),
        ({"web2py_redis_password": None}, "web2py_redis_password: missing"),
        ({"web2py_redis_password": "short"}, "is not fit for a password"),
        ({"web2py_memcached": {"port": 11211}}, "web2py_memcached.port"),
    ],
)
def test_words_that_do_not_go_with_a_group_are_refused(given: dict[str, Any], fault: str) -> None:
    assert any(fault in text for text in found(given)), found(given)


def test_who_looks_is_led_there_too() -> None:
    choices, problems = examine_names(OPTIONS, SHOP, HOST, far())
    assert problems == [] and resolve(choices, HOST)["data"]["group"]["host"] == "db"


def test_a_host_is_told_what_all_sites_have_there() -> None:
    first, second = site(), site()
    second["data"]["databases"] = ["shop_more"]
    # One of the hosts may not have been told of the database yet.
    told = _far.services("db", {"one": first, "two": second, "other": {**first, "data": None}}, HOST)
    assert told["packages"] == ["postgresql", "python3-cryptography", "python3-psycopg2", "redis-server"]
    (database,) = told["postgresql"]
    assert database["asked_by"] == "one" and database["data"]["databases"] == ["shop_more", "shop_starter"]
    assert database["data"]["serves"]["address"] == "10.0.0.9" and told["certificate"]["names"][1] == "10.0.0.9"
    (redis,) = told["redis"]
    assert [(row["unit"], row["port"], row["socket"]) for row in redis["redis"]["instances"]] == [
        ("shop_redis_sessions", 6379, ""),
        ("shop_redis_cache", 6380, ""),
    ]
    assert redis["redis"]["settle"] and redis["acl_user"] == "shop" and told["memcached"] == []
    assert PASSWORD not in str(told)
    assert told["mariadb"] == []
    maria = _far.services("db", {"one": first, "two": {**site(MYSQL), "name": "second"}}, HOST)
    (database,) = maria["mariadb"]
    assert database["data"]["serves"]["port"] == 3306 and len(maria["postgresql"]) == 1
    assert {"mariadb-server", "python3-pymysql", "postgresql"} <= set(maria["packages"])
    assert maria["certificate"]["names"][1] == "10.0.0.9"
    assert _far.services("standby", {"one": first}, HOST)["postgresql"] == []
    assert _far.services("standby", {"one": first}, HOST)["certificate"] is None


def test_rules_let_the_web_hosts_in_encrypted_and_nobody_else() -> None:
    rules = _data.rules(site()["data"])
    allowed = [row for row in rules if row["method"] != "reject"]
    assert {(row["contype"], row["address"], row["databases"], row["method"]) for row in allowed} == {
        ("hostssl", "10.0.0.1/32", "shop_starter", "scram-sha-256"),
        ("hostssl", "10.0.0.2/32", "shop_starter", "scram-sha-256"),
    }
    shut = {row.get("address", row["contype"]) for row in rules if row["method"] == "reject"}
    assert {"local", "0.0.0.0/0", "::/0", "10.0.0.1/32"} <= shut


def problems(host: dict[str, Any], **sites: dict[str, Any]) -> list[str]:
    return [str(problem) for problem in _far.service_problems("db", sites or {"one": site()}, {**HOST, **host})]


def test_a_host_that_fits_is_taken() -> None:
    assert problems({}) == []
    running = [{"port": 5432, "program": "postgres"}, {"port": 6379, "program": "redis-server"}]
    assert problems({"listening": running, "traces": {"redis_sessions": ["shop"]}}) == []
    unseen = [{"port": port, "program": _host.UNKNOWN} for port in (5432, 6379)]
    assert problems({"listening": unseen, "packages": ["postgresql"], "traces": {"redis_sessions": ["shop"]}}) == []
    assert _far.service_problems("standby", {"one": site()}, {**HOST, "distribution": "plan9"}) == []


@pytest.mark.parametrize(
    ("host", "fault"),
    [
        ({"addresses": ["10.0.0.8"]}, "is not an address of the host, which has 10.0.0.8"),
        ({"addresses": []}, "which has none"),
        ({"listening": [{"port": 5432, "program": "nc"}]}, "web2py_database.port = 5432: is taken on db by nc"),
        ({"listening": [{"port": 6380, "program": "redis-server"}]}, "web2py_redis.port = 6380: is taken on db"),
        ({"listening": [{"port": 5432, "program": _host.UNKNOWN}]}, "is taken on db by a program out of sight"),
        ({"distribution": "plan9"}, "is not a supported distribution"),
        ({"distribution": "rocky", "version": "9"}, "nothing was ever run on it"),
    ],
)
def test_a_host_that_does_not_fit_is_refused(host: dict[str, Any], fault: str) -> None:
    assert any(fault in text for text in problems(host)), problems(host)


def test_mariadb_listens_where_nobody_else_does() -> None:
    one = site(MYSQL)
    running = {"listening": [{"port": 3306, "program": "mariadbd"}]}
    assert problems({}, one=one) == [] and problems({**running, "packages": ["mariadb-server"]}, one=one) == []
    # One that was not brought by the distribution.
    assert problems(running, one=one) == [
        "web2py_database.port = 3306: is taken on db by mariadbd. Stop that there, or give another port."
    ]
    other = {"listening": [{"port": 3306, "program": "mysqld"}], "addresses": ["10.0.0.8"]}
    assert len(problems({**other, "packages": ["mariadb-server"]}, one=one)) == 2
    same = site({"web2py_database": {"type": "postgresql", "port": 3306}})
    texts = problems({}, one=one, other={**same, "name": "second"})
    assert any("3306: is that of mariadb, too, on db" in text for text in texts), texts
    # Each has its own port, whatever the other server's is.
    assert (
        problems(
            {},
            one=one,
            other={
                **site(
                    {
                        "web2py_sessions": {"store": "file"},
                        "web2py_cache": {"store": "ram"},
                        "web2py_redis_password": None,
                    }
                ),
                "name": "second",
            },
        )
        == []
    )
    third = site({"web2py_database": {"type": "mysql", "port": 3307}})
    texts = problems({}, one=one, other={**third, "name": "second"})
    assert any("differs between sites that share the server" in text for text in texts), texts


def test_an_old_mariadb_is_refused() -> None:
    old = {**HOST, "distribution": "ubuntu", "version": "22"}
    texts = [str(row) for row in _far.service_problems("db", {"one": site(MYSQL)}, old, unproven=True)]
    words = "web2py_database.type = 'mysql': its MariaDB 10.6 listens at one address only (db). Use postgresql."
    assert texts == [words]
    assert _far.service_problems("db", {"one": site()}, old, unproven=True) == []


def test_sites_in_each_others_way_are_refused() -> None:
    second = {**site({"web2py_site": "second"}, {**far(), "clients": {"other": "10.0.0.3"}}), "domain": "b.example.org"}
    texts = problems({}, one=site(), other=second)
    assert any("is that of redis of shop, sessions, too" in text for text in texts), texts
    assert not any("web2py_database" in text for text in texts)
    texts = problems({}, one=site(), other={**site(), "domain": "b.example.org"})
    assert any("is the name of another site on other" in text for text in texts), texts
    another = site({"web2py_database": {"type": "postgresql", "port": 5433}})
    texts = problems({}, one=site(), other={**another, "name": "second"})
    assert any("differs between sites that share the server" in text for text in texts), texts


def test_addresses_of_a_host_are_read_from_the_kernel() -> None:
    routes = (
        "Main:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 10.0.0.0\n        /24 link UNICAST\n     |-- 10.0.0.9\n"
        "        /32 host LOCAL\n     |-- 127.0.0.1\n        /32 host LOCAL\n"
    )
    six = "00000000000000000000000000000001 01 80 10 80 lo\nfd000000000000000000000000000009 02 40 00 80 eth0\n"
    assert _host.addresses(routes, six) == ["10.0.0.9", "fd00::9"]
    assert _host.addresses("", "") == []
