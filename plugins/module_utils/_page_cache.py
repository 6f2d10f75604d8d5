# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection: pages that the front end keeps for visitors whom the application does not know."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.web2py.deploy.plugins.module_utils._backend import protocol
from ansible_collections.web2py.deploy.plugins.module_utils._policy import CLOSED, LOGIN, TOP_FILES
from ansible_collections.web2py.deploy.plugins.module_utils._spec import Problem, shown

# Present while something is in maintenance, where the front end sees it: the notice itself is not for its eyes.
MARK = "maintenance"
# Why the others cannot.
REFUSED = {
    "apache": "its cache knows neither releases nor cookies, and lets all who come at once through to the application",
    "lighttpd": "it has no cache of pages",
    "cherokee": "its cache knows neither releases nor cookies",
    "none": "no web server stands before the application",
}
DAY = 86400
MOST_ROWS = 100
# Each different number of seconds is a cache of its own: see `page_cache`.
MOST_ZONES = 4
_PATH = re.compile(r"/(?:[A-Za-z0-9._~-]+/)*(?:[A-Za-z0-9._~-]+|\*)?")
_COOKIE = re.compile(r"[A-Za-z0-9_.-]+\*?")
# What web2py calls its sessions' cookies, as in guard.py.
_SESSIONS = ("session_id_", "session_data_")
# Servers that speak HTTP, yet do not say when an answer was made.
_UNDATED = ("tornado",)
_CHOICE, _COOKIES, _SIZE = "web2py_page_cache", "web2py_page_cache_cookies", "web2py_page_cache_mb"


def page_cache(choices: Mapping[str, Any], root: str) -> dict[str, Any] | None:
    """The part of the resolved site; None without a choice. `root` is the folder of the site's code.

    Pages of one number of seconds are a zone. What nobody asks for that long is forgotten.
    """
    rows = choices[_CHOICE]
    if not rows:
        return None
    zones = sorted({row["seconds"] for row in rows})
    kept = {row["path"]: row["seconds"] for row in rows}
    # Of `/shop/*` the path `/shop`, which is another page: it belongs to what is kept around it, if anything is.
    bare = {
        path[:-2]: _around(path[:-2], kept) for path in kept if path.endswith("/*") and path[:-2] not in ("", *kept)
    }
    spoken = protocol(choices["web2py_front_end"], choices["web2py_app_server"])
    return {
        # The longest that fits counts, a page of its own before what is below a path.
        "rows": [
            {
                "path": path.removesuffix("*"),
                "exact": not path.endswith("*"),
                "seconds": seconds,
                "zone": zones.index(seconds) + 1,
            }
            for path, seconds in sorted((kept | {path: age for path, age in bare.items() if age}).items())
        ],
        "all": "/*" in kept,
        "bare": sorted(path for path, age in bare.items() if age is None),
        "zones": [{"number": number, "seconds": seconds} for number, seconds in enumerate(zones, 1)],
        "most_zones": MOST_ZONES,
        "zone_mb": choices[_SIZE] // len(zones),
        "cookies": _cookies(choices[_COOKIES]),
        "mark": f"{root}/{MARK}",
        "folder": f"/var/lib/nginx/{choices['web2py_site']}_pages",
        # Whether the runtime has to say when an answer was made.
        "dated": spoken != "http" or choices["web2py_app_server"] in _UNDATED,
    }


def _around(path: str, kept: Mapping[str, int]) -> int | None:
    """The seconds of the longest row that has the path below it."""
    found = [row for row in kept if row.endswith("*") and path.startswith(row[:-1])]
    return kept[max(found, key=len)] if found else None


def _cookies(names: list[str]) -> str:
    """The pattern of a header `Cookie` that has none but these. Names that another one covers would make it try both,
    for each cookie, which takes for ever.
    """
    covers = [name for name in names if name.endswith("*")]
    names = [
        name
        for name in sorted(set(names))
        if not any(name != other and name.startswith(other[:-1]) for other in covers)
    ]
    known = "|".join(re.escape(name[:-1]) + "[^=; ]*" if name.endswith("*") else re.escape(name) for name in names)
    return rf"^(?:(?:{known})=[^;]*(?:; *|$))*$" if names else "^$"


