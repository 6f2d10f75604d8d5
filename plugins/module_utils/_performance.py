# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection: how much of web2py's repeated work is left out, and which pages have no session."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ansible_collections.web2py.deploy.plugins.module_utils._spec import Problem, nearest, shown

LEVELS = ("fast", "exact", "upstream")
# Beside release.json: what the process that checked the release told of its patches.
FILE = "performance.json"
_PLACE = re.compile(r"[A-Za-z0-9_]+(/[A-Za-z0-9_]+){0,2}")


def level(choices: Mapping[str, Any]) -> str:
    """The level of the runtime: the one chosen, else what suits how code changes and processes live.

    On a host of ours code is root's: neither the service nor web2py's admin can write it, so it changes by deploys that
    load it anew. In an account its owner can. A process that answers one request has nothing to remember.
    """
    chosen: str | None = choices["web2py_performance"]
    if chosen is not None:
        return chosen
    if _alone(choices):
        return "upstream"
    return "fast" if choices["web2py_account"] is None else "exact"


def _alone(choices: Mapping[str, Any]) -> bool:
    """Whether each request has a process of its own."""
    account = choices["web2py_account"] or {}
    return choices["web2py_app_server"] == "cgi" or account.get("web") == "htaccess_cgi"


def performance(choices: Mapping[str, Any]) -> dict[str, Any]:
    """The part of the resolved site."""
    return {"level": level(choices), "sessionless": sorted(set(choices["web2py_sessionless"]))}


def problems(choices: Mapping[str, Any]) -> list[Problem]:
    found = []
    if _alone(choices) and choices["web2py_performance"] in ("fast", "exact"):
        word, fault = shown(choices["web2py_performance"]), "is lost on CGI, whose processes answer one request each"
        found.append(Problem("web2py_performance", word, fault, "Remove it, or have the site started in another way"))
    names = [row["name"] for row in choices["web2py_applications"]]
    for place in choices["web2py_sessionless"]:
        application, _slash, rest = place.partition("/")
        fault = remedy = ""
        if not _PLACE.fullmatch(place):
            fault = "is no place of an application"
            remedy = "Give APPLICATION, APPLICATION/CONTROLLER or APPLICATION/CONTROLLER/FUNCTION"
        elif application == "admin" or rest.partition("/")[0] == "appadmin":
            fault, remedy = "is for those who log in, which takes a session", "Remove it"
        elif application not in names:
            fault, remedy = "is of an application that the site has not", nearest(application, names)
        if fault:
            found.append(Problem("web2py_sessionless", shown(place), fault, remedy))
    return found


def warnings(choices: Mapping[str, Any]) -> list[str]:
    """What the owner of an account is told who chose what suits code that only runs change."""
    if choices["web2py_performance"] != "fast" or choices["web2py_account"] is None:
        return []
    return [
        "web2py_performance 'fast': what you edit in the account is seen after up to a second. 'exact' sees it at once."
    ]


def report(told: Any) -> dict[str, Any]:
    """What a process of a release told of its patches: those that are on, and why others are not. It is the site's
    user who tells, so only words of the known kind are taken.
    """
    told = told if isinstance(told, dict) else {}
    on, off = told.get("on"), told.get("off")
    return {
        "level": told.get("level") if told.get("level") in LEVELS else "upstream",
        "on": [name for name in on if _is_name(name)] if isinstance(on, list) else [],
        "off": {name: _line(why) for name, why in off.items() if _is_name(name)} if isinstance(off, dict) else {},
    }


def _is_name(word: Any) -> bool:
    return isinstance(word, str) and re.fullmatch(r"[a-z]{1,20}", word) is not None


def _line(text: Any) -> str:
    return "".join(character for character in str(text)[:300] if character.isprintable())


def shown_report(told: Any) -> str:
    """The same in a line for a page."""
    told = report(told)
    if told["level"] == "upstream":
        return "upstream: web2py as it is"
    off = f"; off: {', '.join(told['off'])}" if told["off"] else ""
    return f"{told['level']}: {', '.join(told['on']) or 'nothing'}{off}"
