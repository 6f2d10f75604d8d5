"""mod_python: what passes between a request of Apache's and an application, with a stand-in for the request."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from web2py_runtime import inside


class Table:
    """Apache's table: names may come twice."""

    def __init__(self, rows: dict[str, str]) -> None:
        self.rows = list(rows.items())

    def items(self) -> list[tuple[str, str]]:
        return self.rows

    def get(self, name: str) -> str | None:
        return dict(self.rows).get(name)

    def add(self, name: str, value: str) -> None:
        self.rows.append((name, value))


class Request:
    """A request as mod_python shows it."""

    def __init__(self, variables: dict[str, str] | None = None, body: bytes = b"", uri: str = "/probe/index") -> None:
        self.uri, self.variables, self.body = uri, variables or {}, body
        self.headers_in, self.headers_out, self.subprocess_env = Table({}), Table({}), Table({})
        self.status, self.content_type, self.length = 200, "text/x-python", None
        self.written: list[bytes] = []
        self.log: list[str] = []
        self.reads: list[int] = []
        self.left = False

    def add_cgi_vars(self) -> None:
        self.subprocess_env = Table({"REQUEST_METHOD": "GET", "QUERY_STRING": "", **self.variables})

    def read(self, size: int) -> bytes:
        self.reads.append(threading.get_ident())
        block, self.body = self.body[:size], self.body[size:]
        return block

    def write(self, block: bytes, _flush: int) -> None:
        if self.left:
            raise OSError("Write failed, client closed connection.")
        self.written.append(block)

    def set_content_length(self, length: int) -> None:
        self.length = length

    def log_error(self, words: str) -> None:
        self.log.append(words)


def hello(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "5")])
    return [b"he", b"", b"llo"]


def bridge(application: Any, seconds: float = 5) -> inside.Bridge:
    return inside.Bridge(application, seconds)


def test_an_answer_arrives_whole_in_apaches_terms() -> None:
    request = Request()
    assert bridge(hello).answer(request) == inside.OK
    assert (request.status, request.content_type, request.length) == (200, "text/plain", 5)
    assert b"".join(request.written) == b"hello"


def test_headers_may_come_twice_and_statuses_are_the_applications() -> None:
    def application(_environ: Any, start_response: Any) -> list[bytes]:
        start_response("404 Not here", [("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")])
        return []

    request = Request()
    # Apache does not put an error page of its own over it.
    assert bridge(application).answer(request) == inside.OK
    assert request.status == 404
    assert request.headers_out.rows == [("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")]


def test_variables_are_what_the_front_end_says_and_nothing_else() -> None:
    request = Request(
        {
            "HTTPS": "on",
            "REMOTE_ADDR": "192.0.2.7",
            "HTTP_HOST": "www.example.org",
            "PATH": "/bin",
            "SERVER_ADMIN": "x",
        },
        uri="/probe/a b",
    )
    request.headers_in = Table({"Authorization": "Basic eA=="})
    environ = inside.environ_of(request, None)
    assert (environ["wsgi.url_scheme"], environ["REMOTE_ADDR"]) == ("https", "192.0.2.7")
    assert (environ["PATH_INFO"], environ["SCRIPT_NAME"]) == ("/probe/a b", "")
    assert environ["HTTP_AUTHORIZATION"] == "Basic eA=="
    assert not {"PATH", "SERVER_ADMIN"} & set(environ)


def test_http_is_not_https() -> None:
    assert inside.environ_of(_with_variables(Request()), None)["wsgi.url_scheme"] == "http"


def _with_variables(request: Request) -> Request:
    request.variables["HTTPS"] = "off"
    return request


