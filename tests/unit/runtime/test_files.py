"""Static files of a site without a web server: both forms of their URLs, and nothing beside them."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import brotli
import pytest
from web2py_runtime import files

from ansible_collections.web2py.deploy.plugins.module_utils._policy import policy

CHOICES = {"web2py_tls": {"provider": "none"}, "web2py_static_seconds": 3600, "web2py_compress_pages": False}
UNPACK: dict[str, Callable[[bytes], bytes]] = {"gzip": gzip.decompress, "br": brotli.decompress}
PAGE = b"<p>A page of web2py</p>" * 100


@pytest.fixture
def root(tmp_path: Path) -> Path:
    static = tmp_path / "applications/shop/static"
    (static / "css").mkdir(parents=True)
    (static / "css/shop.css").write_bytes(b"p {}\n" * 100)
    (static / "css/shop.css.gz").write_bytes(gzip.compress(b"p {}\n" * 100))
    (static / "css/shop.css.br").write_bytes(brotli.compress(b"p {}\n" * 100))
    (tmp_path / "applications/shop/models.py").write_text("a secret")
    (static / "way.txt").symlink_to("../models.py")
    (static / "way").symlink_to("..")
    (static / "way.txt.old").write_text("a file like others")
    return tmp_path


def got(root: Path, path: str, compress: bool = False, **headers: str) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of an answer."""
    settings = {
        "policy": policy({**CHOICES, "web2py_compress_pages": compress}, ["shop"], False),
        "applications": ["shop"],
        "pages": {f"/{code}.html": f"our own {code}" for code in (404, 405, 416)},
    }

    def application(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Type", "text/html"), ("Content-Length", str(len(PAGE)))])
        return [PAGE]

    answer: list[Any] = []
    environ: dict[str, Any] = {"REQUEST_METHOD": "GET", "PATH_INFO": path, **headers}
    served = files.fronted(application, settings, str(root))
    parts = served(environ, lambda status, headers, *rest: answer.extend((status, headers)))
    body = b"".join(parts)
    return int(answer[0][:3]), {name.lower(): value for name, value in answer[1]}, body


@pytest.mark.parametrize("version", ["", "_1.2.3/"])
def test_both_forms_give_the_file(version: str, root: Path) -> None:
    status, headers, body = got(root, f"/shop/static/{version}css/shop.css")
    assert (status, body) == (200, b"p {}\n" * 100)
    assert headers["cache-control"] == ("public, max-age=31536000, immutable" if version else "public, max-age=3600")
    assert headers["content-type"] == "text/css; charset=utf-8" and headers["vary"] == "Accept-Encoding"
    assert "access-control-allow-origin" not in headers


@pytest.mark.parametrize(
    ("told", "encoding"),
    [
        ("gzip", "gzip"),
        ("br", "br"),
        ("gzip, br", "br"),
        ("br;q=0.1, gzip", "br"),
        ("br;q=0, GZIP", "gzip"),
        ("gzip;q=0 , BR", "br"),
        ("xbr, gzip", "gzip"),
    ],
)
def test_its_packed_twin_goes_to_who_can_read_it(told: str, encoding: str, root: Path) -> None:
    _status, headers, body = got(root, "/shop/static/css/shop.css", HTTP_ACCEPT_ENCODING=told)
    assert headers["content-encoding"] == encoding and UNPACK[encoding](body) == b"p {}\n" * 100
    assert headers["vary"] == "Accept-Encoding" and headers["content-type"] == "text/css; charset=utf-8"
    assert headers["content-length"] == str(len(body))


@pytest.mark.parametrize("encoding", UNPACK)
def test_a_part_of_a_packed_twin_is_for_who_has_the_rest(encoding: str, root: Path) -> None:
    _status, now, whole = got(root, "/shop/static/css/shop.css", HTTP_ACCEPT_ENCODING=encoding)
    other = next(kind for kind in UNPACK if kind != encoding)
    tags = [got(root, "/shop/static/css/shop.css", HTTP_ACCEPT_ENCODING=kind)[1]["etag"] for kind in ("", other)]
    for tag, status in ((now["etag"], 206), *((tag, 200) for tag in tags)):
        words = {"HTTP_RANGE": "bytes=5-", "HTTP_IF_RANGE": tag, "HTTP_ACCEPT_ENCODING": encoding}
        found, _headers, body = got(root, "/shop/static/css/shop.css", **words)
        assert (found, body) == (status, whole[5:] if status == 206 else whole)


def test_it_is_sent_once_and_in_parts(root: Path) -> None:
    _status, headers, _body = got(root, "/shop/static/css/shop.css")
    assert got(root, "/shop/static/css/shop.css", HTTP_IF_NONE_MATCH=headers["etag"])[0] == 304
    assert got(root, "/shop/static/css/shop.css", HTTP_RANGE="bytes=0-3")[::2] == (206, b"p {}")
    assert got(root, "/shop/static/css/shop.css", HTTP_RANGE="bytes=-3")[::2] == (206, b"{}\n")
    status, headers, body = got(root, "/shop/static/css/shop.css", HTTP_RANGE="bytes=9999-")
    assert (status, headers["content-range"], body) == (416, "bytes */500", b"our own 416")
    assert got(root, "/shop/static/css/shop.css", REQUEST_METHOD="POST")[::2] == (405, b"our own 405")
    assert got(root, "/shop/static/none.css", REQUEST_METHOD="HEAD")[::2] == (404, b"")


@pytest.mark.parametrize(
    "part", ["bytes=--5", "bytes=a-b", "bytes=", "lines=1-2", "bytes=0-1,0-1", "bytes=7-7", "bytes=-1"]
)
def test_a_part_that_is_none_or_one_byte_is_the_whole(part: str, root: Path) -> None:
    status, _headers, body = got(root, "/shop/static/css/shop.css", HTTP_RANGE=part)
    assert (status, len(body)) == (200, 500)


def test_a_part_is_for_who_has_the_rest(root: Path) -> None:
    _status, now, _body = got(root, "/shop/static/css/shop.css")
    for have, status in ((now["etag"], 206), (now["last-modified"], 206), ('"other"', 200)):
        assert got(root, "/shop/static/css/shop.css", HTTP_RANGE="bytes=0-3", HTTP_IF_RANGE=have)[0] == status


@pytest.mark.parametrize("accepted", ["", *UNPACK])
def test_each_kind_has_a_tag_which_may_stand_among_others(accepted: str, root: Path) -> None:
    def status(**headers: str) -> int:
        return got(root, "/shop/static/css/shop.css", HTTP_ACCEPT_ENCODING=accepted, **headers)[0]

    kinds = ["", *UNPACK]
    tags = {how: got(root, "/shop/static/css/shop.css", HTTP_ACCEPT_ENCODING=how)[1]["etag"] for how in kinds}
    mine = tags.pop(accepted)
    for words in (mine, f'"other", {mine}', f"W/{mine}", "*"):
        assert status(HTTP_IF_NONE_MATCH=words) == 304
    again = got(root, "/shop/static/css/shop.css", HTTP_ACCEPT_ENCODING=accepted, HTTP_IF_NONE_MATCH=mine)[1]
    assert (again["etag"], again["vary"]) == (mine, "Accept-Encoding")
    for words in (*tags.values(), '"other"'):
        assert status(HTTP_IF_NONE_MATCH=words, HTTP_IF_MODIFIED_SINCE="Fri, 01 Jan 2100 00:00:00 GMT") == 200


@pytest.mark.parametrize(
    "path",
    [
        "/shop/static/none.css",
        "/shop/static/css",
        "/shop/static/css/",
        "/shop/static/../models.py",
        "/shop/static/css/../../models.py",
        "/shop/static/%2e%2e/models.py",
        "/shop/static//etc/passwd",
        "/shop/static/_1.2.3/../models.py",
        "/shop/static/css/shop.css\0.txt",
        "/shop/static/css/shop.css/",
        "/shop/static/way.txt",
        "/shop/static/way/models.py",
        "/shop/static/CSS/shop.css",
    ],
)
def test_nothing_else_is_given(path: str, root: Path) -> None:
    status, headers, body = got(root, path)
    assert (status, body) == (404, b"our own 404")
    assert "cache-control" not in headers


def test_a_name_like_that_of_a_link_is_a_name(root: Path) -> None:
    assert got(root, "/shop/static/way.txt.old")[2] == b"a file like others"


def test_pages_pass_as_they_are_or_packed(root: Path) -> None:
    assert got(root, "/shop/default/index", HTTP_ACCEPT_ENCODING="gzip")[2] == PAGE
    _status, headers, body = got(root, "/shop/default/index", True, HTTP_ACCEPT_ENCODING="br, gzip")
    assert headers["content-encoding"] == "gzip" and "content-length" not in headers
    assert gzip.decompress(body) == PAGE
    for words in ("", "gzip;q=0", "gzip;q=0.0, br"):
        _status, headers, body = got(root, "/shop/default/index", True, HTTP_ACCEPT_ENCODING=words)
        assert body == PAGE and headers["vary"] == "Accept-Encoding"
