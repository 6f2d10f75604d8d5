"""The requests that every level answers as upstream does. `named` gives a set of them, in their order."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

LONG = "x" * 5000
AGENT = ("HTTP_USER_AGENT", "Mozilla/5.0 (X11; Linux x86_64) Firefox/128.0")
VALUES = """
str empty plain long quotes already crossing latin wide surrogate bytes not_utf8 bytearray raw loud safe none true false
int big number float nan complex decimal date time datetime list tuple dict ordered storage lazy lazy_words lazy_named
lazy_xml xml sanitized helper nested deep cat joined shown marked odd class failing
""".split()
EXPOSED = """
plain spaced commented wide given starred two_lines typed with_decorator _hidden __hidden under_score_ indented method
inner outer in_text lambda_function numbered1 in_comment a_1
""".split()


@dataclass(frozen=True)
class Case:
    """One request."""

    name: str
    path: str
    query: str = ""
    method: str = "GET"
    # Who asks: requests of one visitor share cookies. Nobody has none.
    visitor: str = ""
    body: bytes = b""
    type: str = ""
    # A form: what is typed in, with the hidden fields of the visitor's last page.
    fields: dict[str, Any] | None = None
    files: dict[str, tuple[str, str, bytes]] | None = None
    hidden: bool = True
    environ: tuple[tuple[str, str], ...] = ()
    # Words of path and query that are looked for in the visitor's last page.
    found: dict[str, str] = field(default_factory=dict)
    scheme: str = "https"
    address: str = "203.0.113.9"
    # Files of applications that are changed first; None takes one away.
    edits: tuple[tuple[str, str | None], ...] = ()
    # An application whose sessions are all taken away first, as the clean-up does with those that expired.
    swept: str = ""
    # Two threads ask the same at once.
    twice: bool = False
    # The answer is the same again, whenever it is asked; and also while others ask.
    again: bool = True
    alone: bool = False


def get(path: str, **more: Any) -> Case:
    return Case(name=path, path=path, **more)


def head(words: str, text: str) -> tuple[tuple[str, str], ...]:
    return ((words, text),)


def post(path: str, fields: dict[str, Any] | None = None, **more: Any) -> Case:
    return Case(name=f"POST {path}", path=path, method="POST", fields=fields, **more)


def escaping() -> list[Case]:
    ways = ("text", "attribute", "shown", "json", "address")
    found = [get(f"/equal/escape/{way}/{value}") for value in VALUES for way in ways]
    return [*found, get("/equal/escape/helpers"), get("/equal/escape/names"), get("/equal/escape/text/no_such")]


def views() -> list[Case]:
    pages = "index blocks delimiters rendered flags none wrong upset functions comments literals static_files versioned"
    found = [get(f"/equal/views/{page}") for page in pages.split()]
    found += [get("/equal/views/delimiters/usual"), get("/equal/views/delimiters")]
    found += [get(f"/equal/views/dynamic/{part}") for part in ("a", "b", "missing")]
    found += [get(f"/equal/views/chosen/{part}") for part in ("part_b.html", "no_such.html", "../views/inner.html")]
    found += [get(f"/equal/default/listed{kind}") for kind in ("", ".html", ".json", ".xml", ".load", ".txt", ".pdf")]
    return [*found, *[get(f"/equal/exposed/{page}") for page in EXPOSED]]


def requests() -> list[Case]:
    """What comes in: paths, queries, methods, bodies, headers, cookies."""
    asked = "/equal/default/asked"
    found = [
        get(path) for path in ("/", "/equal", "/equal/", "/equal/default", "/equal/default/", "/equal/default/index")
    ]
    odd = """
    /no_such_app /equal/no_such /equal/default/no_such /equal/default/index.no /equal/wrong/index /equal/a-b/index
    /equal/default/asked/a/b/c /equal/default/asked/a%20b /equal/default/asked//a /equal/default/asked/a.b
    /equal/default/asked/../x /equal/../probe/small/index /equal/default/asked/a+b /equal/default/asked/a=b,c
    /favicon.ico /robots.txt /equal/default/asked/<b> /equal/default/asked/'" /equal/default/asked/.hidden //equal
    /equal\\default\\index /EQUAL/default/index /equal/Default/index /equal/default/index/ /equal/default/_plain
    """.split()
    found += [get(path) for path in odd]
    found += [
        get(f"{asked}/{text}") for text in ("é", "☃", "\udcff\udcfe", "\udcc3(", "a\0b", "a\nb", "a b", LONG, "\u202e")
    ]
    queries = """
    a=1 a=1&a=2 a=1&a=2&a=3 a a= =b a=%C3%A9 a=%FF%FE a=%C3( a=%00 a=+b%2Bc a=%3Cb%3E a[]=1&a[]=2 a=1;b=2 a=%u0041 a=%zz
    & &&a=1 a=%0d%0aX:1 a=%F0%9F%98%80 a=%ED%A0%80 vars=1&args=2 _signature=x
    """.split()
    found += [
        replace(get(asked, query=query), name=f"{asked}?{query}") for query in [*queries, f"a={LONG}", "a=" * 300]
    ]
    for method in ("HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND", "get", "BREW"):
        found += [Case(f"{method} {page}", page, method=method) for page in (asked, "/equal/static/plain.txt")]
        found += [Case(f"{method} rest", "/equal/default/rest/7", "a=1", method=method, body=b"b=2", type=FORM)]
    bodies = {
        "form": (b"a=1&b=%C3%A9&a=2", FORM),
        "form, not UTF-8": (b"a=\xff\xfe&b=%FF", FORM),
        "form, broken": (b"a=%zz&&=&b", FORM),
        "json": (b'{"a": 1, "b": [1, {"c": null}], "d": "\\u00e9"}', "application/json"),
        "json list": (b"[1, 2]", "application/json"),
        "json, broken": (b'{"a": ', "application/json"),
        "json, not UTF-8": (b'{"a": "\xff"}', "application/json"),
        "json with charset": (b'{"a": 1}', "application/json; charset=utf-8"),
        "json of an API": (b'{"a": 1}', "application/vnd.api+json"),
        "text": (b"only text", "text/plain"),
        "xml": (b"<a>1</a>", "text/xml"),
        "nothing": (b"", FORM),
        "no type": (b"a=1", ""),
        "odd type": (b"a=1", "application/x-www-form-urlencoded; charset=\"latin-1\"; x='y'"),
        "broken type": (b"a=1", ";;=/"),
        "type with a line": (b"a=1", "text/plain\r\nX-Evil: 1"),
        "multipart": (PARTS, "multipart/form-data; boundary=b"),
        "multipart, no boundary": (PARTS, "multipart/form-data"),
        "multipart, other boundary": (PARTS, "multipart/form-data; boundary=other"),
        "multipart, cut off": (PARTS[:60], "multipart/form-data; boundary=b"),
        "large": (b"a=" + b"x" * 200_000, FORM),
    }
    for name, (body, kind) in bodies.items():
        found += [Case(f"body: {name}", asked, "q=1", method="POST", body=body, type=kind)]
    found += [post("/equal/default/body", body=b"\x00\xff" * 500, type="application/octet-stream")]
    length = [("short", "5"), ("long", "9999"), ("none", ""), ("negative", "-1"), ("words", "many")]
    for name, text in length:
        sent = Case(
            f"length: {name}", asked, method="POST", body=b"a=1&b=2", type=FORM, environ=head("CONTENT_LENGTH", text)
        )
        found.append(sent)
    return [*found, *headers(), *cookies()]


FORM = "application/x-www-form-urlencoded"
PARTS = (
    b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--b\r\nContent-Disposition: form-data; name="f"; '
    b'filename="x \xc3\xa9.txt"\r\nContent-Type: text/plain\r\n\r\n\xff\x00content\r\n--b--\r\n'
)


def headers() -> list[Case]:
    asked = "/equal/default/asked"
    given = {
        "ajax": [("HTTP_X_REQUESTED_WITH", "XMLHttpRequest")],
        "component": [("HTTP_WEB2PY_COMPONENT_ELEMENT", "part"), ("HTTP_X_REQUESTED_WITH", "XMLHttpRequest")],
        "forwarded": [("HTTP_X_FORWARDED_FOR", "198.51.100.7"), ("HTTP_X_FORWARDED_PROTO", "https")],
        "forwarded many": [("HTTP_X_FORWARDED_FOR", "198.51.100.7, 203.0.113.1")],
        "forwarded nonsense": [("HTTP_X_FORWARDED_FOR", "<script>")],
        "forwarded v6": [("HTTP_X_FORWARDED_FOR", "[2001:db8::1]")],
        "host with port": [("HTTP_HOST", "www.example.org:8443")],
        "host odd": [("HTTP_HOST", 'evil"><b>')],
        "no host": [("HTTP_HOST", "")],
        "newline": [("HTTP_X_ODD", "a\r\nb: c")],
        "latin": [("HTTP_X_ODD", "\xe9\xff")],
        "long": [("HTTP_X_ODD", LONG)],
        "agent": [AGENT],
        "script name": [("SCRIPT_NAME", "/mounted")],
        "no query": [("QUERY_STRING", ""), ("HTTP_ACCEPT", "application/json")],
        "address v6": [("REMOTE_ADDR", "2001:db8::2")],
        "no address": [("REMOTE_ADDR", "")],
        "local": [("REMOTE_ADDR", "127.0.0.1")],
        "request uri": [("REQUEST_URI", "/equal/default/asked?x=%20y")],
    }
    found = [Case(f"header: {name}", asked, environ=tuple(words)) for name, words in given.items()]
    said = ["plain", "a%0d%0aSet-Cookie:%20x=1", "a%0aX:1", "a%0dX:1", "%C3%A9", "%E2%98%83", "%00", LONG, ""]
    found += [Case(f"header out: {text[:40]}", "/equal/default/injected", f"said={text}") for text in said]
    leads = ["", "to=/x", "to=http://other.example/%3Ca%3E", "to=a%0d%0aX:1", "to=/%C3%A9", "to=/x&how=301", "client=1"]
    leads += ["to=javascript:alert(1)", "to=/x&how=200", "to=%22%3E%3Cb%3E"]
    found += [Case(f"redirect: {query}", "/equal/default/led", query) for query in leads]
    found += [Case("redirect ajax", "/equal/default/led", "client=1&to=/y", environ=tuple(given["ajax"]))]
    pages = "headers nothing number raw text helper lines ajax component component_ajax signed secure https".split()
    found += [get(f"/equal/default/{page}") for page in pages]
    found += [Case("https asked for by http", "/equal/default/https", scheme="http")]
    found += [Case("ajax page", "/equal/default/ajax", environ=tuple(given["ajax"]))]
    found += [Case("component page", "/equal/default/ajax.load", environ=tuple(given["component"]))]
    found += [Case("signed", "/equal/default/signed", visitor="signer")]
    signature = {"signature": r"_signature=([0-9a-f]+)"}
    for name, path, query in (
        ("right", "1", "a=b+c&_signature={signature}"),
        ("other variable", "1", "a=d&_signature={signature}"),
    ):
        signed = Case(f"signature: {name}", f"/equal/default/signed/{path}", query, visitor="signer", found=signature)
        found += [Case(f"to be signed: {name}", "/equal/default/signed", visitor="signer"), signed]
    found += [get(f"/equal/default/status/{number}", query="text=%3Cb%3E") for number in (200, 204, 304, 400, 403, 404)]
    found += [get(f"/equal/default/status/{number}") for number in (405, 410, 418, 500, 503, 999, "abc")]
    found += [get(f"/equal/default/status_set/{number}") for number in (201, 404, 503)]
    found += [
        get(f"/equal/default/{page}/x") for page in ("cached", "cached", "action", "action", "decorated", "loaded")
    ]
    found += [get(f"/equal/default/action?{n}", query=f"said={n}") for n in ("a", "b", "a")]
    return found


def cookies() -> list[Case]:
    """Cookies that no browser of ours has sent."""
    page = "/equal/default/count"
    bad = {
        "bogus session": "session_id_equal=203.0.113.9-11111111-2222-3333-4444-555555555555",
        "other address": "session_id_equal=198.51.100.1-11111111-2222-3333-4444-555555555555",
        "traversing": "session_id_equal=../../../../etc/passwd",
        "traversing after an address": "session_id_equal=203.0.113.9-../../../private/key",
        "absolute": "session_id_equal=/etc/passwd",
        "empty": "session_id_equal=",
        "null": "session_id_equal=a\0b",
        "very long": f"session_id_equal={'a' * 9000}",
        "long part": f"session_id_equal=203.0.113.9-{'a' * 300}",
        "not UTF-8": "session_id_equal=\xff\xfe; other=\xe9",
        "quoted": 'session_id_equal="203.0.113.9-\\057etc"',
        "no value": "session_id_equal; other",
        "twice": "session_id_equal=a; session_id_equal=b",
        "semicolons": ";;; ;a=1;;",
        "names": "a/b=1; c d=2; (=3; é=4; __proto__=5; expires=6; path=/x",
        "many": "; ".join(f"c{number}={number}" for number in range(200)),
        "markup": "<script>=1; x=<b>",
        "of another application": "session_id_probe=203.0.113.9-11111111-2222-3333-4444-555555555555",
        "of data": "session_data_equal=hmac256:nonsense:nonsense",
        "new line": "a=1\r\nX: 1",
        "dot": "session_id_equal=.",
        "two dots": "session_id_equal=..",
        "backslash": "session_id_equal=..\\..\\x",
        "percent": "session_id_equal=%2e%2e%2fx",
        "hidden": "session_id_equal=.203.0.113.9-1",
    }
    found = [Case(f"cookie: {name}", page, environ=head("HTTP_COOKIE", text)) for name, text in bad.items()]
    found += [get("/equal/default/cookies", visitor="eater"), get("/equal/default/cookies", visitor="eater")]
    return [*found, Case("cookie: read", "/equal/default/asked", environ=head("HTTP_COOKIE", 'a=1; b="x y"; a=2'))]


def sessions() -> list[Case]:
    """New ones, kept ones, those of several visitors, two at once."""
    pages = (
        "count count look keep keep same unkept look early look flashed shows shows renewed renewed count cleared count"
    )
    found = [get(f"/equal/default/{page}", visitor="one") for page in pages.split()]
    found += [get("/equal/default/count", visitor=name) for name in ("two", "three", "two")]
    found += [get("/equal/default/inside", visitor=name) for name in ("looker", "looker", "")]
    for kind in ("strict", "open", "dated", "lasting", "secure", "elsewhere", "longer"):
        found += [get(f"/equal/default/cookie_kind/{kind}", visitor=kind) for _number in range(2)]
        found += [get("/equal/default/inside", visitor=kind)]
    found += [get("/equal/default/secure", visitor="four"), get("/equal/default/count", visitor="four")]
    found += [Case(f"at once {n}", "/equal/default/meet", visitor="two", twice=True, alone=True) for n in range(3)]
    found += [Case("other address", "/equal/default/count", visitor="two", address="198.51.100.1")]
    found += [Case("over http", "/equal/default/count", visitor="two", scheme="http")]
    found += [get("/equal/default/count", visitor="late"), get("/equal/default/count", visitor="late")]
    for name, visitor in (("kept cookie", "late"), ("no cookie", ""), ("another", "later")):
        swept = Case(f"swept, {name}", "/equal/default/count", visitor=visitor, swept="equal", again=False)
        found += [swept, get("/equal/default/count", visitor=visitor)]
    found += [get(f"/probe/{page}/index", visitor="five") for page in ("session", "session_new", "session", "small")]
    store = "both/1 both/2 read renew read leave read large cached/k increment/n clear/n stats"
    # What is told of a cache counts what all have asked before.
    alone = ("increment/n", "stats", "cached/k")
    found += [
        get(f"/probe/store/{page}", visitor="six", again=page not in alone)
        for page in store.split()
        if page not in ("large", "cached/k")
    ]
    found += [get("/probe/store/large", visitor="large", again=False, query="kb=0")]
    # A session in a table has its row's number in its cookie.
    found += [
        get(f"/own/default/index/{where}", visitor=f"own {where}", again=where != "table")
        for where in ("plain", "table", "cookie") * 2
    ]
    found += [get("/own/default/index/plain/ram", visitor="own ram"), get("/own/default/index", visitor="own")]
    return found


def forms() -> list[Case]:
    found = []
    right = {"name": "a <name>", "number": "5", "text": "t", "choice": "a", "agreed": "on"}
    plain = "/equal/form/plain"
    for name, fields in {
        "right": right,
        "empty": {},
        "wrong": {**right, "name": "", "number": "50", "choice": "c"},
        "markup": {**right, "name": "<script>'\"", "text": "</textarea><b>"},
        "unicode": {**right, "name": "é☃😀"},
        "many": {**right, "name": ("a", "b")},
    }.items():
        found += [get(plain, visitor=f"typist {name}"), replace(post(plain, fields), visitor=f"typist {name}")]
        found += [Case(f"again {name}", plain, method="POST", fields=fields, visitor=f"typist {name}")]
    forged = {**right, "_formkey": "11111111-2222-3333-4444-555555555555", "_formname": "default"}
    found += [get(plain, visitor="forger")]
    found += [replace(post(plain, forged, visitor="forger"), name=f"POST {plain}, forged"), post(plain, forged)]
    found += [get(plain, visitor="old"), get(plain, visitor="old"), post(plain, right, visitor="old", hidden=False)]
    for style in (
        "table3cols",
        "divs",
        "ul",
        "bootstrap3_stacked",
        "bootstrap3_inline",
        "bootstrap4_inline",
        "no_such",
    ):
        found += [get("/equal/form/factory", query=f"style={style}", visitor="maker")]
    wrong = {
        "name": "",
        "born": "yesterday",
        "colour": "x",
        "secret": "s",
        "much": "<",
        "yes": "on",
        "tags": ("a", "b"),
    }
    found += [post("/equal/form/factory", wrong, visitor="maker")]
    found += [post("/equal/form/factory", {**wrong, "name": "n", "born": "2001-02-03", "colour": "r"}, visitor="maker")]
    found += [get("/equal/form/two", visitor="both"), post("/equal/form/two", {"a": "1"}, visitor="both")]
    found += [post("/equal/form/two", {"b": "1"}, visitor="both"), get("/equal/form/unguarded")]
    found += [post("/equal/form/unguarded", {"a": "<b>"}), get("/equal/form/confirm", visitor="both")]
    found += [get("/equal/form/wanted", visitor="led"), post("/equal/form/wanted", {"name": "x"}, visitor="led")]
    found += [get(plain, visitor="led")]
    thing, keeper = "/equal/form/record", {"visitor": "keeper", "again": False}
    file = {"file": ("a <é>.txt", "text/plain", b"content of a file\xff")}
    found += [
        get(thing, visitor="keeper"),
        post(thing, {"name": "new", "price": "2.5", "words": "<b>"}, files=file, **keeper),
    ]
    found += [get(f"{thing}/1", **keeper), post(f"{thing}/1", {"name": "other", "price": "x"}, **keeper)]
    found += [post(f"{thing}/1", {"name": "refused", "price": "1"}, **keeper), get("/equal/form/shown/1", **keeper)]
    found += [
        get(f"{thing}/1", **keeper),
        post(f"{thing}/1", {"name": "kept", "price": "3", "made_on": "2001-02-03"}, **keeper),
    ]
    found += [get(f"{thing}/1", **keeper), post(f"{thing}/1", {"name": "kept", "delete_this_record": "on"}, **keeper)]
    return [*found, get(f"{thing}/1", **keeper), get(f"{thing}/99", **keeper)]


def files() -> list[Case]:
    found, store = [], {"visitor": "sender", "again": False}
    sent = {
        "text": ("notes <é> 'x'.txt", "text/plain", b"line\r\n" * 40),
        "picture": ("a.png", "image/png", b"\x89PNG\r\n\x1a\n" + bytes(range(256))),
        "page": ("page.html", "text/html", b"<script>alert(1)</script>"),
        "no name": ("", "text/plain", b""),
        "path": ("../../etc/passwd", "text/plain", b"x"),
        "no end": ("noend", "application/octet-stream", b"\0" * 10),
    }
    for name, file in sent.items():
        found += [get("/equal/files/store", **store)]
        found += [
            Case(
                f"upload {name}",
                "/equal/files/store",
                method="POST",
                fields={"title": name},
                files={"file": file},
                **store,
            )
        ]
        if name != "no name":
            kinds = (("", ()), ("inline=1", ()), ("", head("HTTP_RANGE", "bytes=2-5")))
            found += [
                Case(f"download {name} {query} {len(more)}", "/equal/files/newest", query, environ=more, again=False)
                for query, more in kinds
            ]
    found += [get("/equal/files/rows", again=False)]
    names = ("x", "document.file.0123456789abcdef.61.txt", "../../x", "document.held.x.y", "auth_user.x", "a.b.c.d.e")
    found += [get(f"/equal/files/download/{name}") for name in names]
    parts = (
        "bytes=0-9 bytes=10- bytes=-5 bytes=0-99999 bytes=500-400 bytes=99999- bytes=a-b bytes=0-1,4-5 lines=1-2 bytes="
    )
    for path in ("/equal/static/plain.txt", "/equal/files/stream"):
        for part in parts.split():
            found += [Case(f"{path} {part}", path, "ranges=1", environ=head("HTTP_RANGE", part))]
    found += [get(f"/equal/files/{page}") for page in ("stream", "attached", "made", "missing", "pieces")]
    found += [Case("HEAD stream", "/equal/files/stream", method="HEAD")]
    static = """
    plain.css plain.js plain.txt missing.css _1.2.3/plain.css _1.2/plain.css _9.9.9/missing.css a/b . ..
    ../models/data/tables.py
    ../private/x plain.txt/ plain.txt/x %2e%2e/x
    """.split()
    found += [get(f"/equal/static/{name}") for name in static]
    found += [get("/equal/static/plain.txt", query="attachment"), get("/equal/static/plain.txt", query="x=1")]
    for name, text in {
        "then": "Thu, 01 Jan 1998 00:00:00 GMT",
        "later": "Fri, 01 Jan 2100 00:00:00 GMT",
        "mended": "Sat, 01 Jan 2000 00:00:00 GMT",
        "nonsense": "yesterday",
    }.items():
        found += [Case(f"static since {name}", "/equal/static/plain.css", environ=head("HTTP_IF_MODIFIED_SINCE", text))]
    probe = "data.json font.woff2 dot.svg module.py notes.txt~ settings.ini pixel.png css/probe.css site.webmanifest"
    return [*found, *[get(f"/probe/static/{name}") for name in probe.split()]]


def errors() -> list[Case]:
    pages = """
    raised deep after_change odd_status unknown_status helper_body json_body cookies_kept bad_argument bad_argument/a
    bad_argument/5 required required/a loads exits
    """.split()
    found = [get(f"/equal/errors/{page}", visitor="unlucky") for page in pages]
    found += [get("/equal/errors/kept", visitor="unlucky"), get("/equal/upset/index"), get("/equal/upset/other")]
    return [*found, Case("HEAD of an error", "/equal/errors/raised", method="HEAD")]


def languages() -> list[Case]:
    accepted = [
        "de",
        "de-AT,de;q=0.9,en;q=0.8",
        "pt-br",
        "pt",
        "pt-PT, pt-BR;q=0.5",
        "fr",
        "fr,de;q=0.2",
        "*",
        "",
        "x" * 300,
    ]
    accepted += [
        "de;q=abc",
        "DE",
        "en",
        "../de",
        "de, ../../x",
        "\xff",
        "a,b,c,d,e,f,de",
        "plural-de",
        "de\r\nX: 1",
        "default",
    ]
    found = []
    for text in accepted:
        language = head("HTTP_ACCEPT_LANGUAGE", text)
        found += [
            Case(f"language {page} {text[:20]}", f"/equal/languages/{page}", environ=language)
            for page in ("index", "drawn")
        ]
    found += [get(f"/equal/languages/forced/{name}") for name in ("de", "no", "pt-br", "")]
    found += [get(f"/equal/languages/named/{name}") for name in ("de", "no", "pt-br")]
    probe = [get("/probe/default/translated", environ=head("HTTP_ACCEPT_LANGUAGE", text)) for text in ("de", "en")]
    return [*found, get("/equal/languages/known"), *probe, get("/probe/default/untranslated/x")]


def data() -> list[Case]:
    found = [get(f"/equal/data/{page}") for page in ("index", "values", "tables", "checked", "total")]
    found += [get("/equal/data/rolled_back"), get("/equal/data/total"), get("/equal/data/greeted")]
    found += [get(f"/equal/data/serialized{kind}") for kind in ("", ".json", ".xml", ".csv")]
    grid = "/equal/data/grid"
    queries = [
        "",
        "page=2",
        "order=pet.name",
        "order=~pet.weight",
        "keywords=Pet",
        "some=1",
        "keywords=%27%3Cb%3E",
        "page=99",
    ]
    found += [Case(f"grid ?{query}", grid, query, visitor="clerk") for query in queries]
    found += [
        get(f"{grid}/{page}", visitor="clerk")
        for page in ("view/pet/1", "edit/pet/1", "new/pet", "view/pet/99", "no/x")
    ]
    found += [
        Case(f"export {kind}", grid, f"_export_type={kind}", visitor="clerk")
        for kind in ("csv", "json", "xml", "html", "no")
    ]
    found += [
        get(f"/equal/data/{page}", visitor="clerk") for page in ("smart", "smart/owner/pet.owner/1", "signed_grid")
    ]
    person = {"first_name": "A", "last_name": "<B>", "email": "a@example.org", "password": "a pass word"}
    login = {"email": person["email"], "password": person["password"]}
    user = {"visitor": "user", "again": False}
    page = "/equal/data/user"
    found += [get("/equal/data/private", visitor="stranger"), get(f"{page}/register", visitor="user")]
    found += [post(f"{page}/register", {**person, "password_two": "other"}, **user), get(f"{page}/register", **user)]
    found += [
        post(f"{page}/register", {**person, "password_two": person["password"]}, **user),
        get("/equal/data/private", **user),
    ]
    found += [get("/equal/data/closed", **user), get("/equal/data/refused", **user), get("/equal/data/greeted", **user)]
    found += [get(f"{page}/profile", **user), get(f"{page}/change_password", **user), get(f"{page}/logout", **user)]
    found += [
        get("/equal/data/private", **user),
        get(f"{page}/login", **user),
        post(f"{page}/login", {**login, "password": "x"}, **user),
    ]
    found += [get(f"{page}/login", query="_next=/equal/data/private", **user), post(f"{page}/login", login, **user)]
    found += [
        Case("after login", "/equal/data/private", **user),
        get(f"{page}/no_such", **user),
        get(f"{page}/retrieve_password"),
    ]
    found += [get("/equal/data/signed_grid", **user), get("/equal/data/greeted", **user)]
    call = "/equal/data/call"
    for kind in ("json", "xml", "csv", "run"):
        found += [
            get(f"{call}/{kind}/add/1/2"),
            get(f"{call}/{kind}/add", query="a=1&b=2"),
            get(f"{call}/{kind}/no_such"),
        ]
    remote = b'{"method": "%s", "params": %s, "id": 1}'
    for name, params in ((b"add", b"[1, 2]"), (b"upset", b'["<x>"]'), (b"none", b"[]"), (b"add", b"[1]")):
        sent = remote % (name, params)
        found += [Case(f"jsonrpc {sent!r}", f"{call}/jsonrpc", method="POST", body=sent, type="application/json")]
    return found


def probe() -> list[Case]:
    """The pages that hosts are tested and measured with."""
    pages = """
    default/index default/echo default/body default/big/10 default/missing default/forbidden default/elsewhere
    default/cookie default/fail default/settings template/index database/index auth/index small/index
    data/leads appadmin/index
    """.split()
    found = [get(f"/probe/{page}") for page in pages]
    once = ("database/insert", "data/note")
    found += [get(f"/probe/{page}", again=False) for page in once]
    found += [get("/probe/database/read/1", again=False), get("/probe/database/read/99")]
    file = {"file": ("x.txt", "text/plain", b"content")}
    found += [
        Case(
            "probe upload", "/probe/database/upload", method="POST", fields={}, files=file, visitor="probe", again=False
        )
    ]
    name = {"name": r'"file": "([^"]+)"'}
    found += [Case("probe download", "/probe/database/download/{name}", visitor="probe", found=name, again=False)]
    person = {"first_name": "A", "last_name": "B", "email": "a@example.org", "username": "a", "password": "a pass word"}
    user, page = {"visitor": "probe user", "again": False}, "/probe/auth/user"
    found += [
        get(f"{page}/register", **user),
        post(f"{page}/register", {**person, "password_two": "a pass word"}, **user),
    ]
    found += [get("/probe/auth/index", **user), get(f"{page}/logout", **user), get(f"{page}/login", **user)]
    found += [
        post(f"{page}/login", {"username": "a", "password": "a pass word"}, **user),
        get("/probe/auth/index", **user),
    ]
    return found


def edited() -> list[Case]:
    """What is changed while the process serves."""
    page, part = "/equal/edited/index", "equal/views/edited/part.html"
    code = "def index():\n    return dict(word='{0}')\n\ndef {0}():\n    return '{0}'\n"
    view = "{{{{extend 'layout.html'}}}}{{{{=word}}}} {0} {{{{include 'edited/part.html'}}}}"
    words = {"path": page, "again": False}
    controller, drawn = "equal/controllers/edited.py", "equal/views/edited/index.html"
    model, tongue, module = "equal/models/edited/word.py", "equal/languages/fr.py", "equal/static/new.txt"
    return [
        Case("before it is there", **words),
        Case(
            "a controller is written",
            **words,
            edits=((controller, code.format("one")), (drawn, view.format("one")), (part, "p1")),
        ),
        Case("its other page", "/equal/edited/one", again=False),
        Case("a view is changed", **words, edits=((drawn, view.format("two")),)),
        Case("a part of a view is changed", **words, edits=((part, "p2 {{=1 + 1}}"),)),
        Case("a controller is changed", **words, edits=((controller, code.format("three")),)),
        Case("a page is new", "/equal/edited/three", again=False),
        Case("a page is gone", "/equal/edited/one", again=False),
        Case("a model is written", **words, edits=((model, "response.title = 'from a model'"),)),
        Case("a model is changed", **words, edits=((model, "response.title = 'from a model, <changed>'"),)),
        Case("a model is taken away", **words, edits=((model, None),)),
        Case("a controller is wrong", **words, edits=((controller, "def index(:\n"),)),
        Case("a controller is right again", **words, edits=((controller, code.format("four")),)),
        Case("a view is wrong", **words, edits=((drawn, "{{=1 +}}"),)),
        Case("a view is taken away", **words, edits=((drawn, None),)),
        Case("a view of the layout", **words, edits=((drawn, view.format("five")),)),
        Case("a language before", "/equal/languages/index", environ=head("HTTP_ACCEPT_LANGUAGE", "fr"), again=False),
        Case(
            "a language is new",
            "/equal/languages/index",
            environ=head("HTTP_ACCEPT_LANGUAGE", "fr"),
            edits=((tongue, '{"!langcode!": "fr", "!langname!": "français", "Hello": "Bonjour"}'),),
            again=False,
        ),
        Case(
            "a language is changed",
            "/equal/languages/index",
            environ=head("HTTP_ACCEPT_LANGUAGE", "fr"),
            edits=((tongue, '{"!langcode!": "fr", "!langname!": "français", "Hello": "Salut"}'),),
            again=False,
        ),
        Case("a file before", "/equal/static/new.txt", again=False),
        Case("a file is new", "/equal/static/new.txt", edits=((module, "new\n"),), again=False),
        Case("a file is changed", "/equal/static/new.txt", edits=((module, "newer and longer\n"),), again=False),
        Case("out of service", "/equal/default/index", edits=(("equal/DISABLED", "x"),), again=False),
        Case("out of service, local", "/equal/default/index", address="127.0.0.1", again=False),
        Case("out of service, a page", "/equal/default/index", edits=(("equal/static/503.html", "wait"),), again=False),
        Case("in service", "/equal/default/index", edits=(("equal/DISABLED", None),), again=False),
        Case("controller gone", **words, edits=((controller, None),)),
    ]


def ended() -> list[Case]:
    """What visitors have at the end, after all that others did."""
    return [get(f"/equal/default/{page}", visitor="one") for page in ("look", "count")]


def welcome() -> list[Case]:
    """Upstream's own applications."""
    found = [get(path, visitor="guest") for path in ("/welcome", "/welcome/default/index", "/welcome/default/no_such")]
    user = "/welcome/default/user"
    person = {"first_name": "A", "last_name": "<B>", "email": "a@example.org", "password": "a pass word"}
    one = {"visitor": "guest", "again": False}
    found += [get(f"{user}/{page}", visitor="guest") for page in ("login", "register", "profile")]
    found += [
        get(f"{user}/register", **one),
        post(f"{user}/register", {**person, "password_two": person["password"]}, **one),
    ]
    found += [
        get("/welcome/default/grid/auth_user", **one),
        get(f"{user}/profile", **one),
        get(f"{user}/logout", **one),
    ]
    found += [
        get(f"{user}/login", **one),
        post(f"{user}/login", {"email": person["email"], "password": "wrong"}, **one),
    ]
    for language in ("de", "it", "ja", "ar"):
        page = head("HTTP_ACCEPT_LANGUAGE", language)
        found += [Case(f"welcome {language}", "/welcome/default/index", environ=page)]
    static = "css/web2py-bootstrap4.css js/web2py.js images/favicon.png css/calendar.css no_such.css"
    found += [get(f"/welcome/static/{name}") for name in static.split()]
    found += [get(f"/welcome/appadmin/{page}", visitor="stranger") for page in ("index", "select/db", "state", "no")]
    pages = "index what download who support documentation api_docs examples user voting license version security no"
    found += [get(f"/examples/default/{page}", visitor="reader") for page in pages.split()]
    simple = """
    hello1 hello2 hello3 hello4 hello5 hello6 status redirectme raisehttp raiseexception servejs makejson
    """.split()
    found += [get(f"/examples/simple_examples/{page}", visitor="reader") for page in simple]
    others = """
    template_examples/variables template_examples/test_for template_examples/test_if template_examples/test_try
    template_examples/test_def template_examples/escape template_examples/xml template_examples/beautify
    session_examples/counter session_examples/counter form_examples/form ajax_examples/index
    cache_examples/cache_in_ram layout_examples/civilized layout_examples/slick layout_examples/basic
    """.split()
    return [*found, *[get(f"/examples/{page}", visitor="reader", again=False) for page in others]]


def admin() -> list[Case]:
    one = {"visitor": "admin", "again": False, "alone": True}
    found = [
        get("/admin/default/index", **one),
        get("/admin/default/site", **one),
        get("/admin/default/peek/equal/x", **one),
    ]
    found += [post("/admin/default/index", {"password": "a password of the test"}, **one)]
    pages = """
    site design/equal peek/equal/controllers/default.py edit/equal/controllers/default.py about/equal errors/own
    languages/equal edit_language/equal/languages/de.py test/equal uninstall/equal design/welcome no_such
    """.split()
    found += [get(f"/admin/default/{page}", **one) for page in pages]
    found += [
        get(f"/welcome/appadmin/{page}", **one) for page in ("index", "select/db", "insert/db/auth_user", "ccache")
    ]
    found += [
        get("/admin/static/css/styles.css"),
        get("/admin/default/logout", **one),
        get("/admin/default/site", **one),
    ]
    return [*found, Case("admin over http", "/admin/default/index", scheme="http", again=False)]


def compiled() -> list[Case]:
    """The application with byte code of web2py's own."""
    drawn = [case for case in escaping() if "/shown/" in case.path or "/text/" in case.path]
    parts = [*drawn, *views(), *errors(), *languages(), *forms(), *sessions(), *data()[:12]]
    made = []
    for case in parts:
        if not case.path.startswith("/equal/"):
            continue
        environ = tuple((name, text.replace("_equal", "_made")) for name, text in case.environ)
        words = {"name": f"compiled: {case.name}", "path": case.path.replace("/equal/", "/made/"), "environ": environ}
        made.append(replace(case, visitor=case.visitor and f"compiled {case.visitor}", **words))
    return made


def fresh(number: int) -> Case:
    """A request with words that nobody has sent before, so that whatever keeps answers by words is filled."""
    words = (
        ("HTTP_ACCEPT_LANGUAGE", f"x{number % 1000:03d},de"),
        ("HTTP_COOKIE", f"session_id_probe=203.0.113.9-{number:08x}-2222-3333-4444-555555555555; c{number}={number}"),
        ("HTTP_HOST", f"h{number}.example.org"),
    )
    pages = ("/probe/small/index/{}", "/probe/session/index", "/equal/static/{}.txt", "/equal/n{}/index", "/a{}/b/c")
    path = pages[number % len(pages)].format(number)
    return Case("fresh", path, f"q={number}", method="POST", type=f"text/x-{number}", environ=words)


def named(name: str) -> list[Case]:
    """`own`: our applications; `upstream`: also web2py's; `short`: enough to see that something is broken; `mix`: some
    of all that may be asked again and again.
    """
    short = [get("/equal/escape/helpers"), get("/equal/escape/shown/safe"), get("/equal/errors/raised")]
    short += [*sessions()[:65], *views()[:20], *forms()[:25], *headers()[19:25], *edited()[:8]]
    if name == "short":
        return short
    found = [
        *probe(),
        *requests(),
        *escaping(),
        *views(),
        *sessions(),
        *forms(),
        *files(),
        *errors(),
        *languages(),
        *data(),
    ]
    if name == "mix":
        return [case for case in [*found, *compiled()] if case.again][::7]
    found += [*welcome(), *admin()] if name == "upstream" else compiled()
    return [*found, *edited(), *ended()]
