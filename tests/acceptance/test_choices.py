"""Choices that no other test asks after do what the table says, with their defaults and with other values."""

from __future__ import annotations

import gzip
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import yaml
from client import Client
from hosts import ROOT, Machine, Probe, Site, served_at_once, waited

testinfra_hosts = ["ansible://web2py_web"]
pytestmark = pytest.mark.server

# What a proxy on the host itself says of the client: the last word is the one before it has seen.
TOLD = "203.0.113.9, 198.51.100.7"
ASK = """
import http.client, json, ssl
context = ssl.create_default_context()
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
secure = {secure}
connection = http.client.HTTPConnection("127.0.0.1", {port}, timeout=20)
connection.connect()
if secure:
    connection.sock = context.wrap_socket(connection.sock, server_hostname={name!r})
connection.request("GET", "/probe/default/echo", headers={{"Host": {name!r}, "X-Forwarded-For": {told!r}}})
print(connection.getresponse().read().decode())
"""

# How many workers of uWSGI there are, and how many of them look for connections. Their descriptors are their user's.
WORKERS = """
import glob, os, pwd, re, subprocess
user = pwd.getpwnam("{user}")
os.setgid(user.pw_gid)
os.setuid(user.pw_uid)
with open("/proc/net/unix") as lines:
    doors = {{f"socket:[{{words[6]}}]" for words in map(str.split, lines) if words[3] == "00010000"}}
workers = subprocess.check_output(["pgrep", "-P", "{main}"], text=True).split()
look = 0
for worker in workers:
    for name in glob.glob(f"/proc/{{worker}}/fd/*"):
        if os.readlink(name) == "anon_inode:[eventpoll]":
            with open(name.replace("/fd/", "/fdinfo/")) as info:
                watched = re.findall(r"tfd: +(\\d+)", info.read())
            look += any(os.readlink(f"/proc/{{worker}}/fd/{{number}}") in doors for number in watched)
print(len(workers), look, len(os.sched_getaffinity(0)))
"""


@pytest.fixture(scope="module")
def options(site: Site, variables: dict[str, Any]) -> dict[str, Any]:
    """What the role of the application server takes, by the names without its own: as chosen, or its default."""
    role = site["server"]["role"]
    spec = yaml.safe_load((ROOT / f"roles/{role}/meta/argument_specs.yml").read_text())["argument_specs"]["main"]
    names = [name for name in spec["options"] if name.startswith(f"{role}_")]
    return {name[len(role) + 1 :]: variables.get(name, spec["options"][name].get("default")) for name in names}


def test_the_default_application_answers_first(site: Site, probe: Probe, web: Client) -> None:
    """The first page of the site is that of its default application, and of no other."""
    answer = web.ask("/")
    assert answer.status in (200, 303)
    assert (answer.text == "probe") is (site["routes"]["default_application"] == "probe")


def test_pages_are_compressed_where_asked_for(site: Site, probe: Probe) -> None:
    """A page goes compressed to who can read it where that was chosen, to nobody otherwise, and says the same."""
    plain = probe.ask("template/index")
    packed = probe.ask("template/index", {"Accept-Encoding": "gzip"})
    assert plain.get("content-encoding") is None
    assert packed.get("content-encoding") == ("gzip" if site["policy"]["compress_pages"] else None)
    body = gzip.decompress(packed.body) if packed.get("content-encoding") else packed.body
    assert body == plain.body and len(body) > 5000


def test_browsers_are_told_how_long(site: Site, web: Client) -> None:
    """They keep a file without a version for as long as was chosen."""
    assert web.ask("/probe/static/js/probe.js").get("cache-control") == site["policy"]["cache"]


def test_only_a_trusted_proxy_tells_the_client(site: Site, probe: Probe, machine: Machine) -> None:
    """The last address before the trusted ones is the client's; where nobody is trusted, it is the connection's."""
    secure = bool(site["ports"]["https"])
    port = site["ports"]["https"] or site["ports"]["http"]
    text = machine.python(ASK.format(secure=secure, port=port, name=site["domain"], told=TOLD))
    client = "198.51.100.7" if "127.0.0.1" in site["front_end"]["trusted_proxies"] else "127.0.0.1"
    assert f'"client": "{client}"' in text, text
    assert f'"remote_addr": "{client}"' in text


