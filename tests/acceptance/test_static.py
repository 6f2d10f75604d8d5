"""Static files are served by the front end: right, compact, cached, and nothing else beside them."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from email.utils import parsedate_to_datetime
from http.client import BadStatusLine
from pathlib import Path

import brotli
import pytest
from client import Answer, Client
from hosts import Machine, Probe, Site, excused

testinfra_hosts = ["ansible://web2py_web"]

FORMS = {"plain": "/probe/static/", "versioned": "/probe/static/_1.2.3/"}
STATIC = Probe.source / "static"
PACKED = ["css/probe.css", "js/probe.js", "js/module.mjs", "js/probe.js.map", "data.json"]
UNPACK: dict[str, Callable[[bytes], bytes]] = {"gzip": gzip.decompress, "br": brotli.decompress}
KINDS = ["identity", *UNPACK]
FILES = [*PACKED, "site.webmanifest", "plain.txt", "dot.svg", "pixel.png", "font.woff2"]
MISTAKES = [
    ".hidden",
    ".notes.txt.swp",
    ".svn/entries",
    "data.sqlite",
    "module.py",
    "notes.txt.bak",
    "notes.txt~",
    "settings.ini",
]
# Ways out of static/: each asks for a file that is there, or for its folder.
WAYS_OUT = [
    "../controllers/default.py",
    "..%2fcontrollers/default.py",
    "%2e%2e/controllers/default.py",
    "%2e%2e%2fcontrollers%2fdefault.py",
    "..%5ccontrollers%5cdefault.py",
    "..\\controllers\\default.py",
    "....//controllers/default.py",
    "..;/controllers/default.py",
    "css/../../controllers/default.py",
    "css/%2e%2e/%2e%2e/controllers/default.py",
    "%252e%252e/controllers/default.py",
    "%c0%ae%c0%ae/controllers/default.py",
    "%uff0e%uff0e/controllers/default.py",
    "./../controllers/default.py",
    "/../controllers/default.py",
    "../../../../../../../../../etc/passwd",
    "%2e%2e/%2e%2e/%2e%2e/%2e%2e/%2e%2e/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
    "_1.2.3/../../controllers/default.py",
    "_1.2.3/%2e%2e/%2e%2e/controllers/default.py",
    "_1.2.3/..%2f..%2fcontrollers/default.py",
    "../models/database/tables.py",
    "../languages/de.py",
    "../databases/probe.sqlite",
    "../private/appconfig.ini",
    "../static../controllers/default.py",
    "plain.txt/../../controllers/default.py",
    "plain.txt%00.css",
    "//etc/passwd",
    ".%2e/controllers/default.py",
    "%2E./controllers/default.py",
    "..%2Fcontrollers%2Fdefault.py",
    "..%252fcontrollers%252fdefault.py",
    "..%255ccontrollers/default.py",
    "%5c..%5c..%5ccontrollers%5cdefault.py",
    "..%c0%afcontrollers/default.py",
    "%e0%80%ae%e0%80%ae/controllers/default.py",
    "\xc0\xae\xc0\xae/controllers/default.py",
    "..%u2215controllers/default.py",
    "..%ef%bc%8fcontrollers/default.py",
    "..%00/controllers/default.py",
    "%00../controllers/default.py",
    "..%0a/controllers/default.py",
    "..%20/controllers/default.py",
    "..%09/controllers/default.py",
    ".../controllers/default.py",
    "..//controllers//default.py",
    "//..//controllers/default.py",
    "%2f%2e%2e%2fcontrollers/default.py",
    "..%3b/controllers/default.py",
    "..;a=b/controllers/default.py",
    "css;/../../controllers/default.py",
    "%3f/../../controllers/default.py",
    "%23/../../controllers/default.py",
    "~root/.profile",
    "%7e/controllers/default.py",
    "js/module.mjs/../../../controllers/default.py",
    "css/probe.css/",
    "css/probe.css/..%2f..%2f..%2fcontrollers/default.py",
    "%%32%65%%32%65/controllers/default.py",
    "%2/../controllers/default.py",
    "/proc/self/environ",
    "..\\..\\private\\appconfig.ini",
    "_1.2.3/_1.2.3/../../../private/appconfig.ini",
    "_1.2.3/",
    "_1.2.3/_1.2.3/",
    "__pycache__/module.pyc",
    "css/.htaccess",
    "../views/template/index.html",
    "..%2fviews%2ftemplate%2findex.html",
    "css/..%5c..%5cviews%5ctemplate%5cindex.html",
]
# Whole request lines that a client or proxy would tidy up.
LINES = [
    "GET {url}/probe/static/../private/appconfig.ini HTTP/1.1",
    "GET {url}/probe/static/%2e%2e/private/appconfig.ini HTTP/1.1",
    "GET http://evil.example/probe/static/../private/appconfig.ini HTTP/1.1",
    "GET file:///etc/passwd HTTP/1.1",
    "GET probe/static/../private/appconfig.ini HTTP/1.1",
    "GET ../../../../etc/passwd HTTP/1.1",
    "GET //probe/static/../private/appconfig.ini HTTP/1.1",
    "GET /./probe/./static/../private/appconfig.ini HTTP/1.1",
    "GET /probe//static/..//private/appconfig.ini HTTP/1.1",
    "GET /starter/../probe/private/appconfig.ini HTTP/1.1",
    "GET /starter/static/../../probe/private/appconfig.ini HTTP/1.1",
    "GET \\probe\\private\\appconfig.ini HTTP/1.1",
    "GET /probe/static/../private/appconfig.ini",
    "GET /probe/static/../private/appconfig.ini HTTP/1.0",
    "GET  /probe/static/../private/appconfig.ini HTTP/1.1",
    "GET\t/probe/static/../private/appconfig.ini\tHTTP/1.1",
    "GET /probe/static/plain.txt\x00.css HTTP/1.1",
    "GET /probe/static/..\xff/private/appconfig.ini HTTP/1.1",
    "GET /probe/static/../private/appconfig.ini?/../static/plain.txt HTTP/1.1",
    "GET /probe/static/../private/appconfig.ini#/static/plain.txt HTTP/1.1",
    "GET /../probe/private/appconfig.ini HTTP/1.1",
    "GET * HTTP/1.1",
]
OTHER_FILES = [
    "/probe/controllers/default.py",
    "/probe/models/database/tables.py",
    "/probe/views/template/index.html",
    "/routes.py",
    "/probe/languages/de.py",
    "/probe/databases/probe.sqlite",
    "/probe/databases/sql.log",
    "/probe/private/appconfig.ini",
    "/probe/errors/",
    "/probe/sessions/",
    "/probe/uploads/",
    "/probe/cache/",
    "/applications/probe/controllers/default.py",
    "/gluon/main.py",
    "/wsgihandler.py",
    "/.git/config",
    "/release.json",
    "/static/../routes.py",
]
GIVEN_AWAY = [
    "session.forget",
    "not-for-anybodys-eyes",
    "DAL(",
    "Guten Morgen",
    "root:x:",
    "SQLite format",
    "routers",
    "[core]",
    "define_table",
]


@pytest.fixture(scope="module", params=["running", pytest.param("stopped", marks=pytest.mark.late)])
def files(request: pytest.FixtureRequest, probe: Probe, web: Client) -> Client:
    """A visitor who asks for files: the application server runs, and then it does not."""
    if request.param == "stopped":
        request.getfixturevalue("stopped_server")
    return web


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("file", FILES)
def test_bytes_are_those_of_the_file(file: str, form: str, files: Client) -> None:
    """Both forms of a static URL give the file, byte for byte, with its length, and begin no session."""
    content, answer = (STATIC / file).read_bytes(), files.ask(FORMS[form] + file)
    assert answer.status == 200
    assert answer.body == content
    assert answer.get("content-length") == str(len(content))
    assert answer.all("set-cookie") == []


@pytest.mark.parametrize("file", FILES)
def test_files_have_their_type(file: str, files: Client, site: Site) -> None:
    """A file is sent with the type that its name says, by every front end with the same words."""
    kind = files.ask(FORMS["plain"] + file).get("content-type") or ""
    assert kind.lower() == site["policy"]["types"][file.rpartition(".")[2]]


@pytest.mark.parametrize("file", FILES)
def test_only_versioned_files_are_kept_for_good(file: str, files: Client) -> None:
    """A versioned URL may be kept for a year unasked; a plain one may not."""
    versioned = files.ask(FORMS["versioned"] + file).get("cache-control") or ""
    plain = files.ask(FORMS["plain"] + file).get("cache-control") or ""
    assert "immutable" in versioned and "max-age=31" in versioned and "public" in versioned
    assert "immutable" not in plain and "max-age=31" not in plain


@pytest.mark.parametrize("form", FORMS)
def test_a_missing_file_is_missing(form: str, files: Client, site: Site) -> None:
    """What is not there is not kept for good, and the application is not asked for it."""
    answer = files.ask(FORMS[form] + "css/none.css")
    assert answer.status == 404
    assert "immutable" not in (answer.get("cache-control") or "")
    assert site["front_end"]["name"] not in answer.text.lower()


def unpacked(answer: Answer, encoding: str) -> bytes:
    assert answer.get("content-encoding") == encoding
    return UNPACK[encoding](answer.body)


@pytest.fixture(params=UNPACK)
def encoding(request: pytest.FixtureRequest, site: Site) -> str:
    """A way to compress, that the front end has."""
    if request.param == "br":
        excused(site, "brotli")
    return str(request.param)


@pytest.fixture(params=KINDS)
def accepted(request: pytest.FixtureRequest, site: Site) -> str:
    """A kind of a file, that the front end has."""
    if request.param == "br":
        excused(site, "brotli")
    return str(request.param)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("file", PACKED)
def test_text_is_sent_compressed(file: str, form: str, encoding: str, files: Client, site: Site) -> None:
    """Text goes compressed to who can read it, and a cache between is told so in both cases."""
    content = (STATIC / file).read_bytes()
    other = next(kind for kind in UNPACK if kind != encoding)
    packed = files.ask(FORMS[form] + file, {"Accept-Encoding": f"{encoding}, {other};q=0"})
    whole = files.ask(FORMS[form] + file)
    assert unpacked(packed, encoding) == content == whole.body
    assert len(packed.body) < 0.45 * len(content)
    if "packed" not in site["front_end"]["lacks"]:
        assert packed.get("content-length") == str(len(packed.body))
    assert whole.get("content-encoding") is None
    assert packed.get("content-type") == whole.get("content-type")
    assert packed.get("cache-control") == whole.get("cache-control")
    for answer in (packed, whole):
        assert (answer.get("vary") or "").lower() == "accept-encoding"
        assert answer.get("content-language") is None


@pytest.mark.parametrize(
    "told, kinds",
    [
        ("gzip", ["gzip"]),
        ("GZIP", ["gzip"]),
        ("deflate, gzip;q=1.0, *;q=0.5", ["gzip"]),
        ("br", ["br"]),
        ("BR", ["br"]),
        ("br, gzip;q=0.5", ["br", "gzip"]),
        ("gzip, deflate, br, zstd", ["br", "gzip"]),
        ("gzip,br;q=0.9", ["br", "gzip"]),
        ("br;q=0, gzip", ["gzip"]),
        ("gzip, br ; q=0.000", ["gzip"]),
        ("gzip;q=0, br", ["br"]),
        ("gzip, xbr, brx, x-br", ["gzip"]),
        ("gzip;q=0", []),
        ("gzip; q=0.0, deflate", []),
        ("br;q=0", []),
        ("br; q=0.0, deflate", []),
        ("identity", []),
        ("deflate", []),
        ("xgzipx", []),
        ("xbr", []),
        ("br-x", []),
        ("br;q=0.001", ["br"]),
        ("identity;q=0, br", ["br"]),
        ("*", []),
        ("*;q=0, br;q=1.000", ["br"]),
    ],
)
def test_the_visitor_says_what_he_can_read(told: str, kinds: list[str], files: Client, site: Site) -> None:
    """A file comes compressed to who names a way to do it and does not refuse it, in the best of them."""
    answer = files.ask("/probe/static/css/probe.css", {"Accept-Encoding": told})
    assert answer.status == 200
    found = answer.get("content-encoding")
    best = next((kind for kind in kinds if kind != "br" or "brotli" not in site["front_end"]["lacks"]), None)
    if found is None and best and told != "gzip":
        # Who is not understood gets the whole file.
        excused(site, "packed")
    assert found == best


@pytest.mark.parametrize("file", ["pixel.png", "font.woff2"])
def test_what_is_small_already_is_sent_as_it_is(file: str, files: Client) -> None:
    """Pictures and fonts are not compressed again, and one copy in a cache is enough."""
    answer = files.ask("/probe/static/" + file, {"Accept-Encoding": "gzip, br"})
    assert answer.get("content-encoding") is None
    assert answer.get("vary") is None


def test_a_stale_twin_is_never_sent(encoding: str, files: Client, site: Site) -> None:
    """A compressed file of another day, left beside its original, does not stand for it."""
    content = (STATIC / "css/stale.css").read_bytes()
    ending = next(twin["ending"] for twin in site["policy"]["twins"] if twin["encoding"] == encoding)
    assert UNPACK[encoding]((STATIC / f"css/stale.css.{ending}").read_bytes()) != content
    for path in (form + "css/stale.css" for form in FORMS.values()):
        assert unpacked(files.ask(path, {"Accept-Encoding": encoding}), encoding) == content


def test_a_twin_asked_for_by_its_own_name_is_what_it_says(encoding: str, files: Client, site: Site) -> None:
    """A compressed file is never taken for text: the table in README.md says what each front end does."""
    ending = next(twin["ending"] for twin in site["policy"]["twins"] if twin["encoding"] == encoding)
    for told in ("identity", encoding):
        answer = files.ask(f"/probe/static/css/probe.css.{ending}", {"Accept-Encoding": told})
        front_end = site["front_end"]["name"]
        assert answer.status == (404 if front_end == "none" else 200)
        if answer.status == 200:
            unpacked_by_browser = front_end == "apache"
            assert (answer.get("content-type") or "").startswith("text/") == unpacked_by_browser
            assert answer.get("content-encoding") == (encoding if unpacked_by_browser else None)
            assert UNPACK[encoding](answer.body) == (STATIC / "css/probe.css").read_bytes()


@pytest.mark.parametrize("form", FORMS)
def test_an_unchanged_file_is_not_sent_again(form: str, accepted: str, files: Client, site: Site) -> None:
    """A visitor who has the file is told so in a few bytes, with what a cache must know; another gets it whole."""
    path, how = FORMS[form] + "css/probe.css", ("Accept-Encoding", accepted)
    first = files.ask(path, [how])
    tag, date = first.get("etag"), first.get("last-modified")
    assert tag and date
    fresh = [("If-None-Match", tag), ("If-Modified-Since", date)]
    if "tags" not in site["front_end"]["lacks"]:
        fresh += [("If-None-Match", f'"other", {tag}'), ("If-None-Match", "*")]
    for header in fresh:
        again = files.ask(path, [how, header])
        assert (again.status, again.body) == (304, b""), header
        assert again.get("content-length") in (None, "0", first.get("content-length"))
        assert again.get("etag") == tag
        for name in ("cache-control", "vary"):
            assert again.get(name) == first.get(name), name
    assert [files.ask(path, [how, header], method="HEAD").status for header in fresh] == [304] * len(fresh)
    old = "Mon, 01 Jan 2001 00:00:00 GMT"
    stale = [[("If-None-Match", '"other"')], [("If-Modified-Since", old)], [("If-Modified-Since", "never")]]
    stale += [[("If-None-Match", '"other"'), ("If-Modified-Since", date)]]  # the tag counts
    for headers in stale:
        again = files.ask(path, [how, *headers])
        assert (again.status, again.body) == (200, first.body), headers


def test_tags_tell_the_kinds_apart(files: Client, site: Site) -> None:
    """A cache that has the file in one kind does not take it for another."""
    excused(site, "packed")
    tags = {files.ask("/probe/static/css/probe.css", {"Accept-Encoding": kind}).get("etag") for kind in KINDS}
    assert len(tags) == len(KINDS)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    "asked, first, last", [("100-199", 100, 199), ("-100", 10140, 10239), ("10200-", 10200, 10239)]
)
def test_a_part_of_a_file_can_be_asked_for(asked: str, first: int, last: int, form: str, files: Client) -> None:
    """A range gives just these bytes: from a place to another, the last ones, from a place on."""
    content = (STATIC / "css/probe.css").read_bytes()
    part = files.ask(FORMS[form] + "css/probe.css", {"Range": f"bytes={asked}"})
    assert part.status == 206 and part.body == content[first : last + 1]
    assert part.get("content-range") == f"bytes {first}-{last}/{len(content)}"
    assert part.get("content-length") == str(last - first + 1)


def test_the_rest_of_a_compressed_file_fits_what_is_there(encoding: str, files: Client, site: Site) -> None:
    """Who has the beginning of a compressed file gets the rest of just that, or all of the file."""
    excused(site, "packed")
    path, how = "/probe/static/css/probe.css", ("Accept-Encoding", encoding)
    packed = files.ask(path, [how])
    rest = files.ask(path, [how, ("Range", "bytes=100-"), ("If-Range", str(packed.get("etag")))])
    if rest.status == 206:
        assert rest.get("content-encoding") == encoding and rest.get("etag") == packed.get("etag")
        assert packed.body[:100] + rest.body == packed.body
    else:
        assert rest.status == 200
        kind = rest.get("content-encoding")
        assert (UNPACK[kind](rest.body) if kind else rest.body) == (STATIC / "css/probe.css").read_bytes()


def test_who_reads_compressed_files_gets_parts_too(encoding: str, files: Client, site: Site) -> None:
    """A part is of the kind of file that it says: of the compressed one, or of the plain one."""
    excused(site, "packed")
    path, how = "/probe/static/css/probe.css", ("Accept-Encoding", encoding)
    part = files.ask(path, [how, ("Range", "bytes=100-199")])
    whole = files.ask(path, [("Accept-Encoding", part.get("content-encoding") or "identity")])
    assert part.status == 206 and part.body == whole.body[100:200]
    assert (part.get("etag"), part.get("vary")) == (whole.get("etag"), "Accept-Encoding")


def test_a_page_instead_of_a_part_can_be_read(encoding: str, files: Client, site: Site) -> None:
    """Who asks for what a compressed file has not gets all of it, or a page that is not taken for compressed."""
    excused(site, "ranges")
    answer = files.ask("/probe/static/css/probe.css", [("Accept-Encoding", encoding), ("Range", "bytes=99999-")])
    assert answer.status in (200, 416)
    assert answer.get("content-encoding") == (encoding if answer.status == 200 else None)


def test_a_part_beyond_the_end_is_refused(files: Client, site: Site) -> None:
    """Who asks for what is not there is told so by a page of our own, with the headers of every answer."""
    answer = files.ask("/probe/static/css/probe.css", {"Range": "bytes=99999-"})
    assert answer.status == 416
    assert answer.get("content-range") in ("bytes */10240", None)  # None: Apache
    assert "immutable" not in (answer.get("cache-control") or "")
    answer.get("etag")  # one at most
    excused(site, "ranges")
    assert site["front_end"]["name"] not in answer.text.lower()
    for name, value in site["policy"]["headers"].items():
        assert answer.get(name) == value


@pytest.mark.parametrize("asked", ["bytes=9-3", "bytes=a-b", "lines=1-2", "bytes=", "bytes=--5"])
def test_a_range_that_is_none_gives_the_whole(asked: str, files: Client) -> None:
    """What cannot be understood as a range is none, or is refused."""
    answer = files.ask("/probe/static/css/probe.css", {"Range": asked})
    assert answer.status in (200, 416)
    assert len(answer.body) == 10240 or answer.status == 416


def test_a_part_of_a_changed_file_is_not_given(files: Client) -> None:
    """A part is only good for who has the rest of the same file."""
    path = "/probe/static/css/probe.css"
    now = files.ask(path)
    told, changed = (parsedate_to_datetime(str(now.get(name))) for name in ("date", "last-modified"))
    # A time within the last minute says too little (RFC 9110, 8.8.2.2): the file may change within the same second.
    by_time = {206} if told - changed >= timedelta(minutes=1) else {200, 206}
    rows = [
        (now.get("etag"), {206}),
        (now.get("last-modified"), by_time),
        ('"other"', {200}),
        ("Mon, 01 Jan 2001 00:00:00 GMT", {200}),
    ]
    for have, statuses in rows:
        assert files.ask(path, [("Range", "bytes=0-9"), ("If-Range", str(have))]).status in statuses, have


def test_many_parts_cost_no_more_than_the_whole(files: Client) -> None:
    """A request for the same bytes a thousand times over is not answered a thousand times over."""
    answer = files.ask("/probe/static/css/probe.css", {"Range": "bytes=" + ",".join(["0-"] * 1000)})
    assert answer.status in (200, 206, 400, 416)
    assert len(answer.body) <= 2 * 10240


def test_head_gives_the_headers_alone(accepted: str, files: Client, site: Site) -> None:
    """HEAD tells what GET would, and sends nothing."""
    head, whole = (
        files.ask("/probe/static/css/probe.css", {"Accept-Encoding": accepted}, method=method)
        for method in ("HEAD", "GET")
    )
    assert head.status == 200 and head.body == b""
    names = ("content-length", "content-type", "content-encoding", "etag", "last-modified", "vary", "cache-control")
    if accepted != "identity" and head.get("content-encoding") is None:
        excused(site, "packed")
    for name in names:
        assert head.get(name) == whole.get(name), name


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "PROPFIND"])
def test_files_are_only_read(method: str, probe: Probe, web: Client) -> None:
    """No method but GET and HEAD is taken for a file."""
    assert web.ask("/probe/static/plain.txt", method=method, body=b"x").status in (403, 405)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("file", MISTAKES)
def test_files_left_by_mistake_are_refused(file: str, form: str, probe: Probe, web: Client, machine: Machine) -> None:
    """Hidden files, backups, sources, databases and settings are not given away, even from static/."""
    assert (STATIC / file).exists()
    answer = web.ask(FORMS[form] + file)
    assert answer.status in (403, 404)
    assert b"by mistake" not in answer.body


@pytest.mark.parametrize("path", ["/probe/static", "/probe/static/", "/probe/static/css", "/probe/static/css/"])
def test_folders_are_not_listed(path: str, probe: Probe, web: Client) -> None:
    """A folder shows nothing of what lies in it."""
    answer = web.ask(path)
    assert answer.status in (301, 400, 403, 404)
    assert b"probe.css" not in answer.body


def gives_nothing_away(answer: Answer, site: Site) -> None:
    further = (501, 505) if "raw" in site["front_end"]["lacks"] else ()
    assert answer.status in (400, 403, 404, 405, 414, *further), answer.status
    assert not [words for words in GIVEN_AWAY if words in answer.text]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("way", WAYS_OUT)
def test_nothing_outside_static_is_reached(way: str, form: str, probe: Probe, web: Client, site: Site) -> None:
    """No spelling of a path leads out of static/."""
    with suppress(ConnectionError, BadStatusLine):
        gives_nothing_away(web.ask(FORMS[form] + way, {"Accept-Encoding": "gzip, br"}), site)


@pytest.mark.parametrize("line", LINES)
def test_no_request_line_leads_out_of_static(line: str, probe: Probe, web: Client, site: Site) -> None:
    """A request line that no browser sends is refused as well: with an address, with bytes and spaces that are none."""
    words = line.replace("{url}", site["url"]).encode("latin-1")
    with suppress(ConnectionError, BadStatusLine):
        gives_nothing_away(web.send(words + f"\r\nHost: {web.name}\r\nConnection: close\r\n\r\n".encode()), site)


@pytest.mark.parametrize("path", OTHER_FILES)
def test_no_other_file_of_the_site_is_served(path: str, probe: Probe, web: Client, site: Site) -> None:
    """Sources, data and settings have no address."""
    gives_nothing_away(web.ask(path), site)


@pytest.fixture
def link(probe: Probe, machine: Machine):
    """A link in static/ to a file that everybody on the host may read."""
    path = f"{probe.folder}/static/acceptance-link.txt"
    machine.run(f"ln -s /etc/passwd {path}")
    yield Path(path).name
    machine.run(f"rm {path}")


def test_links_out_of_static_are_not_followed(link: str, probe: Probe, web: Client, site: Site) -> None:
    """A link that leads out of static/ is refused."""
    excused(site, "links")
    answer = web.ask(FORMS["plain"] + link)
    assert answer.status in (403, 404)
    assert b"root:" not in answer.body


@pytest.mark.late
def test_pages_of_a_stopped_server_are_error_pages(stopped_server: None, probe: Probe, site: Site) -> None:
    """With web2py stopped, a page is an error page of our own."""
    page = probe.ask("index")
    assert page.status in (502, 503, 504)
    assert site["front_end"]["name"] not in page.text.lower()
    assert "<html" in page.text.lower()
