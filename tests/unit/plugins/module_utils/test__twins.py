from __future__ import annotations

import gzip
import json
import os
from collections.abc import Callable
from pathlib import Path

import brotli
import pytest

from ansible_collections.web2py.deploy.plugins.module_utils import _twins
from ansible_collections.web2py.deploy.plugins.module_utils._twins import leave_twins

TEXT = b"body { color: red }\n" * 100
PACK: dict[str, Callable[[bytes], bytes]] = {".gz": lambda data: gzip.compress(data, 1), ".br": brotli.compress}
UNPACK: dict[str, Callable[[bytes], bytes]] = {".gz": gzip.decompress, ".br": brotli.decompress}


def named(root: Path, ending: str) -> set[str]:
    return {path.name for path in root.rglob(f"*{ending}")}


@pytest.fixture(params=UNPACK)
def ending(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_twins_are_small_equal_in_time_and_repeatable(tmp_path: Path, ending: str) -> None:
    for name in ("a.css", "b.JS", "c.png", "tiny.css"):
        (tmp_path / name).write_bytes(TEXT if name != "tiny.css" else b"a{}")
    (tmp_path / "random.txt").write_bytes(os.urandom(1000))
    os.utime(tmp_path / "a.css", (1000, 1000))
    leave_twins(str(tmp_path), True)
    assert named(tmp_path, ending) == {"a.css" + ending, "b.JS" + ending}
    twin = tmp_path / ("a.css" + ending)
    first = twin.read_bytes()
    assert UNPACK[ending](first) == TEXT
    assert twin.stat().st_mtime == 1000
    twin.unlink()
    leave_twins(str(tmp_path), True)
    assert twin.read_bytes() == first
    assert ending != ".gz" or first[4:8] == bytes(4), "the header holds no time"


WRONG = ["yesterday", "more", "short", "garbage", "none", "link", "folder"]


@pytest.mark.parametrize("wanted", [True, False])
@pytest.mark.parametrize("wrong", WRONG)
def test_a_twin_that_is_not_the_same_is_never_left(tmp_path: Path, wrong: str, wanted: bool, ending: str) -> None:
    (tmp_path / "a.css").write_bytes(TEXT)
    twin, pack = tmp_path / ("a.css" + ending), PACK[ending]
    if wrong == "link":
        twin.symlink_to("/etc/passwd")
    elif wrong == "folder":
        twin.mkdir()
    else:
        twin.write_bytes(
            {
                "yesterday": pack(b"yesterday"),
                "more": pack(TEXT + b"more"),
                "short": pack(TEXT)[:-5],
                "garbage": pack(TEXT) + b"x",
                "none": b"none",
            }[wrong]
        )
    leave_twins(str(tmp_path), wanted)
    assert twin.exists() is wanted
    assert not wanted or UNPACK[ending](twin.read_bytes()) == TEXT


@pytest.mark.parametrize("wanted", [True, False])
def test_a_twin_of_the_authors_own_stays(tmp_path: Path, wanted: bool, ending: str) -> None:
    (tmp_path / "a.css").write_bytes(TEXT)
    own = gzip.compress(TEXT, 1) if ending == ".gz" else brotli.compress(TEXT, quality=1)
    (tmp_path / ("a.css" + ending)).write_bytes(own)
    made = leave_twins(str(tmp_path), wanted)
    assert (tmp_path / ("a.css" + ending)).read_bytes() == own
    assert bool(made) is (wanted and ending == ".gz")


def test_a_bomb_is_found_out_early(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.css").write_bytes(bytes(1000))
    (tmp_path / "a.css.br").write_bytes(brotli.compress(bytes(1 << 26)))
    told = 0
    real = brotli.Decompressor

    class Decompressor:
        def __init__(self) -> None:
            self.inner = real()

        def is_finished(self) -> bool:
            return bool(self.inner.is_finished())

        def process(self, data: bytes) -> bytes:
            nonlocal told
            part = bytes(self.inner.process(data))
            told += len(part)
            return part

    monkeypatch.setattr(brotli, "Decompressor", Decompressor)
    leave_twins(str(tmp_path), False)
    assert not (tmp_path / "a.css.br").exists() and told <= 1 << 25


def test_brotli_is_there_only_where_it_is_smaller(tmp_path: Path) -> None:
    """A tag of time and size must tell it from the other."""
    (tmp_path / "a.css").write_bytes(TEXT)
    (tmp_path / "a.css.gz").write_bytes(gzip.compress(TEXT, 9))
    least = len(brotli.compress(TEXT))
    for limit, there in ((least, False), (least + 1, True)):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(os.path, "getsize", lambda _path, limit=limit: limit)
            assert bool(leave_twins(str(tmp_path), True)) is there
        assert (tmp_path / "a.css.br").exists() is there


def test_what_brotli_made_of_the_same_content_is_taken_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    former, new = tmp_path / "former", tmp_path / "new"
    for part in (former, new):
        (part / "static").mkdir(parents=True)
        (part / "static/a.css").write_bytes(TEXT)
        (part / "static/b.css").write_bytes(part.name.encode() * 500)
    (former / _twins.MADE).write_text(json.dumps(leave_twins(str(former / "static"), True)))
    packed: list[bytes] = []
    real = _twins._brotli
    monkeypatch.setattr(_twins, "_brotli", lambda data: (packed.append(data), real(data))[1])
    made = leave_twins(str(new / "static"), True, str(former))
    assert packed == [b"new" * 500]
    assert sorted(made.values()) == ["a.css.br", "b.css.br"]
    assert (new / "static/a.css.br").read_bytes() == (former / "static/a.css.br").read_bytes()
    # That of a part which somebody has damaged is made anew, and so is that of another version of the library.
    for damage in (
        lambda: (former / "static/a.css.br").write_bytes(brotli.compress(b"another")),
        lambda: (former / "static/a.css.br").write_bytes(brotli.compress(TEXT)[:-1]),
        lambda: (former / "static/a.css.br").unlink(),
        lambda: monkeypatch.setattr(brotli, "__version__", "0.9"),
    ):
        damage()
        packed.clear()
        (new / "static/a.css.br").unlink()
        leave_twins(str(new / "static"), True, str(former))
        assert packed == [TEXT] and (new / "static/a.css.br").exists()


def test_a_damaged_note_of_what_was_made_costs_time_only(tmp_path: Path) -> None:
    (tmp_path / "static").mkdir()
    (tmp_path / "static/a.css").write_bytes(TEXT)
    (tmp_path / _twins.MADE).write_text('{"')
    assert list(leave_twins(str(tmp_path / "static"), True, str(tmp_path)).values()) == ["a.css.br"]


def test_an_authors_own_is_not_taken_over(tmp_path: Path) -> None:
    """What a part holds follows from its source, not from what was there before."""
    former, new = tmp_path / "former", tmp_path / "new"
    for part in (former, new):
        (part / "static").mkdir(parents=True)
        (part / "static/a.css").write_bytes(TEXT)
    (former / "static/a.css.br").write_bytes(brotli.compress(TEXT, quality=1))
    (former / _twins.MADE).write_text(json.dumps(leave_twins(str(former / "static"), True)))
    leave_twins(str(new / "static"), True, str(former))
    assert (new / "static/a.css.br").read_bytes() == brotli.compress(TEXT)


def test_without_brotli_there_is_only_gzip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor is one of the author's left: nobody can tell what it holds."""
    monkeypatch.setattr(_twins, "BROTLI", None)
    (tmp_path / "a.css").write_bytes(TEXT)
    (tmp_path / "a.css.br").write_bytes(brotli.compress(TEXT))
    (tmp_path / "other.br").write_bytes(b"no twin")
    assert leave_twins(str(tmp_path), True) == {}
    assert {path.name for path in tmp_path.iterdir()} == {"a.css", "a.css.gz", "other.br"}


def test_a_missing_library_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(_name: str) -> None:
        raise ImportError

    monkeypatch.setattr(_twins.importlib, "import_module", missing)
    assert _twins._module() is None


def test_a_large_file_does_not_take_seconds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def compress(data: bytes, quality: int) -> bytes:
        asked.append(quality)
        return b"x"

    monkeypatch.setattr(brotli, "compress", compress)
    for size in (_twins._LARGE, _twins._LARGE + 1):
        _twins._brotli(bytes(size))
    assert asked == [11, 9]
