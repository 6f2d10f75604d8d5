"""MariaDB on the host itself: who gets in, to what, and with which settings."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hosts import Machine, Site
from servers import Mariadb, database

testinfra_hosts = ["ansible://web2py_web"]
pytestmark = pytest.mark.data
SERVER = Mariadb()


@pytest.fixture(scope="module", autouse=True)
def chosen(site: Site) -> None:
    if not (site["data"] and site["data"]["local"] and site["data"]["type"] == "mysql"):
        pytest.skip("the site has no MariaDB on its host")


def test_the_account_has_its_databases_and_nothing_else(site: Site, machine: Machine) -> None:
    rows = SERVER.sql(machine, "show grants for :'user'@'localhost'", user=site["data"]["user"])
    told = [re.sub(r" IDENTIFIED BY .*", "", row[0]) for row in rows]
    assert [row for row in told if " ON *.* " in row] == [f"GRANT USAGE ON *.* TO `{site['data']['user']}`@`localhost`"]
    # An escaped name is no pattern: no other database is like it.
    wanted = {name.replace("_", "\\_") for name in site["data"]["databases"]}
    assert {row.split(" ON `")[1].split("`.* TO ")[0] for row in told if " ON *.* " not in row} == wanted
    for word in ("GRANT OPTION", "ALL PRIVILEGES", "EVENT", "FILE", "ROUTINE"):
        assert not any(word in row for row in told)


def test_no_account_is_without_password(site: Site, machine: Machine) -> None:
    rows = SERVER.sql(machine, "select user, host, plugin, length(authentication_string) from mysql.user")
    own = [row for row in rows if row[0] == site["data"]["user"]]
    assert own == [[site["data"]["user"], "localhost", "mysql_native_password", "41"]]
    assert {row[0] for row in rows} <= {site["data"]["user"], "root", "mysql", "mariadb.sys"}


def test_databases_hold_every_letter(site: Site, machine: Machine) -> None:
    query = (
        "select default_character_set_name, default_collation_name from information_schema.schemata"
        " where schema_name = :'name'"
    )
    tables = "select distinct table_collation from information_schema.tables where table_schema = database()"
    for name in site["data"]["databases"]:
        assert SERVER.sql(machine, query, name=name) == [["utf8mb4", "utf8mb4_bin"]]
        assert SERVER.sql(machine, tables, name) in ([], [["utf8mb4_bin"]])


def test_the_account_gets_in_with_its_password_only(site: Site, machine: Machine, variables: dict[str, Any]) -> None:
    name, password = database(site), str(variables["web2py_database_password"])
    for host in ("", "127.0.0.1"):
        assert SERVER.let_in(machine, site, name, password, host) == name
        assert isinstance(SERVER.let_in(machine, site, name, "another", host), list)
        for other in ("mysql", name.replace("_", "x")):
            assert isinstance(SERVER.let_in(machine, site, other, password, host), list)
    # Nor as the user of that name.
    assert machine.try_to(f"runuser -u {site['user']} -- mariadb -e 'select 1' {name}").rc != 0


def test_the_server_has_the_settings(machine: Machine, facts: dict[str, Any]) -> None:
    from ansible_collections.web2py.deploy.plugins.module_utils._tuning import mariadb_tuning

    wanted = mariadb_tuning(facts["memory_mb"])
    size, packet = (wanted.pop(name) for name in ("innodb_buffer_pool_size", "max_allowed_packet"))
    isolation = wanted.pop("transaction_isolation")
    found = {row[0]: row[1] for row in SERVER.sql(machine, "show global variables") if len(row) == 2}
    assert {name: found[name] for name in wanted} == {**wanted, "local_infile": "OFF"}
    assert int(found["innodb_buffer_pool_size"]) >= int(size[:-1]) << 20
    assert int(found["max_allowed_packet"]) == int(packet[:-1]) << 20
    assert found.get("transaction_isolation", found.get("tx_isolation")) == isolation
    assert found["slow_query_log"] == "ON"
