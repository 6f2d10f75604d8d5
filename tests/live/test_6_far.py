"""A site whose database, sessions and cached values are on another host: encrypted, for its web host only."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
import yaml
from desk import ROOT, Bed, Desk, Host, Run

PASSWORD = "it's: a/very@odd?word #1%40"
PROBE = {"name": "probe", "source": {"type": "directory", "path": str(ROOT / "tests/applications/probe")}}
CHOICES: dict[str, Any] = {
    "web2py_source": {"type": "pypi"},
    "web2py_database": {"type": "postgresql", "replaces": ["sqlite://probe.sqlite"]},
    "web2py_database_password": PASSWORD,
    "web2py_sessions": {"store": "redis"},
    "web2py_cache": {"store": "memcached"},
    "web2py_redis_password": "another password of a vault",
    "web2py_applications": [PROBE, {**PROBE, "name": "second", "sessions": {"store": "database"}}],
}
# As the site's user, with the site's Python: how the server takes a connection.
LOGIN = """
import json, sys
import psycopg2
told = json.load(open("/etc/web2py/databases.json"))["applications"]["probe"]["driver_args"]
words = {"host": sys.argv[1], "user": "web2py", "password": told["password"], "connect_timeout": 5}
words.update(word.split("=", 1) for word in sys.argv[2:])
try:
    psycopg2.connect(**words).close()
    print("in")
except psycopg2.Error as error:
    print(str(error))
