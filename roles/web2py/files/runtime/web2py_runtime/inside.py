# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""mod_python: a request of Apache's, answered by a WSGI application in a process of Apache's.

Apache's thread reads the request, waits for the application and writes its answer; the application has a thread of its
own. So a page that takes too long gets Apache's error page at the limit, and only what Apache's thread does touches the
request. A thread cannot be ended from outside: one that goes on takes its process with it, as a hung page does with
every server of one process.
"""

from __future__ import annotations

import importlib
import os
import queue
import resource
import signal
import site
import sys
import threading
import traceback
from _thread import start_new_thread
from collections.abc import Callable
from tempfile import SpooledTemporaryFile
from time import monotonic, sleep
from typing import Any

from web2py_runtime.guard import Application, Environ, Headers

# Of Apache's words: the handler has answered, or the status of an error page.
OK, NOT_UNDERSTOOD, FAILED, TOO_LATE = 0, 400, 500, 504
BLOCK = 65536
# Blocks of an answer that wait for a slow visitor.
DEPTH = 8
# How long an overdue page may still end by itself.
MERCY_SECONDS = 5
VARIABLES = frozenset(
    """
    REQUEST_METHOD REQUEST_URI REQUEST_SCHEME QUERY_STRING CONTENT_TYPE CONTENT_LENGTH HTTPS
    SERVER_NAME SERVER_PORT SERVER_ADDR SERVER_PROTOCOL REMOTE_ADDR REMOTE_PORT
    """.split()
)


class Gone(Exception):
    """Nobody waits for the answer any more."""


def environ_of(request: Any, body: Any) -> Environ:
    """The variables of a request, as PEP 3333 wants them."""
    request.add_cgi_vars()
    told = dict(request.subprocess_env.items())
    environ: Environ = {name: value for name, value in told.items() if name in VARIABLES or name.startswith("HTTP_")}
    # Apache keeps this one from programs that other users could watch.
    authorization = request.headers_in.get("Authorization")
    if authorization:
        environ["HTTP_AUTHORIZATION"] = authorization
    environ.update(
        {
            "SCRIPT_NAME": "",
            # Apache's word for the decoded path.
            "PATH_INFO": request.uri,
            "SERVER_SOFTWARE": "mod_python",
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "https" if told.get("HTTPS") == "on" else "http",
            "wsgi.input": body,
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": True,
            "wsgi.multiprocess": True,
            "wsgi.run_once": False,
        }
    )
    return environ


class Exchange:
    """What an application says to Apache's thread, block by block, and since when it has said nothing."""

    def __init__(self) -> None:
        self.words: queue.Queue[tuple[str, Any]] = queue.Queue(DEPTH)
        self.gone = threading.Event()
        # Not while it waits for a slow visitor.
        self.busy_since: float | None = monotonic()

    def say(self, kind: str, value: Any = None) -> None:
        """Called in the application's thread."""
        self.busy_since = None
        while not self.gone.is_set():
            try:
                self.words.put((kind, value), timeout=1)
            except queue.Full:
                continue
            self.busy_since = monotonic()
            return
        raise Gone

    def run(self, application: Application, environ: Environ) -> None:
        """The life of the application's thread."""
        try:
            self.converse(application, environ)
        except Gone:
            pass
        except BaseException:  # the visitor gets an error page, the log the reason
            traceback.print_exc()
            try:
                self.say("failed")
            except Gone:
                pass
        finally:
            self.busy_since = None

    def converse(self, application: Application, environ: Environ) -> None:
        """The application's answer, word for word."""
        head: list[Any] = []
        begun: list[bool] = []

        def write(block: bytes) -> None:
            if not head:
                raise AssertionError("a body before start_response")
            if not begun:
                begun.append(True)
                self.say("head", tuple(head))
            if block:
                self.say("block", block)

        def start_response(status: str, headers: Headers, exc_info: Any = None) -> Callable[[bytes], None]:
            if exc_info and begun:
                raise exc_info[1].with_traceback(exc_info[2])
            if head and not exc_info:
                raise AssertionError("start_response was called before")
            head[:] = status, list(headers)
            return write

        result = application(environ, start_response)
        try:
            for block in result:
                # An empty block is no reason to send the head: it may still change.
                if block:
                    write(block)
            if not begun:
                write(b"")
            self.say("end")
        finally:
            if hasattr(result, "close"):
                result.close()


