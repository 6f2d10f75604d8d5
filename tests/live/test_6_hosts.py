"""One site on two web hosts: who signs in on one is known on the other, wherever sessions are kept for both."""

from __future__ import annotations

import os
import re
import ssl
import sys
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import pytest
import yaml
from desk import ROOT, Bed, Desk, Host, Run

sys.path.insert(0, str(ROOT / "tests/acceptance"))
from client import Answer, Client, resumed
from hosts import waited
from test_6_provided import make

PASSWORD, KEY = "shared by both hosts", "a key of a vault, the same on both hosts"
NAME = "www.example.org"
# What keeps the sessions of each application.
STORES = {"visitors": "cookie", "stored": "redis", "rows": "database"}
# Somebody else's servers: on the second host's network address, as if they were a third one.
SERVICES = """set -eu
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -yqq --no-install-recommends postgresql redis-server >/dev/null
cd /
mkdir -p /etc/postgresql/15/main/conf.d
echo "listen_addresses = '{ip}'" > /etc/postgresql/15/main/conf.d/far.conf
echo "hostssl all web2py {ip}/24 scram-sha-256" >> /etc/postgresql/15/main/pg_hba.conf
systemctl restart postgresql
echo "create role web2py login password '{password}'" | runuser -u postgres -- psql -q
for name in {names}; do runuser -u postgres -- createdb -O web2py -T template0 -E UTF8 web2py_$name; done
printf 'bind {ip}\\nmaxmemory-policy noeviction\\nrequirepass "{password}"\\n' > /etc/far-redis.conf
systemd-run -q --unit far-redis redis-server /etc/far-redis.conf
"""


@pytest.fixture(scope="module")
def second(desk: Desk) -> Host:
    """The other web host, as it was bought."""
    host = Bed(os.environ.get("WEB2PY_TEST_LIVE", "live")).up([Host("second", "bookworm", "warm")])[0]
    host.run(SERVICES.format(ip=host.ip, password=PASSWORD, names=" ".join(STORES)))
    return host


@pytest.fixture(scope="module")
def inventory(desk: Desk, second: Host) -> str:
    source = {"type": "directory", "path": str(ROOT / "tests/applications/probe")}
    rows = [{"name": name, "source": source, "sessions": {"store": store}} for name, store in STORES.items()]
    choices: dict[str, Any] = {
        "web2py_domain": NAME,
        "web2py_source": {"type": "pypi"},
        "web2py_applications": rows,
        "web2py_session_key": KEY,
        "web2py_redis": {"host": second.ip},
        "web2py_redis_password": PASSWORD,
        "web2py_database": {
            "type": "postgresql", "host": second.ip, "ssl_mode": "require", "replaces": ["sqlite://auth.sqlite"],
        },
        "web2py_database_password": PASSWORD,
        **make(desk.folder, "shared"),
        # The first of them makes the tables for both, before the other has the code.
        "web2py_migrate": False,
    }  # fmt: skip
    hosts = {NAME: {}, "second": second.inventory()}
    (desk.folder / "hosts.yml").write_text(yaml.safe_dump({"web2py_web": {"hosts": hosts, "vars": choices}}))
    return "hosts.yml"


def play(desk: Desk, inventory: str, *words: str) -> Run:
    return desk.ansible("ansible-playbook", "-i", inventory, "web2py.deploy.site", *words)


@pytest.fixture(scope="module")
def webs(desk: Desk, inventory: str, second: Host) -> list[Client]:
    """A visitor of each host, which speak for one name."""
    run = play(desk, inventory)
    assert run.status == 0, run.output
    # No visitor notices where the rest is.
    told = re.findall(r"each host keeps for itself: (.*?)\. ", " ".join(run.output.split()))
    assert told and set(told) == {", ".join(f"the uploads of {name}, if it has any (file)" for name in STORES)}
    found = []
    for host in (desk.host, second):
        trust = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        trust.load_verify_locations(desk.folder / "shared.pem")
        found.append(Client(host.ip, 443, NAME, trust))
    return found


