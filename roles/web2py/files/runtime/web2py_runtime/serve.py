# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run web2py under one of the servers of servers.py, as a service of systemd with a socket of systemd.

python -m web2py_runtime.serve NAME --workers 20 --request-seconds 60 --mercy-seconds 8
"""

from __future__ import annotations

import argparse
import atexit
import json
import os
import signal
import socket
from _thread import start_new_thread
from pathlib import Path

# By name: servers with green threads replace what the module holds.
from time import monotonic, sleep
from typing import Any

from web2py_runtime import once, servers
from web2py_runtime.door import Door, given, inherited
from web2py_runtime.guard import Application, Environ
from web2py_runtime.late import Clock
from web2py_runtime.tunnel import tunnelled

PULSE_SECONDS = 1.0


def tell(words: str) -> None:
    """Tell systemd something (sd_notify(3))."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
        line.connect("\0" + address[1:] if address.startswith("@") else address)
        line.sendall(words.encode())


def proxied(application: Application) -> Application:
    """Variables of the request as the front end's headers tell them; it overwrites whatever a client claims."""

    def answer(environ: Environ, start_response: Any) -> Any:
        # Front ends write both; lighttpd says in the second who has connected, be it a proxy that is trusted.
        client = environ.get("HTTP_X_REAL_IP") or environ.get("HTTP_X_FORWARDED_FOR")
        if client:
            environ.update(REMOTE_ADDR=client, HTTP_X_FORWARDED_FOR=client)
        scheme = environ.get("HTTP_X_FORWARDED_PROTO")
        if scheme:
            environ["wsgi.url_scheme"] = scheme
            environ.pop("HTTPS", None)
            if scheme == "https":
                environ["HTTPS"] = "on"
        port = environ.get("HTTP_X_FORWARDED_PORT")
        if port:
            environ["SERVER_PORT"] = port
        environ.setdefault("QUERY_STRING", "")
        host = environ.get("HTTP_HOST")
        if host:
            environ["SERVER_NAME"] = host.partition(":")[0]
        return application(environ, start_response)

    return answer


def named(application: Application, name: str) -> Application:
    """The application is told who runs it; some servers tell nothing, and some what the front end says of itself."""

    def answer(environ: Environ, start_response: Any) -> Any:
        environ["SERVER_SOFTWARE"] = name
        return application(environ, start_response)

    return answer


def pulse(clock: Clock, limit: float, unwatched: bool) -> None:
    """Tell systemd's watchdog that all is well, until a request takes too long: then it starts the service anew.

    A child of the gate, or of a web server, ends by itself, and another is started.
    """
    while True:
        if clock.longest() <= limit:
            tell("WATCHDOG=1")
        elif unwatched:
            print(f"A request took more than {limit:g} s", flush=True)
            os._exit(1)
        sleep(PULSE_SECONDS)


def leave(door: Door, mercy: float) -> None:
    """End after the requests that are inside; those outside wait for the next process."""
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    tell("STOPPING=1")
    door.shut()
    if not door.emptied(mercy):
        print(f"{door.inside} requests did not end within {mercy:g} s", flush=True)
    end()


def doze(door: Door, seconds: float) -> None:
    """End when nobody has asked for so long. Who comes then is met by the next process, which systemd starts."""
    door.quiet_since = monotonic()  # loading is no quiet
    while not door.shut(quiet_seconds=seconds):
        sleep(PULSE_SECONDS)
    tell("STOPPING=1")
    end()


def identity(path: str) -> tuple[int, ...]:
    """What tells a file from another one of that name; nothing where there is none."""
    try:
        found = os.stat(path)
    except OSError:
        return ()
    return found.st_dev, found.st_ino, found.st_mtime_ns


def outlive(door: Door, script: str, known: tuple[int, ...]) -> None:
    """End after the script that a web server started us by: another one, or none, means that it asks us no more.

    The web server itself would keep some processes of each script for good, with old code, and take them for those of
    a new file in the old one's place on the disk.
    """
    while identity(script) == known or not door.shut(quiet_seconds=PULSE_SECONDS):
        sleep(PULSE_SECONDS)
    end()


def end() -> None:
    """What the interpreter does at its end, in spite of the server's threads."""
    atexit._run_exitfuncs()
    os._exit(0)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("server", choices=["cgi", "gunicorn", *sorted(servers.SERVERS)])
    parser.add_argument("--workers", type=int, required=True, help="threads, or processes where the server has some")
    parser.add_argument("--request-seconds", type=int, required=True)
    parser.add_argument("--mercy-seconds", type=int, required=True)
    parser.add_argument("--idle-seconds", type=int, default=0, help="end when nobody asks for so long")
    parser.add_argument("--admin-port", type=int, help="serve admin through a tunnel to this port, and nothing else")
    parser.add_argument("--forms-per-minute", type=int, default=5, help="that admin takes")
    parser.add_argument("--body-mb", type=int, default=1, help="of the largest form that admin takes")
    parser.add_argument("--front", type=Path, help="settings of a site without a web server: static files are served")
    parser.add_argument("--direct", type=int, metavar="MB", help="no front end of ours: largest body of a request")
    parser.add_argument("--script", help="by which a web server started this, with the socket as standard input")
    return parser.parse_args()


def main() -> None:
    told = arguments()

    def loaded() -> Application:
        from web2py_runtime.entry import application

        if told.front is None:
            return named(application, told.server)
        from web2py_runtime.files import fronted

        settings = json.loads(told.front.read_text(encoding="utf-8"))
        return fronted(named(application, told.server), settings, os.environ["web2py_path"])

    if told.server == "gunicorn":
        servers.gunicorn(proxied(loaded()), told.workers, told.request_seconds, told.mercy_seconds)
        return
    if told.server == "cgi":
        once.serve(loaded(), inherited()[0], told.workers, told.request_seconds, told.mercy_seconds, tell)
        return
    # Threads inherit this; only the one that waits for them takes these signals.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    script = identity(told.script or "")
    door = given(0) if told.script else inherited()[0]
    servers.BEFORE_ALL.get(told.server, lambda: None)()
    clock = Clock(loaded())
    # Threads of the system, also where a server has green ones: they go on while the server waits.
    start_new_thread(leave, (door, told.mercy_seconds))
    start_new_thread(pulse, (clock, told.request_seconds, bool(told.front or told.script)))
    if told.idle_seconds:
        start_new_thread(doze, (door, told.idle_seconds))
    if told.script:
        start_new_thread(outlive, (door, told.script, script))
    tell("READY=1")
    if told.direct and told.server == "waitress":
        # Its bound is the first length that is too large.
        servers.waitress(clock, door, told.workers, (told.direct << 20) + 1)
    outer: Application = proxied(clock) if not told.direct and told.server in servers.HTTP else clock
    if told.admin_port:
        outer = tunnelled(clock, told.admin_port, told.forms_per_minute, told.body_mb)
    servers.SERVERS[told.server](outer, door, told.workers)


if __name__ == "__main__":
    main()
