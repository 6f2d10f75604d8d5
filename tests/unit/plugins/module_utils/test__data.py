"""Databases of a site: what is refused, what it is resolved to, and what opens them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ansible_collections.web2py.deploy.plugins.module_utils import _data
from tests.unit.plugins.module_utils.choices import ELSEWHERE, PASSWORD, application, problems, site


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"web2py_database_password": None}, "web2py_database_password: missing"),
        ({"web2py_database_password": "short"}, "web2py_database_password = (not shown): is not fit"),
        ({"web2py_database_password": "two lines\nof words"}, "web2py_database_password = (not shown): is not fit"),
        ({"web2py_database_password": "x" * 1025}, "is not fit for a password"),
        ({"web2py_database": {"type": "mysql", "port": 3307}}, "MariaDB on the host is reached by its socket"),
        ({"web2py_database": {"type": "mysql", "user": "root"}}, "is not a name for a role"),
        ({"web2py_database": {"type": "mysql", "user": "x" * 33}}, "at most 32"),
        ({"web2py_database": {"type": "mysql", "ssl_mode": "require"}}, "is for a server elsewhere"),
        ({"web2py_database": {"type": "mysql", "name_prefix": "x" * 61}}, "is not a name for a database"),
        ({"web2py_database": {"type": "mysql"}, "web2py_database_password": None}, "web2py_database_password: missing"),
        (
            {"web2py_database": {**ELSEWHERE, "type": "mysql", "ssl_mode": "verify-ca"}},
            "ssl_mode = 'verify-ca': is nothing that programs of mysql can do. Use disable, require, verify-full",
        ),
        ({"web2py_database": {"type": "mysql", "host": "db"}}, "web2py_database.ca: missing"),
        (
            {"web2py_database": {"type": "mysql"}, **application(database={"name": "Information_Schema"})},
            "is not a name for a database",
        ),
        (
            {"web2py_database": {"type": "mysql"}, **application(database={"type": "postgresql"})},
            "is not the type of the site's server",
        ),
        ({"web2py_database": {"type": "oracle"}}, "is not a word for it"),
        ({"web2py_database": {"type": "sqlite", "host": "x"}}, "web2py_database.host = 'x': has no meaning for sqlite"),
        ({"web2py_database": {"type": "postgresql", "port": 0}}, "web2py_database.port = 0: is not a port"),
        ({"web2py_database": {"type": "postgresql", "user": "pg_x"}}, "is not a name for a role"),
        ({"web2py_database": {"type": "postgresql", "user": "postgres"}}, "is not a name for a role"),
        ({"web2py_database": {"type": "postgresql", "user": "a b"}}, "is not a name for a role"),
        ({"web2py_database": {"type": "postgresql", "user": "x:y@z"}}, "is not a name for a role"),
        ({"web2py_database": {"type": "postgresql", "name_prefix": "é"}}, "is not a name for a database"),
        ({"web2py_database": {"type": "postgresql", "name_prefix": "x" * 60}}, "is not a name for a database"),
        ({"web2py_database": {"type": "postgresql", "pool_size": -1}}, "pool_size = -1: is out of bounds"),
        (
            {"web2py_database": {"type": "postgresql", "ca": "/x"}},
            "ca = '/x': is for a server elsewhere",
        ),
        ({"web2py_database": {"type": "postgresql", "ssl_mode": "require"}}, "is for a server elsewhere"),
        ({"web2py_database": {**ELSEWHERE, "host": "postgres://x"}}, "is not a host"),
        ({"web2py_database": {**ELSEWHERE, "host": "::1"}}, "is not a host"),
        ({"web2py_database": {**ELSEWHERE, "ca": None}}, "web2py_database.ca: missing, and ssl_mode is verify-full"),
        ({"web2py_database": {**ELSEWHERE, "ssl_mode": "prefer"}}, "is not a word for it"),
        (application(sessions={"store": "database", "expiry": 0}), "sessions.expiry = 0: is out of bounds"),
        (application(sessions={"store": "ram"}), "is not a word for it"),
        (application(tickets={"store": "redis"}), "is not a word for it"),
        (application(uploads={"store": "redis"}), "is not a word for it"),
        (application(database={"type": "sqlite"}, uploads={"store": "database"}), "needs a database server"),
        (application(cache={"store": "memory"}), "is not a word for it"),
        (application(database={"type": "mysql"}), "is not the type of the site's server"),
        (application(database={"name": "postgres"}), "is not a name for a database"),
        (application(database={"name": "a'b"}), "is not a name for a database"),
        (application(database={"type": "sqlite"}, tickets={"store": "database"}), "needs a database server"),
        (application(database={"host": "x"}), "unknown name"),
    ],
)
def test_wrong_choices_are_told(given: dict[str, Any], words: str) -> None:
    found = problems(**given)
    assert any(words in problem for problem in found), found
    assert not any(PASSWORD in problem for problem in found)


def test_all_faults_are_told_at_once() -> None:
    wrong = {"type": "postgresql", "port": 0, "user": "a b", "ca": "/x"}
    assert len(problems(web2py_database=wrong, web2py_database_password="x")) == 4


@pytest.mark.parametrize("word", ["web2py_sessions", "web2py_tickets", "web2py_uploads"])
def test_what_needs_a_server_is_refused_without_one(word: str) -> None:
    found = problems(web2py_database={"type": "sqlite"}, **{word: {"store": "database"}})
    assert len(found) == 1 and "needs a database server" in found[0]


def test_two_applications_have_two_databases() -> None:
    rows = [{"name": name, "source": {"type": "starter"}, "database": {"name": "one"}} for name in ("shop", "forum")]
    assert any("is the database of shop too" in problem for problem in problems(web2py_applications=rows))


def test_a_site_without_a_server_is_as_before() -> None:
    found = site(web2py_database={"type": "sqlite"}, web2py_database_password=None)
    assert found["data"] is None and not any("psycopg2" in word for word in found["requirements"])
    assert "postgresql" not in found["packages"] and _data.secrets(found, "") == {}


def test_the_server_is_on_the_host_where_none_is_named() -> None:
    found = site(web2py_site="shop-1", **application())
    assert found["data"] == {
        "type": "postgresql",
        "local": True,
        "host": None,
        "port": 5432,
        "user": "shop-1",
        "databases": ["shop-1_shop"],
        "ssl_mode": None,
        "ca": None,
        "replicas": [],
        "group": None,
    }
    assert "psycopg2-binary==2.9.13" in found["requirements"] and "postgresql" in found["packages"]
    assert found["applications"][0]["settings"]["database"]["name"] == "shop-1_shop"


def test_nothing_is_installed_for_a_server_elsewhere() -> None:
    found = site(web2py_database=ELSEWHERE)
    assert "postgresql" not in found["packages"]
    assert (found["data"]["local"], found["data"]["ssl_mode"]) == (False, "verify-full")


def test_the_resolved_site_holds_no_password() -> None:
    assert PASSWORD not in json.dumps(site(web2py_sessions={"store": "cookie"}))


def test_an_application_may_stay_with_its_own_files() -> None:
    found = site(**application(database={"type": "sqlite"}))
    assert found["data"]["databases"] == [] and _data.secrets(found, PASSWORD) == {}


@pytest.mark.parametrize(
    "password", [":", "/", "@", "%", "?", "#", " ", "'", '"', "\\", "%40", "a@b:c/d?e#f", "pässwört", "密码", "x" * 9]
)
def test_no_password_is_too_odd_and_none_is_in_the_uri(password: str) -> None:
    """It goes to libpq as it is; the URI, which is logged and hashed, is the same for all."""
    row = _data.secrets(site(**application()), password)["shop"]
    assert row["driver_args"]["password"] == password
    assert row["uri"] == "postgres://web2py@/web2py_shop?unix_socket=/run/postgresql/.s.PGSQL.5432"
    assert row["table_hash"] == "postgresql-web2py_shop" and row["driver_args"]["port"] == 5432
    assert json.loads(json.dumps(row)) == row


def test_a_server_elsewhere_is_verified() -> None:
    row = _data.secrets(site(web2py_database={**ELSEWHERE, "port": 6432}, **application()), PASSWORD)["shop"]
    assert row["uri"] == "postgres://web2py@db.example.org:6432/web2py_shop?sslmode=verify-full"
    assert row["driver_args"] == {"password": PASSWORD, "connect_timeout": 5, "sslrootcert": "/etc/ssl/ca.pem"}


def test_a_role_gets_into_its_databases_and_nowhere_else() -> None:
    rows = _data.rules({"user": "shop", "databases": ["shop_a", "shop_b"]})
    assert {row["method"] for row in rows} == {"scram-sha-256", "reject"}
    assert {row["databases"] for row in rows if row["method"] != "reject"} == {"shop_a", "shop_b"}
    assert {row.get("address") for row in rows} == {None, "127.0.0.1/32", "::1/128"}
    assert all(row["users"] == "shop" for row in rows) and len(rows) == 9


MYSQL: dict[str, Any] = {"web2py_database": {"type": "mysql"}}


def test_mariadb_is_on_the_host_where_none_is_named() -> None:
    found = site(web2py_site="shop-1", **MYSQL, **application())
    assert found["data"] == {
        "type": "mysql",
        "local": True,
        "host": None,
        "port": 3306,
        "user": "shop-1",
        "databases": ["shop-1_shop"],
        "ssl_mode": None,
        "ca": None,
        "replicas": [],
        "group": None,
    }
    assert "PyMySQL==1.2.4" in found["requirements"] and "mariadb-server" in found["packages"]
    assert "postgresql" not in found["packages"] and not any("psycopg2" in word for word in found["requirements"])


def test_mysql_elsewhere_installs_nothing_but_the_driver() -> None:
    found = site(web2py_database={**ELSEWHERE, "type": "mysql"})
    assert "mariadb-server" not in found["packages"] and "PyMySQL==1.2.4" in found["requirements"]


def test_databases_of_mysql_are_backed_up_with_its_own_program() -> None:
    words = {"repository": "/srv/backups/shop", "every": "daily", "drill": "weekly", "keep": {"last": 1}}
    chosen = {"web2py_backup": words, "web2py_backup_password": PASSWORD}
    assert "mariadb-client" in site(**MYSQL, **chosen)["packages"]
    assert "mariadb-client" not in site(**chosen)["packages"]


@pytest.mark.parametrize("password", [":/@%?#", "it's \"\\", "pässwört", "密码密码密码密码"])
def test_no_password_is_too_odd_for_mysql(password: str) -> None:
    row = _data.secrets(site(**MYSQL, **application()), password)["shop"]
    assert row["driver_args"] == {"password": password, "connect_timeout": 5, "ssl_disabled": True}
    socket = "unix_socket=/run/mysqld/mysqld.sock"
    assert row["uri"] == f"mysql:pymysql://web2py@localhost/web2py_shop?set_encoding=utf8mb4&{socket}"
    assert row["table_hash"] == "mysql-web2py_shop"
    assert json.loads(json.dumps(row)) == row


@pytest.mark.parametrize(
    ("mode", "told"),
    [
        (None, {"ssl": {"ca": "/etc/ssl/ca.pem", "check_hostname": True, "verify_mode": True}}),
        ("require", {"ssl": {"verify_mode": False}}),
        ("disable", {"ssl_disabled": True}),
    ],
)
def test_mysql_elsewhere_is_verified(mode: str | None, told: dict[str, Any]) -> None:
    given = {**ELSEWHERE, "type": "mysql", "ssl_mode": mode}
    row = _data.secrets(site(web2py_database=given, **application()), PASSWORD)["shop"]
    assert row["uri"] == "mysql:pymysql://web2py@db.example.org:3306/web2py_shop?set_encoding=utf8mb4"
    assert row["driver_args"] == {"password": PASSWORD, "connect_timeout": 5, **told}


def test_mariadb_has_another_socket_on_red_hat() -> None:
    chosen = site(**MYSQL, **application())["applications"][0]["settings"]["database"]
    assert _data.uri(chosen, "RedHat").endswith("&unix_socket=/var/lib/mysql/mysql.sock")


def test_an_account_may_use_its_databases_and_no_other_like_them() -> None:
    found = _data.mariadb_privileges({"databases": ["a-1_shop", "b%c"]})
    assert list(found) == ["a-1\\_shop.*", "b\\%c.*"]
    words = set(found["b\\%c.*"].split(","))
    assert {"SELECT", "CREATE", "LOCK TABLES"} <= words
    assert not {"ALL", "EVENT", "GRANT", "CREATE ROUTINE", "EXECUTE"} & words
    assert _data.mariadb_privileges({"databases": []}) == {}
