"""The patches against the functions of web2py that they replace: started by test_faster.py, in a process of its own.

FASTER_ROOT is web2py's folder, FASTER_VERSION its version. What upstream's own function answers is right, always.
"""

from __future__ import annotations

import importlib
import io
import os
import pickle
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

ROOT, VERSION = Path(os.environ["FASTER_ROOT"]), os.environ["FASTER_VERSION"]
sys.path[:0] = [str(ROOT), str(Path(__file__).resolve().parents[3] / "roles/web2py/files/runtime")]
os.environ["web2py_path"] = str(ROOT)

from web2py_runtime import compat, faster, faster_files, patch  # noqa: E402

compat.before_import(VERSION)
SETTINGS: Any = importlib.import_module("gluon.settings").global_settings
SETTINGS.web2py_runtime_handler = True
SETTINGS.local_hosts = ["127.0.0.1"]
main: Any = importlib.import_module("gluon.main")
compat.after_import(VERSION)
html, globals_, compileapp, cfs, languages, recfile = (
    importlib.import_module(f"gluon.{name}") for name in "html globals compileapp cfs languages recfile".split()
)
objects: Any = importlib.import_module("pydal.objects")
template: Any = importlib.import_module("yatl.template")
current = globals_.current

WAS: dict[str, Any] = {
    "xmlescape": html.xmlescape,
    "write": globals_.Response.write,
    "link": html.A.xml,
    "exposed": compileapp.find_exposed_functions,
    "cookie": globals_.Session.save_session_id_cookie,
    "connect": globals_.Session.connect,
    "join": getattr(globals_, "safe_path_join", None),
    "type": getattr(globals_.Request, "parse_content_type", None),
    "validator": objects.get_default_validator,
    "set": objects.Table.__setattr__,
    "parse": compileapp.parse_template,
    "listdir": compileapp.listdir,
    "place": recfile.generate,
}


def held() -> dict[tuple[str, str], Any]:
    """What all names of web2py, pydal and yatl stand for, those of their classes as well."""
    found: dict[tuple[str, str], Any] = {}
    for module in [name for name in sys.modules if name.partition(".")[0] in ("gluon", "pydal", "yatl")]:
        for name, thing in list(vars(sys.modules[module]).items()):
            found[module, name] = thing
            if isinstance(thing, type):
                found |= {(module, f"{name}.{word}"): vars(thing)[word] for word in vars(thing)}
    return found


READ = [patch.found(place) for each in faster.PATCHES for place in each.read]
BEFORE = held()
TOLD = dict(faster.install("fast"))
AFTER = held()
MANY = settings(max_examples=500, deadline=None, suppress_health_check=list(HealthCheck), database=None)

NASTY = st.sampled_from(
    [
        "<script>",
        "&amp;",
        "\"'",
        "\ud800",
        "\udcff&",
        "\x00",
        "é",
        "☃",
        "\U0001f600",
        "</",
        "&#x27;",
        "]]>",
        "\r\n",
        "",
        "<",
    ]
)
TEXT = st.one_of(
    st.text(alphabet=st.characters(), max_size=40),
    st.lists(st.one_of(NASTY, st.text(max_size=5)), max_size=8).map("".join),
    st.text(alphabet="<>&\"'\ud800a é", max_size=20),
)


class Sly(str):
    """A text that says what it is by itself, as helpers do."""

    def xml(self) -> Any:
        return b"<sly>" if VERSION < "3" else "<sly>"


class Plain(str):
    def __str__(self) -> str:
        return "another <text>"


ANY = st.one_of(
    TEXT, TEXT.map(Sly), TEXT.map(Plain), TEXT.map(lambda text: text.encode("utf8", "replace")), st.integers(),
    st.none(), st.floats(), st.booleans(), st.lists(TEXT, max_size=3), TEXT.map(html.XML),
    TEXT.map(lambda text: html.B(text)),
)  # fmt: skip


def same(ours: Any, theirs: Any) -> None:
    """The same answer of the same type, or the same complaint."""

    def told(call: Any) -> Any:
        try:
            answer = call()
            return type(answer), answer
        except Exception as error:
            return type(error), str(error)

    assert told(ours) == told(theirs)


def test_all_are_on() -> None:
    absent = [] if VERSION > "3" else ["ctype", "path"]
    assert TOLD["off"] == {}
    assert TOLD["on"] == [one.name for one in faster.PATCHES if one.name not in absent]


