"""Two sites whose databases are in one MariaDB on another host: encrypted, each for its web host and its own only."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import yaml
from desk import ROOT, Bed, Desk, Host, Run

PASSWORD = "it's: a/very@odd?word #1%40"
PROBE = {"name": "probe", "source": {"type": "directory", "path": str(ROOT / "tests/applications/probe")}}
CHOICES: dict[str, Any] = {
    "web2py_source": {"type": "pypi"},
    "web2py_database": {"type": "mysql", "replaces": ["sqlite://probe.sqlite"]},
    "web2py_database_password": PASSWORD,
    "web2py_applications": [{**PROBE, "sessions": {"store": "database"}}],
}
BACKED = {"web2py_backup": {"repository": "/srv/backups/far"}, "web2py_backup_password": "a password of the tests"}
# Its database server is the same one.
OTHER = {"web2py_site": "second", "web2py_domain": "second.example.org", "web2py_database_password": "of the second"}
ALONE = ("--limit", "web,services")
LOGIN = """
import sys, pymysql
host, user, password, database, *ca = sys.argv[1:]
tls = {"ssl": {"ca": ca[0], "check_hostname": True, "verify_mode": True}} if ca else {"ssl_disabled": True}
try:
    pymysql.connect(host=host, user=user, password=password, database=database, connect_timeout=5, **tls).close()
    print("in")
except pymysql.Error as error:
    print(error)