def test_lines_of_ones_own_are_in_the_settings(site: Site, web: Client, variables: dict[str, Any]) -> None:
    """What the inventory adds for the web server is served, on top of what is there."""
    front_end = site["front_end"]["name"]
    chosen = f"{front_end}_extra_config" in variables
    for path in ("/", "/probe/static/css/probe.css"):
        answer = web.ask(path)
        # To Cherokee a line about headers is one of a rule; the scenario's is that of web2py's pages.
        here = chosen and (path == "/" or front_end != "cherokee")
        assert answer.get("x-extra") == ("yes" if here else None)
        assert answer.get("x-content-type-options") == "nosniff"


def test_memory_of_a_process_is_limited_as_chosen(options: dict[str, Any], probe: Probe, machine: Machine) -> None:
    """A process gets no more address space."""
    worker = probe.json("worker")
    # With CGI it has ended by now, and has its limit from the one that began it.
    read = "cat /proc/{pid}/limits 2>/dev/null || cat /proc/{parent}/limits".format(**worker)
    (line,) = [line for line in machine.lines(read) if "address space" in line]
    assert int(line.split()[3]) == options["memory_limit_mb"] << 20


@pytest.mark.late
def test_so_many_pages_at_a_time(options: dict[str, Any], probe: Probe, variables: dict[str, Any], site: Site) -> None:
    """As many slow pages as were chosen are made at once; others wait for one of them."""
    most = options.get("threads") or options.get("workers") or 0
    if "processes" in options:
        most = options["processes"] * options.get("threads", 1)
    words = {word for word in ("threads", "workers", "processes") if f"{site['server']['role']}_{word}" in variables}
    if not most or not words:
        pytest.skip("the number is left to the role, which fits it to the host")
    if most > 16:
        pytest.skip(f"{most} at a time are more than one address may ask for")
    served_at_once(lambda: probe.ask("slow/4", timeout=40), most)


def test_few_workers_of_uwsgi_look_for_connections(site: Site, machine: Machine, unit: str, probe: Probe) -> None:
    """Two for each processor, at least four; the others stand by. So it is again after slow pages for many."""
    if site["server"]["role"] != "uwsgi":
        pytest.skip("the application server is not uwsgi")
    source = WORKERS.format(main=machine.property(unit, "MainPID"), user=site["user"])

    def as_it_should_be() -> bool:
        workers, look, processors = map(int, machine.python(source).split())
        return look == min(workers, max(4, 2 * processors))

    waited(as_it_should_be, 10)
    with ThreadPoolExecutor(6) as pool:
        assert {answer.status for answer in pool.map(lambda _n: probe.ask("slow/2", timeout=40), range(6))} == {200}
    waited(as_it_should_be, 10)


@pytest.mark.late
def test_processes_are_replaced_after_so_many_requests(options: dict[str, Any], probe: Probe) -> None:
    """None serves for ever."""
    needed = 2 * options.get("max_requests", 0) * options.get("processes", 0)
    if not 0 < needed <= 3000:
        pytest.skip(f"{needed} requests are too many to send, or none are counted")
    before = {probe.json("worker")["pid"] for _ in range(12)}
    for _ in range(needed):
        assert probe.ask("small/index").status == 200
    waited(lambda: not before & {probe.json("worker")["pid"] for _ in range(6)}, 10)


def test_uwsgi_tells_what_was_asked_for(
    options: dict[str, Any], site: Site, machine: Machine, unit: str, probe: Probe
) -> None:
    """Slow requests are in the journal, statistics on a socket; further lines are read, and code is not written."""
    if site["server"]["role"] != "uwsgi":
        pytest.skip("the application server is not uwsgi")
    listening = machine.run("ss -Hlx")
    assert (f"{site['paths']['sockets']}/stats.sock" in listening) is options["stats"]
    assert probe.ask("slow/2?word=slow").status == 200
    journal = machine.run(f"journalctl --sync; journalctl -u {unit} -o cat --no-pager -n 200")
    assert ("/probe/default/slow/2" in journal) is (options["slow_request_ms"] < 2000)
    denied = machine.property(unit, "MemoryDenyWriteExecute")
    assert denied == ("yes" if options["deny_writable_code"] else "no")
    name = machine.run(f"ps -o args= -p {machine.property(unit, 'MainPID')}")
    assert ("extra" in name) is bool(options["extra_config"])
    lines = machine.lines(f"cat {site['paths']['settings']}/uwsgi.ini")
    assert f"reload-on-rss = {options['reload_on_memory_mb']}" in lines
    assert f"reload-mercy = {options['reload_mercy_seconds']}" in lines
    # So many are too many to send, and with few uWSGI is busy with its processes.
    assert f"max-requests = {options['max_requests']}" in lines
