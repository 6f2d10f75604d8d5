# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each server of the chapter's list, started on a socket that is open already.

A function here serves until the process ends; what happens before and at the end is the same for all (serve.py).
Only gunicorn, and CGI (once.py), have processes of their own and end them themselves.
"""

from __future__ import annotations

import importlib
import logging
import signal
import socket
import threading
from collections.abc import Callable
from typing import Any

from web2py_runtime.door import Door
from web2py_runtime.guard import Application

# The front end limits what comes; these take all that it lets through: bytes of a line, and headers.
LINE, HEADERS = 8190, 1000
# What a page's address says nothing about: the front end rewrites Host and the client.
NAME = "localhost"


def many_headers() -> None:
    """The standard library's parser, which several servers use, stops at a hundred headers and has no option for it."""
    importlib.import_module("http.client").__dict__["_MAXHEADERS"] = HEADERS


def forever() -> None:
    """The servers with threads of their own need the main thread for nothing."""
    threading.Event().wait()


def rocket(application: Application, door: Door, threads: int) -> None:
    """web2py's own server, of version 2 and 3."""
    try:
        module: Any = importlib.import_module("rocket3")
        server_class = module.Rocket3
    except ImportError:
        module = importlib.import_module("gluon.rocket")
        server_class = module.Rocket

    class Listener(module.Listener):  # type: ignore[misc]
        """Rocket's listener on our socket instead of one of its own. It is a thread by name only and runs another."""

        def __init__(self, interface: tuple[str, int], _queue: int, active_queue: Any) -> None:
            self.interface, self.active_queue = interface, active_queue
            self.addr, self.port = interface
            self.secure = self.clientcert_req = False
            self.thread, self.ready, self.listener = None, True, door
            self.err_log = logging.getLogger("Rocket.Errors")
            door.settimeout(1)

    module.Listener = Listener
    server = server_class((NAME, 80), "wsgi", {"wsgi_app": application}, threads, threads, handle_signals=False)
    server.start(background=True)
    forever()


def gunicorn(application: Application, processes: int, request_seconds: int, mercy_seconds: int) -> None:
    """gunicorn with processes of one thread each. It takes systemd's socket and replaces hung processes by itself."""
    base, arbiter = (importlib.import_module(f"gunicorn.{name}") for name in ("app.base", "arbiter"))

    def listen(_worker: Any = None) -> None:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})

    class Master(arbiter.Arbiter):  # type: ignore[misc]
        """gunicorn says once to a worker that it shall end, and its newest may not listen yet (27.0.1: Arbiter.stop).

        Such a worker would go on to serve, and be killed with a request in its hands. So what is said to it waits.
        """

        def spawn_worker(self) -> Any:
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
            try:
                return super().spawn_worker()
            finally:
                listen()

    class Server(base.BaseApplication):  # type: ignore[misc]
        """The application that is loaded already, and no file of settings."""

        def load_config(self) -> None:
            settings = {
                "workers": processes,
                "timeout": request_seconds,
                "graceful_timeout": mercy_seconds,
                "max_requests": 2000,
                "max_requests_jitter": 200,
                "preload_app": True,
                "post_worker_init": listen,
                "limit_request_line": LINE,
                "limit_request_field_size": LINE,
                "limit_request_fields": HEADERS,
                # Its other words for https are no word of the front end.
                "secure_scheme_headers": {"X-FORWARDED-PROTO": "https"},
                "control_socket_disable": True,
                # It would take these from a client's headers.
                "forwarder_headers": "",
                # The front end's headers are right; serve.py reads them (`proxied`).
                "forwarded_allow_ips": "*",
            }
            for name, value in settings.items():
                self.cfg.set(name, value)

        def load(self) -> Application:
            return application

        def run(self) -> None:
            Master(self).run()

    Server().run()


def waitress(application: Application, door: Door, threads: int, body: int = 1 << 34) -> None:
    """waitress of the Pylons project. The size of a body is limited where no front end does it."""
    module = importlib.import_module("waitress.server")
    door.setblocking(False)
    # Headers of the front end are right; serve.py reads them (`proxied`).
    server = module.create_server(
        application,
        sockets=[door],
        threads=threads,
        clear_untrusted_proxy_headers=False,
        connection_limit=1000,
        max_request_body_size=body,
        ident=None,
    )
    server.run()


def gevent_patch() -> None:
    """gevent replaces the standard library's waiting before anything else is imported."""
    importlib.import_module("gevent.monkey").patch_all()


def gevent(application: Application, door: Door, threads: int) -> None:
    """gevent's server: a greenlet for each request."""
    module = importlib.import_module("gevent.pywsgi")
    many_headers()
    pool = importlib.import_module("gevent.pool").Pool(threads)
    green = importlib.import_module("gevent.socket").socket

    class Server(module.WSGIServer):  # type: ignore[misc]
        """gevent's server, which accepts by the descriptor, through our door."""

        def do_read(self) -> Any:
            try:
                connection, address = door.accept()
            except BlockingIOError:
                return None
            connection.door = None
            return green(fileno=connection.detach()), address

        def do_close(self, *arguments: Any) -> None:
            super().do_close(*arguments)
            door.left()

    door.setblocking(False)
    Server(door, application, spawn=pool, log=None).serve_forever()


