"""Sessions and cached values outside of the processes: Redis for the site, memcached where an application has it."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from client import Answer, Client
from hosts import Machine, Site, waited
from test_state import carried

testinfra_hosts = ["ansible://web2py_web"]


class Shop:
    """An application with the pages of the probe that keeps sessions and cached values in one program."""

    def __init__(self, web: Client, name: str, expiry: int) -> None:
        self.web, self.name, self.expiry = web, name, expiry

    def ask(self, page: str, headers: dict[str, str] | None = None, **options: Any) -> Answer:
        return self.web.ask(f"/{self.name}/{page}", headers or {}, **options)

    def json(self, page: str, headers: dict[str, str] | None = None) -> Any:
        return self.ask(page, headers).json()

    def visitor(self) -> dict[str, str]:
        first = self.ask("session/index")
        assert first.json() == {"count": 1}
        return carried(first)


@pytest.fixture(scope="module", params=["redis", "memcached"])
def program(request: pytest.FixtureRequest, site: Site) -> str:
    if not site[request.param]["instances"]:
        pytest.skip(f"the site has no {request.param} of its own")
    return str(request.param)


@pytest.fixture(scope="module")
def shops(program: str, site: Site, web: Client) -> list[Shop]:
    """The probes that keep both in the program, those with the longest sessions first."""
    found = []
    for row in site["applications"]:
        words = row["settings"]
        probes = row["source"].get("path", "").endswith("/probe")
        if probes and words["sessions"]["store"] == words["cache"]["store"] == program:
            found.append(Shop(web, row["name"], words["sessions"]["expiry"]))
    if not found:
        pytest.skip(f"no probe keeps both in {program}")
    return sorted(found, key=lambda shop: -shop.expiry)


@pytest.fixture(scope="module")
def shop(shops: list[Shop]) -> Shop:
    return shops[0]


@pytest.fixture(scope="module")
def instances(program: str, site: Site) -> dict[str, dict[str, Any]]:
    return {row["use"]: row for row in site[program]["instances"]}


@contextmanager
def stopped(machine: Machine, unit: str, verb: str = "stop") -> Iterator[None]:
    """An instance is stopped, or stands still, for a while."""
    machine.run(f"systemctl {verb} {unit}")
    try:
        yield
    finally:
        machine.run(f"systemctl {'thaw' if verb == 'freeze' else 'start'} {unit}")


def told(machine: Machine, program: str, socket: str, question: str) -> dict[str, str]:
    """What an instance says of itself, asked over its socket without any client."""
    text = machine.python(
        "import socket\n"
        "s = socket.socket(socket.AF_UNIX); s.settimeout(5)\n"
        f"s.connect({socket!r}); s.sendall({question!r}.encode() + b'\\r\\nQUIT\\r\\nquit\\r\\n')\n"
        "data = b''\n"
        "while True:\n"
        "    part = s.recv(65536)\n"
        "    if not part: break\n"
        "    data += part\n"
        "print(data.decode('latin-1'))"
    )
    pairs = (
        line.partition(":")[::2] if program == "redis" else line.removeprefix("STAT ").partition(" ")[::2]
        for line in text.splitlines()
    )
    return {key: value.strip() for key, value in pairs if value}


def test_sessions_are_never_thrown_away(
    program: str, instances: dict[str, dict[str, Any]], machine: Machine, variables: dict[str, Any]
) -> None:
    """Each instance has its bound; cached values make room, sessions do not."""
    for use, row in instances.items():
        bound = int(variables[f"{program}_{use}_memory_mb"]) << 20
        if program == "redis":
            info = told(machine, program, row["socket"], "INFO")
            assert int(info["maxmemory"]) == bound
            assert info["maxmemory_policy"] == {"sessions": "noeviction", "cache": "allkeys-lru"}[use]
            assert info["aof_enabled"] == {"sessions": "1", "cache": "0"}[use]
        else:
            info = told(machine, program, row["socket"], "stats settings")
            assert int(info["maxbytes"]) == bound
            assert info["evictions"] == {"sessions": "off", "cache": "on"}[use]


def test_the_sockets_are_the_sites_own(instances: dict[str, dict[str, Any]], machine: Machine, site: Site) -> None:
    """The site's group gets in, nobody else; the server is neither root nor the site."""
    for row in instances.values():
        folder = row["socket"].rpartition("/")[0]
        assert machine.run(f"stat -c '%a %G' {row['socket']}").split() == ["660", site["user"]]
        assert machine.run(f"stat -c '%a %G' {folder}").split() == ["750", site["user"]]
        owner = machine.run(f"stat -c %u {row['socket']}").strip()
        pid = machine.property(f"{row['unit']}.service", "MainPID")
        assert machine.run(f"stat -c %u /proc/{pid}").strip() == owner
        assert owner not in ("0", machine.run(f"id -u {site['user']}").strip())
        assert machine.try_to(f"setpriv --reuid nobody --clear-groups ls {folder}").rc != 0
        assert machine.try_to(f"setpriv --reuid nobody --regid nogroup --clear-groups cat {folder}/x").rc != 0


