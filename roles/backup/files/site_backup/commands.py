# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The backup of one site.

due SETTINGS                    why a backup has to be made now, a line each
backup SETTINGS                 one snapshot of databases, uploads, private files and settings; then retention
drill SETTINGS                  restore the newest snapshot into a scratch folder and prove it
list SETTINGS                   the snapshots of the site
restore SETTINGS SNAPSHOT       put data and databases back; SNAPSHOT is a name or `latest`
extract SETTINGS SNAPSHOT PATH  restore into an empty folder, nothing that runs is touched
copy, count                     for the program itself, as the site's user
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from site_backup import databases, manifest, restic, restore, sqlite
from site_backup.common import Trouble, alone, note, owner, read_json, status, write
from site_backup.restic import Repository

Settings = Mapping[str, Any]


def due(settings: Settings) -> None:
    told = status(settings)
    if "backup" not in told:
        print(f"there is none yet in {settings['repository']}")
    elif told.get("troubles", {}).get("backup"):
        print("the last one failed")


def backup(settings: Settings) -> None:
    began = time.time()
    repository = Repository(settings)
    repository.open(make=True)
    known = repository.snapshots()
    if known and "backup" not in status(settings):
        # A host that was built anew must not put its empty site before the snapshots that it is to be restored from.
        newest = {"at": int(restic.moment(str(known[-1]["time"]))), "snapshot": str(known[-1]["id"])}
        note(settings, backup=newest, first=int(began))
        print(f"Snapshot {newest['snapshot'][:8]} is of this site, so none is made now; the timer makes the next one")
        return
    plain, found = manifest.sort_out(settings["state"])
    folder = os.path.join(settings["home"], "dump")
    paths = os.path.join(settings["home"], "paths")
    shutil.rmtree(folder, ignore_errors=True)
    os.mkdir(folder, 0o700)
    os.chmod(folder, 0o711)  # noqa: S103  the site's user passes to its own part
    try:
        rows = databases.dump(settings, found, folder)
        counts = manifest.list_files([*plain, settings["settings"]], os.path.join(folder, manifest.FILES))
        uid, gid = owner(settings)
        told = {"format": manifest.FORMAT, "site": settings["name"], "host": socket.gethostname(), "began": began}
        told.update(uid=uid, gid=gid, databases=rows, release=read_json(settings["release"], {}))
        write(os.path.join(folder, manifest.MANIFEST), json.dumps(told))
        saved = [path for path in [folder, settings["settings"], *plain] if os.path.lexists(path)]
        write(paths, "".join(f"{path}\0" for path in saved))
        snapshot = repository.save(paths, str(known[-1]["id"]) if known else None)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(paths)
    tables, total = manifest.total(rows)
    done = {"at": int(time.time()), "snapshot": snapshot, "seconds": round(time.time() - began, 1)}
    done.update(files=counts.files, bytes=counts.bytes, databases=len(rows), tables=tables, rows=total)
    note(settings, backup=done, first=status(settings).get("first") or done["at"])
    print(f"Snapshot {snapshot[:8]}: {told_of(done)}", flush=True)
    repository.forget()


def drill(settings: Settings) -> None:
    repository = Repository(settings)
    repository.open()
    repository.check()
    snapshot = repository.newest()
    folder = os.path.join(settings["home"], "drill")
    try:
        done, _databases = restore.bring(settings, repository, snapshot, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    note(settings, drill={"at": int(time.time()), "snapshot": snapshot, **done})
    print(f"Snapshot {snapshot[:8]} came back as it was: {told_of(done)}")


def told_of(done: Mapping[str, Any]) -> str:
    return (
        f"{done['files']} files of {done['bytes']} bytes, "
        f"{done['databases']} databases with {done['tables']} tables and {done['rows']} rows"
    )


def listing(settings: Settings) -> None:
    repository = Repository(settings, looks=True)
    repository.open()
    rows = repository.snapshots()
    print("\n".join(f"{str(row['id'])[:8]} {str(row['time'])[:19].replace('T', ' ')}" for row in rows))


def put_back(settings: Settings, name: str) -> None:
    repository = Repository(settings)
    repository.open()
    snapshot = repository.newest(name)
    done, aside = restore.into_place(settings, repository, snapshot)
    note(settings, restored={"at": int(time.time()), "snapshot": snapshot, **done})
    print(f"Snapshot {snapshot[:8]} is in place: {told_of(done)}. What was there is in {aside}")


def extract(settings: Settings, name: str, folder: str) -> None:
    if not os.path.isabs(folder) or os.path.lexists(folder):
        raise Trouble(f"{folder} is no new folder: give an absolute path of something that is not there")
    repository = Repository(settings)
    repository.open()
    snapshot = repository.newest(name)
    done, _databases = restore.bring(settings, repository, snapshot, folder, settle=True)
    print(f"Snapshot {snapshot[:8]} is in {folder}: {told_of(done)}")


COMMANDS: dict[str, Callable[..., None]] = {
    "due": due,
    "backup": backup,
    "drill": drill,
    "list": listing,
    "restore": put_back,
    "extract": extract,
}
# These change something, and wait for one another.
ALONE = ("backup", "drill", "restore", "extract")
# Their trouble is told by status until they succeed.
TOLD = ("backup", "drill")


def main(words: Sequence[str]) -> int:
    command, *rest = words
    try:
        if command in ("copy", "count"):
            print(json.dumps(getattr(sqlite, command)(*rest)))
            return 0
        settings = read_json(rest[0])
    except Exception as trouble:  # whatever it is, the caller reads one line
        print(f"{type(trouble).__name__}: {trouble}" if not isinstance(trouble, Trouble) else trouble, file=sys.stderr)
        return 1
    try:
        if command not in ALONE:
            COMMANDS[command](settings, *rest[1:])
            return 0
        os.makedirs(settings["home"], mode=0o711, exist_ok=True)
        with alone(settings):
            try:
                COMMANDS[command](settings, *rest[1:])
            except (Trouble, OSError, ValueError, KeyError, subprocess.SubprocessError) as trouble:
                if command in TOLD:
                    troubles = status(settings).get("troubles", {})
                    note(settings, troubles={**troubles, command: {"at": int(time.time()), "why": str(trouble)}})
                raise
            if command in TOLD:
                kept = {key: row for key, row in status(settings).get("troubles", {}).items() if key != command}
                note(settings, troubles=kept)
    except (Trouble, OSError, ValueError, KeyError, subprocess.SubprocessError) as trouble:
        said = trouble if isinstance(trouble, Trouble) else f"{type(trouble).__name__}: {trouble}"
        print(f"{settings['domain']}: {said}", file=sys.stderr)
        return 1
    return 0
