"""No visitor takes more of the site than his share."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, suppress
from http.client import BadStatusLine

import pytest
from client import Client
from hosts import Probe, Site, excused

testinfra_hosts = ["ansible://web2py_web"]

SLOWEST_HEADER_SECONDS = 25


@pytest.mark.server
def test_a_body_over_the_limit_is_refused_at_once(probe: Probe, web: Client, site: Site) -> None:
    """A request that announces too much is refused before it is sent."""
    size = site["limits"]["body_mb"] * 1024 * 1024 + 1
    begin = time.monotonic()
    head = (
        f"POST /probe/default/body HTTP/1.1\r\nHost: {web.name}\r\nContent-Length: {size}\r\nConnection: close\r\n\r\n"
    )
    assert web.send(head.encode()).status == 413
    assert time.monotonic() - begin < 3


@pytest.mark.server
def test_a_body_under_the_limit_is_taken(probe: Probe, site: Site) -> None:
    """A request just under the limit arrives whole."""
    size = min(site["limits"]["body_mb"], 50) * 1024 * 1024 - 4096
    body = b"field=".ljust(size, b"x")
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    assert probe.json("body", kind, method="POST", body=body)["length"] == size


@pytest.mark.parametrize(
    "method", ["TRACE", "TRACK", "CONNECT", "PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND", "GETS", "get"]
)
def test_methods_that_the_site_does_not_serve_are_refused(method: str, probe: Probe, site: Site, web: Client) -> None:
    """Only the methods of the site reach the application."""
    if method in site["limits"]["methods"]:
        assert probe.json("echo", method=method)["method"] == method
        return
    with suppress(ConnectionError, BadStatusLine):
        # 411: such a method wants a body.
        further = (411,) if "bodies" in site["front_end"]["lacks"] else ()
        assert probe.ask("echo", method=method).status in (400, 405, 501, *further)


@pytest.mark.server
def test_methods_of_the_site_arrive(probe: Probe, site: Site) -> None:
    """Every method that the site serves reaches the application as it is."""
    for method in set(site["limits"]["methods"]) - {"HEAD"}:
        assert probe.json("echo", method=method, body=None if method == "GET" else b"")["method"] == method


@pytest.mark.parametrize(
    "path, headers",
    [
        ("/" + "x" * 16_384, {}),
        ("/" + "x" * 65_536, {}),
        ("/", {"X-Long": "x" * 100_000}),
        ("/", {"Cookie": "c=" + "x" * 40_000}),
    ],
    ids=["address", "huge address", "header", "cookie"],
)
def test_oversized_heads_are_refused(path: str, headers: dict[str, str], web: Client, site: Site) -> None:
    """A header or an address beyond measure is refused as such and breaks nothing."""
    with suppress(OSError, BadStatusLine):  # hung up on before all was sent
        further = (413,) if "heads" in site["front_end"]["lacks"] else ()
        assert web.ask(path, headers).status in (400, 404, 414, 431, *further)
    assert web.ask("/").status == 200


@pytest.mark.server
def test_long_but_decent_headers_arrive(probe: Probe) -> None:
    """A long query and a large cookie, as real visitors send them, reach the application."""
    answer = probe.json("echo?" + "q" * 3000, {"Cookie": "c=" + "x" * 4000})
    assert len(answer["query"]) == 3000 and len(answer["headers"]["cookie"]) == 4002


@pytest.mark.server
@pytest.mark.parametrize("count, size", [(3, 15_000), (3, 7_000), (900, 1)], ids=["huge", "large", "many"])
def test_a_head_is_refused_or_arrives(count: int, size: int, probe: Probe, site: Site) -> None:
    """What the front end lets through, the application server takes: there is no gap in which a visitor is told 502."""
    answer = probe.ask(f"echo?{'q' * 7000}", {f"X-{number}": "x" * size for number in range(count)})
    if answer.status != 200:
        excused(site, "heads")
    assert answer.status in (200, 400, 414, 431), answer.status
    assert (answer.status == 200) is (size < 8000 and count < 1000)


def seconds_until_closed(sock: socket.socket, longest: float) -> float:
    begin = time.monotonic()
    sock.settimeout(longest)
    with suppress(ConnectionError, TimeoutError):
        while sock.recv(4096):
            pass
    return time.monotonic() - begin


@pytest.fixture(scope="module")
def halves(web: Client) -> Iterator[dict[str, Future[float]]]:
    """Requests of which only the beginning comes, and when they are hung up on. They wait beside the slow pages."""
    post = f"POST /probe/default/body HTTP/1.1\r\nHost: {web.name}\r\nContent-Length: 100\r\n\r\nhalf"
    with ExitStack() as stack, ThreadPoolExecutor() as pool:
        waits = {}
        for half in ("GET / HTTP/1.1\r\nHost: ", post):
            sock = stack.enter_context(web.connect())
            sock.sendall(half.encode())
            waits[half] = pool.submit(seconds_until_closed, sock, SLOWEST_HEADER_SECONDS + 5)
        yield waits


@pytest.mark.late
def test_connections_of_one_address_are_counted(probe: Probe, web: Client, site: Site) -> None:
    """Beyond the limit of requests at once, an address is told 429, and served again when it has let go."""
    excused(site, "counting")
    limit = site["limits"]["connections_per_address"]
    head = f"POST /probe/default/body HTTP/1.1\r\nHost: {web.name}\r\nContent-Length: 100\r\n\r\nhalf".encode()
    with ExitStack() as stack, ThreadPoolExecutor(16) as pool:
        held = list(pool.map(lambda _: web.connect(), range(limit + 5)))
        for sock in held:
            stack.enter_context(sock)
            sock.sendall(head)
        time.sleep(0.5)
        assert web.ask("/").status == 429
    time.sleep(0.5)
    assert web.ask("/").status == 200


@pytest.mark.late
def test_guessing_passwords_is_slowed_down(probe: Probe, site: Site) -> None:
    """Posts to a login form beyond the limit of a minute are told 429, however it is spelt; who only looks is not."""
    excused(site, "counting")
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    tries = site["limits"]["login_posts_per_minute"] + 9
    for spelling in ("auth/user/login", "auth/user.html/login", "auth/USER/login"):
        answers = [probe.ask(spelling, kind, method="POST", body=b"password=guess") for _ in range(tries)]
        assert [answer.status for answer in answers].count(429) >= 5, spelling
    assert probe.ask("auth/user/login").status == 200


@pytest.mark.late
@pytest.mark.usefixtures("halves")
def test_slow_pages_leave_room_for_others(probe: Probe) -> None:
    """Twelve visitors of a slow page do not keep another waiting."""
    with ThreadPoolExecutor(12) as pool:
        slow = [pool.submit(probe.ask, "slow/6", timeout=40) for _ in range(12)]
        time.sleep(1)
        begin = time.monotonic()
        assert probe.ask("small/index").status == 200
        waited = time.monotonic() - begin
        assert [answer.result().status for answer in slow] == [200] * 12
    assert waited < 1, f"{waited:.1f} s"


@pytest.mark.late
def test_half_a_request_is_not_awaited_for_long(halves: dict[str, Future[float]], site: Site) -> None:
    """Who begins a request and does not end it is hung up on, in the head as in the body; there soon, as chosen."""
    head, body = (wait.result() for wait in halves.values())
    assert head <= SLOWEST_HEADER_SECONDS
    if "bodies" in site["front_end"]["lacks"]:
        assert body <= site["limits"]["request_seconds"] + 10
        return
    assert body <= site["limits"]["client_seconds"] + 3


@pytest.mark.late
def test_slow_senders_leave_room_for_others(web: Client, site: Site) -> None:
    """Sixty half-sent requests do not keep another waiting."""
    with ExitStack() as stack:
        for _ in range(min(60, site["limits"]["connections_per_address"] + 10)):
            stack.enter_context(web.connect()).sendall(f"GET / HTTP/1.1\r\nHost: {web.name}\r\nX-".encode())
        begin = time.monotonic()
        assert web.ask("/").status == 200
        assert time.monotonic() - begin < 2
