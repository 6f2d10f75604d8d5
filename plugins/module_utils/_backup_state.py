# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection: how the backups of a site do: what its host tells of them, and what is wrong with that."""

from __future__ import annotations

import datetime
import os
import re
import subprocess
import time
from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.web2py.deploy.plugins.module_utils._finding import Finding, error, warning
from ansible_collections.web2py.deploy.plugins.module_utils._tree import read_json
from ansible_collections.web2py.deploy.plugins.module_utils._words import age

CALENDAR_SECONDS = 8
# Late is what has missed two of its moments, and had an hour for the work.
GRACE_SECONDS = 3600


def read(part: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """What the host tells of the backups of a site, None where it has none. What it says badly, it does not say."""
    if not part:
        return None
    told, now = _mapping(read_json(f"{part['home']}/status.json", {})), time.time()
    told = told if told.get("repository") == part["repository"] else {}
    made, proven = _mapping(told.get("backup")), _mapping(told.get("drill"))
    return {
        "backup_seconds": _since(made.get("at"), now),
        "proven_seconds": _since(proven.get("at"), now),
        "first_seconds": _since(told.get("first"), now),
        "snapshot": str(made.get("snapshot") or ""),
        "rows": proven.get("rows"),
        "periods": {"backup": period(calendar(part["every"])), "drill": period(calendar(part["drill"]))},
        "troubles": {str(word): _why(row) for word, row in _mapping(told.get("troubles")).items()},
    }


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _since(moment: Any, now: float) -> int | None:
    """Whole seconds since a moment of the host's file."""
    is_moment = isinstance(moment, (int, float)) and not isinstance(moment, bool)
    return max(0, int(now - moment)) if is_moment else None


def _why(row: Any) -> str:
    """Why a backup or a drill failed."""
    return str(row.get("why") if isinstance(row, Mapping) else row)[:300]


def calendar(expression: str) -> str:
    """What systemd says of a calendar of its own; nothing where it cannot be asked."""
    command = ["systemd-analyze", "calendar", "--iterations=10", expression]
    environment = {**os.environ, "LC_ALL": "C", "TZ": "UTC"}
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, check=False, timeout=CALENDAR_SECONDS
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout


def period(told: str) -> float:
    """The longest time between two moments of a calendar, in seconds; 0 where it cannot be told."""
    words = re.findall(r"^ *(?:Next elapse|Iter\w*\.? #\d+): \w+ (\S+ \S+) UTC", told, re.MULTILINE)
    times = [datetime.datetime.strptime(word, "%Y-%m-%d %H:%M:%S").timestamp() for word in words]
    return max((later - sooner for sooner, later in zip(times, times[1:])), default=0)


def findings(name: str, how: Mapping[str, Any] | None) -> Iterator[Finding]:
    """What is wrong with the backups of the site of this name. Their timers are units, and judged as such."""
    if not how:
        return
    made, proven = how["backup_seconds"], how["proven_seconds"]
    # A drill is due one period after the first backup, and late after two.
    ages = {"backup": made, "drill": how["first_seconds"] if proven is None else proven}
    for word, since in ages.items():
        unit, limit = f"{name}-{word}.service", 2 * how["periods"][word] + GRACE_SECONDS
        if word in how["troubles"]:
            mend = f"journalctl -u {unit} -n 50 says why; then: systemctl start {unit}"
            yield error(f"the last {word} failed: {how['troubles'][word]}", mend)
        elif word == "backup" and made is None:
            yield error("there is no backup yet", f"systemctl start {unit}")
        elif since is not None and how["periods"][word] and since > limit:
            yield error(f"the last good {word} is {age(since)} old", f"systemctl start {unit}")
        elif word == "drill" and proven is None and made is not None:
            yield warning("no backup was proven by a restore yet", f"systemctl start {unit}")


def lines(part: Mapping[str, Any] | None, how: Mapping[str, Any] | None) -> list[str]:
    """The backups in a summary."""
    if not part or not how or how["backup_seconds"] is None:
        return []
    text = f"Last good backup {age(how['backup_seconds'])} old ({how['snapshot'][:8]} in {part['repository']})"
    if how["proven_seconds"] is None:
        return [f"{text}, none is proven yet; {part['drill_unit']}.timer restores and counts one"]
    return [f"{text}; last proven one: {age(how['proven_seconds'])} ago, {how['rows']} rows counted"]