@MANY
@given(ANY, st.sampled_from([True, False, 0, 1, None, ""]))
@example("\ud800", True)
def test_escaping(data: Any, quote: Any) -> None:
    same(lambda: html.xmlescape(data, quote), lambda: WAS["xmlescape"](data, quote))
    same(lambda: html.xmlescape(data), lambda: WAS["xmlescape"](data))


def test_all_names_of_it_are_ours() -> None:
    for module in (html, globals_, main, languages, importlib.import_module("gluon.serializers")):
        assert module.xmlescape is html.xmlescape is not WAS["xmlescape"]
    assert compileapp._base_environment_["xmlescape"] is html.xmlescape
    assert compileapp._base_environment_["A"] is html.A


@MANY
@given(ANY, st.sampled_from([True, False, 0, 1, None]))
@example("\ud800&", True)
@example("\ud800&", False)
def test_writing(data: Any, escape: Any) -> None:
    def written(write: Any) -> str:
        response = globals_.Response()
        write(response, data, escape)
        write(response, data)
        return str(response.body.getvalue())

    same(lambda: written(globals_.Response.write), lambda: written(WAS["write"]))


WORDS = st.sampled_from(
    "_href _id _class _title callback cid delete component target confirm noconfirm pre_call _disable_with data".split()
)
VALUES = st.one_of(TEXT, st.none(), st.booleans(), st.just("<self>"), st.just(0), st.just(""))


@MANY
@given(st.lists(ANY, max_size=3), st.dictionaries(WORDS, VALUES, max_size=5))
def test_links(parts: list[Any], words: dict[str, Any]) -> None:
    words.pop("data", None)

    # An id that is made up is another one each time.
    html.web2py_uuid = lambda: "0-1-2"

    def link(xml: Any) -> Any:
        made = html.A(*parts, **words)
        answer = xml(made)
        return answer, made.attributes, len(made.components)

    same(lambda: link(html.A.xml), lambda: link(WAS["link"]))


def test_what_is_made_of_a_link_goes_its_own_way() -> None:
    class Own(html.A):
        def __getitem__(self, key: Any) -> Any:
            return "yes" if key == "cid" else super().__getitem__(key)

    assert Own("x", _href="y").xml() == WAS["link"](Own("x", _href="y"))
    assert b"w2p" in html.xmlescape(Own("x")) if VERSION < "3" else "w2p" in Own("x").xml()


LINES = st.sampled_from(
    [
        "def index():",
        "def index( ):",
        "def _x():",
        "def __y():",
        "    def inner():",
        "def a(b):",
        '"""',
        "'''",
        "x = 1",
        "#",
    ]
)


@MANY
@given(st.one_of(st.lists(LINES, max_size=10).map("\n".join), TEXT))
def test_exposed_functions(source: str) -> None:
    same(lambda: compileapp.find_exposed_functions(source), lambda: WAS["exposed"](source))
    compileapp.find_exposed_functions(source).append("what a caller adds")
    assert compileapp.find_exposed_functions(source) == WAS["exposed"](source)


if WAS["type"]:
    TYPES = st.one_of(
        st.none(), TEXT, st.just("application/json"), st.just("text/html; charset=utf-8"),
        st.just("multipart/form-data; boundary=x"),
        TEXT.map(lambda text: f"text/plain; charset={text}"), st.just("x" * 300), st.just(b"text/plain"), st.just(7),
    )  # fmt: skip

    @MANY
    @given(TYPES)
    def test_content_types(value: Any) -> None:
        def parsed(parse: Any) -> Any:
            request = globals_.Request({"CONTENT_TYPE": value, "content_type": value})
            request.env.content_type = value
            parse(request)
            return request.encoding, request.content_type, list(request)

        for _time in range(2):
            same(lambda: parsed(globals_.Request.parse_content_type), lambda: parsed(WAS["type"]))
        assert len(patch.MEMOS["content type"]) <= 256


