# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection: one site on several web hosts: what has to be the same on all of them, and what is not."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.web2py.deploy.plugins.module_utils._settings import merged
from ansible_collections.web2py.deploy.plugins.module_utils._spec import Problem, shown

KEY = "web2py_session_key"
SITE = "web2py"


def cookie_key(key: str, site: str, application: str) -> str:
    """The key of an application's sessions in cookies, from that of the site: the same on all hosts."""
    digest = hmac.new(key.encode(), f"{site}\0{application}\0cookie".encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def neighbours(variables: Mapping[str, Any], group: str) -> list[tuple[str, Any]]:
    """Name and variables of the other hosts of a group that are the same machine. `variables` are a host's own."""
    me = variables["inventory_hostname"]
    others = [(name, variables["hostvars"][name]) for name in variables.get("groups", {}).get(group, ()) if name != me]
    return [(name, theirs) for name, theirs in others if _machine(name, theirs) == _machine(me, variables)]


def peers(variables: Mapping[str, Any], group: str) -> list[str]:
    """The other hosts of a group that have the same site, by its name and its domain, on another machine."""
    same = {variables["inventory_hostname"], *(name for name, _theirs in neighbours(variables, group))}
    return [name for name in of_site(variables, group) if name not in same]


def of_site(variables: Mapping[str, Any], group: str) -> list[str]:
    """The hosts of a group that have the same site as this one, by its name and its domain. It may be one of them."""
    me, known = variables["inventory_hostname"], variables["hostvars"]
    mine = _site(me, known[me])
    return [name for name in variables.get("groups", {}).get(group, ()) if _site(name, known[name]) == mine]


def _machine(name: str, variables: Mapping[str, Any]) -> tuple[Any, Any]:
    return variables.get("ansible_host", name), variables.get("ansible_port", 22)


def _site(name: str, variables: Mapping[str, Any]) -> tuple[Any, Any]:
    return variables.get("web2py_site") or SITE, variables.get("web2py_domain") or name


def problems(choices: Mapping[str, Any]) -> list[Problem]:
    """What is wrong with the key of sessions in cookies."""
    key = choices.get(KEY)
    if not key:
        return []
    if not _with_visitors(choices):
        fault, remedy = "is for sessions in cookies, and no application has these", "Remove it"
        return [Problem(KEY, shown(key, True), fault, remedy)]
    if not 32 <= len(key) <= 1024 or any(character in key for character in "\0\r\n"):
        remedy = "Use 32 to 1024 characters on one line, such as those of `openssl rand -base64 32`"
        return [Problem(KEY, shown(key, True), "is not fit for a key", remedy)]
    return []


def missing_key(choices: Mapping[str, Any], others: Sequence[str]) -> list[Problem]:
    """Sessions in cookies that another host of the site could not read."""
    if not others or choices.get(KEY) or not _with_visitors(choices):
        return []
    fault = f"missing, and {', '.join(others)} must read the sessions in cookies too"
    return [Problem(KEY, "", fault, "Give the same to all hosts of the site, from a vault")]


def own(site: Mapping[str, Any]) -> list[str]:
    """What each host of a resolved site keeps for itself, where it has several."""
    found, uploads = [], []
    data = site["data"]
    if data and data["local"]:
        found.append("the database server")
    for row in site["applications"]:
        words = row["settings"]
        if row["name"] == "admin":
            continue
        if words["database"]["type"] == "sqlite":
            found.append(f"the database of {row['name']} (sqlite)")
        store = words["sessions"]["store"]
        if store == "file" or (store in site and not site[store]["elsewhere"]):
            found.append(f"the sessions of {row['name']} ({store})")
        if words["uploads"]["store"] == "file":
            uploads.append(f"the uploads of {row['name']}, if it has any (file)")
    return found + uploads


def warnings(site: Mapping[str, Any], others: Sequence[str]) -> list[str]:
    """What the administrator of a site with several hosts is told; nothing where all of it is shared."""
    kept = own(site) if others else []
    if not kept:
        return []
    first = f"{site['domain']} is on {', '.join(others)} too, and each host keeps for itself: {', '.join(kept)}."
    last = "A visitor has to come back to the same host, and sees no upload of another, or these have to be elsewhere."
    return [f"{first} {last}"]


def _with_visitors(choices: Mapping[str, Any]) -> bool:
    return any(merged(choices, row)["sessions"]["store"] == "cookie" for row in choices["web2py_applications"])
