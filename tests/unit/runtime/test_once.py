"""CGI: a process for each request, and what a request can say to it."""

from __future__ import annotations

import io
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from web2py_runtime import gateway, once

PROGRAM = """
import json, os, sys, time
sys.path.insert(0, {runtime!r})
from web2py_runtime import once
from web2py_runtime.door import Door

def application(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/slow":
        time.sleep(float(environ["QUERY_STRING"]))
    if path == "/fail":
        raise RuntimeError("words of a traceback")
    if path == "/child":
        words = "exec >$1; echo begun; exec sleep 77.7"
        os.spawnlp(os.P_NOWAIT, "sh", "sh", "-c", words, "sh", environ["QUERY_STRING"])
        time.sleep(60)
    body = environ["wsgi.input"].read()
    told = {{key: str(value) for key, value in environ.items()}}
    told.update(pid=os.getpid(), body=body.decode(), process=dict(os.environ))
    start_response("201 Made", [("Content-Type", "text/plain")])
    return [json.dumps(told).encode()]

once.serve(application, Door({descriptor}), 3, {seconds}, 5, lambda words: print(words, flush=True))
"""


def packed(values: dict[str, str], body: bytes = b"") -> bytes:
    head = b"".join(f"{name}\0{value}\0".encode() for name, value in values.items())
    return f"{len(head)}:".encode() + head + b"," + body