if WAS["join"]:
    PIECES = st.sampled_from(
        [
            "a",
            "b-c",
            "..",
            ".",
            "",
            "/",
            "//",
            "link",
            "out",
            "folder",
            "folder/deep",
            "../x",
            "a\x00",
            "\x00",
            "up/..",
            "~",
        ]
    )
    NAMES = st.one_of(
        PIECES, st.lists(PIECES, max_size=4).map("/".join), TEXT, st.text("./-_a", max_size=12), st.just("n" * 300),
        st.just(b"bytes"), st.none(), st.just("127.0.0.1-9f2c"),
    )  # fmt: skip

    @pytest.fixture(scope="module")
    def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
        base = tmp_path_factory.mktemp("paths")
        (base / "real/folder/deep").mkdir(parents=True)
        (base / "real/a").write_text("")
        (base / "real/link").symlink_to("a")
        (base / "real/out").symlink_to("/etc/passwd")
        (base / "real/up").symlink_to("..")
        (base / "sessions").symlink_to("real")
        (base / "loop").symlink_to("loop")
        return base

    @MANY
    @given(st.sampled_from(["sessions", "real", "loop", "missing", "", "sessions/.."]), st.lists(NAMES, max_size=3))
    def test_paths_of_sessions(folders: Path, root: str, names: list[Any]) -> None:
        same(
            lambda: globals_.safe_path_join(str(folders), root, *names),
            lambda: WAS["join"](str(folders), root, *names),
        )
        same(lambda: globals_.safe_path_join(root, *names), lambda: WAS["join"](root, *names))
        same(lambda: globals_.safe_path_join("/", *names), lambda: WAS["join"]("/", *names))

    def test_a_name_that_becomes_a_link_is_seen_at_once(folders: Path) -> None:
        path = folders / "real/sly"
        assert globals_.safe_path_join(str(folders), "sessions", "sly") == str(path)
        path.symlink_to("/etc/passwd")
        with pytest.raises(ValueError, match="Unsafe"):
            globals_.safe_path_join(str(folders), "sessions", "sly")

    def test_archives_are_taken_apart_by_web2pys_own() -> None:
        assert importlib.import_module("gluon.utils").safe_path_join is WAS["join"]


@pytest.fixture
def request_(tmp_path: Path) -> Any:
    return begun(tmp_path)


def begun(folder: Path, cookies: dict[str, str] | None = None) -> Any:
    current.__dict__.clear()
    request, response, session = globals_.Request({}), globals_.Response(), globals_.Session()
    (folder / "applications/shop/sessions").mkdir(parents=True, exist_ok=True)
    request.update(application="shop", folder=str(folder / "applications/shop/"), client="127.0.0.1")
    for name, value in (cookies or {}).items():
        request.cookies[name] = value
    current.request, current.response, current.session = request, response, session
    return request, response, session


@MANY
@given(st.one_of(TEXT, st.sampled_from(["127.0.0.1-1", "a/127.0.0.1-1", "/", "", "n" * 300, b"x", None, Path("a")])))
def test_places_of_sessions(name: Any) -> None:
    for _time in range(2):
        same(lambda: recfile.generate(name), lambda: WAS["place"](name))
    same(lambda: recfile.generate(name, 3, 16), lambda: WAS["place"](name, 3, 16))
    same(lambda: recfile.generate(name, base=16), lambda: WAS["place"](name, base=16))


COOKIES = st.dictionaries(
    st.sampled_from(["session_id_shop", "session_data_shop", "other"]),
    st.sampled_from(["", "127.0.0.1-1", "../../etc/passwd", "a b;c", "x/y", "é", "%00"]),
    max_size=3,
)
IDENTITIES = st.sampled_from([None, "", True, "1:abc", "127.0.0.1-1", "aa/127-1", 'a"b', "a b", "é", 7])


@MANY
@given(
    COOKIES,
    IDENTITIES,
    st.sampled_from([None, "", "Thu, 01 Jan 2099 00:00:00 GMT"]),
    st.sampled_from([None, "", "/x", "key"]),
)
def test_cookies_of_sessions(
    tmp_path_factory: pytest.TempPathFactory, cookies: dict[str, str], identity: Any, expires: Any, already: Any
) -> None:
    folder = tmp_path_factory.getbasetemp()

    def made(save: Any) -> Any:
        _request, response, session = begun(folder, cookies)
        current._session_cookie_key = "key" if already == "key" else None
        response.session_id_name, response.session_data_name = "session_id_shop", "session_data_shop"
        response.session_id, response.session_cookie_expires = identity, expires
        if already is not None:
            response.cookies["session_id_shop"] = identity if isinstance(identity, str) else "old"
            response.cookies["session_id_shop"]["path"] = "/" if already != "/x" else already
        for _time in range(3):
            save(session)
        return response.cookies.output(), {name: cookie.items() for name, cookie in response.cookies.items()}

    same(lambda: made(globals_.Session.save_session_id_cookie), lambda: made(WAS["cookie"]))


