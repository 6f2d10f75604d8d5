# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Less repeated work in web2py's request path, by level.

`upstream` leaves web2py as it is. `exact` has what cannot be stale. `fast` also takes files for what they were a second
ago, for sites whose code changes by deploys only. What is on and what is not is told once, on standard error.
"""

from __future__ import annotations

import sys
from typing import Any

from web2py_runtime import faster_files, faster_html, faster_models, faster_read, faster_request
from web2py_runtime.patch import Patch, objection

LEVELS = ("upstream", "exact", "fast")

PATCHES = (
    Patch("ctype", "exact", "content types are taken apart once", faster_read.CTYPE, faster_request.content_type),
    Patch("cookie", "exact", "the cookie of a session is made once", faster_read.COOKIE, faster_request.session_cookie),
    Patch(
        "exposed",
        "exact",
        "pages of a controller are found once",
        faster_read.EXPOSED,
        faster_request.exposed_functions,
    ),
    Patch("html", "exact", "texts and links are written by the shortest way", faster_read.HTML, faster_html.pages),
    Patch(
        "place", "exact", "where a session lies is worked out once", faster_read.PLACE, faster_request.session_places
    ),
    Patch("pydal", "exact", "fields and tables are made with fewer steps", faster_read.PYDAL, faster_models.tables),
    Patch(
        "path", "fast", "folders of sessions are looked at each second", faster_read.PATH, faster_files.session_paths
    ),
    Patch("ttl", "fast", "files are looked at each second", faster_read.TTL, faster_files.seen_files),
    Patch(
        "view", "fast", "views are compiled once, looked at each second", faster_read.VIEW, faster_files.source_views
    ),
    Patch("conn", "fast", "an empty session is not pickled", faster_read.CONN, faster_models.first_visit),
)

# What `install` found in this process.
told: dict[str, Any] = {}


def install(level: str, patches: tuple[Patch, ...] = PATCHES) -> dict[str, Any]:
    """Put in place what the level has and what fits; which these are, and why the others are not."""
    on: list[str] = []
    off: dict[str, str] = {}
    wanted = LEVELS[1 : LEVELS.index(level) + 1]
    texts: dict[str, list[str]] = {}
    chosen = [(patch, objection(patch, texts)) for patch in patches if patch.level in wanted]
    for patch, trouble in chosen:
        if trouble is None:
            try:
                patch.install()
                on.append(patch.name)
            except Exception as error:  # what it does is never worth a site that does not start
                trouble = f"{type(error).__name__}: {error}"
        if trouble:
            off[patch.name] = trouble
            print(f"web2py_performance: {patch.name} is off, web2py's own code serves: {trouble}", file=sys.stderr)
    told.clear()
    told.update(level=level, on=on, off=off)
    return told
