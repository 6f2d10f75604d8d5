# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection: what keeps order in the state of a site: expired sessions go, tickets are collected."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.web2py.deploy.plugins.module_utils._spec import Problem, shown

# What `scripts/sessions2trash.py` takes too.
EXPIRY_SECONDS = 3600
EVERY_MINUTES = 5
# Names of units that a site's own must not end like.
ENDINGS = ("-sessions", "-tickets")
_CHOICE = "web2py_session_cleanup"
_BOUNDS = {"every_minutes": (1, 1440), "expiry": (60, 31536000)}


def upkeep(
    choices: Mapping[str, Any], applications: Sequence[Mapping[str, Any]], host: Mapping[str, Any], known: bool
) -> dict[str, Any]:
    """The part of the resolved site. `applications` are its resolved ones; `known`, whether the site is on the host."""
    chosen = choices[_CHOICE]
    rows = {row["name"]: row.get("session_cleanup") or {} for row in choices["web2py_applications"]}
    tickets = {
        row["name"]: {"store": "database"} for row in applications if _setting(row, "tickets", "store") == "database"
    }
    name, traces = choices["web2py_site"], host.get("traces", {}) if known else {}
    return {
        # An empty choice is one, too.
        "sessions": None
        if chosen is None
        else {
            "every_minutes": _given(chosen, "every_minutes", EVERY_MINUTES),
            "applications": {row["name"]: _swept(row, chosen, rows.get(row["name"], {})) for row in applications},
        },
        "tickets": {"every_minutes": EVERY_MINUTES, "applications": tickets} if tickets else None,
        # What an earlier choice has left on the host.
        "former": [
            word
            for word, wanted in (("sessions", chosen is not None), ("tickets", bool(tickets)))
            if not wanted and name in traces.get(word, [])
        ],
    }


def _swept(row: Mapping[str, Any], chosen: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """How the sessions of an application are swept: its own word, the site's, or what its sessions are told."""
    expiry = _setting(row, "sessions", "expiry") or EXPIRY_SECONDS
    return {
        "store": _setting(row, "sessions", "store") or "file",
        "expiry": _given(own, "expiry", _given(chosen, "expiry", expiry)),
        "force": bool(_given(own, "force", _given(chosen, "force", False))),
        "dry_run": bool(_given(own, "dry_run", _given(chosen, "dry_run", False))),
    }


def _given(words: Mapping[str, Any], key: str, default: Any) -> Any:
    return default if words.get(key) is None else words[key]


def _setting(row: Mapping[str, Any], part: str, key: str) -> Any:
    """A word of the settings of an application."""
    return ((row.get("settings") or {}).get(part) or {}).get(key)


def problems(choices: Mapping[str, Any]) -> list[Problem]:
    """What is wrong with the choices."""
    chosen = choices[_CHOICE]
    found = _bounds(_CHOICE, chosen or {})
    for row in choices["web2py_applications"]:
        own = row.get("session_cleanup")
        variable = f"web2py_applications ({row['name']}).session_cleanup"
        if own is not None and chosen is None:
            words = f"has no meaning without {_CHOICE}"
            found.append(Problem(variable, shown(dict(own)), words, f"Give {_CHOICE}: {{}} too, or remove it"))
        found += _bounds(variable, own or {})
    name = choices["web2py_site"]
    for ending in ENDINGS:
        if name.endswith(ending):
            words = f"ends like a unit of another site, {name[: -len(ending)]}{ending}.timer"
            found.append(Problem("web2py_site", shown(name), words, f"Choose a name with another end than {ending}"))
    return found


def _bounds(variable: str, words: Mapping[str, Any]) -> list[Problem]:
    return [
        Problem(f"{variable}.{key}", shown(words[key]), "is out of bounds", f"Give a number from {low} to {high}")
        for key, (low, high) in _BOUNDS.items()
        if words.get(key) is not None and not low <= words[key] <= high
    ]
