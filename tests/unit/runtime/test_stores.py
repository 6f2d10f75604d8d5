"""Values in Redis and memcached, sessions and caches in them, with servers that answer, refuse and clash."""

from __future__ import annotations

import pickle
import re
import sys
from collections.abc import Callable, Iterator
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from web2py_runtime import caches, sessions, stores


class RedisFault(Exception):
    """What a client of Redis raises."""


class Clash(RedisFault):
    """Somebody else was faster."""


class FakeRedis:
    """A client of a server that may be down, full, or in the way."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}
        self.lives: dict[str, int | None] = {}
        self.fault: Exception | None = None
        self.clashes = 0

    def answer(self) -> None:
        if self.fault:
            raise self.fault

    def get(self, key: str) -> bytes | None:
        self.answer()
        return self.kept.get(key)

    def getex(self, key: str, ex: int) -> bytes | None:
        self.answer()
        if key in self.kept:
            self.lives[key] = ex
        return self.kept.get(key)

    def set(self, key: str, value: bytes, ex: int | None = None, nx: bool = False, xx: bool = False) -> bool | None:
        self.answer()
        if (nx and key in self.kept) or (xx and key not in self.kept):
            return None
        self.kept[key], self.lives[key] = value, ex
        return True

    def unlink(self, key: str) -> int:
        self.answer()
        return int(self.kept.pop(key, None) is not None)

    def scan_iter(self, match: str, count: int) -> Iterator[bytes]:
        self.answer()
        assert count > 1
        words = re.sub(r"\[(.)\]", r"\\\1", match.removesuffix("*"))
        return iter([key.encode() for key in self.kept if re.match(words, key)])

    def ping(self) -> bool:
        self.answer()
        return True

    def info(self) -> dict[str, Any]:
        self.answer()
        return {"maxmemory_policy": "noeviction"}

    # A pipeline with WATCH, in one.
    def pipeline(self) -> FakeRedis:
        return self

    def __enter__(self) -> FakeRedis:
        return self

    def __exit__(self, *_words: object) -> None:
        """Nothing is left."""

    def watch(self, key: str) -> None:
        self.answer()

    def multi(self) -> None:
        """From here on nothing is done before execute."""

    def execute(self) -> None:
        if self.clashes:
            self.clashes -= 1
            raise Clash("watched")


class FakeMemcached:
    """A client of memcached."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}
        self.lives: dict[str, int] = {}
        self.faults: list[Exception] = []
        self.clashes = 0

    def answer(self) -> None:
        if self.faults:
            raise self.faults.pop(0)

    def get(self, key: str) -> bytes | None:
        self.answer()
        assert re.fullmatch(r"[0-9a-f]{1,250}", key)
        return self.kept.get(key)

    def touch(self, key: str, expire: int, noreply: bool) -> bool:
        self.answer()
        assert not noreply
        self.lives[key] = expire
        return True

    def set(self, key: str, value: bytes, expire: int, noreply: bool) -> bool:
        self.answer()
        assert not noreply
        self.kept[key], self.lives[key] = value, expire
        return True

    def add(self, key: str, value: bytes, expire: int, noreply: bool) -> bool:
        self.answer()
        return key not in self.kept and self.set(key, value, expire, noreply)

    def replace(self, key: str, value: bytes, expire: int, noreply: bool) -> bool:
        self.answer()
        return key in self.kept and self.set(key, value, expire, noreply)

    def gets(self, key: str) -> tuple[bytes | None, bytes]:
        self.answer()
        return self.kept.get(key), b"1"

    def cas(self, key: str, value: bytes, ticket: bytes, expire: int, noreply: bool) -> bool:
        assert ticket == b"1"
        if self.clashes:
            self.clashes -= 1
            return False
        return self.set(key, value, expire, noreply)

    def delete(self, key: str, noreply: bool) -> bool:
        self.answer()
        return self.kept.pop(key, None) is not None

    def version(self) -> bytes:
        self.answer()
        return b"1.6"

    def stats(self) -> dict[bytes, Any]:
        self.answer()
        return {b"curr_items": len(self.kept)}


@pytest.fixture(autouse=True)
def _no_pause() -> Iterator[None]:
    caches._down.clear()
    yield
    caches._down.clear()


@pytest.fixture
def red() -> FakeRedis:
    return FakeRedis()


@pytest.fixture
def mem() -> FakeMemcached:
    return FakeMemcached()


@pytest.fixture(params=["redis", "memcached"])
def store(request: pytest.FixtureRequest, red: FakeRedis, mem: FakeMemcached) -> stores.Store:
    if request.param == "redis":
        return stores.RedisStore(red, (RedisFault, OSError), Clash)
    return stores.MemcachedStore([mem], (OSError, EOFError))


