"""web2py's cache.ram within a bound: the same answers as web2py's own, and never more than was allowed."""

from __future__ import annotations

import collections
import random
import threading
import types
from typing import Any

import pytest
from web2py_runtime import ram
from web2py_runtime.ram import ROW_BYTES, BoundedRam, size

PLENTY = 1 << 30


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr(ram, "time", types.SimpleNamespace(time=lambda: now[0]))
    return now


class Upstream:
    """What web2py's CacheInRam does, without its bounds."""

    def __init__(self, clock: list[float]) -> None:
        self.clock, self.storage = clock, dict[Any, tuple[float, Any]]()

    def __call__(self, key: Any, f: Any, time_expire: float | None = 300, destroyer: Any = None) -> Any:
        now, item = self.clock[0], self.storage.get(key)
        if item and f is None:
            del self.storage[key]
            if destroyer:
                destroyer(item[1])
        if f is None:
            return None
        if item and (time_expire is None or item[0] > now - time_expire):
            return item[1]
        if item and destroyer:
            destroyer(item[1])
        value = f()
        self.storage[key] = now, value
        return value

    def increment(self, key: Any, value: Any = 1) -> Any:
        if key in self.storage:
            value = self.storage[key][1] + value
        self.storage[key] = self.clock[0], value
        return value

    def clear(self, regex: str | None = None) -> None:
        import re

        for key in list(self.storage):
            if regex is None or re.compile(regex).match(str(key)):
                del self.storage[key]


@pytest.mark.parametrize("seed", range(20))
def test_answers_are_web2pys_own_where_there_is_room(seed: int, clock: list[float]) -> None:
    dice = random.Random(seed)  # noqa: S311  not for secrets
    ours, theirs = BoundedRam("shop", PLENTY), Upstream(clock)
    keys = ["a", "b", "ab", "ba", 7, ("x", 1), None]
    for step in range(400):
        clock[0] += dice.choice([0, 0, 1, 30, 301])
        key, seconds = dice.choice(keys), dice.choice([None, 0, -1, 1, 60, 300])
        act, gone = dice.randrange(10), ([], [])
        if act < 6:
            found = [
                cache(key, lambda step=step: step, seconds, end.append) for cache, end in zip((ours, theirs), gone)
            ]
        elif act < 7:
            found = [cache(key, None, destroyer=end.append) for cache, end in zip((ours, theirs), gone)]
        elif act < 9:
            found = [cache.increment(key, step) for cache in (ours, theirs)]
        else:
            pattern = dice.choice([None, "a", ".b", "$", r"\("])
            found = [cache.clear(pattern) for cache in (ours, theirs)]
        assert found[0] == found[1] and gone[0] == gone[1]
        assert dict(ours.storage) == theirs.storage
    assert ours.counts["evicted"] == 0


def value_of(dice: random.Random) -> Any:
    return dice.choice(
        [
            lambda: "x" * dice.randrange(3000),
            lambda: b"x" * dice.randrange(3000),
            lambda: list(range(dice.randrange(200))),
            lambda: {str(number): [number] for number in range(dice.randrange(40))},
            lambda: None,
            lambda: 5,
        ]
    )()


@pytest.mark.parametrize("seed", range(20))
def test_the_bound_holds_whatever_is_kept(seed: int) -> None:
    dice = random.Random(seed)  # noqa: S311  not for secrets
    cache = BoundedRam("shop", dice.choice([1000, 5000, 20000]))
    for _step in range(500):
        key = dice.randrange(60)
        act = dice.randrange(10)
        if act < 8:
            value = value_of(dice)
            assert cache(key, lambda value=value: value, 0) is value
        elif act < 9:
            cache(key, None)
        else:
            cache.clear(str(dice.randrange(10)))
        assert cache.used <= cache.most
        assert cache.used == sum(cache._sizes.values()) and set(cache._sizes) == set(cache.storage)
    assert cache.counts["evicted"] > 0
    cache.clear()
    assert cache.used == 0 and not cache.storage


def test_what_was_not_asked_for_longest_goes_first() -> None:
    room = ROW_BYTES + size("a", PLENTY) + size("x" * 1000, PLENTY)
    cache = BoundedRam("shop", 3 * room)
    for key in "abc":
        cache(key, lambda: "x" * 1000, None)
    assert cache("a", lambda: "never", None) == "x" * 1000
    cache("d", lambda: "x" * 1000, None)
    assert list(cache.storage) == ["c", "a", "d"] and cache.counts["evicted"] == 1