"""


@dataclass
class Pair:
    """A web host and a host of services, and the desk that keeps both."""

    desk: Desk
    web: Host
    services: Host

    def play(self, *words: str, inventory: str = "far.yml", **choices: Any) -> Run:
        path = self.desk.folder / "far_choices.yml"
        path.write_text(yaml.safe_dump(choices))
        return self.desk.ansible("ansible-playbook", "-i", inventory, "web2py.deploy.site", "-e", f"@{path}", *words)

    def external(
        self, *words: str, ca: str = "/etc/web2py/database_ca.pem", replicas: Sequence[str] = (), **choices: Any
    ) -> Run:
        """A run that knows the server as one that somebody else keeps."""
        base = {**CHOICES["web2py_database"], "host": self.services.ip, "ca": ca, "replicas": list(replicas)}
        return self.play(*words, inventory="web.yml", **{"web2py_database": base, **choices})

    def login(self, *words: str) -> str:
        self.web.run(f"cat > /run/login.py <<'E'\n{LOGIN}E\nchmod 0644 /run/login.py")
        python = "cd / && runuser -u web2py -- /srv/web2py/current/environment/bin/python -I /run/login.py"
        return self.web.run(f"{python} {self.services.ip} {' '.join(words)}")

    def page(self, path: str) -> str:
        ask = "curl -sk --resolve www.example.org:443:127.0.0.1 -c /run/jar -b /run/jar"
        return self.web.run(f"{ask} 'https://www.example.org/{path}'")

    def listening(self) -> set[str]:
        return set(self.services.run("ss -Hltn | awk '{print $4}'").split())


@pytest.fixture(scope="module")
def pair(desk: Desk) -> Iterator[Pair]:
    bed = Bed(f"{os.environ.get('WEB2PY_TEST_LIVE', 'live')}_far")
    bed.down()
    web, services = bed.up([Host("web", "bookworm", "warm"), Host("services", "trixie", "bare")])
    # Not by the name of the desk's own host, of which the desk has variables.
    one = {"web": {**web.inventory(), "web2py_domain": "www.example.org", **CHOICES}}
    group = {"hosts": {"services": services.inventory()}}
    groups = {f"web2py_{name}": {"hosts": {"services": {}}} for name in ("database", "redis", "memcached")}
    text = yaml.safe_dump({"web2py_web": {"hosts": one}, **groups, "all": group})
    (desk.folder / "far.yml").write_text(text)
    # Without groups: memcached and Redis are told where they are, too.
    there = {
        "web2py_redis": {"host": services.ip, "user": "web2py", "ca": "/etc/web2py/redis_ca.pem"},
        "web2py_memcached": {"servers": [f"{services.ip}:11212"]},
    }
    alone = {"web": {**one["web"], **there}}
    (desk.folder / "web.yml").write_text(yaml.safe_dump({"web2py_web": {"hosts": alone}}))
    yield Pair(desk, web, services)
    bed.down()


def test_a_taken_port_is_told_before_anything_changes(pair: Pair) -> None:
    listen = 'import socket, time; s = socket.create_server(("", 5432)); time.sleep(900)'
    pair.services.run(f"systemd-run --unit taken python3 -c {listen!r}; until ss -Hltn | grep -q :5432; do :; done")
    run = pair.play()
    pair.services.run("systemctl stop taken")
    assert run.status != 0 and run.changed == 0, run.output
    assert "web2py_database.port = 5432: is taken on services by python3" in run.output
    assert "Stop that there, or give another port" in run.output


def test_a_dry_run_on_bare_hosts_changes_nothing(pair: Pair) -> None:
    run = pair.play("--check", "--diff")
    assert run.status == 0, run.output
    assert PASSWORD not in run.output and "another password" not in run.output
    assert pair.services.run("ls /etc/web2py_deploy /etc/postgresql 2>/dev/null; true") == ""


@pytest.mark.parametrize("package", ["postgresql", "python3-psycopg2"])
def test_a_dry_run_where_a_server_runs_already_changes_nothing(package: str, pair: Pair) -> None:
    """Alone, and with what Ansible asks it with, too."""
    pair.services.run(f"apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y {package}")
    run = pair.play("--check", "--diff")
    assert run.status == 0, run.output
    assert PASSWORD not in run.output and "another password" not in run.output
    ours = "ls -d /etc/web2py_deploy /etc/postgresql/17/main/*web2py_deploy* 2>/dev/null; true"
    assert pair.services.run(ours) == ""
    roles = pair.services.run("cd /; runuser -u postgres -- psql -XAtc 'select rolname from pg_roles'")
    assert "web2py" not in roles


def test_the_site_serves_with_all_of_it_on_the_other_host(pair: Pair) -> None:
    run = pair.play()
    assert run.status == 0, run.output
    assert "https://www.example.org answers 200" in run.output
    assert '"id"' in pair.page("probe/database/insert?name=kept")
    rows = pair.services.run("runuser -u postgres -- psql -XAt -d web2py_probe -c 'select name from note'")
    assert rows.split() == ["kept"]
    assert (
        pair.web.run(
            "ss -Hltn | grep -E ':(5432|6379|11211)'; dpkg -l postgresql redis-server 2>/dev/null | grep ^ii; true"
        )
        == ""
    )


def test_services_listen_at_their_address_only(pair: Pair) -> None:
    ip = pair.services.ip
    own = {
        place for place in pair.listening() if place.rpartition(":")[2] in {"5432", "6379", "6380", "11211", "11212"}
    }
    assert own - {"[::1]:5432"} == {f"{ip}:5432", "127.0.0.1:5432", f"{ip}:6379", f"{ip}:11212"}
    assert pair.services.run("ss -Hlun | grep -c 1121 || true").strip() == "0"


def test_the_way_to_the_database_is_encrypted_and_proven(pair: Pair) -> None:
    good = ["dbname=web2py_probe", "sslmode=verify-full", "sslrootcert=/etc/web2py/database_ca.pem"]
    assert pair.login(*good).strip() == "in"
    assert "certificate verify failed" in pair.login(*good[:2], "sslrootcert=/etc/ssl/certs/ca-certificates.crt")
    assert "no encryption" in pair.login(good[0], "sslmode=disable")
    # Nor does it get into another database, or from another address than the web host's.
    assert "rejects connection" in pair.login("dbname=postgres", *good[1:])
    modes = pair.services.run("stat -c '%a %U' /etc/postgresql/*/main/web2py_deploy.key /etc/web2py_deploy/tls/key.pem")
    assert modes.splitlines() == ["600 postgres", "600 root"]
    days = "openssl x509 -noout -checkend 150000000 -in /etc/web2py_deploy/tls/certificate.pem"
    assert "will not expire" in pair.services.run(days)


def test_redis_and_memcached_are_the_sites(pair: Pair) -> None:
    ip = pair.services.ip
    plain = f"exec 3<>/dev/tcp/{ip}/6379; printf 'PING\\r\\n' >&3; timeout 2 head -c 20 <&3 | grep -c PONG"
    assert pair.web.run(f"bash -c {plain!r} || true").strip() == "0"
    words = "import socket, ssl; c = ssl.create_default_context(cafile='/etc/web2py/redis_ca.pem').wrap_socket("
    words += f"socket.create_connection(('{ip}', 6379), 5), server_hostname='{ip}')"
    words += "; c.sendall(b'PING\\r\\n'); print(c.recv(99))"
    assert "NOAUTH" in pair.web.run(f'python3 -c "{words}"')
    assert pair.services.run("stat -c '%a %G' /etc/web2py_deploy/web2py/redis_sessions.conf").strip() == "640 redis"
    for unit in ("web2py_redis_sessions", "web2py_memcached_cache"):
        allowed = pair.services.run(f"systemctl show -P IPAddressAllow {unit}")
        assert allowed.strip() == f"{pair.web.ip}/32"


def test_a_second_run_changes_nothing(pair: Pair) -> None:
    run = pair.play()
    assert (run.status, run.changed) == (0, 0), run.output


def test_a_new_password_reaches_the_server_and_the_site(pair: Pair) -> None:
    run = pair.play(web2py_database_password="quite another, of 2026")
    assert run.status == 0, run.output
    assert '"id"' in pair.page("probe/database/insert?name=after")
    assert "quite another" not in run.output
    back = pair.play("--tags", "postgresql,applications")
    assert back.status == 0 and '"id"' in pair.page("probe/database/insert?name=again"), back.output


def refused(run: Run, *words: str) -> None:
    assert run.status != 0 and run.changed == 0, run.output
    text = " ".join(run.output.split())
    for word in ("Nothing was changed", *words):
        assert word in text, run.output


def test_a_server_of_somebody_else_is_used_and_its_faults_are_told(pair: Pair) -> None:
    run = pair.external()
    assert run.status == 0 and "https://www.example.org answers 200" in run.output, run.output
    # Nobody listens there. Pages do without a replica, and so does a run.
    away = pair.external("--check", "--tags", "preflight_only", replicas=[pair.web.ip])
    told = " ".join(away.output.split())
    assert away.status == 0 and f"replica {pair.web.ip}:5432" in told and "it cannot be reached" in told, away.output
    wrong = pair.external(web2py_database_password="not this one")
    refused(wrong, "password authentication failed", "web2py_database_password")
    refused(
        pair.external(ca="/etc/ssl/certs/ca-certificates.crt"), "its certificate is not trusted", "web2py_database.ca"
    )
    both = [PROBE, {**PROBE, "name": "second", "database": {"name": "web2py_probe"}}]
    refused(pair.external(web2py_applications=both), "is the database of probe too", "a database of its own")
    pair.services.run("systemctl stop 'postgresql@*.service'")
    refused(pair.external(), "it cannot be reached: Connection refused", "Start the server there")
    assert pair.page("probe/default/index") != ""


def test_taken_away_the_other_host_knows_nothing_of_the_site(pair: Pair) -> None:
    pair.services.run("systemctl start postgresql")
    words = ("ansible-playbook", "-i", "far.yml", "web2py.deploy.uninstall", "-e", "web2py_purge=web2py")
    for _time in range(2):
        run = pair.desk.ansible(*words)
        assert run.status == 0, run.output
    assert run.changed == 0, run.output
    kept = "select datname from pg_database union select rolname from pg_roles"
    names = pair.services.run(f'cd /; runuser -u postgres -- psql -XAtc "{kept}"').split()
    assert "postgres" in names and not [name for name in names if "web2py" in name]
    assert pair.services.run("grep web2py /etc/postgresql/*/main/pg_hba.conf; true") == ""
    assert pair.services.run("systemctl show -P Restart -P NeedDaemonReload 'postgresql@17-main'").split() == [
        "no",
        "no",
    ]
    assert not [place for place in pair.listening() if place.endswith((":6379", ":11211", ":11212"))]