def problems(choices: Mapping[str, Any]) -> list[Problem]:
    """What is wrong with the choices."""
    rows, name = choices[_CHOICE], choices["web2py_front_end"]
    if not rows:
        given = choices[_COOKIES]
        words = f"has no meaning without {_CHOICE}"
        return [Problem(_COOKIES, shown(given), words, f"Give {_CHOICE} too, or remove it")] if given else []
    found = []
    if name in REFUSED:
        remedy = "Use web2py_front_end: nginx, or remove it"
        found.append(Problem(_CHOICE, "", f"{name} cannot keep pages: {REFUSED[name]}", remedy))
    found += [problem for row in rows for problem in _row(row, choices)]
    paths = [row["path"] for row in rows]
    for path in sorted({path for path in paths if paths.count(path) > 1}):
        found.append(Problem(f"{_CHOICE}.path", shown(path), "is given more than once", "Keep it in one row"))
    if len(rows) > MOST_ROWS:
        remedy = "Put pages into one row by what they are below of, like /shop/*"
        found.append(Problem(_CHOICE, f"{len(rows)} rows", f"are more than {MOST_ROWS}", remedy))
    zones = len({row["seconds"] for row in rows})
    if zones > MOST_ZONES:
        remedy = "Give rows that may be of one age the same seconds"
        found.append(Problem(f"{_CHOICE}.seconds", f"{zones} different", f"are more than {MOST_ZONES}", remedy))
    if not zones <= choices[_SIZE] <= 10240:
        remedy = f"Give a number from {zones} to 10240"
        found.append(Problem(_SIZE, shown(choices[_SIZE]), "is out of bounds", remedy))
    return found + list(_cookie_problems(choices[_COOKIES]))


def _row(row: Mapping[str, Any], choices: Mapping[str, Any]) -> Iterator[Problem]:
    path, variable = row["path"], f"{_CHOICE}.path"
    if not 1 <= row["seconds"] <= DAY:
        yield Problem(f"{_CHOICE}.seconds", shown(row["seconds"]), "is out of bounds", f"Give 1 to {DAY}")
    if not _PATH.fullmatch(path) or {".", ".."} & set(path.split("/")):
        remedy = (
            "Give a page like /shop/default/index, or /shop/* for all below it; letters, digits, '.', '_', '~', '-'"
        )
        yield Problem(variable, shown(path), "is not a path of pages", remedy)
        return
    # Of `/shop/user/*` and `/shop/user` alike.
    bare = path.removesuffix("/*") or "/"
    if re.search(CLOSED, bare, re.IGNORECASE):
        yield Problem(variable, shown(path), "belongs to the administrative interface", "Remove the row")
    elif re.search(LOGIN, bare, re.IGNORECASE):
        yield Problem(variable, shown(path), "is a login page, another one for each visitor", "Remove the row")
    elif _served_otherwise(bare, choices):
        yield Problem(variable, shown(path), "is not a page of an application", "Remove the row")


def _served_otherwise(path: str, choices: Mapping[str, Any]) -> bool:
    names = [re.escape(row["name"]) for row in choices["web2py_applications"]]
    ours = [*(re.escape(name) for name in TOP_FILES), "healthz", r"\.well-known", "web2py_deploy"]
    ours += [f"(?:{'|'.join(names)})/static"] if names else []
    return bool(re.match(rf"/(?:{'|'.join(ours)})(?:/|$)", path))


def _cookie_problems(names: list[str]) -> Iterator[Problem]:
    for name in names:
        bare = name.removesuffix("*")
        if not _COOKIE.fullmatch(name):
            remedy = "Give a name like _ga, or _ga* for all that begin so"
            yield Problem(_COOKIES, shown(name), "is not a cookie's name", remedy)
        elif any(bare.startswith(word) or (name != bare and word.startswith(bare)) for word in _SESSIONS):
            remedy = "Remove it: a visitor with a session gets pages of his own"
            yield Problem(_COOKIES, shown(name), "is a cookie of web2py's sessions", remedy)