CALLS = st.sampled_from(
    [
        {},
        {"masterapp": "shop"},
        {"separate": True},
        {"check_client": True},
        {"cookie_key": "k"},
        {"db": None},
        {"migrate": False},
    ]
)


@MANY
@given(COOKIES, CALLS, st.booleans(), st.sampled_from([None, {"flash": "hello"}, {"x": 1}]))
def test_connecting(
    tmp_path_factory: pytest.TempPathFactory, cookies: dict[str, str], words: Any, database: bool, held: Any
) -> None:
    folder = tmp_path_factory.getbasetemp()

    def connected(connect: Any) -> Any:
        request, response, session = begun(folder, cookies)
        SETTINGS.db_sessions = {"shop"} if database else set()
        session.update(held or {})
        uuid, globals_.web2py_uuid = globals_.web2py_uuid, lambda: "0-1-2"
        try:
            connect(session, request, response, **words)
        finally:
            SETTINGS.db_sessions, globals_.web2py_uuid = set(), uuid
        secret = {name: str(cookie) for name, cookie in response.cookies.items()}
        own = ("body", "cookies", "_caller", "session_file")
        kept = [(name, value if name not in own else type(value)) for name, value in response.items()]
        return kept, secret, dict(session), vars(current).get("_session_cookie_key", "none")

    same(lambda: connected(globals_.Session.connect), lambda: connected(WAS["connect"]))


def test_a_first_visit_that_keeps_something_is_stored(request_: Any) -> None:
    request, response, session = request_
    session.connect(request, response)
    session.cart = ["x"]
    session._try_store_in_cookie_or_file(request, response)
    (path,) = [path for path in Path(request.folder, "sessions").rglob("*") if path.is_file()]
    assert pickle.loads(path.read_bytes()) == {"cart": ["x"]}  # noqa: S301
    request, response, session = begun(Path(request.folder).parents[1], {"session_id_shop": response.session_id})
    session.connect(request, response)
    assert session.cart == ["x"] and response.session_new is False
    session._try_store_in_cookie_or_file(request, response)


KINDS = [*"string text integer bigint time date datetime password json blob upload boolean id double".split()]
KINDS += ["decimal(10,2)", "list:string", "list:integer", "list:reference t", "reference t", "big-reference t"]


@MANY
@given(st.sampled_from(KINDS), st.booleans(), st.booleans())
def test_validators(kind: str, notnull: bool, bound: bool) -> None:
    database = memory()
    database.define_table("t", objects.Field("name"))
    field = objects.Field("x", kind, notnull=notnull)
    if bound:
        field = database.define_table("u", objects.Field("x", kind, notnull=notnull))["x"] if kind != "id" else field

    def told(make: Any) -> Any:
        proxy = make(field)
        inner = vars(proxy)
        found = [type(proxy), sorted(inner)]
        for value in inner.values():
            while value is not None and hasattr(value, "__dict__"):
                found.append((type(value).__name__, sorted(vars(value))))
                value = vars(value).get("other")
        return found

    same(lambda: told(objects.get_default_validator), lambda: told(WAS["validator"]))
    database.close()


def memory() -> Any:
    return importlib.import_module("pydal").DAL("sqlite:memory", migrate=False)


@MANY
@given(
    st.sampled_from("_id _x __y _1 a id 1 t_ é update fields _virtual_fields".split()),
    st.sampled_from(["x", None, 1, "virtual", "method", "field"]),
)
def test_attributes_of_tables(name: str, value: Any) -> None:
    def done(setter: Any) -> Any:
        table = DATABASE.define_table("t", objects.Field("a"), redefine=True)
        given_ = {
            "virtual": lambda: objects.FieldVirtual("v", lambda row: 1),
            "method": lambda: objects.FieldMethod("m", lambda row: 1),
            "field": lambda: objects.Field("f"),
        }.get(value, lambda: value)()
        setter(table, name, given_)
        return sorted(vars(table)), len(table._virtual_fields), len(table._virtual_methods), vars(table)[name] is given_

    same(lambda: done(objects.Table.__setattr__), lambda: done(WAS["set"]))


DATABASE = memory()