def eventlet_patch() -> None:
    """eventlet replaces the standard library's waiting before anything else is imported."""
    importlib.import_module("eventlet").monkey_patch()


def eventlet(application: Application, door: Door, threads: int) -> None:
    """eventlet's server: a green thread for each request."""
    module = importlib.import_module("eventlet.wsgi")
    many_headers()
    green = importlib.import_module("eventlet.greenio").GreenSocket(door)
    module.server(green, application, max_size=threads, log_output=False)


def tornado(application: Application, door: Door, threads: int) -> None:
    """tornado's server, with threads for the pages."""
    from concurrent.futures import ThreadPoolExecutor

    wsgi, httpserver, ioloop = (importlib.import_module(f"tornado.{name}") for name in ("wsgi", "httpserver", "ioloop"))
    door.setblocking(False)

    async def start() -> None:
        container = wsgi.WSGIContainer(application, executor=ThreadPoolExecutor(threads))
        # A page of web2py is read and answered as a whole; the front end limits what comes.
        server = httpserver.HTTPServer(container, max_buffer_size=1 << 34, max_body_size=1 << 34)
        server.add_socket(door)

    loop = ioloop.IOLoop.current()
    loop.add_callback(start)
    loop.start()


def cheroot(application: Application, door: Door, threads: int) -> None:
    """CherryPy's server."""
    module = importlib.import_module("cheroot.wsgi")

    class Server(module.Server):  # type: ignore[misc]
        """cheroot on our socket instead of one of its own."""

        def bind(self, *_arguments: Any) -> None:
            self.socket = door
            # It sets options and looks at the address; ours is set.

    server = Server((NAME, 0), application, numthreads=threads, max=threads, request_queue_size=1024)
    server.safe_start()


class _Given:
    """For servers after the standard library's socketserver: our socket instead of one of their own."""

    door: Door
    server_name, server_port = NAME, 80
    socket: socket.socket
    server_address: Any

    def server_bind(self) -> None:
        self.socket.close()
        self.socket, self.server_address = self.door, (NAME, 80)

    def server_activate(self) -> None:
        pass


def paste(application: Application, door: Door, threads: int) -> None:
    """Paste's server with its pool of threads."""
    module = importlib.import_module("paste.httpserver")
    many_headers()
    server_class = type("Server", (_Given, module.WSGIThreadPoolServer), {"door": door})
    server = server_class(application, (NAME, 0), module.WSGIHandler, nworkers=threads, daemon_threads=True)
    server.serve_forever()


def wsgiref(application: Application, door: Door, _threads: int) -> None:
    """The standard library's server, with a thread for each request and no bound on them: not for production."""
    module, base = importlib.import_module("wsgiref.simple_server"), importlib.import_module("socketserver")
    many_headers()

    class Handler(module.WSGIRequestHandler):  # type: ignore[misc]
        """No line for each request, no question to the name server."""

        def log_message(self, *_arguments: Any) -> None:
            pass

        def address_string(self) -> str:
            return str(self.client_address[0])

    server_class = type(
        "Server", (_Given, base.ThreadingMixIn, module.WSGIServer), {"door": door, "daemon_threads": True}
    )
    server = server_class((NAME, 0), Handler)
    server.setup_environ()
    server.set_app(application)
    server.serve_forever()


def _flup(name: str, application: Application, door: Door, threads: int) -> None:
    module = importlib.import_module(f"flup.server.{name}")
    base = importlib.import_module("flup.server.threadedserver").ThreadedServer

    class Server(module.WSGIServer):  # type: ignore[misc]
        """flup leaves signals alone, and who may connect to the socket's mode."""

        def _installSignalHandlers(self) -> None:
            pass

        def _restoreSignalHandlers(self) -> None:
            pass

        def _isClientAllowed(self, _address: Any) -> bool:
            return True

        def _sanitizeEnv(self, environ: dict[str, Any]) -> None:
            environ.setdefault("SCRIPT_NAME", "")

    quiet = {"loggingLevel": logging.WARNING} if name == "scgi" else {}
    server = Server(application, maxThreads=threads, minSpare=threads, maxSpare=threads, debug=False, **quiet)
    pool = server._threadPool
    add = pool.addJob
    pool.addJob = lambda job, allowQueuing=False: add(job, allowQueuing=True)
    base.run(server, door)


def fastcgi(application: Application, door: Door, threads: int) -> None:
    """FastCGI by flup, as web2py's fcgihandler.py has it."""
    _flup("fcgi", application, door, threads)


def scgi(application: Application, door: Door, threads: int) -> None:
    """SCGI by flup."""
    _flup("scgi", application, door, threads)


Serve = Callable[[Application, Door, int], None]
SERVERS: dict[str, Serve] = {
    "rocket": rocket,
    "waitress": waitress,
    "gevent": gevent,
    "eventlet": eventlet,
    "tornado": tornado,
    "cheroot": cheroot,
    "paste": paste,
    "wsgiref": wsgiref,
    "fastcgi": fastcgi,
    "scgi": scgi,
}
BEFORE_ALL: dict[str, Callable[[], None]] = {"gevent": gevent_patch, "eventlet": eventlet_patch}
# The front end tells these in headers what it tells others in variables.
HTTP = frozenset(SERVERS) - {"fastcgi", "scgi"}
