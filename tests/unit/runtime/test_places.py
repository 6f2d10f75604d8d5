"""Workers like uWSGI's, as processes: two places for five of them."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import types
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from web2py_runtime import places

COUNT, WORKERS = 2, 5
# What uWSGI is for its workers: an epoll each, made after the fork, and successors with the numbers of the dead.
MASTER = """
import ctypes, json, mmap, os, select, signal, socket, sys, time, types

address, count, workers, constants = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), json.loads(sys.argv[4])
states = mmap.mmap(-1, workers + 1)
number = 0
uwsgi = types.ModuleType("uwsgi")
uwsgi.opt, uwsgi.cores, uwsgi.numproc = {}, 1, workers
uwsgi.register_signal = lambda *words: None
uwsgi.worker_id = lambda: number
uwsgi.workers = lambda: [{"status": b"busy" if busy else b"idle"} for busy in states[1:]]
sys.modules["uwsgi"] = uwsgi
from web2py_runtime import places, retire

def serve(environ, start_response):
    word, _space, seconds = environ["text"].partition(" ")
    limit = time.thread_time() + float(seconds or 0)
    while word == "compute" and time.thread_time() < limit:
        pass
    if word == "compute":
        return str(os.getpid())
    # The second lets no other thread run meanwhile.
    (ctypes.PyDLL(None).usleep if word == "hold" else ctypes.CDLL(None).usleep)(int(float(seconds or 0) * 1e6))
    if word == "end":
        sys.exit(0)
    return str(os.getpid())

assert retire.between_requests()
vars(places).update(constants, FEWEST=count, FOR_EACH_PROCESSOR=0)
application = places.shared(serve)
listening = socket.socket(socket.AF_UNIX)
listening.setblocking(False)
listening.bind(address)
listening.listen(64)

def work():
    states[number] = 0
    uwsgi.post_fork_hook()
    time.sleep(0.05)
    queue = select.epoll()
    master, theirs = socket.socketpair()
    line = theirs.detach()
    for descriptor in (listening.fileno(), line):
        queue.register(descriptor, select.EPOLLIN)
    while True:
        ready = [descriptor for descriptor, _ in queue.poll(maxevents=1)]
        if ready == [line]:
            retire.end(socket.socket(fileno=line).recv(1)[0])
        try:
            connection, _ = listening.accept()
        except BlockingIOError:
            continue
        states[number] = 1
        connection.setblocking(True)
        try:
            connection.sendall(application({"text": connection.recv(100).decode()}, None).encode())
        finally:
            connection.close()
        states[number] = 0

numbers = {}
for number in range(1, workers + 1):
    pid = os.fork()
    if not pid:
        work()
    numbers[pid] = number
print(*numbers, flush=True)
while True:
    pid, _status = os.wait()
    number = numbers.pop(pid)
    child = os.fork()
    if not child:
        work()
    numbers[child] = number
    print(pid, child, flush=True)
