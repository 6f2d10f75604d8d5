from __future__ import annotations

from email.utils import parsedate_to_datetime
from typing import Any

import pytest
from web2py_runtime.pages import marked

Headers = list[tuple[str, str]]
MARKS = {"X-Web2py-Release": ["r1"], "Content-Length": ["4"]}


def answered(
    own: Headers, dated: bool, *exc_info: Any
) -> tuple[str, dict[str, list[str]], list[bytes], tuple[Any, ...]]:
    seen: list[Any] = []

    def application(_environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", own, *exc_info)
        return [b"page"]

    def start(status: str, headers: Headers, *rest: Any) -> None:
        seen[:] = [status, headers, rest]

    body = list(marked(application, "r1", dated)({}, start))
    names: dict[str, list[str]] = {}
    for name, value in seen[1]:
        names.setdefault(name, []).append(value)
    return seen[0], names, body, seen[2]


def test_the_release_is_told_with_what_was_said() -> None:
    own = [("Content-Type", "text/html"), ("Set-Cookie", "a=1"), ("Set-Cookie", "b=1")]
    status, headers, body, rest = answered(own, False)
    assert (status, body, rest) == ("200 OK", [b"page"], ())
    assert headers == {"Content-Type": ["text/html"], "Set-Cookie": ["a=1", "b=1"], **MARKS}
    assert len(own) == 3


def test_the_moment_is_told_where_nobody_says_it() -> None:
    _status, headers, _body, _rest = answered([], True)
    (date,) = headers["Date"]
    assert date.endswith(" GMT") and parsedate_to_datetime(date).year >= 2026


@pytest.mark.parametrize("name", ["Date", "date", "DATE"])
def test_a_moment_that_was_told_is_left(name: str) -> None:
    _status, headers, _body, _rest = answered([(name, "then")], True)
    assert headers == {name: ["then"], **MARKS}


def test_an_error_that_replaces_an_answer_is_handed_on() -> None:
    assert answered([], True, "what went wrong")[3] == ("what went wrong",)


def told(
    body: Any, method: str = "GET", own: Headers | None = None, status: str = "200 OK"
) -> tuple[list[bytes], dict[str, str]]:
    """What goes out for an application that begins before it returns its body."""
    seen: Headers = []

    def application(_environ: dict[str, Any], start_response: Any) -> Any:
        start_response(status, list(own or []))
        return body

    def start(_status: str, headers: Headers, *_rest: Any) -> None:
        seen.extend(headers)

    return list(marked(application, "r1", False)({"REQUEST_METHOD": method}, start)), dict(seen)


def test_a_page_tells_its_length_so_that_a_missing_end_is_seen() -> None:
    assert told([b"page"]) == ([b"page"], {"X-Web2py-Release": "r1", "Content-Length": "4"})
    assert told([]) == ([], {"X-Web2py-Release": "r1", "Content-Length": "0"})
    assert told([b"page"], own=[("content-length", "4")])[1] == {"content-length": "4", "X-Web2py-Release": "r1"}
    assert told([b""], "HEAD") == ([b""], {"X-Web2py-Release": "r1"})


@pytest.mark.parametrize("status", ["204 NO CONTENT", "304 NOT MODIFIED", "101 SWITCHING PROTOCOLS"])
def test_an_answer_that_has_no_body_tells_no_length(status: str) -> None:
    assert told([b""], status=status) == ([b""], {"X-Web2py-Release": "r1"})


@pytest.mark.parametrize("body", [[b"pa", b"ge"], iter([b"page"]), (part for part in (b"pa", b"ge"))])
def test_what_comes_in_parts_is_not_marked(body: Any) -> None:
    assert told(body) == ([*([b"page"] if "list_iterator" in str(type(body)) else [b"pa", b"ge"])], {})


def test_an_application_that_begins_late_or_writes_is_not_marked() -> None:
    begun: list[Any] = []

    def start(status: str, headers: Headers, *rest: Any) -> Any:
        begun.append((status, headers, rest))
        return begun.append

    def late(_environ: dict[str, Any], start_response: Any) -> Any:
        start_response("200 OK", [])
        yield b"page"

    assert list(marked(late, "r1", True)({}, start)) == [b"page"] and begun == [("200 OK", [], ())]
    begun.clear()

    def writes(_environ: dict[str, Any], start_response: Any) -> list[bytes]:
        write = start_response("200 OK", [("A", "b")])
        write(b"pa")
        write(b"ge")
        return []

    assert list(marked(writes, "r1", True)({}, start)) == []
    assert begun == [("200 OK", [("A", "b")], ()), b"pa", b"ge"]


def test_an_error_takes_the_place_of_what_waits() -> None:
    begun: list[Any] = []

    def application(_environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        start_response("500 Error", [], "what went wrong")
        return [b"error"]

    list(marked(application, "r1", False)({}, lambda *words: begun.append(words)))
    assert [words[0] for words in begun] == ["500 Error"] and begun[0][2] == "what went wrong"