class Served:
    """The launcher with an application of the test's."""

    def __init__(self, folder: Path, seconds: float) -> None:
        self.path = str(folder / "s")
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        self.listener.listen(64)
        number = self.listener.fileno()
        runtime = str(Path(once.__file__).parents[1])
        source = PROGRAM.format(runtime=runtime, descriptor=number, seconds=seconds)
        self.process = subprocess.Popen(
            [sys.executable, "-c", source], pass_fds=[number], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert self.process.stdout and self.process.stdout.readline() == "READY=1\n"

    def send(self, raw: bytes) -> socket.socket:
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(20)
        sock.connect(self.path)
        sock.sendall(raw)
        return sock

    def ask(self, path: str = "/", body: bytes = b"", **more: str) -> tuple[str, dict[str, Any]]:
        values = {"CONTENT_LENGTH": str(len(body)), "SCGI": "1", "REQUEST_METHOD": "GET", "PATH_INFO": path, **more}
        head, text = answer_of(self.send(packed(values, body)))
        return head, json.loads(text) if text.startswith("{") else {"text": text}

    def children(self) -> list[str]:
        found = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return found.read_text().split()


def answer_of(sock: socket.socket) -> tuple[str, str]:
    with sock, sock.makefile("rb") as file:
        head, _blank, body = file.read().decode().partition("\r\n\r\n")
    return head, body


@pytest.fixture
def seconds() -> float:
    return 30


@pytest.fixture
def served(tmp_path: Path, seconds: float) -> Iterator[Served]:
    made = Served(tmp_path, seconds)
    yield made
    made.process.kill()
    made.process.communicate()
    made.listener.close()


def test_each_request_has_a_process_of_its_own_that_ends(served: Served) -> None:
    first, second = served.ask()[1], served.ask()[1]
    assert len({first["pid"], second["pid"], served.process.pid}) == 3
    time.sleep(0.2)
    assert served.children() == []  # nor is there a zombie


def test_status_headers_and_body_are_those_of_cgi(served: Served) -> None:
    head, told = served.ask("/a b/%C3", b"x=1", QUERY_STRING="q", HTTPS="on", HTTP_HOST="www.example.org")
    assert head.startswith("Status: 201 Made\r\nContent-Type: text/plain")
    assert told["body"] == "x=1"
    assert (told["PATH_INFO"], told["SCRIPT_NAME"], told["QUERY_STRING"]) == ("/a b/%C3", "", "q")
    assert (told["wsgi.url_scheme"], told["wsgi.run_once"]) == ("https", "True")


@pytest.mark.parametrize(
    "values",
    [
        {"HTTP_PROXY": "http://evil.example:3128"},
        {"SCRIPT_FILENAME": "/bin/sh", "SCRIPT_NAME": "/cgi-bin/sh", "PATH_TRANSLATED": "/bin/sh"},
        {"PYTHONPATH": "/tmp", "LD_PRELOAD": "/tmp/evil.so", "PATH": "/tmp"},
        {"PATH_INFO": "/../../../../bin/sh", "DOCUMENT_ROOT": "/"},
    ],
    ids=lambda values: " ".join(values),
)
def test_no_request_chooses_the_program_or_its_environment(values: dict[str, str], served: Served) -> None:
    head, told = served.ask(**values)
    assert head.startswith("Status: 201 Made")
    assert told["process"] == served.ask()[1]["process"]
    assert not set(values.values()) & set(told["process"].values())


def test_the_environment_of_the_process_is_not_the_requests(served: Served) -> None:
    told = served.ask()[1]
    assert "HOME" not in told and "PATH" not in told


@pytest.mark.parametrize(
    "raw", [b"x:", b"9999999999:", b"5:ab\0c\0;", b"7:SCGI\0001", packed({"CONTENT_LENGTH": "-1"})]
)
def test_what_is_no_request_gets_no_answer(raw: bytes, served: Served) -> None:
    sock = served.send(raw)
    sock.shutdown(socket.SHUT_WR)
    assert answer_of(sock) == ("", "")
    assert served.ask()[0].startswith("Status: 201")


def test_a_page_that_fails_says_nothing_of_itself(served: Served) -> None:
    head, told = served.ask("/fail")
    assert head.startswith("Status: 500")
    assert "traceback" not in told["text"]


def test_no_more_processes_run_than_were_allowed(served: Served) -> None:
    values = {"CONTENT_LENGTH": "0", "REQUEST_METHOD": "GET", "PATH_INFO": "/slow", "QUERY_STRING": "1"}
    begin = time.monotonic()
    visitors = [served.send(packed(values)) for _ in range(5)]
    time.sleep(0.5)
    assert len(served.children()) == 3
    assert all(answer_of(visitor)[0].startswith("Status: 201") for visitor in visitors)
    assert time.monotonic() - begin >= 2


@pytest.mark.parametrize("seconds", [2])
def test_an_overdue_page_ends_with_all_that_it_started(served: Served, tmp_path: Path) -> None:
    """What the page starts keeps a pipe open, which ends with it."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with open(os.open(pipe, os.O_RDONLY | os.O_NONBLOCK), "rb", buffering=0) as kept:
        begin = time.monotonic()
        assert served.ask("/child", QUERY_STRING=str(pipe))[0] == ""
        assert 1.9 <= time.monotonic() - begin < 5
        assert kept.read() == b"begun\n"
        assert select.select([kept], [], [], 10)[0]
        assert kept.read() == b""
    assert served.ask()[0].startswith("Status: 201")


def test_stopping_ends_after_the_requests_that_run_and_leaves_those_that_wait(served: Served) -> None:
    values = {"CONTENT_LENGTH": "0", "REQUEST_METHOD": "GET", "PATH_INFO": "/slow", "QUERY_STRING": "1"}
    running = served.send(packed(values))
    time.sleep(0.3)
    served.process.send_signal(signal.SIGTERM)
    time.sleep(0.2)
    waiting = served.send(packed(values))
    assert answer_of(running)[0].startswith("Status: 201")
    assert served.process.wait(5) == 0
    taken, _address = served.listener.accept()
    with taken, waiting:
        assert taken.recv(1) == packed(values)[:1]


def test_a_body_ends_where_its_length_says() -> None:
    body = io.BufferedReader(gateway.Body(io.BytesIO(b"line\nmore and the next").read1, 9))  # type: ignore[arg-type]
    assert (body.readline(), body.read(), body.read()) == (b"line\n", b"more", b"")


def test_variables_have_what_wsgi_wants() -> None:
    found = once.variables(io.BytesIO(packed({"CONTENT_LENGTH": "", "HTTP_X": "ü"})))
    assert found["CONTENT_LENGTH"] == "0"
    assert found["HTTP_X"].encode("latin-1").decode() == "ü"
    assert (found["SCRIPT_NAME"], found["QUERY_STRING"]) == ("", "")


def test_a_request_that_gets_no_process_fails_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Threshold:
        """A door with one visitor."""

        def accept(self) -> tuple[socket.socket, None]:
            return inner, None

    def refuse() -> int:
        raise BlockingIOError("Resource temporarily unavailable")

    inner, visitor = socket.socketpair()
    monkeypatch.setattr(once.os, "fork", refuse)
    crew = once.Crew(lambda _environ, _start: [], Threshold(), 3, 30)  # type: ignore[arg-type]
    crew.take()
    with visitor:
        assert visitor.recv(1) == b"", "the front end's error page, at once"
    assert "No process for a request" in capsys.readouterr().out
    assert crew.room and not crew.running