"""


class Site:
    """The workers, and what they answer."""

    def __init__(self, address: str, master: subprocess.Popen[str]) -> None:
        self.address, self.master = address, master
        self.pids = self.told()
        time.sleep(0.3)

    def told(self) -> list[int]:
        assert self.master.stdout
        return [int(word) for word in self.master.stdout.readline().split()]

    def ask(self, text: str = "quick") -> int:
        """Who answered; 0 where nobody did."""
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(10)
            client.connect(self.address)
            client.sendall(text.encode())
            return int(client.recv(100) or 0)

    def at_once(self, *texts: str) -> list[int]:
        with ThreadPoolExecutor(len(texts)) as pool:
            return list(pool.map(self.ask, texts))

    def quick(self) -> set[int]:
        return {pid for _time in range(10) for pid in self.at_once(*["quick"] * 8)}

    def few(self) -> bool:
        """Whether there are as many places as before, soon: on a busy machine a quick request may be held, too."""
        end = time.monotonic() + 20
        while len(self.quick()) > COUNT:
            if time.monotonic() > end:
                return False
        return True


@pytest.fixture
def constants() -> dict[str, float]:
    return {}


@pytest.fixture
def site(tmp_path: Path, constants: dict[str, float]) -> Iterator[Site]:
    address = str(tmp_path / "socket")
    with subprocess.Popen(
        [sys.executable, "-c", MASTER, address, str(COUNT), str(WORKERS), json.dumps(constants)],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    ) as master:
        try:
            yield Site(address, master)
        finally:
            os.killpg(master.pid, signal.SIGKILL)


# However long a busy machine lets a request stand, nobody is called for it.
PATIENT = pytest.mark.parametrize(
    "constants", [{"HELD_SECONDS": 60, "LOOK_SECONDS": 0.5, "QUIET_SECONDS": 0.5}], ids=["patient"]
)


@PATIENT
def test_quick_requests_are_served_by_those_with_a_place(site: Site) -> None:
    assert site.quick() <= set(site.pids[:COUNT])


def test_each_held_worker_is_stood_in_for(site: Site) -> None:
    """All serve slow pages at once; then there are as many places as before."""
    begin = time.monotonic()
    assert set(site.at_once(*["slow 1.5"] * WORKERS)) == set(site.pids)
    assert time.monotonic() - begin < 2.8
    time.sleep(places.KEEP_SECONDS + 0.5)
    assert site.few()


def test_pages_that_wait_are_served_by_all(site: Site) -> None:
    """None of them takes long, but a worker with nothing else to do waits most of its time."""
    texts = ["slow 0.08"] * (WORKERS * 30)
    begin = time.monotonic()
    with ThreadPoolExecutor(WORKERS) as pool:
        assert set(pool.map(site.ask, texts)) == set(site.pids)
    # Two would need 6 seconds, five 2.4.
    assert time.monotonic() - begin < 4.5
    time.sleep(places.KEEP_SECONDS + 0.5)
    assert site.few()


@PATIENT
def test_pages_that_compute_are_served_by_few(site: Site) -> None:
    """To want a processor is not to wait, however many visitors and however busy the processors are."""
    with ThreadPoolExecutor(WORKERS) as pool:
        assert set(pool.map(site.ask, ["compute 0.02"] * 200)) <= set(site.pids[:COUNT])


def test_slow_pages_leave_room_for_quick_ones(site: Site) -> None:
    with ThreadPoolExecutor(4) as pool:
        slow = [pool.submit(site.ask, "slow 4") for _time in range(4)]
        time.sleep(2)
        begin = time.monotonic()
        assert site.ask() != 0
        assert time.monotonic() - begin < 0.2
        assert len({answer.result() for answer in slow}) == 4


def test_who_cannot_leave_is_made_to(site: Site) -> None:
    """A request that lets no thread of its process run."""
    with ThreadPoolExecutor(COUNT) as pool:
        held = [pool.submit(site.ask, "hold 6") for _time in range(COUNT)]
        time.sleep(3.5)
        begin = time.monotonic()
        assert site.ask() not in {0, *site.pids[:COUNT]}
        assert time.monotonic() - begin < 0.5
        assert {answer.result() for answer in held} == set(site.pids[:COUNT])
    time.sleep(places.KEEP_SECONDS + 0.5)
    assert site.few()


@PATIENT
@pytest.mark.parametrize("place", [True, False])
def test_a_successor_has_what_the_killed_had(place: bool, site: Site) -> None:
    os.kill(site.pids[0 if place else -1], signal.SIGKILL)
    _dead, successor = site.told()
    time.sleep(0.4)
    holders = {successor, site.pids[1]} if place else set(site.pids[:COUNT])
    assert site.quick() <= holders
    assert set(site.at_once(*["slow 0.2"] * 2)) == holders


@pytest.mark.parametrize("seconds", [0, 0.5])
def test_who_ends_leaves_its_place(seconds: float, site: Site) -> None:
    """Also while it is held, where another has it already."""
    assert site.ask(f"end {seconds}") == 0
    time.sleep(0.5)
    assert len(set(site.at_once(*["slow 0.5"] * COUNT))) == COUNT
    time.sleep(places.KEEP_SECONDS + 0.5)
    assert 1 <= len(site.quick()) <= COUNT


def test_who_stands_by_can_be_told_to_end(site: Site) -> None:
    os.kill(site.pids[-1], signal.SIGHUP)
    assert site.told()[0] == site.pids[-1]


@pytest.mark.parametrize(
    ("workers", "opt"),
    [(4, {}), (None, {}), *((16, {word: b"2"}) for word in places.OTHERWISE)],
    ids=["few", "another server", *places.OTHERWISE],
)
def test_who_has_no_use_for_places_has_none(
    workers: int | None, opt: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    uwsgi = types.ModuleType("uwsgi")
    words = {"opt": opt, "numproc": workers, "post_fork_hook": None}
    for name, value in words.items():
        setattr(uwsgi, name, value)
    monkeypatch.setitem(sys.modules, "uwsgi", uwsgi if workers else None)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: {0, 1})
    application: Callable[..., str] = lambda *_words: "as it is"  # noqa: E731
    assert places.shared(application) is application
