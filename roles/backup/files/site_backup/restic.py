# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The repository, through restic. No secret is among the arguments: they are in files and in its environment."""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from typing import Any

from site_backup.common import Trouble, last_words, note, read_json, run, status

INCOMPLETE = 3
LOCK_SECONDS = 3600
PAUSE_SECONDS = 20
# What proves a backup reads the repository itself.
FRESH = ("--no-cache",)
# Who only looks leaves no lock behind, either.
LOOKS = ("--no-cache", "--no-lock")


class Repository:
    """One repository, and the snapshots of one site in it. Who only `looks` writes nothing, there and on the host."""

    def __init__(self, settings: Mapping[str, Any], looks: bool = False) -> None:
        self.settings, self.looks = settings, looks
        self.environment = {
            "PATH": os.environ.get("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"),
            "HOME": settings["home"],
            "LANG": "C.UTF-8",
            "RESTIC_REPOSITORY": settings["repository"],
            "RESTIC_PASSWORD_FILE": f"{settings['folder']}/password",
            "RESTIC_CACHE_DIR": settings["cache"],
            **read_json(f"{settings['folder']}/environment.json", {}),
        }
        self.mine = ["--tag", f"web2py.deploy,{settings['name']}", "--host", settings["domain"]]

    def call(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run restic, after whoever else uses the repository: restic of Debian 12 does not wait by itself."""
        options = [word for option in self.settings["options"] for word in ("-o", option)]
        deadline = time.monotonic() + LOCK_SECONDS
        while True:
            try:
                done = run(
                    ["restic", *options, *words, *(LOOKS if self.looks else ())],
                    env=self.environment,
                    cwd="/",
                    stdin=subprocess.DEVNULL,
                )
            except FileNotFoundError:
                raise Trouble("restic is not on this host: run the playbook web2py.deploy.site") from None
            if not done.returncode:
                return done
            if "already locked" not in done.stderr or time.monotonic() > deadline:
                if not self.looks:
                    self.forget_cache()
                return done
            print("Another site uses the repository, it is waited for", flush=True)
            time.sleep(PAUSE_SECONDS)

    def forget_cache(self) -> None:
        """What was read of a damaged repository would stay wrong after it is mended."""
        with contextlib.suppress(FileNotFoundError):
            for entry in os.scandir(self.settings["cache"]):
                shutil.rmtree(entry.path, ignore_errors=True)

    def told(self, *words: str) -> str:
        """What restic says; Trouble where it fails."""
        done = self.call(*words)
        if done.returncode:
            raise Trouble(f"restic {words[0]} of {self.settings['repository']} failed: {last_words(done)}")
        return done.stdout

    def open(self, make: bool = False) -> None:
        """See that the repository is the one of before; the very first time it is made."""
        done = self.call("cat", "config")
        known = status(self.settings).get("id")
        if done.returncode:
            absent = done.returncode == 10 or "Is there a repository at the following location" in done.stderr
            if not absent or known or not make:
                gone = " It held the backups of this site: is it mounted?" if absent and known else ""
                raise Trouble(f"{self.settings['repository']} cannot be opened: {last_words(done)}.{gone}")
            self.told("init")
            print(f"{self.settings['repository']} is made", flush=True)
            done = self.call("cat", "config")
        try:
            now = json.loads(done.stdout)["id"]
        except (ValueError, KeyError, TypeError):
            raise Trouble(f"{self.settings['repository']} has no settings that can be read") from None
        if known and known != now:
            raise Trouble(f"{self.settings['repository']} is another repository than before. Look what happened to it")
        if self.looks:
            return
        if not known:
            note(self.settings, id=now)
        # Locks of programs that are gone; those of running ones stay.
        self.call("unlock")

    def snapshots(self) -> list[dict[str, Any]]:
        """The snapshots of the site, the newest last."""
        found = json.loads(self.told("snapshots", "--json", *self.mine) or "[]") or []
        return sorted(found, key=lambda row: (moment(str(row["time"])), str(row["time"])))

    def newest(self, name: str = "latest") -> str:
        """The whole name of a snapshot of the site."""
        rows = self.snapshots()
        if name != "latest":
            rows = [row for row in rows if len(name) >= 8 and str(row["id"]).startswith(name)]
        if not rows:
            where = f"in {self.settings['repository']} for {self.settings['domain']}"
            raise Trouble(f"there is no snapshot {name} {where}: list them with web2py.deploy.restore")
        return str(rows[-1]["id"])

    def save(self, paths: str, parent: str | None) -> str:
        """One snapshot of the paths in a file, which is there whole or not at all; its name."""
        words = ["backup", "--json", *self.mine, "--files-from-raw", paths]
        done = self.call(*words, *(["--parent", parent] if parent else ["--force"]))
        rows = lines(done.stdout)
        summary = next((row for row in rows if row.get("message_type") == "summary"), {})
        if done.returncode == INCOMPLETE and summary.get("snapshot_id"):
            lost = [path for path in unread(done.stderr) if path is None or os.path.lexists(path)]
            if lost:
                self.told("forget", str(summary["snapshot_id"]))
                what = ", ".join(str(path) for path in lost[:3] if path) or last_words(done)
                raise Trouble(f"some files could not be read, so there is no new snapshot: {what}")
        elif done.returncode:
            raise Trouble(f"restic backup to {self.settings['repository']} failed: {last_words(done)}")
        if not summary.get("snapshot_id"):
            raise Trouble("restic named no snapshot")
        # Of Debian 12 it tells the beginning of the name.
        return self.newest(str(summary["snapshot_id"]))

    def forget(self) -> None:
        """Let go of what retention does not keep."""
        keep = [word for span, number in self.settings["keep"].items() for word in (f"--keep-{span}", str(number))]
        self.told("forget", "--quiet", "--prune", "--group-by", "host,tags", *self.mine, *keep)

    def check(self) -> None:
        self.told("check", "--quiet")

    def size(self, snapshot: str) -> int:
        return int(json.loads(self.told("stats", *FRESH, "--json", "--mode", "restore-size", snapshot))["total_size"])

    def restore(self, snapshot: str, folder: str) -> None:
        self.told("restore", snapshot, *FRESH, "--target", folder)


def moment(text: str) -> float:
    """The time of a snapshot, in seconds of the epoch."""
    found = re.fullmatch(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.\d+)?(Z|[+-]\d\d:\d\d)", text)
    if not found:
        raise Trouble(f"restic tells the time as {text}")
    return datetime.datetime.fromisoformat(found[1] + found[2].replace("Z", "+00:00")).timestamp()


def lines(text: str) -> list[dict[str, Any]]:
    """Those lines of an output that are JSON."""
    found = []
    for line in text.splitlines():
        try:
            row = json.loads(line)
        except ValueError:
            continue
        found += [row] if isinstance(row, dict) else []
    return found


def unread(errors: str) -> Sequence[str | None]:
    """Paths that restic could not read, None for words that are not understood."""
    found: list[str | None] = []
    for line in errors.splitlines():
        row = (lines(line) or [None])[0]
        if row and row.get("message_type") == "error":
            found.append(str(row["item"]) if row.get("item") else None)
        elif line.strip().endswith("does not exist, skipping"):
            found.append(line.strip().rpartition(" does not exist")[0])
        elif row is None and line.strip() and not line.startswith("Warning: "):
            found.append(None)
    return found