@dataclass
class Browser:
    """Keeps cookies, whichever host gave them."""

    jar: dict[str, str] = field(default_factory=dict)

    def ask(self, web: Client, path: str, form: dict[str, str] | None = None) -> Answer:
        headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in self.jar.items())}
        if form is None:
            answer = web.ask(path, headers)
        else:
            headers |= {"Content-Type": "application/x-www-form-urlencoded"}
            answer = web.ask(path, headers, method="POST", body=urlencode(form).encode())
        for line in answer.all("set-cookie"):
            name, _equals, value = line.split(";")[0].strip().partition("=")
            self.jar[name] = value
        return answer

    def send(self, web: Client, path: str, **words: str) -> Answer:
        """The form of a page, filled in. The page may come from one host and what is sent go to the other."""
        page = self.ask(web, path).text
        hidden = re.findall(r'<input name="(_\w+)" type="hidden" value="([^"]*)"', page)
        return self.ask(web, path, {**dict(hidden), **words})


@pytest.mark.parametrize("application", STORES)
def test_who_signs_in_on_one_is_known_on_the_other(application: str, webs: list[Client]) -> None:
    one, other = webs
    browser = Browser()
    words = {"username": f"user_{application}", "password": "a password of a user"}
    about = {"first_name": "A", "last_name": "B", "email": "a@example.org", "password_two": words["password"]}
    browser.send(one, f"/{application}/auth/user/register", **words, **about)
    user = browser.ask(one, f"/{application}/auth/index").json()["user"]
    assert user
    assert browser.ask(other, f"/{application}/auth/index").json()["user"] == user
    counts = [browser.ask(web, f"/{application}/session/index").json()["count"] for web in (one, other) * 3]
    assert counts == [1, 2, 3, 4, 5, 6]
    # The password is known there, too, and the end of the session is that on both.
    guest = Browser()
    guest.send(other, f"/{application}/auth/user/login", **words)
    assert guest.ask(one, f"/{application}/auth/index").json()["user"] == user
    guest.ask(one, f"/{application}/auth/user/logout")
    assert guest.ask(other, f"/{application}/auth/index").json()["user"] is None
    assert browser.ask(one, f"/{application}/auth/index").json()["user"] == user


FOLDER = "/var/lib/web2py_tls"
KEYS = f"cd {FOLDER} && sha256sum yesterday.key today.key tomorrow.key"
# As after midnight.
TOMORROW = f"""python3 - %s <<'END'
import sys, time
sys.path.insert(0, "{FOLDER}")
import sessions
now = time.time()
sessions.time.time = lambda: now + 86400
sessions.main("{FOLDER}", *sys.argv[1:])
END"""


@pytest.fixture
def version() -> ssl.TLSVersion:
    return ssl.TLSVersion.TLSv1_3


def visitor(desk: Desk, version: ssl.TLSVersion) -> ssl.SSLContext:
    made = ssl.create_default_context(cafile=desk.folder / "shared.pem")
    made.minimum_version = made.maximum_version = version
    return made


@pytest.fixture
def context(desk: Desk, version: ssl.TLSVersion) -> ssl.SSLContext:
    """That to which sessions belong."""
    return visitor(desk, version)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_handshake_is_gone_on_with_on_the_other_host(context: ssl.SSLContext, webs: list[Client]) -> None:
    """Both ways, and on the same one."""
    for one in webs:
        again, session = resumed(one, context, None)
        assert not again and session
        assert [resumed(web, context, session)[0] for web in webs * 3] == [True] * 6


def reloaded(host: Host, command: str) -> None:
    """A command has NGINX serve with other processes."""
    workers = "pgrep -P $(systemctl show -P MainPID nginx)"
    before = set(host.run(workers).split())
    host.run(command)
    waited(lambda: not before & set(host.run(workers).split()), 10)


def test_keys_of_tickets_are_other_ones_each_day(
    context: ssl.SSLContext, webs: list[Client], desk: Desk, second: Host
) -> None:
    """What was given yesterday counts today, whichever host gave it, also where a clock is a little behind."""
    _again, session = resumed(webs[0], context, None)
    before = desk.on_host(KEYS).split()[::2]
    assert second.run(KEYS).split()[::2] == before
    modes = desk.on_host(f"stat -c '%a %U' {FOLDER} {FOLDER}/chain {FOLDER}/today.key").splitlines()
    assert modes == ["700 root", "600 root", "600 root"]
    # It is tomorrow there already.
    reloaded(desk.host, TOMORROW % "nginx.service")
    assert desk.on_host(KEYS).split()[::2][:2] == before[1:]
    assert [resumed(web, context, session)[0] for web in webs] == [True] * 2
    _again, session = resumed(webs[0], context, None)
    assert [resumed(web, context, session)[0] for web in webs] == [True] * 2