def test_no_port_is_open(machine: Machine, facts: dict[str, Any], instances: dict[str, dict[str, Any]]) -> None:
    """Neither our instances nor that of the distribution listen on the network."""
    assert [row for row in facts["listening"] if row["program"] in ("redis-server", "memcached")] == []
    for name in ("redis-server", "memcached"):
        assert machine.try_to(f"systemctl is-active {name}.service").rc != 0
        assert machine.try_to(f"systemctl is-enabled {name}.service").stdout.strip() != "enabled"


def test_the_instances_are_confined(instances: dict[str, dict[str, Any]], machine: Machine) -> None:
    from test_host import exposure

    for row in instances.values():
        assert exposure(f"{row['unit']}.service", machine) <= 2.0
        assert machine.property(f"{row['unit']}.service", "UnitFileState") == "enabled"


def test_a_socket_gives_no_power_over_the_server(
    program: str, instances: dict[str, dict[str, Any]], machine: Machine
) -> None:
    if program != "redis":
        pytest.skip("memcached has no such commands")
    for row in instances.values():
        for command in ("CONFIG GET dir", "SHUTDOWN NOSAVE", "DEBUG SLEEP 0", "MODULE LIST", "REPLICAOF NO ONE"):
            answer = machine.python(
                "import socket\ns = socket.socket(socket.AF_UNIX); s.settimeout(5)\n"
                f"s.connect({row['socket']!r}); s.sendall(b'{command}\\r\\n'); print(s.recv(500).decode())"
            )
            assert answer.startswith(("-NOPERM", "-ERR DEBUG command not allowed")), command


def test_settings_are_for_the_site_only(program: str, machine: Machine, site: Site) -> None:
    for name in machine.lines(f"ls {site['paths']['settings']}/{program}*"):
        assert machine.run(f"stat -c '%a %U %G' {name}").split() == ["640", "root", site["user"]]


def test_a_session_goes_on_in_every_worker(shop: Shop) -> None:
    visitor = shop.visitor()
    assert [shop.json("session/index", visitor)["count"] for _ in range(8)] == list(range(2, 10))
    assert shop.json("session/index")["count"] == 1


def test_a_new_key_ends_the_old_one(shop: Shop) -> None:
    """Renewed as after a login: the cookie of before opens nothing."""
    before = shop.visitor()
    answer = shop.ask("store/renew", before)
    assert answer.json() == {"count": 2}
    after = carried(answer)
    assert after != before
    assert shop.json("session/index", after) == {"count": 3}
    assert shop.json("session/index", before) == {"count": 1}


def test_a_number_alone_opens_nothing(shop: Shop) -> None:
    visitor = shop.visitor()["Cookie"]
    name, _equals, value = visitor.partition("=")
    number = value.partition(":")[0]
    for key in ("", "x", "00000000-0000-0000-0000-000000000000"):
        assert shop.json("session/index", {"Cookie": f"{name}={number}:{key}"}) == {"count": 1}


def test_a_session_that_was_left_is_gone(shop: Shop) -> None:
    visitor = shop.visitor()
    shop.json("store/leave", visitor)
    assert shop.json("session/index", visitor) == {"count": 1}


def test_a_large_session_is_kept(shop: Shop) -> None:
    answer = shop.ask("store/large?kb=500")
    visitor = carried(answer)
    assert answer.json() == {"length": 500 * 1024}
    assert shop.json("session/index", visitor) == {"count": 1}
    assert shop.json("session/index", visitor) == {"count": 2}


def test_an_empty_session_takes_no_memory(
    shop: Shop, program: str, instances: dict[str, Any], machine: Machine
) -> None:
    def kept() -> int:
        socket = instances["sessions"]["socket"]
        if program == "redis":
            return int(told(machine, program, socket, "INFO keyspace").get("db0", "keys=0").split("=")[1].split(",")[0])
        return int(told(machine, program, socket, "stats")["total_items"])

    before = kept()
    for _visitor in range(5):
        assert shop.json("store/read") == {"count": None}
    assert kept() <= before


