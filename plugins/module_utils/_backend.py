# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection: the backend an application server offers and a front end consumes."""

from __future__ import annotations

from typing import NamedTuple, TypedDict


class FrontEnd(NamedTuple):
    """A front end: what it speaks to a backend, its program, units (the service last) and user, and what it cannot do.

    `lacks` names tests of the acceptance suite's that do not hold: `counting` of connections and login forms by
    address, `unknown` names over https without a certificate, `links` in static files refused, `hosts` named twice,
    `http2`, the path of a redirect in its `raw` spelling, `alerts` for TLS of yesterday, `logs` in files of its own,
    files `packed` beforehand, those of `brotli`, several `tags` in a condition, pages of our own for `ranges` that a
    file has not, `heads` above 8 KiB, `bodies` that stop coming given up before a page is, `ports` kept open while it
    takes up new settings, and files and error pages while the application server is `stopped`. `apart`, when it and the
    application server are processes of one user, who has the host for one site then. `forwarded` is no test: the front
    end cannot write these headers, so the guard of the runtime does, and nobody before it is believed.
    `none` is no web server: the program is the launcher, with the unit and the user of the application server.
    """

    speaks: tuple[str, ...]
    program: str
    units: tuple[str, ...]
    user: str
    lacks: tuple[str, ...]
    requirements: tuple[str, ...] = ()


FRONT_ENDS: dict[str, FrontEnd] = {
    "nginx": FrontEnd(("uwsgi", "http", "fastcgi", "scgi"), "nginx", ("nginx.service",), "www-data", ()),
    "apache": FrontEnd(
        ("mod_wsgi", "mod_python", "uwsgi", "http", "fastcgi", "scgi"),
        "apache2",
        ("apache2.service",),
        "www-data",
        ("counting",),
    ),
    "lighttpd": FrontEnd(
        ("fastcgi", "scgi", "http"),
        "lighttpd",
        ("lighttpd.socket", "lighttpd.service"),
        "www-data",
        ("counting", "unknown", "links", "hosts"),
    ),
    "cherokee": FrontEnd(
        ("fastcgi", "scgi"),
        "cherokee-worker",
        ("cherokee_web2py.service",),
        "www-data",
        tuple("counting unknown forwarded http2 raw packed brotli tags ranges heads ports bodies".split()),
    ),
    "none": FrontEnd(
        ("https",),
        "python",
        (),
        "",
        ("http2", "alerts", "logs", "stopped", "apart"),
        ("whitenoise==6.12.0",),
    ),
}


class Server(NamedTuple):
    """An application server: the role that runs it, what it offers, best first, and what it needs from PyPI.

    `hosts` are the only ones that have it, where not all do. `lacks` as of a front end.
    """

    role: str
    offers: tuple[str, ...]
    requirements: tuple[str, ...] = ()
    hosts: tuple[tuple[str, str], ...] = ()
    lacks: tuple[str, ...] = ()


def _any(*requirements: str) -> Server:
    return Server("anyserver", ("http", "https"), requirements)


APP_SERVERS: dict[str, Server] = {
    "uwsgi": Server("uwsgi", ("uwsgi", "fastcgi", "scgi", "http")),
    "mod_wsgi": Server("mod_wsgi", ("mod_wsgi",)),
    "mod_python": Server("mod_python", ("mod_python",), hosts=(("debian", "12"),), lacks=("apart",)),
    "rocket": Server("rocket", ("http", "https")),
    "fastcgi": Server("fastcgi", ("fastcgi",), ("flup-py3==1.0.3",)),
    "scgi": Server("scgi", ("scgi",), ("flup-py3==1.0.3",)),
    "cgi": Server("cgi", ("scgi",)),
    "gunicorn": _any("gunicorn==27.0.1"),
    "waitress": _any("waitress==3.0.2"),
    "gevent": _any("gevent==26.9.0"),
    "eventlet": _any("eventlet==0.41.3"),
    "tornado": _any("tornado==6.6.1"),
    "cheroot": _any("cheroot==11.1.2"),
    "paste": _any("Paste==3.10.1"),
    "wsgiref": _any(),
}
# Names of upstream's anyserver.py that are refused, why, and what to use instead.
DEAD: dict[str, str] = {
    "bjoern": "has no release that installs without a compiler; use gevent",
    "cherrypy": "lives on as cheroot; use cheroot",
    "diesel": "is abandoned and for Python 2; use gevent",
    "fapws": "is abandoned and does not build; use gevent",
    "flup": "speaks FastCGI; use fastcgi",
    "mongrel2": "is abandoned and on no index; use waitress",
    "motor": "is now a driver for MongoDB; use tornado",
    "pulsar": "is abandoned and does not load on Python 3.7 or newer; use gunicorn",
    "rocket_with_repoze_profiler": "shows its profile to every visitor; use rocket",
    "twisted": "cuts a large answer now and then while the front end reloads, for a reason not found yet; use tornado",
}


class Backend(TypedDict):
    """Where the front end finds the application: `path` is the socket of `address`.

    A server inside the front end has no address, but settings that the front end includes.
    """

    protocol: str
    address: str
    path: str
    include: str


# Protocols that are none: the front end runs web2py itself.
INSIDE = ("mod_wsgi", "mod_python")


def servers_of(front_end: str) -> list[str]:
    """The application servers that a front end can serve."""
    return [name for name, server in APP_SERVERS.items() if set(server.offers) & set(FRONT_ENDS[front_end].speaks)]


def alone(front_end: str, app_server: str) -> bool:
    """Whether a host with this pair has room for one site only."""
    return "apart" in FRONT_ENDS[front_end].lacks + APP_SERVERS[app_server].lacks


def processes(cpus: int, memory_mb: int) -> int:
    """How many processes of one thread each a site has: four for each processor, at least 16, one for every 64 MB at
    most, but two in any case.
    """
    return max(2, min(max(16, 4 * cpus), memory_mb // 64))


def protocol(front_end: str, app_server: str) -> str:
    """The first protocol of the application server that the front end speaks; ValueError names the pairs that work."""
    for offered in APP_SERVERS[app_server].offers:
        if offered in FRONT_ENDS[front_end].speaks:
            return offered
    raise ValueError(
        f"{front_end} cannot serve {app_server}; with {front_end} use one of {', '.join(servers_of(front_end))}"
    )


def backend(site: str, front_end: str, app_server: str) -> Backend:
    """The backend of a site: a unix socket that systemd owns, or settings that the front end includes."""
    spoken = protocol(front_end, app_server)
    if spoken in INSIDE:
        return {"protocol": spoken, "address": "", "path": "", "include": f"/etc/{site}/{spoken}.conf"}
    # Behind the launcher's own door, which speaks https to the public, the server has a socket like any other.
    spoken = "http" if spoken == "https" else spoken
    # A name for each protocol: while the server changes, the front end of before must not speak to the new one in words
    # of which that would wait for more.
    path = f"/run/{site}/{spoken}.sock"
    return {"protocol": spoken, "address": f"unix:{path}", "path": path, "include": ""}