@pytest.fixture
def views(tmp_path: Path) -> Path:
    for name, text in {
        "page.html": "{{extend 'layout.html'}}<p>{{=x}}</p>{{include 'part.html'}}",
        "layout.html": "<html>{{include}}</html>",
        "part.html": "<i>part</i>",
        "dynamic.html": "{{extend layout}}<p>{{=x}}</p>",
        "conditional.html": "{{include 'part.html' if x else 'layout.html'}}",
        "none.html": "{{extend ''}}<p></p>",
        "own.html": "[[=x]]{{=x}}",
        "broken.html": "{{if x:}}",
        "lost.html": "{{include 'nowhere.html'}}",
    }.items():
        (tmp_path / name).write_text(text)
    return tmp_path


def context(**words: Any) -> dict[str, Any]:
    return {"response": globals_.Response(), "x": 1, **words}


@pytest.mark.parametrize("name", "page dynamic conditional none own broken lost".split())
def test_views_are_taken_apart_alike(views: Path, name: str) -> None:
    for words in ({"layout": "layout.html"}, {"layout": "part.html"}, {"layout": "", "x": 0}, {}):
        for _time in range(2):
            same(
                lambda words=words: compileapp.parse_template(f"{name}.html", str(views), context=context(**words)),
                lambda words=words: WAS["parse"](f"{name}.html", str(views), context=context(**words)),
            )
    kept = ("page", "none")
    assert ((f"{name}.html", str(views)) in patch.MEMOS["views"].known) is (name in (*kept, "own"))


def test_own_delimiters_are_never_kept(views: Path) -> None:
    own = context()
    own["response"].delimiters = ("[[", "]]")
    for words in (context(), own, context(), own):
        found = compileapp.parse_template("own.html", str(views), context=words)
        assert found == WAS["parse"]("own.html", str(views), context=words)
    assert "response.write(x)" in found


@pytest.mark.parametrize("name", ["page.html", "layout.html", "part.html"])
def test_an_edited_view_is_seen_after_a_second_and_not_parsed_before(views: Path, name: str) -> None:
    def parsed() -> Any:
        return compileapp.parse_template("page.html", str(views), context=context())

    before = parsed()
    (views / name).write_text((views / name).read_text().replace("<", "<b/><", 1))
    assert parsed() == before
    expire()
    assert parsed() == WAS["parse"]("page.html", str(views), context=context()) != before
    (views / name).unlink()
    expire()
    same(
        lambda: compileapp.parse_template("page.html", str(views), context=context()),
        lambda: WAS["parse"]("page.html", str(views), context=context()),
    )


def expire() -> None:
    """Let the second go by for all that is remembered for one."""
    for memo in patch.MEMOS.values():
        if memo.seconds:
            memo.known = {key: (0.0, answer) for key, (_until, answer) in memo.known.items()}


def test_the_same_text_is_compiled_once_and_a_fault_each_time() -> None:
    assert compileapp.compile2("x = 1", "a") is compileapp.compile2("x = 1", "a")
    assert compileapp.compile2("x = 1", "b").co_filename == "b"
    for _time in range(2):
        with pytest.raises(SyntaxError):
            compileapp.compile2("x =", "a")


def test_files_are_seen_after_a_second(tmp_path: Path) -> None:
    path, folder = tmp_path / "x", tmp_path / "models"
    folder.mkdir()
    for exists in (main.exists, compileapp.exists):
        expire()
        path.unlink(missing_ok=True)
        assert exists(str(path)) is False
        path.write_text("one")
        assert exists(str(path)) is False
        expire()
        assert exists(str(path)) is True
    assert cfs.getcfs("key", str(path)) in ("one", b"one")
    path.write_text("two")
    os.utime(path, (1, 1))
    assert cfs.getcfs("key", str(path)) in ("one", b"one")
    expire()
    assert cfs.getcfs("key", str(path)) in ("two", b"two")
    for words in ({}, {"sort": False}):
        expire()
        found = compileapp.listdir(str(folder), r"[\w-]+\.py$", 0, **words)
        assert found == WAS["listdir"](str(folder), r"[\w-]+\.py$", 0, **words)
        found.append("what a caller adds")
        (folder / f"{len(found)}{len(words)}.py").write_text("")
        assert len(compileapp.listdir(str(folder), r"[\w-]+\.py$", 0, **words)) == len(found) - 1
        expire()
        assert len(compileapp.listdir(str(folder), r"[\w-]+\.py$", 0, **words)) == len(found)
    # Who compiles an application asks in other words, and gets what is there now.
    (folder / "late.py").write_text("")
    assert "late.py" in compileapp.listdir(str(folder), r"[\w-]+\.py$", followlinks=True)


