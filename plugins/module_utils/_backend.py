# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection: the backend an application server offers and a front end consumes."""

from __future__ import annotations

from typing import TypedDict

# What a front end can speak to a backend, and what an application server offers, best first.
FRONT_ENDS: dict[str, tuple[str, ...]] = {
    "nginx": ("uwsgi", "http"),
}
APP_SERVERS: dict[str, tuple[str, ...]] = {
    "uwsgi": ("uwsgi", "http"),
}


class Backend(TypedDict):
    """Where the front end finds the application: `path` is the socket of `address`."""

    protocol: str
    address: str
    path: str


def protocol(front_end: str, app_server: str) -> str:
    """The first protocol of the application server that the front end speaks; ValueError names the pairs that work."""
    for offered in APP_SERVERS[app_server]:
        if offered in FRONT_ENDS[front_end]:
            return offered
    servers = [name for name, offers in APP_SERVERS.items() if set(offers) & set(FRONT_ENDS[front_end])]
    raise ValueError(f"{front_end} cannot serve {app_server}; with {front_end} use one of {', '.join(servers)}")


def backend(site: str, front_end: str, app_server: str) -> Backend:
    """The backend of a site: a unix socket that systemd owns."""
    path = f"/run/{site}/app.sock"
    return {"protocol": protocol(front_end, app_server), "address": f"unix:{path}", "path": path}