def test_the_timer_renews_the_keys(webs: list[Client], desk: Desk, second: Host) -> None:
    """In its sandbox: a key that is not the one of today is replaced, and NGINX takes it in."""
    keys = second.run(KEYS)
    spoilt = f"cp {FOLDER}/yesterday.key {FOLDER}/today.key && rm {FOLDER}/served"
    reloaded(second, f"{spoilt} && systemctl start web2py_tls.service")
    assert second.run(KEYS) == keys
    workers = second.run("pgrep -P $(systemctl show -P MainPID nginx)")
    second.run("systemctl start web2py_tls.service")
    assert second.run("pgrep -P $(systemctl show -P MainPID nginx)") == workers
    assert "OnCalendar=*-*-* 00:00:00 UTC" in second.run("systemctl cat web2py_tls.timer")
    assert second.run("systemctl is-active web2py_tls.timer").strip() == "active"


def test_a_second_run_changes_nothing(desk: Desk, inventory: str, webs: list[Client]) -> None:
    keys = desk.on_host(KEYS)
    for words in (["--check", "--diff"], []):
        run = play(desk, inventory, *words)
        assert run.status == 0 and not re.search(r"changed=[1-9]", run.output), run.output
    assert desk.on_host(KEYS) == keys


def test_a_host_that_joins_gets_the_keys_of_the_others(
    desk: Desk, inventory: str, webs: list[Client], second: Host, context: ssl.SSLContext
) -> None:
    keys = desk.on_host(KEYS)
    second.run(f"rm {FOLDER}/chain {FOLDER}/*.key")
    run = play(desk, inventory, "--check", "--diff")
    assert run.status == 0 and desk.on_host(f"cut -d' ' -f3 {FOLDER}/chain").strip() not in run.output, run.output
    run = play(desk, inventory)
    assert run.status == 0, run.output
    assert (second.run(KEYS), desk.on_host(KEYS)) == (keys, keys)
    _again, session = resumed(webs[0], context, None)
    assert resumed(webs[1], context, session)[0]


def test_keys_can_be_made_anew(
    desk: Desk, inventory: str, webs: list[Client], second: Host, context: ssl.SSLContext
) -> None:
    """As where somebody has seen the chain: NGINX knows the new ones at once, and the old ones no more."""
    _again, session = resumed(webs[0], context, None)
    before = desk.on_host(KEYS).split()[::2]
    for host in (desk.host, second):
        host.run(f"rm {FOLDER}/chain")
    run = play(desk, inventory, "--tags", "tls")
    assert run.status == 0, run.output
    assert desk.on_host(KEYS) == second.run(KEYS)
    assert not set(before) & set(desk.on_host(KEYS).split()[::2])
    waited(lambda: not any(resumed(web, context, session)[0] for web in webs), 10)
    _again, session = resumed(webs[0], context, None)
    assert [resumed(web, context, session)[0] for web in webs] == [True] * 2


def test_neither_the_key_nor_a_password_is_shown(webs: list[Client], desk: Desk, second: Host) -> None:
    for host in (desk.host, second):
        for word in (KEY, PASSWORD):
            places = "/srv/web2py/releases /etc/systemd /etc/nginx"
            assert host.run(f"grep -rlF '{word}' {places}", check=False) == ""
            assert host.run(f"journalctl -q --no-pager -o verbose | grep -F '{word}' | cut -c1-600", check=False) == ""


def given(host: Host, version: ssl.TLSVersion) -> str:
    """The name of the key that tickets of a host are made with."""
    option = {ssl.TLSVersion.TLSv1_2: "-tls1_2", ssl.TLSVersion.TLSv1_3: "-tls1_3"}[version]
    ask = f"printf 'GET /healthz HTTP/1.1\\r\\nHost: {NAME}\\r\\nConnection: close\\r\\n\\r\\n'"
    shake = f"openssl s_client -ign_eof {option} -connect {host.ip}:443 -servername {NAME}"
    told = host.run(f"{ask} | {shake} 2>/dev/null | grep -A1 'TLS session ticket:'").splitlines()
    return re.sub("[^0-9a-f]", "", told[1].split(" - ")[1][:49])