def test_redis_knows_when_a_session_ends(shop: Shop, program: str, instances: dict[str, Any], machine: Machine) -> None:
    if program != "redis":
        pytest.skip("memcached does not tell it")
    number = shop.visitor()["Cookie"].partition("=")[2].partition(":")[0]
    answer = machine.python(
        "import socket, time\ns = socket.socket(socket.AF_UNIX); s.settimeout(5)\n"
        f"s.connect({instances['sessions']['socket']!r})\n"
        f"s.sendall(b'SCAN 0 MATCH *:{number} COUNT 1000000\\r\\n'); time.sleep(0.5)\n"
        "key = s.recv(65536).split(b'\\r\\n')[-2]; s.sendall(b'TTL ' + key + b'\\r\\n'); print(key.decode())\n"
        "print(s.recv(100).decode())"
    )
    assert f":session:web2py_session_{shop.name}:" in answer
    seconds = int(answer.split(":")[-1])
    assert shop.expiry - 10 <= seconds <= shop.expiry


def test_a_cached_value_is_shared(shop: Shop) -> None:
    """What one worker made, all workers find, in cache.ram and in cache.disk."""
    key = os.urandom(8).hex()
    with ThreadPoolExecutor(4) as pool:
        first = shop.json(f"store/cached/{key}")
        answers = list(pool.map(lambda _number: shop.json(f"store/cached/{key}"), range(24)))
    assert {str(answer["value"]) for answer in answers} == {str(first["value"])}
    assert all(answer["same"] for answer in answers)
    assert len({answer["pid"] for answer in answers}) > 1


def test_no_count_is_lost(shop: Shop) -> None:
    key = os.urandom(8).hex()
    with ThreadPoolExecutor(4) as pool:
        values = sorted(pool.map(lambda _number: shop.json(f"store/increment/{key}")["value"], range(20)))
    assert values == list(range(1, 21))


def test_cached_values_can_be_forgotten(shop: Shop, program: str) -> None:
    """By pattern in Redis; memcached forgets all of the application's."""
    one, other = (f"{letter}{os.urandom(8).hex()}" for letter in "xy")
    before = [shop.json(f"store/cached/{key}")["value"] for key in (one, other)]
    shop.json("store/clear/x")
    after = [shop.json(f"store/cached/{key}")["value"] for key in (one, other)]
    assert after[0] != before[0]
    assert (after[1] == before[1]) is (program == "redis")


def test_the_cache_tells_how_it_does(shop: Shop, program: str) -> None:
    told_ = shop.json("store/stats")["told"]
    assert {"redis": "keyspace_hits", "memcached": "get_hits"}[program] in told_


@pytest.mark.late
@pytest.mark.parametrize("verb", ["stop", "freeze"])
def test_without_sessions_a_page_says_so_at_once(
    verb: str, shop: Shop, instances: dict[str, Any], machine: Machine
) -> None:
    """503 within seconds, with and without a cookie; the visitor keeps the cookie, and the session is there again."""
    unit = f"{instances['sessions']['unit']}.service"
    if verb == "freeze" and machine.try_to(f"systemctl freeze {unit} && systemctl thaw {unit}").rc != 0:
        pytest.skip("the host cannot freeze units")
    visitor = shop.visitor()
    with stopped(machine, unit, verb):
        for headers in (visitor, {}):
            begin = time.monotonic()
            answer = shop.ask("session/index", headers)
            assert answer.status == 503
            assert answer.get("retry-after") == "5"
            assert answer.all("set-cookie") == []
            assert time.monotonic() - begin < 5
    waited(lambda: shop.ask("session/index").status == 200, 10)
    if verb == "freeze":
        assert shop.json("session/index", visitor) == {"count": 2}


@pytest.mark.late
def test_without_its_cache_a_site_goes_on(shop: Shop, instances: dict[str, Any], machine: Machine) -> None:
    """Every value is made anew meanwhile, and kept again afterwards."""
    unit, key = f"{instances['cache']['unit']}.service", os.urandom(8).hex()
    with stopped(machine, unit):
        begin = time.monotonic()
        values = [shop.json(f"store/cached/{key}")["value"] for _time in range(4)]
        assert len({str(value) for value in values}) == 4
        assert shop.json(f"store/increment/{key}") == {"value": 1}
        assert time.monotonic() - begin < 10
    time.sleep(2.5)
    values = [shop.json(f"store/cached/{key}")["value"] for _time in range(12)]
    assert len({str(value) for value in values}) <= 2
