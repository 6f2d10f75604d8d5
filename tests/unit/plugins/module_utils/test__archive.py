from __future__ import annotations

import io
import stat
import tarfile
import zipfile
from pathlib import Path

import pytest

from ansible_collections.web2py.deploy.plugins.module_utils import _archive
from ansible_collections.web2py.deploy.plugins.module_utils._run import Problem
from tests.unit.plugins.module_utils.conftest import names

Entry = tuple[str, bytes, str]  # name, type, content or target


def tar(path: Path, *entries: Entry) -> str:
    with tarfile.open(path, "w:gz") as archive:
        for name, kind, value in entries:
            info = tarfile.TarInfo(name)
            info.type = kind
            if kind == tarfile.REGTYPE:
                info.size = len(value)
                archive.addfile(info, io.BytesIO(value.encode()))
            else:
                info.linkname = value
                archive.addfile(info)
    return str(path)


def zipped(path: Path, entries: dict[str, str], links: dict[str, str] | None = None) -> str:
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in entries.items():
            archive.writestr(name, text)
        for name, target in (links or {}).items():
            info = zipfile.ZipInfo(name)
            info.external_attr = (stat.S_IFLNK | 0o777) << 16
            archive.writestr(info, target)
    return str(path)


FILE, LINK, HARD, PIPE, DEVICE = (
    tarfile.REGTYPE,
    tarfile.SYMTYPE,
    tarfile.LNKTYPE,
    tarfile.FIFOTYPE,
    tarfile.CHRTYPE,
)


def test_tar_is_unpacked(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    path = tar(tmp_path / "a.w2p", ("models/db.py", FILE, "x = 1"), ("link", LINK, "models/db.py"),
               ("hard", HARD, "models/db.py"))  # fmt: skip
    _archive.unpack(path, str(tmp_path / "out"), "a.w2p")
    assert (tmp_path / "out/models/db.py").read_text() == "x = 1"
    assert str(Path(tmp_path / "out/link").readlink()) == "models/db.py"
    assert (tmp_path / "out/hard").read_text() == "x = 1"


def test_zip_is_unpacked(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    path = zipped(tmp_path / "a.zip", {"top/views/": "", "top/views/x.html": "<p>"}, {"top/y.html": "views/x.html"})
    _archive.unpack(path, str(tmp_path / "out"), "a.zip")
    assert (tmp_path / "out/top/views/x.html").read_text() == "<p>"
    assert str(Path(tmp_path / "out/top/y.html").readlink()) == "views/x.html"


EVIL: dict[str, list[Entry]] = {
    "absolute name": [("/etc/cron.d/x", FILE, "x")],
    "name that climbs": [("../../x", FILE, "x")],
    "name that climbs later": [("a/../../x", FILE, "x")],
    "windows name": [("..\\x", FILE, "x")],
    "absolute link": [("passwd", LINK, "/etc/passwd")],
    "link that climbs": [("a/b", LINK, "../../x")],
    "hard link out": [("shadow", HARD, "../../etc/shadow")],
    "absolute hard link": [("shadow", HARD, "/etc/shadow")],
    "write through a link": [("a", LINK, "b"), ("a/x", FILE, "x")],
    "write over a link": [("a", LINK, "b"), ("a", FILE, "x")],
    "pipe": [("pipe", PIPE, "")],
    "device": [("null", DEVICE, "")],
}


@pytest.mark.parametrize("entries", EVIL.values(), ids=EVIL.keys())
def test_evil_tar_is_refused(tmp_path: Path, entries: list[Entry]) -> None:
    (tmp_path / "out").mkdir()
    with pytest.raises(Problem, match="evil"):
        _archive.unpack(tar(tmp_path / "evil.tar", *entries), str(tmp_path / "out"), "evil.tar")
    assert names(tmp_path) == ["evil.tar", "out"]


@pytest.mark.parametrize(
    ("entries", "links"),
    [
        ({"/etc/x": "x"}, {}),
        ({"../x": "x"}, {}),
        ({}, {"passwd": "/etc/passwd"}),
        ({}, {"up": "../x"}),
    ],
)
def test_evil_zip_is_refused(tmp_path: Path, entries: dict[str, str], links: dict[str, str]) -> None:
    (tmp_path / "out").mkdir()
    with pytest.raises(Problem, match="evil"):
        _archive.unpack(zipped(tmp_path / "evil.zip", entries, links), str(tmp_path / "out"), "evil.zip")


def test_bomb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_archive, "LIMIT_MEMBERS", 1)
    (tmp_path / "out").mkdir()
    with pytest.raises(Problem, match="more than"):
        _archive.unpack(tar(tmp_path / "a.tar", ("a", FILE, ""), ("b", FILE, "")), str(tmp_path / "out"), "a.tar")


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04 broken", b"\x1f\x8b broken"])
def test_other_files_are_refused_in_words(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(Problem, match=r"Give a tar, .w2p or zip file"):
        _archive.unpack(str(tmp_path / "file"), str(tmp_path), "file")


@pytest.mark.parametrize(
    ("names", "root"),
    [
        (["shop-1.0/controllers"], "shop-1.0"),
        (["controllers"], ""),
        (["controllers", "models"], ""),
        (["a/controllers", "b/models"], ""),
    ],
)
def test_single_folder_on_top_is_left_out(tmp_path: Path, names: list[str], root: str) -> None:
    for name in names:
        (tmp_path / name).mkdir(parents=True)
    assert _archive.content_root(str(tmp_path), ("controllers", "models")) == str(tmp_path / root)