def test_lighttpd_knows_the_same_keys(desk: Desk, inventory: str, webs: list[Client], second: Host) -> None:
    """At once; and the next day, when it takes in new ones by itself and what was given before still counts."""
    run = play(desk, inventory, "-e", "web2py_front_end=lighttpd")
    assert run.status == 0, run.output
    hosts, versions = (desk.host, second), (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)
    began = [host.run("systemctl show -P ActiveEnterTimestampMonotonic lighttpd") for host in hosts]
    visits = [(web, visitor(desk, each)) for web in webs for each in versions]
    before = [resumed(web, context, None)[1] for web, context in visits]
    for (_web, context), session in zip(visits, before, strict=True):
        assert [resumed(web, context, session)[0] for web in webs * 3] == [True] * 6
    for host in hosts:
        host.run(TOMORROW % "lighttpd.service --watches")
    name = f"od -An -tx1 -j12 -N16 {FOLDER}/lighttpd.key | tr -d ' \\n'"
    new = {host.run(name) for host in hosts}
    assert len(new) == 1
    # It looks each 64 seconds.
    waited(lambda: {given(host, each) for host in hosts for each in versions} == new, 100)
    for (_web, context), session in zip(visits, before, strict=True):
        assert [resumed(web, context, session)[0] for web in webs] == [True] * 2
    after = [resumed(web, context, None)[1] for web, context in visits]
    for (_web, context), session in zip(visits, after, strict=True):
        assert [resumed(web, context, session)[0] for web in webs] == [True] * 2
    assert [host.run("systemctl show -P ActiveEnterTimestampMonotonic lighttpd") for host in hosts] == began
    assert desk.on_host(f"stat -c '%a %U %G' {FOLDER} {FOLDER}/chain {FOLDER}/lighttpd.key").splitlines() == [
        "2710 root www-data", "600 root www-data", "640 root www-data"
    ]  # fmt: skip


def test_what_would_keep_them_apart_is_said_before_anything_changes(
    desk: Desk, inventory: str, webs: list[Client]
) -> None:
    """No key for both: refused. A service on each host: told."""
    files = desk.on_host("sha256sum /etc/web2py/*.json /etc/web2py/databases.json")
    run = play(desk, inventory, "--check", "-e", '{"web2py_session_key": ""}')
    assert run.status != 0 and "web2py_session_key: missing, and second must read" in run.output, run.output
    assert desk.on_host("sha256sum /etc/web2py/*.json /etc/web2py/databases.json") == files
    own = '{"web2py_redis": {}, "web2py_redis_password": ""}'
    run = play(desk, inventory, "--check", "--tags", "install", "-e", own)
    assert run.status == 0 and "each host keeps for itself: the sessions of stored (redis)" in " ".join(
        run.output.split()
    ), run.output


def test_a_site_with_one_host_left_shares_no_keys(
    desk: Desk, inventory: str, webs: list[Client], context: ssl.SSLContext
) -> None:
    """They are gone, with their timer. Visitors of that host notice nothing."""
    tree = yaml.safe_load((desk.folder / inventory).read_text())
    del tree["web2py_web"]["hosts"]["second"]
    (desk.folder / "alone.yml").write_text(yaml.safe_dump(tree))
    for words in (["--check"], [], []):
        run = play(desk, "alone.yml", *words)
        assert run.status == 0, run.output
    assert not re.search(r"changed=[1-9]", run.output), run.output
    left = f"{FOLDER} /etc/nginx/snippets/web2py_deploy_tls_keys_* /etc/systemd/system/web2py_tls.*"
    assert desk.on_host(f"ls -d {left} /var/lib/systemd/timers/stamp-web2py_tls.timer 2>/dev/null", check=False) == ""
    _again, session = resumed(webs[0], context, None)
    assert [resumed(web, context, session)[0] for web in webs] == [True, False]
