# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What all parts of the program share: its state, other programs, files that are there whole or not at all."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pwd
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

PROGRAM = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
# What another user's process may say.
LIMIT = 1 << 24


class Trouble(Exception):
    """What an administrator has to know, in one line."""


def read_json(path: str, otherwise: Any = None) -> Any:
    """A file in JSON; `otherwise` where there is none, if that is given."""
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    except FileNotFoundError:
        if otherwise is None:
            raise
        return otherwise


def write(path: str, text: str, mode: int = 0o600) -> None:
    """A file that is there whole or not at all, also when the host loses its power."""
    handle, name = tempfile.mkstemp(dir=os.path.dirname(path))
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        os.fchmod(handle, mode)
        file.write(text)
        file.flush()
        os.fsync(handle)
    os.rename(name, path)


def note(settings: Mapping[str, Any], **rows: Any) -> None:
    """Tell status what was done."""
    path = os.path.join(settings["home"], "status.json")
    write(path, json.dumps({**status(settings), **rows}, indent=1, sort_keys=True) + "\n")


def status(settings: Mapping[str, Any]) -> dict[str, Any]:
    """What was done so far in this repository; another one begins anew."""
    path = os.path.join(settings["home"], "status.json")
    found = read_json(path, {})
    same = isinstance(found, dict) and found.get("repository") == settings["repository"]
    return found if same else {"repository": settings["repository"]}


def owner(settings: Mapping[str, Any]) -> tuple[int, int]:
    """User and group of the site."""
    try:
        row = pwd.getpwnam(settings["user"])
    except KeyError:
        raise Trouble(f"the user {settings['user']} is not on this host: run the playbook web2py.deploy.site") from None
    return row.pw_uid, row.pw_gid


def run(words: Sequence[str], **how: Any) -> subprocess.CompletedProcess[str]:
    """A program to its end, with its output as text."""
    return subprocess.run(words, capture_output=True, text=True, check=False, **how)


def last_words(done: subprocess.CompletedProcess[str]) -> str:
    """The line in which a program says why it failed."""
    lines = [line.strip() for line in (done.stderr + done.stdout).splitlines() if line.strip()]
    return lines[-1] if lines else f"status {done.returncode}"


def as_site(settings: Mapping[str, Any], *words: str) -> dict[str, Any]:
    """What this program says when the site's user runs it: files of the site's are not opened with root's rights."""
    uid, gid = owner(settings)
    command = [sys.executable, "-I", "-B", PROGRAM, *words]
    who: dict[str, Any] = {"user": uid, "group": gid, "extra_groups": []} if os.geteuid() == 0 else {}
    done = run(command, cwd="/", stdin=subprocess.DEVNULL, **who)
    try:
        told = json.loads(done.stdout[:LIMIT]) if done.returncode == 0 else None
    except (ValueError, RecursionError):
        told = None
    if not isinstance(told, dict):
        raise Trouble(last_words(done))
    return told


@contextlib.contextmanager
def alone(settings: Mapping[str, Any]) -> Iterator[None]:
    """One backup, drill or restore of the site at a time."""
    path = os.path.join(settings["home"], "lock")
    with open(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600), "r+") as file:
        # systemd's own limits end a wait that is too long.
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("Another backup, drill or restore of the site is waited for", flush=True)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
