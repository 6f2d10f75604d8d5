# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection: everything that is known of a site on its host, gathered in one go and in bounded time.

Each probe stands for itself: what fails or does not end in time is an entry `error` in its part, never an exception.
Nothing is changed, and nothing secret is in what `gather` returns.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from ansible_collections.web2py.deploy.plugins.module_utils import _backup_state, _maintenance, _performance
from ansible_collections.web2py.deploy.plugins.module_utils._bounded import ANSWER_SECONDS, together
from ansible_collections.web2py.deploy.plugins.module_utils._contents import applications, databases, replicas, stores
from ansible_collections.web2py.deploy.plugins.module_utils._health import SITE
from ansible_collections.web2py.deploy.plugins.module_utils._info import (
    answer_faults,
    questions,
    release_of,
    renewal_faults,
    told,
    units_of,
)
from ansible_collections.web2py.deploy.plugins.module_utils._machine import file_system, machine
from ansible_collections.web2py.deploy.plugins.module_utils._tree import read_json
from ansible_collections.web2py.deploy.plugins.module_utils._units import units

# All answers together.
TOTAL_SECONDS = 20


def release(site: Mapping[str, Any]) -> dict[str, Any]:
    """What serves, and since when."""
    current = site["paths"]["current"]
    found = release_of(current)
    return {
        "id": found.get("id"),
        "performance": performance(current),
        "versions": found.get("versions") or {},
        "deployed": int(os.lstat(current).st_mtime) if os.path.islink(current) else None,
    }


def performance(current: str) -> dict[str, Any] | None:
    """What the check of the release told of the patches of web2py; None where it told nothing."""
    try:
        told = read_json(os.path.join(current, _performance.FILE), None)
    except (OSError, ValueError):
        return None
    return None if told is None else _performance.report(told)


def not_asked(states: Mapping[str, str], name: str) -> str | None:
    """Why the pages are not asked: their unit is down, and a question would start it."""
    state = states.get(f"{name}.service", "active")
    return None if state in ("active", "activating", "reloading") else f"not asked, {name}.service is {state}"


def answers(site: Mapping[str, Any], states: Mapping[str, str]) -> dict[str, Any]:
    """What the site answers at its own front door, and what of it is wrong."""
    asked = questions(site, ANSWER_SECONDS)
    why = not_asked(states, site["name"])
    said = together({name: ask for name, ask in asked.items() if not why}, TOTAL_SECONDS)
    found = told(site, {**{name: {"error": why} for name in asked}, **said})
    found["maintenance"] = _maintenance.read(_maintenance.path_of(site))
    # The silence of a unit that is down is told with the unit.
    faults = [*([] if why else answer_faults(site, found)), *renewal_faults(site, found)]
    return {**found, "faults": [fault(*pair) for pair in faults]}


def fault(what: str, remedy: str) -> dict[str, str]:
    return {"what": what, "remedy": remedy}


def gather(site: Mapping[str, Any]) -> dict[str, Any]:
    """All that is known of a site, by part."""
    begun, now = time.monotonic(), time.time()
    found = together(
        {
            "release": lambda: release(site),
            "units": lambda: units(site),
            "host": machine,
            "applications": lambda: applications(site),
            "databases": lambda: databases(site),
            "replicas": lambda: replicas(site),
            "stores": lambda: stores(site),
            "backup": lambda: _backup_state.read(site.get("backup")),
            "maintenance": lambda: _maintenance.look(site),
            "storage": lambda: file_system(site["paths"]["state"]),
        },
        TOTAL_SECONDS,
    )
    rows = found["units"] if isinstance(found["units"], list) else []
    needed = units_of(site)
    states = {row["name"]: row["active"] for row in rows if row["name"] in needed}
    said = together({"answers": lambda: answers(site, states)}, TOTAL_SECONDS * 2)["answers"]
    return {
        "site": site["name"],
        "url": site["url"],
        "time": datetime.fromtimestamp(now).astimezone().isoformat(timespec="seconds"),
        **found,
        "answers": {name: shown(said.get(name)) for name in ("page", "health", "redirect", "admin", "tunnel")},
        "certificate": {
            "provider": site["tls"]["provider"],
            "days": said.get("certificate_days"),
            "renewal": said.get("renewal"),
        },
        "trust": {"addresses": list(site["front_end"]["trusted_proxies"])},
        "faults": [fault(f"the site could not be asked: {said['error']}", SITE)] if "error" in said else said["faults"],
        "seconds": round(time.monotonic() - begun, 1),
    }


def shown(answer: Any) -> dict[str, Any] | None:
    """Of an answer what a page shows."""
    if not isinstance(answer, dict):
        return None
    return {key: answer[key] for key in ("status", "error", "location") if answer.get(key) is not None}