def broken(red: FakeRedis, mem: FakeMemcached) -> None:
    red.fault = ConnectionRefusedError("no server")
    mem.faults = [ConnectionRefusedError("no server")] * 50


def test_a_store_keeps_values(store: stores.Store) -> None:
    assert store.get("a") is None
    assert not store.put("a", b"0", 9, there=True)
    assert store.put("a", b"1", 9, there=False)
    assert not store.put("a", b"2", 9, there=False)
    assert store.put("a", b"3", 9, there=True)
    assert store.get("a", 20) == b"3"
    assert store.put("a", b"4", None)
    assert store.change("a", lambda old: (old or b"") + b"5", None) == b"45"
    assert store.change("b", lambda old: (old or b"") + b"5", None) == b"5"
    assert (store.drop("a"), store.drop("a")) == (True, False)
    store.ask()
    assert store.stats()


def test_a_value_is_kept_for_so_long(red: FakeRedis, mem: FakeMemcached, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stores.time, "time", lambda: 1_000_000_000.5)
    first = stores.RedisStore(red, (RedisFault,), Clash)
    first.put("a", b"1", 5)
    first.get("a")
    assert red.lives == {"a": 5}
    first.get("a", 70)
    assert red.lives == {"a": 70}
    second = stores.MemcachedStore([mem], (OSError,))
    for seconds, said in [(5, 6), (30 * 86400 - 1, 30 * 86400), (30 * 86400, 1_000_000_000 + 30 * 86400 + 1)]:
        second.put("a", b"1", seconds)
        assert set(mem.lives.values()) == {said}
        second.get("a", seconds)
        assert set(mem.lives.values()) == {said}


def test_a_store_that_is_down_says_so(store: stores.Store, red: FakeRedis, mem: FakeMemcached) -> None:
    broken(red, mem)
    for work in (
        lambda: store.get("a"),
        lambda: store.get("a", 5),
        lambda: store.put("a", b"", 5),
        lambda: store.change("a", lambda _old: b"", 5),
        lambda: store.drop("a"),
        store.ask,
        store.stats,
    ):
        with pytest.raises(stores.Down, match="no server"):
            work()


def test_a_full_store_is_down(red: FakeRedis) -> None:
    red.fault = RedisFault("OOM command not allowed when used memory > 'maxmemory'")
    with pytest.raises(stores.Down, match="Redis: OOM"):
        stores.RedisStore(red, (RedisFault,), Clash).put("a", b"1", 5)


def test_another_fault_is_not_hidden(red: FakeRedis) -> None:
    red.fault = TypeError("ours")
    with pytest.raises(TypeError):
        stores.RedisStore(red, (RedisFault,), Clash).get("a")


def test_one_broken_connection_is_no_fault(mem: FakeMemcached) -> None:
    store = stores.MemcachedStore([mem], (OSError, EOFError))
    for fault in (EOFError(), ConnectionResetError("gone"), BrokenPipeError("gone")):
        mem.faults = [fault]
        store.put("a", b"1", 5)
        mem.faults = [fault]
        store.ask()
        mem.faults = [fault]
        assert store.get("a") == b"1"
    mem.faults = [EOFError(), EOFError()]
    with pytest.raises(stores.Down, match="EOFError"):
        store.get("a")
    # Who waited once does not wait again.
    mem.faults = [TimeoutError("slow")]
    with pytest.raises(stores.Down, match="slow"):
        store.get("a")


def test_who_clashes_tries_again(store: stores.Store, red: FakeRedis, mem: FakeMemcached) -> None:
    store.put("a", b"1", None)
    red.clashes = mem.clashes = 3
    assert store.change("a", lambda old: (old or b"") + b"2", None).startswith(b"1")
    red.clashes = mem.clashes = 1000
    with pytest.raises(stores.Down, match="too many"):
        store.change("a", lambda old: b"2", None)


def test_names_have_their_beginning(red: FakeRedis) -> None:
    store = stores.RedisStore(red, (RedisFault,), Clash)
    for key in ("a*:1", "a*:2", "ab:3", "b:a*:4"):
        store.put(key, b"", None)
    assert list(store.names("a*:")) == ["a*:1", "a*:2"]


def test_memcached_does_not_tell_names(mem: FakeMemcached) -> None:
    with pytest.raises(NotImplementedError):
        stores.MemcachedStore([mem], (OSError,)).names("a")