def send_head(request: Any, status: str, headers: Headers) -> None:
    """Status and headers, in Apache's terms."""
    request.status = int(status.split(" ", 1)[0])
    for name, value in headers:
        word = name.lower()
        if word == "content-type":
            request.content_type = value
        elif word == "content-length":
            request.set_content_length(int(value))
        else:
            request.headers_out.add(name, value)


def relay(request: Any, exchange: Exchange, seconds: float) -> int:
    """Write what the application says; waiting for a word takes so long at most."""
    begun = False
    while True:
        try:
            kind, value = exchange.words.get(timeout=seconds)
        except queue.Empty:
            request.log_error(f"A page took more than {seconds:g} s: {request.uri}")
            return OK if begun else TOO_LATE
        if kind == "head":
            begun = True
            send_head(request, *value)
        elif kind == "block":
            request.write(value, int(exchange.words.empty()))
        else:
            return FAILED if kind == "failed" and not begun else OK


def take_body(request: Any) -> Any:
    """The body of a request. It is awaited here, so that a slow sender costs Apache's thread and no more."""
    body = SpooledTemporaryFile(BLOCK)  # noqa: SIM115  its reader closes it
    while block := request.read(BLOCK):
        body.write(block)
    body.seek(0)
    return body


class Bridge:
    """An application, and the requests that it answers now."""

    def __init__(self, application: Application, seconds: float) -> None:
        self.application, self.seconds = application, seconds
        self.running: set[Exchange] = set()

    def answer(self, request: Any) -> int:
        """Answer one request; Apache is told what it has to add."""
        try:
            body = take_body(request)
        except OSError:
            return NOT_UNDERSTOOD
        with body:
            environ = environ_of(request, body)
            exchange = Exchange()

            def live() -> None:
                # Not before: what never began would look like a page that never ends.
                self.running.add(exchange)
                try:
                    exchange.run(self.application, environ)
                finally:
                    self.running.discard(exchange)

            start_new_thread(live, ())
            try:
                return relay(request, exchange, self.seconds)
            except OSError:  # the visitor has left
                return OK
            finally:
                exchange.gone.set()

    def longest(self) -> float:
        """Seconds for which the most silent page has said nothing."""
        since = [exchange.busy_since for exchange in list(self.running)]
        return monotonic() - min((moment for moment in since if moment is not None), default=monotonic())

    def watch(self) -> None:
        """End the process when a page does not end: Apache starts another."""
        while self.longest() <= self.seconds + MERCY_SECONDS:
            sleep(1)
        print("A page does not end; its process does", file=sys.stderr, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)


bridges: list[Bridge] = []
_loading = threading.Lock()


def start() -> None:
    """Load the application, once in a process: when Apache starts it."""
    with _loading:
        if bridges:
            return
        options = importlib.import_module("mod_python.apache").main_server.get_options()
        memory = int(options["web2py.memory_mb"]) << 20
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
        before = list(sys.path)
        version = ".".join(map(str, sys.version_info[:2]))
        site.addsitedir(f"{options['web2py.environment']}/lib/python{version}/site-packages")
        # Ahead of the distribution's modules, which a release does not know.
        sys.path[:] = [path for path in sys.path if path not in before] + before
        bridge = Bridge(
            importlib.import_module("web2py_runtime.entry").application, float(options["web2py.request_seconds"])
        )
        bridges.append(bridge)
        start_new_thread(bridge.watch, ())


def handler(request: Any) -> int:
    """What mod_python calls."""
    start()
    return bridges[0].answer(request)
