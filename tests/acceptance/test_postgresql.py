"""PostgreSQL on the host itself: who gets in, and with which settings."""

from __future__ import annotations

import shlex
from typing import Any

import pytest
from hosts import Machine, Site
from servers import Postgresql, database

testinfra_hosts = ["ansible://web2py_web"]
pytestmark = pytest.mark.data
SERVER = Postgresql()
sql = SERVER.sql


@pytest.fixture(scope="module", autouse=True)
def chosen(site: Site) -> None:
    if not (site["data"] and site["data"]["local"] and site["data"]["type"] == "postgresql"):
        pytest.skip("the site has no PostgreSQL on its host")


def test_databases_are_the_roles_alone(site: Site, machine: Machine) -> None:
    for name in site["data"]["databases"]:
        query = (
            "select pg_get_userbyid(datdba), pg_encoding_to_char(encoding),"
            " (select count(*) from aclexplode(coalesce(datacl, acldefault('d', datdba))) where grantee = 0)"
            " from pg_database where datname = :'name'"
        )
        assert sql(machine, query, name=name) == [[site["data"]["user"], "UTF8", "0"]]


def test_the_role_can_log_in_and_nothing_else(site: Site, machine: Machine) -> None:
    query = (
        "select rolcanlogin, rolsuper, rolcreatedb, rolcreaterole, rolreplication, rolbypassrls, left(rolpassword, 13)"
        " from pg_authid where rolname = :'role'"
    )
    found = sql(machine, query, role=site["data"]["user"])
    assert found == [["t", "f", "f", "f", "f", "f", "SCRAM-SHA-256"]]


def test_no_rule_trusts_and_all_are_understood(machine: Machine) -> None:
    rows = sql(machine, "select auth_method, error from pg_hba_file_rules")
    assert rows and {row[0] for row in rows} <= {"peer", "scram-sha-256", "reject"}
    assert {row[1] for row in rows} == {""}


def test_the_role_gets_in_with_its_password_only(site: Site, machine: Machine, variables: dict[str, Any]) -> None:
    name, password = database(site), str(variables["web2py_database_password"])
    # What `localhost` is called on the host.
    found = {row.split()[3].rpartition(":")[0].strip("[]") for row in machine.lines("ss -Hlnt 'sport = :5432'")}
    assert found <= {"127.0.0.1", "::1"}
    for host in ("/run/postgresql", *sorted(found)):
        assert SERVER.let_in(machine, site, name, password, host) == name
        assert isinstance(SERVER.let_in(machine, site, name, "another", host), list)
        assert isinstance(SERVER.let_in(machine, site, "postgres", password, host), list)
    # Nor as the user of that name.
    peer = f"runuser -u {site['user']} -- psql -XAtw -d {shlex.quote(name)} -c 'select 1'"
    assert machine.try_to(peer).rc != 0


def test_the_server_has_the_settings(machine: Machine, facts: dict[str, Any], variables: dict[str, Any]) -> None:
    from ansible_collections.web2py.deploy.plugins.module_utils._tuning import tuning

    wanted = {name: value.strip("'") for name, value in tuning(facts["memory_mb"]).items()}
    for name, value in wanted.items():
        assert sql(machine, f"show {name}") in ([[value]], [[f"{int(value[:-2]) // 1024}GB"]] if "MB" in value else [])
    assert sql(machine, "show log_connections") == [["on"]]