def test_a_second_is_a_second(tmp_path: Path) -> None:
    path = tmp_path / "x"
    assert main.exists(str(path)) is False
    path.write_text("")
    end = time.monotonic() + 5
    while not main.exists(str(path)) and time.monotonic() < end:
        time.sleep(0.05)
    assert main.exists(str(path)) and time.monotonic() < end - 3.5


def spent() -> None:
    """Let the seconds of what was asked about files go by, but not those of which files there are."""
    for name in ("ages of files", "views"):
        memo = patch.MEMOS[name]
        memo.known = {key: (time.monotonic() - 0.1, answer) for key, (_until, answer) in memo.known.items()}


@pytest.mark.parametrize("file", ["models/b.py", "views/default/index.html"])
def test_a_file_that_is_taken_away_is_no_fault_meanwhile(site: Any, file: str) -> None:
    """Which files there are is asked at another moment than how old they are."""
    folder, ask = site
    (folder / "models/b.py").write_text("extra = 1\n")
    expire()
    before = ask()
    assert before[0] == "200 OK"
    (folder / file).unlink()
    spent()
    assert ask()[:2] == before[:2]
    expire()
    same(lambda: ask()[0], lambda: "200 OK" if "models" in file else ask()[0])


def refuse(*_rest: Any, **_words: Any) -> Any:
    raise AssertionError("web2py's own was asked")


@contextmanager
def forbidden(function: Any, name: str = "original") -> Iterator[None]:
    """What a patch stands around may not be asked."""
    cell = dict(zip(function.__code__.co_freevars, function.__closure__, strict=True))[name]
    was, cell.cell_contents = cell.cell_contents, refuse
    try:
        yield
    finally:
        cell.cell_contents = was


def test_pages_go_the_short_way() -> None:
    """That answers are the same would not show a patch which never does what it is for."""
    with forbidden(html.xmlescape), forbidden(globals_.Response.write), forbidden(html.A.xml):
        html.xmlescape("<")
        globals_.Response().write("<")
        html.A("x", _href="y").xml()


def test_requests_go_the_short_way(request_: Any) -> None:
    request, response, session = request_
    with forbidden(globals_.Session.connect):
        session.connect(request, response)
    response.session_id = str(response.session_id)
    globals_.Session.save_session_id_cookie(session)
    with forbidden(globals_.Session.save_session_id_cookie):
        session.save_session_id_cookie()
    if WAS["join"]:
        folder = str(Path(request.folder, "sessions"))
        with forbidden(globals_.safe_path_join):
            assert globals_.safe_path_join(folder, "127.0.0.1-1") == os.path.realpath(f"{folder}/127.0.0.1-1")


def test_tables_go_the_short_way() -> None:
    table = DATABASE.define_table("short", objects.Field("a"), redefine=True)
    with forbidden(objects.get_default_validator), forbidden(objects.Table.__setattr__, "setter"):
        objects.get_default_validator(table.a)
        table._word = "x"


