# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The way back: into a scratch folder, proven there, and from there into place."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from site_backup import databases, manifest
from site_backup.common import Trouble, last_words, owner, read_json, run, write
from site_backup.restic import Repository

Settings = Mapping[str, Any]
JOURNAL = "restore.json"


def bring(
    settings: Settings, repository: Repository, snapshot: str, folder: str, settle: bool = False
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Restore a snapshot into a folder of root's own, and prove it. What was proven, in numbers, and its databases."""
    needed, parent = repository.size(snapshot), os.path.dirname(folder)
    left = shutil.disk_usage(parent).free if os.path.isdir(parent) else needed
    # The largest database is copied once more to be counted; half as much again is room enough for most.
    if left < needed * 1.5:
        raise Trouble(f"{parent} has {left} bytes free, the snapshot needs {int(needed * 1.5)}")
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder, mode=0o700)
    repository.restore(snapshot, folder)
    os.chmod(folder, 0o700)
    dump = folder + os.path.join(settings["home"], "dump")
    told = read_json(os.path.join(dump, manifest.MANIFEST))
    if told["format"] != manifest.FORMAT or told["site"] != settings["name"]:
        raise Trouble(f"snapshot {snapshot} is not of this site, or of another version of this program")
    counts = manifest.prove_files(folder, os.path.join(dump, manifest.FILES), told["began"])
    databases.prove(settings, told["databases"], dump)
    adopt(settings, told, folder)
    if settle:
        databases.settle(settings, told["databases"], dump, folder)
    tables, rows = manifest.total(told["databases"])
    done = {"files": counts.files, "bytes": counts.bytes, "moving": counts.moving}
    return {**done, "databases": len(told["databases"]), "tables": tables, "rows": rows}, told["databases"]


def adopt(settings: Settings, told: Mapping[str, Any], folder: str) -> None:
    """Give the site's files to the site's user, who had another number on another host."""
    uid, gid = owner(settings)
    if (told["uid"], told["gid"]) == (uid, gid):
        return
    for path, names, files in os.walk(folder):
        for name in [path, *(os.path.join(path, name) for name in [*names, *files])]:
            found = os.lstat(name)
            mine = found.st_uid == told["uid"], found.st_gid == told["gid"]
            if any(mine):
                os.lchown(name, uid if mine[0] else -1, gid if mine[1] else -1)


def into_place(settings: Settings, repository: Repository, snapshot: str) -> tuple[dict[str, Any], str]:
    """Put a snapshot in the place of what is there, with the site stopped meanwhile."""
    undo(settings)
    staged = os.path.join(settings["home"], "restoring")
    aside = os.path.join(settings["state"], f"before-restore-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}")
    journal = os.path.join(settings["home"], JOURNAL)
    try:
        done, rows = bring(settings, repository, snapshot, staged, settle=True)
        served = databases.on_servers(rows)
        moves = planned(settings["state"], staged, aside)
        units = working(settings)
        told = {"moves": moves, "units": units, "aside": aside, "databases": []}
        write(journal, json.dumps(told))
        try:
            stop(units)
            os.makedirs(aside, mode=0o700)
            if served:
                databases.keep(settings, served, aside)
                kept = [{"kind": row["kind"], "name": row["name"]} for row in served]
                write(journal, json.dumps({**told, "databases": kept}))
            for row in served:
                databases.put(settings, row, os.path.join(staged + settings["home"], "dump", row["dump"]))
            for new, live, old, _there in moves:
                swap(new, live, old)
            start(units)
        except BaseException:
            undo(settings)
            raise
        os.unlink(journal)
    finally:
        if not os.path.exists(journal):
            shutil.rmtree(staged, ignore_errors=True)
    return done, aside


