# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection: what an application is told of its site: database, sessions, cache, tickets, uploads.

Its code stays as it is. A small model of ours, which runs first, takes the settings to it; a site that chooses nothing
but what web2py does by itself has no such model.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# The words of the table of choices, without web2py_, that an application may have of its own; and web2py's own ways.
DEFAULTS: dict[str, Any] = {
    "database": {"type": "sqlite"},
    "sessions": {"store": "file"},
    "cache": {"store": "ram"},
    "tickets": {"store": "file"},
    "uploads": {"store": "file"},
    "migrate": True,
}
# Of sessions; those in files end in time only where that was said.
EXPIRY = 3600
MODEL = "models/000_web2py_deploy.py"
# Where the runtime finds the databases, with what opens them. Outside of releases, for root and the site only.
FILE = "databases.json"
_HEADER = "# Written by web2py.deploy; the next release has its own.\n"


def given(value: Any) -> Any:
    """A mapping without what was not said."""
    return {key: word for key, word in value.items() if word is not None} if isinstance(value, Mapping) else value


def merged(choices: Mapping[str, Any], row: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of an application: web2py's own ways, changed by the site, changed by the application.

    web2py's admin is a tool of the keeper: it takes nothing from the site.
    """
    found: dict[str, Any] = {}
    for word, default in DEFAULTS.items():
        site = given(choices.get(f"web2py_{word}")) if row["name"] != "admin" else None
        own = given(row.get(word))
        if isinstance(default, dict):
            found[word] = {**default, **(site or {}), **(own or {})}
            if word == "cache" and (own or {}).get("store", "ram") != "ram" and "max_mb" not in (own or {}):
                # The site's bound is for its processes, and this application has chosen another place.
                found[word].pop("max_mb", None)
        else:
            found[word] = next(value for value in (own, site, default) if value is not None)
    if found["sessions"]["store"] != "file":
        found["sessions"].setdefault("expiry", EXPIRY)
    return found


def plain(settings: Mapping[str, Any]) -> bool:
    """Whether web2py does all of it by itself."""
    stores = all(settings[word]["store"] == DEFAULTS[word]["store"] for word in DEFAULTS if _stored(word, settings))
    more = settings["cache"].get("max_mb") is not None or settings["sessions"].get("expiry") is not None
    return stores and not more and settings["database"]["type"] == "sqlite" and settings["migrate"] is True


def _stored(word: str, settings: Mapping[str, Any]) -> bool:
    return isinstance(settings.get(word), Mapping) and "store" in DEFAULTS[word]


def model(application: Mapping[str, Any], folder: str) -> str:
    """The text of the model that takes the settings of a resolved application to it; "" where it needs none.

    It is a constant form: a call with one literal, which holds no secret. `folder` is that of the site's settings.
    """
    settings = application.get("settings")
    if not settings or plain(settings):
        return ""
    words = {key: settings[key] for key in sorted(settings)}
    text = (
        f"{_HEADER}__import__('web2py_runtime.settings', fromlist=['apply']).apply(\n"
        f"    globals(),\n    {f'{folder}/{FILE}'!a},\n    {words!a},\n)\n"
    )
    compile(text, MODEL, "exec")
    return text
