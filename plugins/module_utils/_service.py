# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which files a running unit has taken in, and what is left to do for it.

A stamp in /run holds the digests of the files that were on disk when the unit was last started, restarted or
reloaded by us. It belongs to one life of the unit (systemd's InvocationID). For a life that we did not begin, the
files' change times decide: what is older than the start of the unit was read by it.

Private to this collection.
"""

from __future__ import annotations

import glob
import hashlib
import json
import os
import stat
import tempfile
from collections import deque
from collections.abc import Sequence, Set
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.web2py.deploy.plugins.module_utils._tree import RUN

STAMPS = RUN
UNITS = "/etc/systemd/system"
PROPERTIES = (
    "LoadState",
    "ActiveState",
    "SubState",
    "UnitFileState",
    "NeedDaemonReload",
    "CanReload",
    "FragmentPath",
    "DropInPaths",
    "InvocationID",
    "MainPID",
    "InactiveExitTimestampMonotonic",
)
_NEITHER = ("static", "indirect", "generated", "alias", "transient")
_RUNNING = ("active", "reloading")


@dataclass(frozen=True)
class Unit:
    """One unit as `systemctl show` tells it."""

    name: str
    load: str = "not-found"
    active: str = "inactive"
    sub: str = "dead"
    file_state: str = ""
    stale: bool = False
    can_reload: bool = False
    files: tuple[str, ...] = ()
    life: str = ""
    begun: float = 0.0
    main: int = 0

    @property
    def running(self) -> bool:
        """Is it up, or on its way between two files?"""
        return self.active in _RUNNING

    @property
    def enabled(self) -> bool:
        """Does it start at boot? A static unit has no say in it and counts as it is."""
        return self.file_state not in ("disabled", "", "masked")

    @property
    def held(self) -> bool:
        """Is it masked, but only until the next boot?"""
        return self.load == "masked" and self.file_state == "masked-runtime"

    @property
    def known(self) -> bool:
        """Has systemd found its file?"""
        return self.load == "loaded"


@dataclass(frozen=True)
class Seen:
    """One file as it is on disk: its digest (None when absent) and when its path last came to mean this."""

    digest: str | None
    changed: float


@dataclass
class Plan:
    """What is left to do, in words and in commands of systemctl."""

    words: list[str] = field(default_factory=list)
    commands: list[list[str]] = field(default_factory=list)
    action: str = "none"

    def add(self, words: str, *command: str) -> None:
        """One more step."""
        self.words.append(words)
        self.commands.append(list(command))


def full_name(name: str, suffix: str = ".service") -> str:
    """The unit's name with its type. Raises ValueError for what cannot be a unit's name."""
    if not name or "/" in name or name.startswith("-") or any(letter.isspace() for letter in name):
        raise ValueError(f"{name!r} is not the name of a unit")
    kinds = (".service", ".socket", ".timer", ".path", ".target", ".mount")
    return name if name.endswith(kinds) else name + suffix


def parse_show(text: str, names: Sequence[str], clock_offset: float, folder: str = UNITS) -> list[Unit]:
    """Units, in the order of their names, from the output of `systemctl show`.

    clock_offset turns systemd's monotonic times into times of day. folder: where our unit files lie.
    """
    return [_unit(name, block, clock_offset, folder) for name, block in zip(names, text.strip().split("\n\n"))]


def _unit(name: str, block: str, clock_offset: float, folder: str) -> Unit:
    values = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
    begun = int(values.get("InactiveExitTimestampMonotonic") or 0)
    paths = f"{values.get('FragmentPath', '')} {values.get('DropInPaths', '')}".split()
    return Unit(
        name=name,
        load=values.get("LoadState", ""),
        active=values.get("ActiveState", ""),
        sub=values.get("SubState", ""),
        file_state=values.get("UnitFileState", ""),
        stale=values.get("NeedDaemonReload") == "yes",
        can_reload=values.get("CanReload") == "yes",
        files=tuple(path for path in paths if path.startswith(folder + "/")),
        life=values.get("InvocationID", ""),
        begun=begun / 1e6 + clock_offset if begun else 0.0,
        main=int(values.get("MainPID") or 0),
    )


def children(main: int, folder: str = "/proc") -> set[tuple[int, int]]:
    """(number, time of start) of every process that another has started; 0, a unit without a process, has none."""
    found: set[tuple[int, int]] = set()
    if not main:
        return found
    for path in glob.iglob(os.path.join(folder, "[0-9]*", "stat")):
        try:
            with open(path, encoding="utf-8", errors="replace") as handle:
                text = handle.read()
        except OSError:
            continue  # it has just ended
        words = text.rpartition(") ")[2].split()
        if len(words) > 19 and int(words[1]) == main:
            found.add((int(text.split(" ", 1)[0]), int(words[19])))
    return found


def see(path: str) -> Seen:
    """Digest of a file (links followed) or of everything below a directory, and the newest change on the way to it."""
    try:
        info = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return Seen(None, 0.0)
    changed = max([info.st_ctime, *_link_times(path)])
    if not stat.S_ISDIR(info.st_mode):
        return Seen(_digest(path), changed)
    total = hashlib.sha256()
    for folder, folders, names in os.walk(path):
        folders.sort()
        for name in sorted(names):
            inner = os.path.join(folder, name)
            if os.path.isfile(inner):
                total.update(f"{os.path.relpath(inner, path)}\0{_digest(inner)}\n".encode())
                changed = max(changed, os.stat(inner).st_ctime)
        changed = max(changed, os.stat(folder).st_ctime)
    return Seen(total.hexdigest(), changed)


def _link_times(path: str) -> list[float]:
    """Change times of the symbolic links on the way to a path: a switched link is a change of the file."""
    times, here = [], "/"
    for part in path.split("/"):
        here = os.path.join(here, part)
        info = os.lstat(here)
        if stat.S_ISLNK(info.st_mode):
            times.append(info.st_ctime)
    return times


def _digest(path: str) -> str:
    total = hashlib.sha256()
    with open(path, "rb") as handle:
        for block in iter(lambda: handle.read(1 << 20), b""):
            total.update(block)
    return total.hexdigest()


def read_stamp(unit: str, folder: str = STAMPS) -> dict[str, Any]:
    """The stamp of a unit; an absent or spoilt one is empty."""
    try:
        with open(os.path.join(folder, unit + ".json"), encoding="utf-8") as handle:
            stamp = json.load(handle)
    except (OSError, ValueError):
        return {}
    return stamp if isinstance(stamp, dict) and isinstance(stamp.get("files"), dict) else {}


def write_stamp(unit: Unit, seen: dict[str, Seen], folder: str = STAMPS) -> None:
    """Note which files this life of the unit has taken in. Several sites note theirs for a shared unit."""
    os.makedirs(folder, mode=0o755, exist_ok=True)
    old = read_stamp(unit.name, folder)
    files = dict(old["files"]) if old.get("life") == unit.life else {}
    files.update((path, item.digest) for path, item in seen.items())
    stamp = {"life": unit.life, "files": dict(sorted(files.items()))}
    handle, name = tempfile.mkstemp(dir=folder)
    with os.fdopen(handle, "w", encoding="utf-8") as stream:
        json.dump(stamp, stream, indent=1)
    os.rename(name, os.path.join(folder, unit.name + ".json"))


def remove_stamp(unit: str, folder: str = STAMPS) -> None:
    """Forget a unit."""
    try:
        os.unlink(os.path.join(folder, unit + ".json"))
    except FileNotFoundError:
        pass


def pending(unit: Unit, stamp: dict[str, Any], seen: dict[str, Seen]) -> list[str]:
    """Files on disk that the running unit has not taken in yet."""
    own_life = bool(unit.life) and stamp.get("life") == unit.life
    known = stamp.get("files", {}) if own_life else {}
    return sorted(
        path
        for path, item in seen.items()
        if (item.digest != known[path] if path in known else item.digest is not None and item.changed >= unit.begun)
    )


def plan_started(units: Sequence[Unit], enabled: bool, restart: Sequence[str], reload: Sequence[str]) -> Plan:
    """Steps that make a unit enabled, running and running with the files on disk.

    units: its sockets and, last, the unit. restart, reload: the files that are pending for one or the other.
    """
    plan = Plan()
    *sockets, unit = units
    for item in units:
        if item.enabled != enabled and item.file_state not in _NEITHER:
            verb = "enable" if enabled else "disable"
            plan.add(f"{verb} {item.name}", verb, item.name)
    socket_files = {path for item in sockets for path in item.files}
    failed = [item.name for item in units if item.active == "failed"]
    if failed:
        plan.add(f"forget the failures of {', '.join(failed)}", "reset-failed", *failed)
    renew = [item for item in sockets if not item.running or socket_files.intersection(restart)]
    if renew and unit.running:
        plan.add(f"stop {unit.name} to renew its socket", "stop", unit.name)
    for item in renew:
        plan.add(f"start {item.name}", "restart", item.name)
    if unit.running and (renew or restart or (reload and not unit.can_reload)):
        # Starts that were asked for are no crash loop; and a restart that comes too often stops, and does not start.
        plan.add(f"count the starts of {unit.name} anew", "reset-failed", unit.name)
    if renew or not unit.running:
        plan.action = "start"
        plan.add(f"start {unit.name}", "start", unit.name)
    elif restart or (reload and not unit.can_reload):
        plan.action = "restart"
        plan.add(f"restart {unit.name}", "restart", unit.name)
    elif reload:
        plan.action = "reload"
        plan.add(f"reload {unit.name}", "reload", unit.name)
    return plan


def plan_ready(units: Sequence[Unit], stale: Set[str]) -> Plan:
    """Steps for a unit that its sockets start when they are asked: they run; the unit is stopped where it is stale.

    stale: names of units that run with other files than those on disk.
    """
    plan = Plan()
    *sockets, unit = units
    for item in sockets:
        if not item.enabled and item.file_state not in _NEITHER:
            plan.add(f"enable {item.name}", "enable", item.name)
    failed = [item.name for item in units if item.active == "failed"]
    if failed:
        plan.add(f"forget the failures of {', '.join(failed)}", "reset-failed", *failed)
    renew = [item for item in sockets if not item.running or item.name in stale]
    if unit.running and (renew or unit.name in stale):
        plan.action = "stop"
        plan.add(f"stop {unit.name} until it is asked again", "stop", unit.name)
    for item in renew:
        plan.add(f"start {item.name}", "restart", item.name)
    return plan


def plan_instead(units: Sequence[Unit]) -> Plan:
    """Steps that make way: what another unit is started instead of."""
    plan = Plan()
    for item in units:
        if item.known and (item.running or item.enabled):
            plan.add(f"stop {item.name}, in whose place it comes", "disable", "--now", item.name)
    return plan


def unread(units: Sequence[Unit], watched: Sequence[str] = ()) -> bool:
    """Are there unit files that systemd has not read yet?

    watched: files that are expected to count. systemd itself does not notice the first drop-in of a unit.
    """
    new = {path for path in watched if path.startswith(UNITS + "/") and os.path.exists(path)} - set(own_files(units))
    return bool(new) or any(unit.stale or not unit.known for unit in units)


def plan_stopped(units: Sequence[Unit], enabled: bool) -> Plan:
    """Steps that stop a unit; its sockets go first, or they would wake it again."""
    plan = Plan()
    if any(unit.stale for unit in units):
        plan.add("take in the unit files", "daemon-reload")
    for item in units:
        if item.running or item.active in ("activating", "deactivating"):
            plan.action = "stop"
            plan.add(f"stop {item.name}", "stop", item.name)
        if item.known and item.enabled != enabled and item.file_state in ("enabled", "disabled"):
            verb = "enable" if enabled else "disable"
            plan.add(f"{verb} {item.name}", verb, item.name)
    return plan


def own_files(units: Sequence[Unit]) -> list[str]:
    """Unit files and drop-ins that belong to the administrator, not to a package."""
    return [path for unit in units for path in unit.files]


def untaken(unit: Unit, before: Set[tuple[int, int]], folder: str = "/proc") -> bool:
    """Has a unit with workers no new ones since a reload? A server that refuses its new files goes on in silence."""
    return bool(before) and not children(unit.main, folder) - before


def tail(path: str | None, lines: int = 10) -> str:
    """The last lines of a log, with a heading; empty where there is none."""
    try:
        with open(path or "", encoding="utf-8", errors="replace") as handle:
            return f"\nLast lines of {path}:\n" + "".join(deque(handle, lines)).strip()
    except OSError:
        return ""


def settled(unit: Unit) -> bool | None:
    """True: up. False: it will not come up. None: not yet."""
    if unit.active == "failed" or (unit.active == "inactive" and unit.sub == "dead"):
        return False
    return True if unit.active == "active" else None


def diff(units: Sequence[Unit], steps: Sequence[str]) -> dict[str, str]:
    """State of the units before, and the steps from there."""
    before = "".join(f"{unit.name}: {unit.active}, {unit.file_state or 'no unit file'}\n" for unit in units)
    return {"before": before, "after": before + "".join(f"{words}\n" for words in steps)}