def test_a_value_above_the_bound_is_given_and_not_kept() -> None:
    cache = BoundedRam("shop", 10_000)
    cache("small", lambda: 1, None)
    assert len(cache("large", lambda: "x" * 20_000, None)) == 20_000
    assert list(cache.storage) == ["small"] and cache.used <= cache.most
    # Nor does what was there under its name stay.
    cache("small", lambda: "x" * 20_000, 0)
    assert not cache.storage and cache.used == 0


def test_a_function_that_fails_leaves_what_was_there(clock: list[float]) -> None:
    cache = BoundedRam("shop", PLENTY)
    cache("a", lambda: 1)
    clock[0] += 301
    with pytest.raises(ZeroDivisionError):
        cache("a", lambda: 1 // 0)
    assert cache("a", lambda: 2, None) == 1


def test_a_function_may_ask_for_other_values() -> None:
    cache = BoundedRam("shop", PLENTY)
    assert cache("a", lambda: cache("b", lambda: 1) + cache.increment("c", 5)) == 6


def test_many_threads_at_once() -> None:
    cache, failures = BoundedRam("shop", 30_000), []

    def work(number: int) -> None:
        dice = random.Random(number)  # noqa: S311  not for secrets
        try:
            for _step in range(400):
                key = dice.randrange(40)
                assert cache(key, lambda key=key: (key, "x" * dice.randrange(2000)), 0)[0] == key
                cache.increment("count")
                cache(key, None)
                cache.clear(str(dice.randrange(10)))
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures and cache.used == sum(cache._sizes.values()) <= cache.most
    assert set(cache._sizes) == set(cache.storage)


def test_no_count_is_lost() -> None:
    cache = BoundedRam("shop", PLENTY)
    threads = [threading.Thread(target=lambda: [cache.increment("n") for _ in range(500)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert cache("n", None) is None and cache.increment("n", 0) == 0
    assert cache.counts["hit_total"] == 1


class Slotted:
    __slots__ = ("empty", "text")

    def __init__(self) -> None:
        self.text = "x" * 5000


class Inheriting(Slotted):
    def __init__(self) -> None:
        super().__init__()
        self.more = "y" * 5000


class Sly:
    """Attributes that are made when asked for, as rows of the database layer have."""

    def __init__(self) -> None:
        self.text = "x" * 5000

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise RuntimeError(name)


@pytest.mark.parametrize(
    ("value", "least", "most"),
    [
        ("x" * 5000, 5000, 5100),
        (["x" * 5000] * 3, 5000, 5200),
        ({"k": {"n": ["x" * 5000]}}, 5000, 6000),
        ({("x" * 5000,): None}, 5000, 6000),
        (collections.deque(["x" * 5000]), 5000, 6500),
        (frozenset({b"x" * 5000}), 5000, 6000),
        (collections.OrderedDict(a="x" * 5000), 5000, 6000),
        (Slotted(), 5000, 5500),
        (Inheriting(), 10_000, 11_000),
        (Sly(), 5000, 6000),
        (types.SimpleNamespace(a="x" * 5000), 5000, 6000),
        (types, 0, 0),
        (len, 0, 0),
        (Slotted, 0, 0),
        (lambda text="x" * 5000: text, 0, 0),
        (threading.Lock(), 0, 0),
    ],
)
def test_sizes_are_about_right(value: Any, least: int, most: int) -> None:
    assert least <= size(value, PLENTY) <= most


def test_circles_and_depth_are_no_trouble() -> None:
    circle: list[Any] = []
    circle.append(circle)
    assert size(circle, PLENTY) < 200
    deep: Any = ()
    for _number in range(100_000):
        deep = [deep]
    assert size(deep, PLENTY) > 100_000 * 8


def test_nobody_looks_on_above_the_bound() -> None:
    endless = [["x" * 1000] for _number in range(100_000)]
    assert 1_000_000 < size(endless, 1_000_000) < 2_000_000


def test_rows_count_and_the_database_does_not() -> None:
    from pydal import DAL, Field

    db = DAL("sqlite:memory")
    db.define_table("thing", Field("name"))
    for _number in range(100):
        db.thing.insert(name="x" * 1000)
    rows = db(db.thing).select()
    assert 100_000 < size(rows, PLENTY) < 600_000
    assert size(db, PLENTY) < 2000
    db.close()


def test_an_application_has_one_for_all_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ram, "_caches", {})
    assert ram.bounded("shop", 5) is ram.bounded("shop", 5) is not ram.bounded("blog", 5)