"""


@dataclass
class Pair:
    """A web host with two sites and a host of services, and the desk that keeps both."""

    desk: Desk
    web: Host
    services: Host

    def play(self, playbook: str, *words: str) -> Run:
        return self.desk.ansible("ansible-playbook", "-i", "far_mariadb.yml", f"web2py.deploy.{playbook}", *words)

    def login(self, database: str, *ca: str, user: str = "web2py", password: str = PASSWORD, at: str = "web") -> str:
        """How the server takes a connection, with the site's driver there or with that of Ansible's modules."""
        host, python = (
            (self.web, "/srv/web2py/current/environment/bin/python") if at == "web" else (self.services, "python3")
        )
        words = [self.services.ip, user, password, database, *ca]
        program = f"import sys; sys.argv[1:] = {words!r}\n{LOGIN}"
        return host.run(f"cd / && {python} -I - <<'E'\n{program}E").strip()

    def page(self, name: str, path: str) -> str:
        ask = f"curl -sk --resolve {name}:443:127.0.0.1 -c /run/jar-{name} -b /run/jar-{name}"
        return self.web.run(f"{ask} 'https://{name}/{path}'")

    def sql(self, text: str) -> list[str]:
        return self.services.run(f'mariadb --batch --skip-column-names -e "{text}"').splitlines()


@pytest.fixture(scope="module")
def pair(desk: Desk) -> Iterator[Pair]:
    bed = Bed(f"{os.environ.get('WEB2PY_TEST_LIVE', 'live')}_maria")
    bed.down()
    web, services = bed.up([Host("web", "bookworm", "warm"), Host("services", "trixie", "bare")])
    hosts = {
        "web": {**web.inventory(), **CHOICES, **BACKED, "web2py_domain": "www.example.org"},
        "other": {**web.inventory(), **CHOICES, **OTHER},
    }
    group = {"web2py_database": {"hosts": {"services": services.inventory()}}}
    (desk.folder / "far_mariadb.yml").write_text(yaml.safe_dump({"web2py_web": {"hosts": hosts}, **group}))
    yield Pair(desk, web, services)
    bed.down()


def test_a_dry_run_on_bare_hosts_changes_nothing(pair: Pair) -> None:
    run = pair.play("site", "--check", "--diff", *ALONE)
    assert run.status == 0 and PASSWORD not in run.output, run.output
    assert pair.services.run("ls -d /etc/web2py_deploy /etc/mysql 2>/dev/null; true") == ""


@pytest.mark.parametrize("package", ["mariadb-server", "python3-pymysql"])
def test_a_dry_run_where_a_server_runs_already_changes_nothing(package: str, pair: Pair) -> None:
    """Alone, and with what Ansible asks it with, too."""
    pair.services.run(f"apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y {package}")
    run = pair.play("site", "--check", "--diff", *ALONE)
    assert run.status == 0 and PASSWORD not in run.output, run.output
    assert pair.services.run("ls -d /etc/web2py_deploy /etc/mysql/web2py_deploy* 2>/dev/null; true") == ""
    assert pair.sql("select user from mysql.user where user like 'web2py%'") == []


def test_both_sites_serve_with_their_databases_on_the_other_host(pair: Pair) -> None:
    run = pair.play("site")
    assert run.status == 0 and PASSWORD not in run.output, run.output
    for name in ("www.example.org", "second.example.org"):
        assert f"https://{name} answers 200" in run.output
        assert '"id"' in pair.page(name, f"probe/database/insert?name={name}")
        assert [json.loads(pair.page(name, "probe/session/index"))["count"] for _time in range(2)] == [1, 2]
    assert pair.sql("select name from web2py_probe.note union all select name from second_probe.note") == [
        "www.example.org",
        "second.example.org",
    ]
    assert pair.sql("select count(*) from web2py_probe.web2py_session_probe") == ["1"]
    assert pair.web.run("ss -Hltn | grep :3306; dpkg -l mariadb-server 2>/dev/null | grep ^ii; true") == ""


def test_a_second_run_changes_nothing_but_an_account_that_was_left_behind(pair: Pair) -> None:
    """That of a web host of before gets in no more. What a site has that is left out stays."""
    pair.sql("create user web2py@192.0.2.9 identified by 'left behind'")
    run = pair.play("site", *ALONE)
    assert (run.status, run.changed) == (0, 1), run.output
    assert pair.sql("select host from mysql.user where user = 'web2py'") == [pair.web.ip]


def test_the_server_listens_at_its_address_and_lets_in_the_web_host_only(pair: Pair) -> None:
    ip, ca = pair.services.ip, "/etc/web2py/database_ca.pem"
    places = pair.services.run("ss -Hltn | awk '{print $4}' | grep :3306").split()
    assert sorted(places) == sorted([f"{ip}:3306", "127.0.0.1:3306"])
    assert pair.login("web2py_probe", ca) == "in"
    # Its name and its authority are proven.
    assert "certificate verify failed" in pair.login("web2py_probe", "/etc/ssl/certs/ca-certificates.crt")
    # Neither without TLS, nor into a database of somebody else, nor as somebody else, nor from elsewhere.
    assert "Access denied" in pair.login("web2py_probe")
    assert "Access denied" in pair.login("second_probe", ca)
    assert "Access denied" in pair.login("mysql", ca)
    assert "Access denied" in pair.login("second_probe", ca, user="second")
    assert pair.login("second_probe", ca, user="second", password=str(OTHER["web2py_database_password"])) == "in"
    elsewhere = pair.login("web2py_probe", "/etc/web2py_deploy/tls/ca.pem", at="services")
    assert "is not allowed to connect" in elsewhere
    rows = pair.sql("select user, host, ssl_type from mysql.user where user in ('web2py', 'second') order by user")
    assert [row.split() for row in rows] == [["second", pair.web.ip, "ANY"], ["web2py", pair.web.ip, "ANY"]]
    keys = "stat -c '%a %U' /etc/mysql/web2py_deploy.key /etc/web2py_deploy/tls/key.pem"
    assert pair.services.run(keys).splitlines() == ["600 mysql", "600 root"]


def test_backup_and_status_go_there_too(pair: Pair) -> None:
    assert '"id"' in pair.page("www.example.org", "probe/database/insert?name=saved")
    # No server is installed here that the drill could read the dump into.
    pair.web.run("systemctl start web2py-backup.service && systemctl start web2py-drill.service")
    pair.sql("update web2py_probe.note set name = 'spoilt'")
    told = pair.web.run("python3 -I -B /etc/web2py_backup/program restore /etc/web2py_backup/settings.json latest")
    assert "is in place" in told
    assert pair.sql("select name from web2py_probe.note order by id desc limit 1") == ["saved"]
    run = pair.play("status", "--limit", "web")
    assert run.status == 0 and "web2py_probe" in run.output, run.output


def test_the_server_waits_for_its_address_at_boot(pair: Pair) -> None:
    """Not before its address is: it would not start."""
    after = pair.services.run("systemctl show -P After -P Wants mariadb").splitlines()
    assert all("network-online.target" in row.split() for row in after)


def test_taken_away_the_other_host_knows_nothing_of_the_site(pair: Pair) -> None:
    run = pair.play("uninstall", *ALONE, "-e", "web2py_purge=web2py")
    assert run.status == 0, run.output
    assert pair.sql("select user from mysql.user where user in ('web2py', 'second')") == ["second"]
    assert [row for row in pair.sql("show databases") if "probe" in row] == ["second_probe"]
    assert '"id"' in pair.page("second.example.org", "probe/database/insert?name=stays")
