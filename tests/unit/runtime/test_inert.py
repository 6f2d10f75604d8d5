"""A pickle is read as data, whatever stands in it."""

from __future__ import annotations

import collections
import datetime
import os
import pickle
import random
from pathlib import Path
from typing import Any

import pytest
from web2py_runtime import inert


class Evil:
    def __init__(self, *words: Any) -> None:
        self.words = words

    def __reduce__(self) -> Any:
        return self.words


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_plain_values_are_as_they_were(protocol: int) -> None:
    value = {
        "a": [1, 2.5, None, True, ("b", b"bytes\xff"), {"c": "č"}],
        "when": datetime.datetime(2026, 1, 2, 3, 4, 5, 6),
        "day": datetime.date(2026, 1, 2),
    }
    assert inert.loads(pickle.dumps(value, protocol)) == value


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize(
    "words",
    [
        lambda path: (os.system, (f"touch {path}",)),
        lambda path: (eval, (f"open({path!r}, 'w')",)),
        lambda path: (exec, (f"open({path!r}, 'w')",)),
        lambda path: (open, (path, "w")),
        lambda path: (os.makedirs, (path,)),
        lambda path: (collections.OrderedDict, (), {"__class__": Evil}, None, iter([("k", Evil(open, (path, "w")))])),
    ],
)
def test_nothing_is_run(words: Any, protocol: int, tmp_path: Path) -> None:
    path = tmp_path / "made"
    inert.loads(pickle.dumps({"traceback": Evil(*words(str(path)))}, protocol))
    assert not path.exists()


def test_programs_named_by_hand_are_not_run(tmp_path: Path) -> None:
    path = str(tmp_path / "made").encode()
    for data in (
        b"cos\nmkdir\n(S'" + path + b"'\ntR.",
        b"(S'" + path + b"'\nios\nmkdir\n.",
        b"(cos\nmkdir\nS'" + path + b"'\no.",
        b"\x80\x04\x8c\x02os\x8c\x05mkdir\x93\x8c" + bytes([len(path)]) + path + b"\x85R.",
        b"\x80\x02\x82\x01(S'" + path + b"'\ntR.",
        b"P" + path + b"\n.",
    ):
        try:
            inert.loads(data)
        except inert.Unreadable:
            pass
        assert not os.path.exists(path)


class Storage(dict):  # type: ignore[type-arg]
    """As gluon's."""

    def __reduce__(self) -> Any:
        return (Storage, (), None, None, iter(self.items()))


class Row:
    def __init__(self) -> None:
        self.id = 7


def test_what_an_unknown_object_holds_as_a_mapping_is_kept() -> None:
    found = inert.loads(pickle.dumps({"auth": Storage(expiration=60, user=Row())}))
    assert found["auth"]["expiration"] == 60 and found["auth"]["user"] == found["auth"]["user"]
    assert type(found["auth"]) is inert.Inert


@pytest.mark.parametrize(
    "data",
    [
        b"", b".", b"not a pickle", b"\x80\x05", pickle.dumps({"a": 1})[:-1], pickle.dumps({"a": 1}) + b"x",
        b"\x80\xff.", b"N}]\x81.", b"]" * 9, b"cdatetime\ndatetime\n(S'x'\ntR.", b"(]K\x01d.",
        b"\x8d" + b"\xff" * 8, b"\x95" + b"\xff" * 8,
        b"K\x01b.", b"K\x01)R.", b"j\xff\xff\xff\xff.", b"h\x09.",
    ],
)  # fmt: skip
def test_what_is_no_pickle_is_said_to_be_none(data: bytes) -> None:
    with pytest.raises(inert.Unreadable):
        inert.loads(data)


def test_no_number_makes_it_ask_for_all_memory() -> None:
    """pickle's own reader keeps room for as many values as the largest number that a pickle names."""
    assert inert.loads(b"Nr\xff\xff\xff\xff.") is None


def test_noise_is_read_or_refused() -> None:
    source = random.Random(7)  # noqa: S311  the same noise each time
    whole = bytearray(pickle.dumps({"traceback": "x" * 50, "rows": [1, (2, 3)], "at": datetime.datetime(2026, 1, 1)}))
    for _round in range(3000):
        data = bytearray(whole)
        for _change in range(source.randint(1, 4)):
            data[source.randrange(len(data))] = source.randrange(256)
        try:
            inert.loads(bytes(data))
        except inert.Unreadable:
            pass
