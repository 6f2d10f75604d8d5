"""What each store of sessions promises, in the words of the table in docs/state.md, which these tests hold it to."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPException
from typing import Any

import pytest
from client import Client
from hosts import ROOT, Machine, Site, waited
from servers import SERVERS
from test_state import cookies

testinfra_hosts = ["ansible://web2py_web"]
pytestmark = pytest.mark.data
STORES = ("file", "database", "redis", "memcached", "cookie")
# Above it a session lives too long to wait for its end.
SHORT = 10


def promised(row: str) -> dict[str, str]:
    """A row of the table, by store the words before a comma or a bracket."""
    text = (ROOT / "docs/state.md").read_text()
    lines = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in re.findall(r"^\|.*\|$", text, re.MULTILINE)
    ]
    head = next(line for line in lines if line[1:] == [f"`{store}`" for store in STORES])
    found = next(line for line in lines if line[0] == row and len(line) == len(head))
    return {store: re.split(r"[,(;]", cell)[0].strip() for store, cell in zip(STORES, found[1:])}


@dataclass
class Shop:
    """An application with the pages of the probe."""

    web: Client
    name: str
    store: str
    expiry: int | None


@dataclass
class Visitor:
    """Someone with a session in a shop, who asks for one page after the other and counts what was lost."""

    shop: Shop
    jar: dict[str, str] = field(default_factory=dict)
    count: int = 0
    answered: int = 0
    lost_sessions: int = 0
    lost_writes: int = 0
    # When requests failed, and how.
    failures: list[tuple[float, str]] = field(default_factory=list)

    def get(self, page: str) -> Any:
        """The answer of a page; the visitor keeps cookies as a browser does."""
        headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in self.jar.items())} if self.jar else {}
        answer = self.shop.web.ask(f"/{self.shop.name}/{page}", headers, timeout=10)
        told = answer.json()
        self.jar.update({name: morsel.value for name, morsel in cookies(answer).items()})
        return told

    def ask(self) -> None:
        try:
            count = int(self.get("session/index")["count"])
        except (OSError, HTTPException, AssertionError, ValueError) as error:
            self.failures.append((time.monotonic(), str(error)))
            return
        self.answered += 1
        # More than expected is a request that was done and whose answer never came.
        if count == 1 and self.count:
            self.lost_sessions += 1
        elif count <= self.count:
            self.lost_writes += self.count + 1 - count
        self.count = count


@contextmanager
def visited(shops: list[Shop], each: int = 2) -> Iterator[list[Visitor]]:
    """Visitors ask all the time while something is done, and a while after they are answered again."""
    visitors = [Visitor(shop) for shop in shops for _number in range(each)]
    ended = threading.Event()

    def go(visitor: Visitor) -> None:
        while not ended.is_set():
            visitor.ask()
            ended.wait(0.03)

    def answered(more: int) -> Callable[[], bool]:
        goals = [visitor.answered + more for visitor in visitors]
        return lambda: all(visitor.answered >= goal for visitor, goal in zip(visitors, goals))

    threads = [threading.Thread(target=go, args=(visitor,), daemon=True) for visitor in visitors]
    for thread in threads:
        thread.start()
    try:
        waited(answered(3), 30)
        yield visitors
        waited(answered(3), 40)
    finally:
        ended.set()
        for thread in threads:
            thread.join()


@pytest.fixture(scope="module")
def shops(site: Site, web: Client) -> list[Shop]:
    """The probes of the site, whatever they keep their sessions in."""
    found = []
    for row in site["applications"]:
        words = row["settings"]["sessions"]
        if row["source"].get("path", "").endswith("/probe"):
            found.append(Shop(web, row["name"], words["store"], words.get("expiry")))
    if {shop.store for shop in found} <= {"file"}:
        pytest.skip("all sessions are in files")
    return found


@pytest.fixture(scope="module")
def lasting(shops: list[Shop]) -> list[Shop]:
    """One application for each store, those whose sessions outlive the tests."""
    return list({shop.store: shop for shop in shops if shop.expiry is None or shop.expiry > SHORT}.values())


@pytest.fixture(scope="module")
def brief(shops: list[Shop]) -> list[Shop]:
    return list({shop.store: shop for shop in shops if shop.expiry is not None and shop.expiry <= SHORT}.values())


def test_two_requests_of_a_session_at_once(lasting: list[Shop]) -> None:
    """Either the second waits for the first and nothing is lost, or the one that ends last has the word."""

    def both(shop: Shop) -> tuple[str, list[str], float]:
        visitor = Visitor(shop)
        visitor.get("session/index")
        with ThreadPoolExecutor(1) as pool:
            slow = pool.submit(visitor.get, "store/both/slow?seconds=2")
            time.sleep(0.8)
            begin = time.monotonic()
            visitor.get("store/both/quick")
            seconds = time.monotonic() - begin
            slow.result()
        return shop.store, visitor.get("store/both/after")["words"], seconds

    with ThreadPoolExecutor(len(lasting)) as pool:
        told = {store: (words, seconds) for store, words, seconds in pool.map(both, lasting)}
    for store, word in promised("two requests of a session at once").items():
        if store in told:
            words, seconds = told[store]
            assert (word, words, seconds > 0.6) == {
                "one waits": (word, ["word_after", "word_quick", "word_slow"], True),
                "the last has the word": (word, ["word_after", "word_slow"], seconds > 1.2),
            }[word], (store, seconds)


def test_a_session_ends_with_its_time(brief: list[Shop]) -> None:
    """So long after the last request, whether that changed it or not, and no longer."""

    def outlived(shop: Shop) -> None:
        visitor = Visitor(shop)
        assert visitor.get("session/index") == {"count": 1}, shop
        expiry = shop.expiry or 0
        for _time in range(2):
            time.sleep(expiry - 1.6)
            assert visitor.get("store/read") == {"count": 1}, shop
        late = {"to the second": 1.2, "up to two seconds late": 2.2}[promised("expiry")[shop.store]]
        time.sleep(expiry + late)
        assert visitor.get("session/index") == {"count": 1}, shop

    with ThreadPoolExecutor(max(1, len(brief))) as pool:
        list(pool.map(outlived, brief))


@pytest.mark.late
def test_the_web_server_starts_anew(lasting: list[Shop], machine: Machine, unit: str, front_end: str) -> None:
    """No session and no answered write is lost with the application server and the front end."""
    with visited(lasting) as visitors:
        for name in (unit, front_end):
            machine.run(f"systemctl restart {name}")
            time.sleep(0.5)
    end = time.monotonic()
    promises = promised("application server or front end started anew")
    for visitor in visitors:
        assert promises[visitor.shop.store] == "none lost"
        assert (visitor.lost_sessions, visitor.lost_writes) == (0, 0), visitor
        assert all(when < end for when, _words in visitor.failures) and len(visitor.failures) < 100, visitor


def by_the_clock(shops: list[Shop]) -> list[Shop]:
    """Those whose sessions web2py itself ends, after the same time."""
    found = [shop for shop in shops if shop.store in ("file", "database", "cookie") and shop.expiry is not None]
    return [shop for shop in found if shop.expiry == found[0].expiry]


@pytest.fixture
def clock(machine: Machine, unit: str, site: Site, lasting: list[Shop]) -> Iterator[Callable[[int], None]]:
    """Moves the clock that Python has in the application server; files and services have their own."""
    if not by_the_clock(lasting):
        pytest.skip("all sessions are ended by their service, which has a clock of its own, or never")
    folder = f"{site['paths']['current']}/environment/lib/python3*/site-packages"
    path = f"{machine.run(f'echo {folder}').strip()}/moved_clock.pth"
    moved = []

    def move(seconds: int) -> None:
        # Python reads such a file more than once, for an environment.
        line = 'import time; time.true = getattr(time, "true", time.time); '
        line += f"time.time = lambda time=time: time.true() + {seconds}"
        moved.append(seconds)
        machine.run(f"echo '{line}' > {path} && systemctl restart {unit}")

    yield move
    # A test may skip once it has seen which sessions there are.
    if moved:
        machine.run(f"rm {path} && systemctl restart {unit}")


@pytest.mark.late
def test_the_clock_is_moved(lasting: list[Shop], clock: Callable[[int], None]) -> None:
    """Twice their time on all sessions have ended; a clock that goes back ends none of those that it left."""
    visitors = [Visitor(shop) for shop in by_the_clock(lasting)]
    expiry = visitors[0].shop.expiry or 0

    def counts() -> list[int]:
        return [visitor.get("session/index")["count"] for visitor in visitors]

    clock(0)
    assert counts() == [1] * len(visitors) and counts() == [2] * len(visitors)
    clock(expiry * 4 // 5)
    assert counts() == [3] * len(visitors)
    clock(expiry * 2)
    assert counts() == [1] * len(visitors)
    clock(-expiry * 2)
    assert counts() == [2] * len(visitors) and counts() == [3] * len(visitors)


@pytest.mark.late
def test_a_page_that_only_reads_counts_to_the_second(lasting: list[Shop], clock: Callable[[int], None]) -> None:
    """Though it leaves the session unwritten, so that it is over no other page of the visitor."""
    visitors = [Visitor(shop) for shop in by_the_clock(lasting) if shop.store != "file"]
    if not visitors:
        pytest.skip("of files the date counts, which is not Python's")
    expiry = visitors[0].shop.expiry or 0

    def counts(page: str) -> set[int]:
        return {visitor.get(page)["count"] for visitor in visitors}

    clock(0)
    assert counts("session/index") == {1}
    clock(expiry // 40)
    assert counts("store/read") == {1}
    # After its time by when it was written, in time by when it was read.
    clock(expiry + expiry // 80)
    assert counts("store/read") == {1}
    clock(2 * expiry + expiry // 10)
    assert counts("session/index") == {1}
    clock(2 * expiry + expiry // 10 + expiry // 40)
    assert counts("store/read") == {1}
    clock(3 * expiry + expiry // 10 + expiry // 40 + 20)
    assert counts("session/index") == {1} and counts("session/index") == {2}


@pytest.mark.late
@pytest.mark.parametrize("store", ["database", "redis", "memcached"])
@pytest.mark.parametrize("signal", ["TERM", "KILL"])
def test_the_service_starts_anew(
    store: str, signal: str, lasting: list[Shop], machine: Machine, site: Site, record_property: Callable[..., None]
) -> None:
    """Stopped or killed under requests: what was lost, and that none fails but while it is away."""
    wanted = [shop for shop in lasting if shop.store == store]
    units = [row["unit"] for row in site[store]["instances"] if row["use"] == "sessions"] if store in site else []
    if store == "database" and site["data"] and site["data"]["local"]:
        names = SERVERS[site["data"]["type"]].units
        units = [machine.run(f"systemctl list-units --plain --no-legend {names} | tail -n 1 | cut -d' ' -f1").strip()]
    if not (wanted and units):
        pytest.skip(f"no probe keeps its sessions in a {store} on the host")
    with visited(wanted, each=3) as visitors:
        begin = time.monotonic()
        if signal == "KILL":
            killed = machine.property(units[0], "MainPID")
            machine.run(f"systemctl kill --signal KILL {units[0]}")
            # Nobody starts it: it starts by itself.
            waited(lambda: machine.property(units[0], "MainPID") not in (killed, "0"), 20)
        else:
            machine.run(f"systemctl restart {units[0]}")
        waited(lambda: machine.property(units[0], "ActiveState") == "active", 20)
        back = time.monotonic()
    lost = sum(visitor.lost_sessions for visitor in visitors)
    failures = [row for visitor in visitors for row in visitor.failures]
    record_property(
        f"{store} {signal}",
        f"{sum(visitor.answered for visitor in visitors)} answered, {len(failures)} failed, {lost} sessions and "
        f"{sum(visitor.lost_writes for visitor in visitors)} writes lost, away {back - begin:.1f} s",
    )
    assert sum(visitor.lost_writes for visitor in visitors) == 0
    assert lost == {"none lost": 0, "all lost": len(visitors)}[promised("its service stopped or killed")[store]]
    assert all(begin - 1 < when < back + 3 for when, _words in failures), failures
    # Of a request before its page has done anything, and of one that was caught in the middle.
    assert {words[:3] for _when, words in failures} <= {"503", "500"}, failures


@pytest.fixture
def own(site: Site, web: Client) -> Shop:
    """The application whose code connects by itself."""
    for row in site["applications"]:
        if row["name"] == "own":
            return Shop(web, "own", row["settings"]["sessions"]["store"], None)
    pytest.skip("the site has no application `own` (tests/applications/own)")


@pytest.mark.parametrize(
    ("way", "kept", "its_own"),
    [("none", "db", False), ("plain", "db", False), ("table", "db", True), ("cookie", "cookie", False)],
)
def test_an_application_that_connects_by_itself(way: str, kept: str, its_own: bool, own: Shop) -> None:
    """A call without a place changes nothing, one with a place counts: the session goes on where the code says."""
    visitor = Visitor(own)
    told = [visitor.get(f"default/index/{way}") for _time in range(5)]
    assert [row["count"] for row in told] == [1, 2, 3, 4, 5]
    assert {(row["kept"], row["own"]) for row in told} == {(kept, its_own)}
    assert Visitor(own).get(f"default/index/{way}")["count"] == 1


def test_an_application_has_its_own_cache(own: Shop) -> None:
    """Names that it sets are its own, those that it leaves are the site's."""
    told = Visitor(own).get("default/index/none")
    assert told["cache"] == ["mine", 1] and told["ram"] == told["site"]
    told = Visitor(own).get("default/index/none/ram")
    assert told["ram"] == "Mine" != told["site"]