def planned(state: str, staged: str, aside: str) -> list[tuple[str, str, str, bool]]:
    """(new, live, aside, whether something is there) of every folder of every application that came back."""
    moves = []
    for name in manifest.applications(staged + state):
        live = os.path.join(state, "applications", name)
        for folder in (os.path.dirname(live), live):
            if os.path.islink(folder):
                raise Trouble(f"{folder} is a link, nothing is restored there")
        new = os.path.join(staged + state, "applications", name)
        for entry in sorted(os.listdir(new)):
            if entry not in manifest.PASSING:
                now = os.path.join(live, entry)
                moves.append((os.path.join(new, entry), now, os.path.join(aside, name, entry), os.path.lexists(now)))
    return moves


def swap(new: str, live: str, old: str) -> None:
    """Put one folder in the place of another, which is kept."""
    os.makedirs(os.path.dirname(old), mode=0o700, exist_ok=True)
    if os.path.lexists(live):
        os.rename(live, old)
    elif not os.path.isdir(os.path.dirname(live)):
        # An application that the site does not have any more, or not yet.
        took = os.lstat(os.path.dirname(new))
        os.makedirs(os.path.dirname(live), mode=0o750)
        os.chown(os.path.dirname(live), took.st_uid, took.st_gid)
    move(new, live)


def move(source: str, target: str) -> None:
    """Rename, or copy to the other disk and rename there."""
    try:
        os.rename(source, target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        spare = f"{target}.restored"
        shutil.rmtree(spare, ignore_errors=True)
        done = run(["cp", "--archive", "--no-target-directory", "--", source, spare])
        if done.returncode:
            raise Trouble(f"{target} was not copied: {last_words(done)}") from None
        os.rename(spare, target)


def undo(settings: Settings) -> None:
    """Put back what a restore that failed or was killed has moved, and start what it has stopped."""
    journal = os.path.join(settings["home"], JOURNAL)
    told = read_json(journal, {})
    if not told:
        return
    stop(told["units"])
    for _new, live, old, there in reversed(told["moves"]):
        # Where something was there and is not aside, it is in its place, still or again.
        if not there or os.path.lexists(old):
            if os.path.isdir(live) and not os.path.islink(live):
                shutil.rmtree(live)
            elif os.path.lexists(live):
                os.unlink(live)
        if os.path.lexists(old):
            os.rename(old, live)
    for row in told["databases"]:
        databases.put(settings, row, os.path.join(told["aside"], row["kind"], row["name"]))
    os.unlink(journal)
    for folder, _names, _files in os.walk(told["aside"], topdown=False):
        with contextlib.suppress(OSError):  # what is not empty stays
            os.rmdir(folder)
    start(told["units"])
    print("What was there before is back", flush=True)


def working(settings: Settings) -> list[str]:
    """Units that run with the site's user and those that start them, in the order in which they start."""
    listed = run(["systemctl", "list-units", "--all", "--plain", "--no-legend", "--type=service"])
    names = [line.split()[0] for line in listed.stdout.splitlines() if line.split()]
    shown = blocks(run(["systemctl", "show", "--property=Id,User,TriggeredBy", *names]).stdout) if names else []
    mine = [row for row in shown if row.get("User") == settings["user"]]
    triggers = [name for row in mine for name in row.get("TriggeredBy", "").split()]
    units = list(dict.fromkeys([*triggers, *(row["Id"] for row in mine), *settings["units"]]))
    states = run(["systemctl", "is-active", *units]).stdout.split() if units else []
    return [unit for unit, state in zip(units, states) if state in ("active", "activating", "reloading")]


def blocks(text: str) -> Iterator[dict[str, str]]:
    """The units that `systemctl show` tells of."""
    for block in text.split("\n\n"):
        row = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        if row:
            yield row


def stop(units: Sequence[str]) -> None:
    """Stop units, those first that would start others again."""
    if units:
        done = run(["systemctl", "stop", *units])
        if done.returncode:
            raise Trouble(f"the site was not stopped: {last_words(done)}")


def start(units: Sequence[str]) -> None:
    for unit in units:
        # One that its socket has started in between is there already.
        done = run(["systemctl", "start", unit])
        if done.returncode:
            with contextlib.suppress(OSError):
                run(["systemctl", "reset-failed", *units])
            raise Trouble(f"{unit} did not start: {last_words(done)}. Look at: journalctl -u {unit} -n 50")