def test_servers_share_the_keys() -> None:
    clients = [FakeMemcached(), FakeMemcached()]
    store = stores.MemcachedStore(clients, (OSError,))
    for number in range(50):
        store.put(str(number), b"1", None)
    counts = [len(client.kept) for client in clients]
    assert sum(counts) == 50
    assert min(counts) > 10
    assert sum(store.stats()[f"{number}.curr_items"] for number in (0, 1)) == 50


def test_a_process_has_one_store_for_a_place(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Any] = []
    monkeypatch.setitem(stores.KINDS, "redis", lambda place: made.append(place) or object())
    monkeypatch.setattr(stores, "_made", {})
    first = stores.store("redis", {"socket": "/a"})
    assert stores.store("redis", {"socket": "/a"}) is first
    assert stores.store("redis", {"socket": "/b"}) is not first
    monkeypatch.setattr(stores.os, "getpid", lambda: -1)
    assert stores.store("redis", {"socket": "/a"}) is not first
    assert len(made) == 3


class Faulty(Exception):
    """The end of a request without a store."""


def table(store: stores.Store, empty: bool = False) -> Any:
    """The table as web2py gets at it."""
    database: Any = sessions.Database(store, "shop:session", 60, lambda: empty, lambda error: Faulty(str(error)))
    assert database
    assert database.get("web2py_session_a", None) is None
    database.define_table("web2py_session_a", database.Field("locked", "boolean", default=False), migrate=True)
    assert database.get("web2py_session_a", None) is database["web2py_session_a"]
    return database["web2py_session_a"]


ROW = {"locked": 0, "client_ip": "192.0.2.7", "session_data": b"\x80\nab\n\x00", "unique_key": "k"}


def test_a_session_lives_as_web2py_leads_it(store: stores.Store) -> None:
    rows = table(store)
    number = rows.insert(**ROW)
    assert number > 0
    row = rows(number, unique_key="k")
    assert (row["session_data"], row.client_ip, row["unique_key"]) == (ROW["session_data"], "192.0.2.7", "k")
    assert rows(str(number))["session_data"] == ROW["session_data"]
    assert rows(number, unique_key="other") is None
    assert rows(number + 1, unique_key="k") is None
    # A new key, as after a login, and then the session itself.
    assert rows._db(rows.id == str(number)).update(unique_key="new")
    assert rows(number, unique_key="k") is None
    assert rows(number, unique_key="new")["session_data"] == ROW["session_data"]
    assert rows._db(rows.id == number).update(**{**ROW, "unique_key": "new", "session_data": b"2"})
    assert rows._db(rows.id == number).select()[0]["session_data"] == b"2"
    assert rows._db(rows.id == number).delete()
    assert rows(number) is None
    # What was ended does not come back.
    assert not rows._db(rows.id == number).update(**ROW)
    assert not rows._db(rows.id == number).update(unique_key="x")
    assert not rows._db(rows.id == number).delete()
    assert rows._db(rows.id == number).select() == []
    rows._db.commit()


def test_a_request_keeps_a_session_alive(red: FakeRedis) -> None:
    rows = table(stores.RedisStore(red, (RedisFault,), Clash))
    number = rows.insert(**ROW)
    (key,) = red.kept
    assert key == f"shop:session:web2py_session_a:{number}"
    red.lives[key] = 1
    rows(number, unique_key="k")
    assert red.lives[key] == 60


def test_an_empty_session_is_not_kept(red: FakeRedis) -> None:
    rows = table(stores.RedisStore(red, (RedisFault,), Clash), empty=True)
    assert rows(rows.insert(**ROW), unique_key="k") is None
    assert red.kept == {}


@pytest.mark.parametrize(
    ("session", "empty"),
    [({}, True), ({"_last_timestamp": 1, "_secure": True, "_same_site": "Lax"}, True), ({"flash": None}, False)],
)
def test_what_counts_as_empty(session: dict[str, Any], empty: bool) -> None:
    assert sessions.nothing_in(session) is empty


@pytest.mark.parametrize("value", [b"", b"a", b"a\nb", b"\x00\xff"])
def test_a_strange_value_is_no_session(value: bytes, red: FakeRedis) -> None:
    rows = table(stores.RedisStore(red, (RedisFault,), Clash))
    red.kept["shop:session:web2py_session_a:7"] = value
    assert rows(7, unique_key="k") is None
    assert sessions.unpacked(value) is None


def test_words_of_a_row_cannot_move_its_lines() -> None:
    row = sessions.unpacked(sessions.packed({"unique_key": "a\nb", "client_ip": None, "session_data": "\xff\n"}))
    assert row == {"unique_key": "a b", "client_ip": "", "session_data": b"\xff\n"}
    assert row.nothing is None


