"""Static files are served by the front end: right, compact, cached, and nothing else beside them."""

from __future__ import annotations

import gzip
from http.client import BadStatusLine
from pathlib import Path

import pytest
from client import Client
from hosts import Machine, Probe, Site, excused

testinfra_hosts = ["ansible://web2py_web"]

FORMS = {"plain": "/probe/static/", "versioned": "/probe/static/_1.2.3/"}
STATIC = Probe.source / "static"
FILES = ["css/probe.css", "js/probe.js", "plain.txt", "dot.svg"]
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
GIVEN_AWAY = ["session.forget", "DAL(", "Guten Morgen", "root:x:", "SQLite format", "routers", "[core]", "define_table"]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("file", FILES)
def test_bytes_are_those_of_the_file(file: str, form: str, probe: Probe, web: Client) -> None:
    """Both forms of a static URL give the file, byte for byte, with its length."""
    content, answer = (STATIC / file).read_bytes(), web.ask(FORMS[form] + file)
    assert answer.status == 200
    assert answer.body == content
    assert answer.get("content-length") == str(len(content))


@pytest.mark.parametrize(
    "file, kind",
    [
        ("css/probe.css", "text/css"),
        ("js/probe.js", "javascript"),
        ("plain.txt", "text/plain"),
        ("dot.svg", "image/svg+xml"),
    ],
)
def test_files_have_their_type(file: str, kind: str, probe: Probe, web: Client) -> None:
    """A file is sent with the type that its name says."""
    assert kind in (web.ask(FORMS["plain"] + file).get("content-type") or "")


@pytest.mark.parametrize("file", FILES)
def test_only_versioned_files_are_kept_for_good(file: str, probe: Probe, web: Client) -> None:
    """A versioned URL may be kept for a year unasked; a plain one may not."""
    versioned = web.ask(FORMS["versioned"] + file).get("cache-control") or ""
    plain = web.ask(FORMS["plain"] + file).get("cache-control") or ""
    assert "immutable" in versioned and "max-age=31" in versioned and "public" in versioned
    assert "immutable" not in plain and "max-age=31" not in plain


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("file", ["css/probe.css", "js/probe.js"])
def test_text_is_sent_compressed(file: str, form: str, probe: Probe, web: Client) -> None:
    """Text goes compressed to who can read it, and a cache between is told so in both cases."""
    content = (STATIC / file).read_bytes()
    packed, whole = web.ask(FORMS[form] + file, {"Accept-Encoding": "gzip, br;q=0"}), web.ask(FORMS[form] + file)
    assert packed.get("content-encoding") == "gzip"
    assert gzip.decompress(packed.body) == content
    assert len(packed.body) < 0.45 * len(content)
    assert whole.get("content-encoding") is None
    for answer in (packed, whole):
        assert "accept-encoding" in (answer.get("vary") or "").lower()


@pytest.mark.parametrize("form", FORMS)
def test_an_unchanged_file_is_not_sent_again(form: str, probe: Probe, web: Client) -> None:
    """A visitor who has the file is told so in a few bytes, by its tag or by its date."""
    first = web.ask(FORMS[form] + "css/probe.css")
    tag, date = first.get("etag"), first.get("last-modified")
    assert tag or date
    for header, value in (("If-None-Match", tag), ("If-Modified-Since", date)):
        if value:
            again = web.ask(FORMS[form] + "css/probe.css", {header: value})
            assert again.status == 304 and again.body == b""


def test_a_part_of_a_file_can_be_asked_for(probe: Probe, web: Client) -> None:
    """A range gives just these bytes, and one beyond the end is refused."""
    content = (STATIC / "css/probe.css").read_bytes()
    part = web.ask("/probe/static/css/probe.css", {"Range": "bytes=100-199"})
    assert part.status == 206 and part.body == content[100:200]
    assert part.get("content-range") == f"bytes 100-199/{len(content)}"
    assert web.ask("/probe/static/css/probe.css", {"Range": "bytes=99999-"}).status == 416


def test_head_gives_the_headers_alone(probe: Probe, web: Client) -> None:
    """HEAD tells length and type of a file and sends nothing."""
    head = web.ask("/probe/static/css/probe.css", method="HEAD")
    assert head.status == 200 and head.body == b""
    assert head.get("content-length") == str((STATIC / "css/probe.css").stat().st_size)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "PROPFIND"])
def test_files_are_only_read(method: str, probe: Probe, web: Client) -> None:
    """No method but GET and HEAD is taken for a file."""
    assert web.ask("/probe/static/plain.txt", method=method, body=b"x").status in (403, 405)


def test_files_set_no_cookie(probe: Probe, web: Client) -> None:
    """A static file begins no session."""
    assert web.ask("/probe/static/plain.txt").all("set-cookie") == []


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


@pytest.mark.parametrize("way", WAYS_OUT)
def test_nothing_outside_static_is_reached(way: str, probe: Probe, web: Client) -> None:
    """No spelling of a path leads out of static/."""
    try:
        answer = web.ask("/probe/static/" + way)
    except (ConnectionError, BadStatusLine):
        return
    assert answer.status in (400, 403, 404), answer.status
    assert not [words for words in GIVEN_AWAY if words in answer.text]


@pytest.mark.parametrize("path", OTHER_FILES)
def test_no_other_file_of_the_site_is_served(path: str, probe: Probe, web: Client) -> None:
    """Sources, data and settings have no address."""
    answer = web.ask(path)
    assert answer.status in (400, 403, 404), answer.status
    assert not [words for words in GIVEN_AWAY if words in answer.text]


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
def test_files_need_no_application_server(stopped_server: None, probe: Probe, web: Client, site: Site) -> None:
    """With web2py stopped, files come, a missing one is missing, and a page is an error page of our own."""
    for form in FORMS.values():
        assert web.ask(form + "css/probe.css").status == 200
        assert web.ask(form + "none.css").status == 404
    page = probe.ask("index")
    assert page.status in (502, 503, 504)
    assert site["front_end"]["name"] not in page.text.lower()
    assert "<html" in page.text.lower()
