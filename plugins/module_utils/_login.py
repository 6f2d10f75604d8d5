# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection: what logins to servers of databases have in common, with nothing but Python."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

# As the servers themselves call those who log in.
CALLED = {"postgresql": "role", "mysql": "user"}

NO_TLS = "Ask its keeper for TLS, or say web2py_database.ssl_mode: disable, where nobody can listen on the way"


class Refused(Exception):
    """Why there is no login, in words for the keeper."""


class Unreached(Refused):
    """Nobody answers there, for the moment or for good."""


def context(data: Mapping[str, Any]) -> ssl.SSLContext | None:
    """How the server is trusted, in libpq's words; `authority` is a certificate's text where no file has it yet."""
    if data["ssl_mode"] == "disable":
        return None
    found = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    found.check_hostname = data["ssl_mode"] == "verify-full"
    if not data["ssl_mode"].startswith("verify"):
        found.verify_mode = ssl.CERT_NONE
        return found
    authority, ca = data.get("authority") or None, data["ca"]
    way_out = _of_group(data) or "Give the path of the authority's certificate on the host in web2py_database.ca"
    try:
        found.load_verify_locations(cafile=None if authority else ca, cadata=authority)
    except ssl.SSLError:
        raise Refused(f"there is no certificate in {ca} on the host. {way_out}") from None
    except OSError as error:
        raise Refused(
            f"the certificate {ca} cannot be read on the host: {error.strerror or error}. {way_out}"
        ) from None
    return found


def _of_group(data: Mapping[str, Any]) -> str:
    """What to do about a certificate where the inventory names the hosts, and nobody may give one."""
    words = (
        "Run web2py.deploy.site without --limit: the hosts of the group web2py_database tell whom they are certified by"
    )
    return words if data.get("group") else ""


def _place(data: Mapping[str, Any]) -> str:
    """The variable that names the server."""
    if data.get("group"):
        return "web2py_address of the hosts of the group web2py_database"
    return "web2py_database.replicas" if data.get("replica") else "web2py_database.host"


@contextmanager
def in_words(data: Mapping[str, Any]) -> Iterator[None]:
    """What fails on the way to a server, in words."""
    try:
        yield
    except ssl.SSLCertVerificationError as error:
        way_out = _of_group(data) or (
            f"Give the authority that signed it in web2py_database.ca, and the name it is for in {_place(data)}"
        )
        raise Refused(f"its certificate is not trusted: {error.verify_message}. {way_out}") from None
    except ssl.SSLError as error:
        way_out = "Ask its keeper for TLS 1.2 or newer, without a certificate of who logs in"
        raise Refused(f"it cannot be talked to by TLS: {error.reason or error}. {way_out}") from None
    except socket.gaierror as error:
        way_out = f"Give a name that this host knows, or an address, in {_place(data)}"
        raise Refused(f"its name leads nowhere: {error.strerror or error}. {way_out}") from None
    except OSError as error:
        way_out = "Start the server there, or let this host through to its port"
        raise Unreached(f"it cannot be reached: {error.strerror or error}. {way_out}") from None


Login = Callable[[dict[str, Any], str, str], object]


def refusals(login: Login, data: dict[str, Any], password: str) -> list[str]:
    """Why the site's role does not get into each of its databases."""
    return [_told(data, database, refused) for database, refused in _tried(login, data, password)]


def replicas(login: Login, data: dict[str, Any], password: str) -> tuple[list[str], list[str]]:
    """The same of the replicas of a server elsewhere, and what is only a warning: pages do without one that is away.

    Those of a group are set up by the run itself, and a database that is new may come to them a moment later.
    """
    found: list[str] = []
    away: list[str] = []
    for host in [] if data.get("group") else data.get("replicas") or []:
        replica = {**data, "host": host, "replica": True}
        rows = _tried(login, replica, password)
        found += [_told(replica, database, row) for database, row in rows if not isinstance(row, Unreached)]
        away += [_told(replica, database, row) for database, row in rows if isinstance(row, Unreached)]
    return found, away


def _tried(login: Login, data: dict[str, Any], password: str) -> list[tuple[str, Refused]]:
    """The databases that there is no login to. Who is not reached once is not asked again."""
    found: list[tuple[str, Refused]] = []
    for database in data["databases"]:
        try:
            login(data, database, password)
        except Unreached as refused:
            return [*found, (database, refused)]
        except Refused as refused:
            found.append((database, refused))
    return found


def _told(data: Mapping[str, Any], database: str, refused: Refused) -> str:
    what = "replica " if data.get("replica") else ""
    who = f"{CALLED[data['type']]} {data['user']}"
    return f"{what}{data['host']}:{data['port']}, database {database}, {who}: {refused}"