def test_what_is_known_is_not_asked_again(views: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page, folder = str(views / "page.html"), str(views)
    source = "def known(): pass"

    def asked() -> list[Any]:
        found = [
            compileapp.find_exposed_functions(source),
            main.exists(page),
            compileapp.exists(page),
            cfs.stat(page).st_size,
            compileapp.listdir(folder, r".+[.]html$", 0),
            compileapp.parse_template("page.html", folder, context=context()),
            compileapp.compile2("x = 1", "known"),
            recfile.generate("127.0.0.1-known"),
        ]
        if WAS["type"]:
            request = globals_.Request({"CONTENT_TYPE": "text/x-known"})
            request.env.content_type = "text/x-known"
            request.parse_content_type()
            found.append(request.content_type)
        return found

    first = asked()
    for memo in patch.MEMOS.values():
        monkeypatch.setattr(memo, "function", refuse)
        # However slow the machine is.
        memo.known = {key: (time.monotonic() + 60, answer) for key, (_until, answer) in memo.known.items()}
    with forbidden(compileapp.parse_template, "parse"):
        assert asked() == first


def test_all_that_is_replaced_was_read() -> None:
    """Else another version of it would be replaced, too. Of Python's own functions web2py's names are taken alone."""
    replaced = {place: thing for place, thing in BEFORE.items() if AFTER[place] is not thing}
    assert len(replaced) > 12
    read = [*READ, os.path.exists, os.stat]
    assert [place for place, thing in replaced.items() if all(thing is not one for one in read)] == []


def test_memos_have_bounds(tmp_path: Path) -> None:
    for number in range(5000):
        main.exists(f"{tmp_path}/{number}")
        compileapp.compile2("x = 1", str(number))
    assert all(len(memo) <= memo.most for memo in patch.MEMOS.values())


@pytest.fixture
def site(tmp_path: Path) -> Any:
    """An application, and what asks it."""
    folder = ROOT / "applications/fasttest"
    for name in (
        "models",
        "controllers",
        "views/default",
        "languages",
        "sessions",
        "private",
        "cache",
        "errors",
        "databases",
    ):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "models/a.py").write_text("word = 'first'\n")
    (folder / "controllers/default.py").write_text(
        "def index():\n    session.n = (session.n or 0) + 1\n    return dict(n=session.n, word=word)\n"
        "def bare():\n    return word\n"
    )
    (folder / "views/default/index.html").write_text("{{=A(word, _href='<&>')}} {{=n}}")
    expire()

    def ask(path: str = "index", cookie: str = "") -> tuple[str, str, str]:
        said: list[Any] = []
        environ = {
            "REQUEST_METHOD": "GET", "PATH_INFO": f"/fasttest/default/{path}", "QUERY_STRING": "",
            "REMOTE_ADDR": "127.0.0.1", "HTTP_HOST": "x", "SERVER_NAME": "x", "SERVER_PORT": "80",
            "SERVER_PROTOCOL": "HTTP/1.1", "wsgi.url_scheme": "http", "wsgi.input": io.BytesIO(),
            "wsgi.errors": sys.stderr, "HTTP_COOKIE": cookie,
        }  # fmt: skip
        body = b"".join(main.wsgibase(environ, lambda status, headers, *_: said.append((status, dict(headers)))))
        cookie = said[0][1].get("Set-Cookie", "").strip().partition(";")[0]
        return said[0][0], body.decode(), cookie

    yield folder, ask
    importlib.import_module("shutil").rmtree(folder)


def test_pages_and_their_sessions(site: Any) -> None:
    _folder, ask = site
    status, body, cookie = ask()
    assert status == "200 OK" and body == '<a href="&lt;&amp;&gt;">first</a> 1'
    for number in range(2, 6):
        assert ask(cookie=cookie)[1].endswith(f" {number}")
    assert ask(path="nothing")[0].startswith("404")
    assert ask()[1].endswith(" 1")


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("models/a.py", "first", "other"),
        ("controllers/default.py", "n=session.n", "n=7"),
        ("views/default/index.html", "{{=n}}", "edited"),
    ],
)
def test_an_edit_is_answered_within_a_second(site: Any, file: str, old: str, new: str) -> None:
    folder, ask = site
    before = ask()[1]
    path = folder / file
    path.write_text(path.read_text().replace(old, new))
    os.utime(path, (time.time() + 5, time.time() + 5))
    expire()
    assert ask()[1] != before


def test_visitors_at_once_each_have_their_own(site: Any) -> None:
    """Threads of one process, with new sessions, kept ones and files that change under them."""
    folder, ask = site
    wrong: list[Any] = []

    def visit() -> None:
        cookie, expected = "", 0
        for _time in range(40):
            status, body, cookie_ = ask(cookie=cookie)
            cookie, expected = cookie or cookie_, expected + 1
            if status != "200 OK" or not body.endswith(f" {expected}"):
                wrong.append((status, body, expected))

    threads = [threading.Thread(target=visit) for _each in range(6)]
    for thread in threads:
        thread.start()
    for _time in range(5):
        os.utime(folder / "views/default/index.html")
        expire()
        time.sleep(0.05)
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_fork_serves_and_remembers_for_itself(site: Any) -> None:
    _folder, ask = site
    ask()
    child = os.fork()
    if child == 0:
        os._exit(0 if ask()[1].endswith(" 1") else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert ask()[0] == "200 OK"


def test_stamps_tell_files_apart(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x")
    one = faster_files.stamp(str(tmp_path / "a"))
    (tmp_path / "b").write_text("y")
    os.utime(tmp_path / "b", ns=(one[0], one[0]))
    os.replace(tmp_path / "b", tmp_path / "a")
    assert faster_files.stamp(str(tmp_path / "a")) != one
