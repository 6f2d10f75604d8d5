# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection: the units of a site on its host: which they are, what they do, what they take."""

from __future__ import annotations

import glob
import os
import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.web2py.deploy.plugins.module_utils._bounded import output
from ansible_collections.web2py.deploy.plugins.module_utils._info import units_of
from ansible_collections.web2py.deploy.plugins.module_utils._words import number

UNITS = "/etc/systemd/system"
PROCESSES = "/proc"
PROPERTIES = (
    "Id LoadState ActiveState SubState Result Type UnitFileState ActiveEnterTimestampMonotonic NRestarts"
    " MemoryCurrent MemoryMax ControlGroup"
).split()


def other_sites(name: str) -> list[str]:
    """Sites on the host whose names begin like this one's, so that their units are not taken for its own."""
    found = (path.split("/")[2] for path in glob.glob("/etc/*/.web2py.deploy"))
    return sorted(other for other in found if other.startswith(name) and other != name)


def is_own(unit: str, name: str, others: Iterable[str]) -> bool:
    """Whether a unit is the site's: its name, or its name and a word of the collection's."""
    if not re.fullmatch(re.escape(name) + r"([-_@][^/]*)?\.(service|socket|timer)", unit):
        return False
    return not any(re.match(re.escape(other) + r"[-_@.]", unit) for other in others)


def unit_names(site: Mapping[str, Any]) -> list[str]:
    """All units of a site, the ones it is called up by first, then its front end and what else has its name."""
    name, others = site["name"], other_sites(site["name"])
    found = units_of(site)
    paths = [*glob.glob(f"{UNITS}/{name}*"), *glob.glob(f"{UNITS}/*.wants/{name}*")]
    listed = output("systemctl", "list-units", "--all", "--plain", "--no-legend", "--no-pager", f"{name}*")
    names = [os.path.basename(path) for path in paths] + [line.split()[0] for line in listed.splitlines() if line]
    found += sorted({unit for unit in names if is_own(unit, name, others) and "@." not in unit})
    return list(dict.fromkeys(found))


def blocks(text: str) -> Iterator[dict[str, str]]:
    """The properties of each unit, as systemctl prints them."""
    for block in text.strip().split("\n\n"):
        rows = (line.partition("=") for line in block.splitlines())
        found = {key: value for key, _sign, value in rows if value}
        if found.get("Id"):
            yield found


def members() -> dict[str, list[int]]:
    """The processes of the host by control group, as the kernel names it: in a container with more before it."""
    found: dict[str, list[int]] = {}
    for path in glob.iglob(f"{PROCESSES}/[0-9]*/cgroup"):
        try:
            with open(path, encoding="utf-8") as stream:
                groups = {line.rstrip("\n").split(":", 2)[2] for line in stream}
        except (OSError, IndexError):
            continue
        for group in groups:
            found.setdefault(group, []).append(int(path.split("/")[-2]))
    return found


def processes(group: str, known: Mapping[str, Sequence[int]]) -> list[int]:
    """The processes of a control group of systemd's and those below."""
    rows = [pids for path, pids in known.items() if group and f"{path}/".find(f"{group}/") >= 0]
    return sorted({pid for pids in rows for pid in pids})


def shares(pids: Iterable[int]) -> int:
    """Bytes of memory of processes, where what several use is counted once."""
    total = 0
    for pid in pids:
        try:
            with open(f"{PROCESSES}/{pid}/smaps_rollup", encoding="ascii") as stream:
                found = re.search(r"^Pss: +([0-9]+) kB", stream.read(), re.MULTILINE)
        except OSError:
            continue
        total += int(found[1]) * 1024 if found else 0
    return total


def unit(
    properties: Mapping[str, str], needed: Sequence[str], now: float, known: Mapping[str, Sequence[int]]
) -> dict[str, Any]:
    """One unit: its state, whether it should run, and what it takes."""
    name, kind = properties["Id"], properties.get("Type", "")
    pids = processes(properties.get("ControlGroup", ""), known)
    entered = number(properties.get("ActiveEnterTimestampMonotonic"))
    active = properties.get("ActiveState", "unknown")
    wanted = properties.get("UnitFileState") == "enabled" and kind != "oneshot"
    return {
        "name": name,
        "active": "not-found" if properties.get("LoadState") == "not-found" else active,
        "sub": properties.get("SubState", ""),
        "result": properties.get("Result", ""),
        "expected": name in needed or wanted,
        "active_seconds": int(now - entered / 1_000_000) if entered and active == "active" else None,
        "restarts": number(properties.get("NRestarts")),
        "processes": len(pids),
        "memory_bytes": (number(properties.get("MemoryCurrent")) or shares(pids)) if pids else None,
        "memory_limit_bytes": number(properties.get("MemoryMax")),
    }


def units(site: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The state of every unit of the site."""
    names = unit_names(site)
    words = [f"--property={','.join(PROPERTIES)}", "--no-pager", "--", *names]
    now, needed, known = time.clock_gettime(time.CLOCK_MONOTONIC), units_of(site), members()
    return [unit(row, needed, now, known) for row in blocks(output("systemctl", "show", *words))]