def test_a_body_is_read_by_apaches_thread_and_seen_by_the_application() -> None:
    seen: dict[str, Any] = {}

    def application(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        seen.update(line=environ["wsgi.input"].readline(), rest=environ["wsgi.input"].read())
        seen["thread"] = threading.get_ident()
        return hello(environ, start_response)

    request = Request(body=b"first\n" + b"x" * 200_000)
    assert bridge(application).answer(request) == inside.OK
    assert (seen["line"], len(seen["rest"])) == (b"first\n", 200_000)
    assert set(request.reads) == {threading.get_ident()} and seen["thread"] != threading.get_ident()


def test_half_a_body_is_not_understood() -> None:
    request = Request()

    def read(_size: int) -> bytes:
        raise OSError("Client read error (Timeout?)")

    request.read = read  # type: ignore[method-assign]
    assert bridge(hello).answer(request) == inside.NOT_UNDERSTOOD


def test_a_page_is_streamed() -> None:
    second = threading.Event()

    def application(_environ: Any, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [])
        yield b"first"
        assert second.wait(5)
        yield b"second"

    request = Request()
    write = request.write

    def written(block: bytes, flush: int) -> None:
        write(block, flush)
        assert flush == 1 or second.is_set()
        second.set()

    request.write = written  # type: ignore[method-assign]
    assert bridge(application).answer(request) == inside.OK
    assert request.written == [b"first", b"second"]


def test_the_old_way_to_write_works() -> None:
    def application(_environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [])(b"a")
        return [b"b"]

    request = Request()
    assert bridge(application).answer(request) == inside.OK
    assert request.written == [b"a", b"b"]


def test_an_application_that_fails_gets_apaches_error_page(capsys: pytest.CaptureFixture[str]) -> None:
    def application(_environ: Any, _start: Any) -> list[bytes]:
        raise RuntimeError("words of a traceback")

    request = Request()
    assert bridge(application).answer(request) == inside.FAILED
    assert request.written == []
    assert "words of a traceback" in capsys.readouterr().err


def test_a_late_failure_may_still_change_the_head() -> None:
    def application(_environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        try:
            raise RuntimeError
        except RuntimeError as error:
            start_response("500 Failed", [], (type(error), error, None))
        return [b"sorry"]

    request = Request()
    assert bridge(application).answer(request) == inside.OK
    assert (request.status, request.written) == (500, [b"sorry"])


def test_an_overdue_page_is_not_awaited_and_then_ends_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    goes_on = threading.Event()

    def application(environ: Any, start_response: Any) -> list[bytes]:
        goes_on.wait(10)
        return hello(environ, start_response)

    killed: list[tuple[int, int]] = []
    monkeypatch.setattr(inside, "MERCY_SECONDS", 0.3)
    monkeypatch.setattr(inside.os, "kill", lambda *words: killed.append(words))
    made = bridge(application, 0.2)
    request = Request()
    assert made.answer(request) == inside.TOO_LATE
    assert "took more than 0.2 s" in request.log[0]
    made.watch()
    assert killed[0][0] == os.getpid()
    goes_on.set()


def test_a_slow_visitor_is_no_hung_page() -> None:
    def application(_environ: Any, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [])
        for _ in range(3 * inside.DEPTH):
            yield b"x" * 1000

    made = bridge(application, 0.2)
    request = Request()
    ages = []
    write = request.write

    def slowly(block: bytes, flush: int) -> None:
        time.sleep(0.05)
        ages.append(made.longest())
        write(block, flush)

    request.write = slowly  # type: ignore[method-assign]
    assert made.answer(request) == inside.OK
    assert len(request.written) == 3 * inside.DEPTH
    assert max(ages) < 0.2


def test_a_visitor_who_leaves_lets_the_application_go() -> None:
    closed = threading.Event()

    def application(_environ: Any, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [])
        try:
            while True:
                yield b"x"
        finally:
            closed.set()

    request = Request()
    request.left = True
    made = bridge(application)
    assert made.answer(request) == inside.OK
    assert closed.wait(5)
    deadline = time.monotonic() + 5
    while made.running and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not made.running


def test_a_request_that_gets_no_thread_fails_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: Any) -> None:
        raise RuntimeError("can't start new thread")

    made = bridge(hello)
    monkeypatch.setattr(inside, "start_new_thread", refuse)
    with pytest.raises(RuntimeError, match="can't start"):  # mod_python makes an error page of it
        made.answer(Request())
    assert not made.running, "or the process would be ended as one whose page hangs"