def test_sessions_without_their_store_end_the_request(store: stores.Store, red: FakeRedis, mem: FakeMemcached) -> None:
    rows = table(store)
    broken(red, mem)
    for work in (
        lambda: rows.insert(**ROW),
        lambda: rows(7, unique_key="k"),
        lambda: rows._db(rows.id == 7).update(**ROW),
        lambda: rows._db(rows.id == 7).delete(),
    ):
        with pytest.raises(Faulty, match="no server"):
            work()


class Refusal(Exception):
    """gluon.http.HTTP."""

    def __init__(self, status: int, body: str, **headers: str) -> None:
        self.status, self.headers = status, headers


class FakeSession(dict[str, Any]):
    """A session of web2py's that tells what it was told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def connect(self, request: Any, response: Any, db: Any) -> None:
        assert isinstance(db, sessions.Database)
        self.told.append("connect")
        db.define_table("web2py_session_shop")
        db["web2py_session_shop"](5, unique_key="k")

    def forget(self, response: Any) -> None:
        self.told.append("forget")


@pytest.mark.parametrize("cookie", [True, False])
@pytest.mark.parametrize("down", [True, False])
def test_a_request_is_connected_or_ends(
    cookie: bool, down: bool, red: FakeRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = ModuleType("gluon.http")
    module.HTTP = Refusal  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "gluon", ModuleType("gluon"))
    monkeypatch.setitem(sys.modules, "gluon.http", module)
    request = SimpleNamespace(application="Shop", cookies={"session_id_shop": "5:k"} if cookie else {})
    session = FakeSession()
    red.fault = OSError("no server") if down else None

    def work() -> None:
        sessions.connect(
            request, SimpleNamespace(), session, stores.RedisStore(red, (OSError,), Clash), "shop:session", 60
        )

    if not down:
        work()
        assert session.told == ["connect"]
        return
    with pytest.raises(Refusal) as ended:
        work()
    assert (ended.value.status, ended.value.headers) == (503, {"Retry-After": "5"})
    assert session.told == (["connect", "forget"] if cookie else ["forget"])


@pytest.mark.parametrize(
    ("words", "counts"),
    [
        ({}, False),
        ({"separate": True, "check_client": True}, False),
        ({"db": None, "cookie_key": None}, False),
        ({"db": "a database"}, True),
        ({"cookie_key": "a key"}, True),
        ({"masterapp": "other"}, True),
    ],
)
@pytest.mark.parametrize("given", [True, False])
def test_who_names_no_place_changes_nothing(
    given: bool, words: dict[str, Any], counts: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """web2py would lead a session in a cookie to files. Another request has not been connected yet."""
    told: list[Any] = []

    class Session:
        def connect(self, request: Any = None, response: Any = None, **words: Any) -> None:
            told.append(words)

    response = SimpleNamespace()
    module = SimpleNamespace(current=SimpleNamespace(response=response))
    monkeypatch.setitem(sys.modules, "gluon", ModuleType("gluon"))
    monkeypatch.setitem(sys.modules, "gluon.globals", module)
    session = Session()
    for _time in range(2):
        sessions.settle(session, response)
    session.connect(*(("request", response) if given else ()), **words)
    assert told == ([words] if counts else [])
    session.connect("request", SimpleNamespace())
    assert told[-1] == {} and len(told) == 1 + counts


def test_a_cached_value_is_made_once(store: stores.Store) -> None:
    made: list[int] = []

    def make() -> int:
        made.append(1)
        return len(made)

    first, second = caches.StoreCache(store, "shop:cache:a"), caches.StoreCache(store, "shop:cache:a")
    other = caches.StoreCache(store, "shop:cache:b")
    assert [first("k", make), second("k", make), first("k", make, None)] == [1, 1, 1]
    assert other("k", make) == 2
    assert first("k", make, 0) == 3
    assert second("k", make, time_expire=60) == 3
    assert first("k", None) is None
    assert second("k", make) == 4


def test_a_value_that_is_too_old_is_made_anew(store: stores.Store, monkeypatch: pytest.MonkeyPatch) -> None:
    cache, gone, now = caches.StoreCache(store, "p"), [], [1000.0]
    monkeypatch.setattr(caches.time, "time", lambda: now[0])
    assert cache("k", lambda: "old", 60, gone.append) == "old"
    now[0] += 59
    assert cache("k", lambda: "new", 60, gone.append) == "old"
    now[0] += 2
    assert cache("k", lambda: "new", 60, gone.append) == "new"
    assert gone == ["old"]
    assert cache("k", None, 60, gone.append) is None
    assert gone == ["old", "new"]


def test_a_value_lives_as_long_as_somebody_may_want_it(red: FakeRedis) -> None:
    cache = caches.StoreCache(stores.RedisStore(red, (OSError,), Clash), "p")
    for key, seconds in (("a", 5), ("b", 7200), ("c", None), ("d", 0)):
        cache(key, lambda: 1, seconds)
    assert red.lives == {"p:a": 3600, "p:b": 7201, "p:c": None, "p:d": 3600}


def test_a_count_goes_on(store: stores.Store) -> None:
    cache = caches.StoreCache(store, "p")
    assert [cache.increment("n"), cache.increment("n", 5), cache.increment("n", -2)] == [1, 6, 4]
    assert cache("n", lambda: 0, None) == 4
    cache("m", lambda: 10)
    assert cache.increment("m") == 11


def test_redis_forgets_what_matches(red: FakeRedis) -> None:
    store = stores.RedisStore(red, (OSError,), Clash)
    cache, other = caches.StoreCache(store, "p:a"), caches.StoreCache(store, "p:b")
    for key in ("x1", "x2", "y1"):
        cache(key, lambda: 1)
        other(key, lambda: 1)
    cache.clear("x")
    assert sorted(red.kept) == ["p:a:y1", "p:b:x1", "p:b:x2", "p:b:y1"]
    cache.clear()
    assert sorted(red.kept) == ["p:b:x1", "p:b:x2", "p:b:y1"]


def test_memcached_forgets_all_of_one_application(mem: FakeMemcached) -> None:
    store = stores.MemcachedStore([mem], (OSError,))
    cache, other = caches.StoreCache(store, "p:a"), caches.StoreCache(store, "p:b")
    assert [cache("x", lambda: 1), other("x", lambda: 1)] == [1, 1]
    cache.clear("y")
    assert [cache("x", lambda: 2), caches.StoreCache(store, "p:a")("x", lambda: 3), other("x", lambda: 4)] == [2, 2, 1]


def test_without_its_store_a_cache_makes_everything(
    store: stores.Store, red: FakeRedis, mem: FakeMemcached, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache, now = caches.StoreCache(store, "p"), [100.0]
    monkeypatch.setattr(caches.time, "monotonic", lambda: now[0])
    cache("k", lambda: "kept")
    broken(red, mem)
    fresh = caches.StoreCache(store, "p")
    assert fresh("k", lambda: "made") == "made"
    assert fresh.increment("n", 3) == 3
    assert fresh("k", None) is None
    assert fresh.stats() == {}
    fresh.clear()
    fresh.clear("k")
    # It is back, but not asked for a moment.
    red.fault, mem.faults = None, []
    assert cache("k", lambda: "made") == "made"
    now[0] += caches.PAUSE_SECONDS
    assert cache("k", lambda: "made") == "kept"


@pytest.mark.parametrize("value", [lambda: 1, (number for number in ()), open])
def test_what_cannot_leave_the_process_is_given_back(value: Any, store: stores.Store) -> None:
    cache = caches.StoreCache(store, "p")
    calls: list[int] = []
    for _time in range(2):
        assert cache("k", lambda: calls.append(1) or value) is value
    assert len(calls) == (1 if value is open else 2)


@pytest.mark.parametrize("value", [b"", b"nonsense", pickle.dumps(1), pickle.dumps(("x", 1)), b"cnowhere\nnothing\n."])
def test_a_strange_value_is_made_anew(value: bytes, red: FakeRedis) -> None:
    red.kept["p:k"] = value
    cache = caches.StoreCache(stores.RedisStore(red, (OSError,), Clash), "p")
    assert cache("k", lambda: "made") == "made"
    assert cache.increment("j") == 1


@pytest.mark.parametrize(("name", "word"), [("redis", "redis"), ("memcached", "memcache")])
def test_ram_and_disk_are_redirected(name: str, word: str, store: stores.Store) -> None:
    cache = SimpleNamespace(ram=1, disk=2)
    shared = caches.redirect(cache, store, "p", name)
    assert cache.ram is cache.disk is getattr(cache, word) is shared
    shared.initialize()
    assert shared.storage == {}


def keyword(call: Callable[..., Any], **words: Any) -> Any:
    return call(**words)


def test_web2py_calls_by_keyword(store: stores.Store) -> None:
    cache = caches.StoreCache(store, "p")
    assert keyword(cache, key="k", f=lambda: 1, time_expire=5) == 1
    assert keyword(cache.increment, key="n", value=2) == 2
    keyword(cache.clear, regex=None)
