# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection: the file on the host that tells the runtime how to open the site's databases."""

from __future__ import annotations

import json
import os
import secrets
import stat
from collections.abc import Mapping
from typing import Any

from ansible_collections.web2py.deploy.plugins.module_utils import _data
from ansible_collections.web2py.deploy.plugins.module_utils._base import Place
from ansible_collections.web2py.deploy.plugins.module_utils._hosts import cookie_key
from ansible_collections.web2py.deploy.plugins.module_utils._settings import FILE
from ansible_collections.web2py.deploy.plugins.module_utils._tree import read_json, remove, write

MODE = 0o640
# What admin reads to find tickets; the runtime knows what it stands for.
TICKETS = "ticket_storage.txt"
SCHEME = "web2py.deploy"


def with_tickets(private: Mapping[str, Mapping[str, str]], site: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """The private files of applications, and where admin finds the tickets of those that keep them in a database."""
    found = {name: dict(texts) for name, texts in private.items()}
    for row in site["applications"]:
        if row.get("settings", {}).get("tickets", {}).get("store") == "database":
            found.setdefault(row["name"], {})[TICKETS] = f"{SCHEME}:{row['name']}\n"
    return found


def _path(place: Place) -> str:
    return os.path.join(place.settings, FILE)


def _wanted(place: Place, site: Mapping[str, Any], password: str, session_key: str) -> dict[str, Any]:
    """The content of the file. Keys for sessions with visitors come from the site's, or are made once and kept."""
    applications = _data.secrets(site, password)
    before = read_json(_path(place), {}).get("applications", {})
    for row in site["applications"]:
        if row.get("settings", {}).get("sessions", {}).get("store") == "cookie":
            applications[row["name"]]["cookie_key"] = (
                cookie_key(session_key, site["name"], row["name"])
                if session_key
                else before.get(row["name"], {}).get("cookie_key") or secrets.token_urlsafe(32)
            )
    return {"applications": applications} if applications else {}


def changed(place: Place, site: Mapping[str, Any], password: str, session_key: str = "") -> bool:
    """Whether the file has to be written or removed."""
    wanted = _wanted(place, site, password, session_key)
    path = _path(place)
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return bool(wanted)
    right = (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (*place.owner, MODE)
    return not right or read_json(path, {}) != wanted


def told(new: bool) -> str:
    """A line for the difference; the content is never shown."""
    return f"{FILE}: changed (not shown)\n" if new else ""


def write_file(place: Place, site: Mapping[str, Any], password: str, session_key: str = "") -> None:
    """Write the file, for root and the site only."""
    wanted = _wanted(place, site, password, session_key)
    if wanted:
        write(_path(place), json.dumps(wanted, indent=2, sort_keys=True) + "\n", place.owner, MODE)


def kept(place: Place) -> dict[str, Any]:
    """How the databases are opened now, by application."""
    found: dict[str, Any] = read_json(_path(place), {}).get("applications", {})
    return found


def put_back(place: Place, former: Mapping[str, Any]) -> None:
    """After a failure: the release that goes on opens its databases as before, but by what is the server's word now."""
    rows = {name: _renewed(row, kept(place).get(name, {})) for name, row in former.items()}
    if rows:
        write(_path(place), json.dumps({"applications": rows}, indent=2, sort_keys=True) + "\n", place.owner, MODE)
    else:
        remove(_path(place))


def _renewed(former: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, Any]:
    """A row of before with the password that its account has now, and the key of its cookies."""
    row = dict(former)
    if "cookie_key" in former and "cookie_key" in now:
        row["cookie_key"] = now["cookie_key"]
    if former.get("uri") and _account(former) == _account(now):
        row["driver_args"] = {**former["driver_args"], "password": now["driver_args"]["password"]}
    return row


def _account(row: Mapping[str, Any]) -> str:
    """Server and account of a URI: all of it but the database."""
    scheme, _slashes, rest = str(row.get("uri") or "").partition("//")
    return f"{scheme}//{rest.partition('/')[0]}"


def drop(place: Place, site: Mapping[str, Any]) -> None:
    """Remove the file where no application needs it any more; the release of before may still read it until then."""
    if not _data.secrets(site, ""):
        remove(_path(place))
