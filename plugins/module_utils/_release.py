# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection: releases: composed of parts, checked, switched, kept and removed."""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ansible_collections.web2py.deploy.plugins.module_utils import _performance, _root_files
from ansible_collections.web2py.deploy.plugins.module_utils._base import Place
from ansible_collections.web2py.deploy.plugins.module_utils._run import Problem, last_lines, run
from ansible_collections.web2py.deploy.plugins.module_utils._tree import (
    FOLDER_MODE,
    digest,
    leftovers,
    link,
    read_json,
    remove,
    staged,
    write,
    write_json,
)

_FORMAT = 1  # raise it when the same parts must be composed anew
_CHECK_SECONDS = 120
# What a release has of its own instead of web2py's.
_OWN = ("VERSION", "applications", "deposit", "logging.conf", "logs", "routes.py", "site-packages", "welcome.w2p")
_EMPTY = ("deposit", "logs", "site-packages")


class Release(NamedTuple):
    """A release before it exists."""

    id: str
    parts: dict[str, Any]  # web2py, environment, runtime: names; applications: {name: part}
    files: dict[str, str]  # path in the release: content
    settings: list[int]  # ports whose password file admin looks up
    about: dict[str, Any]  # release.json but for its time


def plan(
    site: Mapping[str, Any],
    base: Mapping[str, Any],
    applications: Mapping[str, str],
    sources: Mapping[str, str],
    private: Mapping[str, str],
) -> Release:
    """The release that the choices ask for. Its id names everything in it."""
    parts = {**base["parts"], "applications": dict(applications)}
    files = {
        "web2py/routes.py": _root_files.routes_py(site["routes"]),
        "web2py/logging.conf": _root_files.logging_conf(site["log_level"]),
        "web2py/VERSION": _root_files.version_file(base["versions"]["web2py"]),
        "web2py/applications/__init__.py": "",
        "runtime.json": _root_files.runtime_json(site, base["versions"]),
    }
    ports = sorted(site["admin"]["ports"])
    identity = digest(_FORMAT, parts, files, ports, private, site["paths"]["settings"])
    about = {
        "id": identity,
        "parts": parts,
        "versions": base["versions"],
        "sources": {"web2py": base["source"], **sources},
        "private": dict(private),
    }
    return Release(identity, parts, files, ports, about)


def compose(place: Place, release: Release) -> str:
    """Make the release's folder, unless it is there; its path."""
    target = os.path.join(place.releases, release.id)
    if os.path.isdir(target):
        # A lost write may have left less of them than there was.
        for name, text in release.files.items():
            if not _holds(os.path.join(target, name), text):
                write(os.path.join(target, name), text, place.owner)
        return target
    with staged(target) as tree:
        web2py = os.path.join(tree, "web2py")
        for path in (web2py, os.path.join(web2py, "applications"), *(os.path.join(web2py, name) for name in _EMPTY)):
            os.mkdir(path)
        source = place.part(release.parts["web2py"])
        for name in os.listdir(source):
            if name not in _OWN and not name.startswith((".", "parameters_")):
                os.symlink(os.path.join(source, name), os.path.join(web2py, name))
        for name, part in release.parts["applications"].items():
            os.symlink(place.part(part), os.path.join(web2py, "applications", name))
        for port in release.settings:
            name = f"parameters_{port}.py"
            os.symlink(os.path.join(place.settings, name), os.path.join(web2py, name))
        for name in ("environment", "runtime"):
            os.symlink(place.part(release.parts[name]), os.path.join(tree, name))
        about = {**release.about, "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}
        files = {**release.files, "release.json": json.dumps(about, indent=2, sort_keys=True) + "\n"}
        for name, text in files.items():
            write(os.path.join(tree, name), text, place.owner)
        for path, names, entries in os.walk(tree):
            os.chmod(path, FOLDER_MODE)
            for name in [".", *names, *entries]:
                os.lchown(os.path.join(path, name), *place.owner)
    return target


def _holds(path: str, text: str) -> bool:
    try:
        with open(path, "rb") as file:
            return file.read() == text.encode()
    except OSError:
        return False


def check(place: Place, release: str, url: str, paths: list[str]) -> None:
    """Ask the release for its first pages as the site's user; a Problem tells what it answered."""
    done = run(
        [os.path.join(release, "environment/bin/python"), "-s", "-B", "-m", "web2py_runtime.check", url, *paths],
        "Checking the new release",
        "A page took too long; nothing was switched.",
        environment={"PYTHONPATH": os.path.join(release, "runtime")},
        cwd=os.path.join(release, "web2py"),
        account=place.account,
        timeout=_CHECK_SECONDS,
        check=False,
    )
    try:
        told = json.loads(done.stdout)
        failures = told["failures"]
    except (ValueError, KeyError):
        failures = [f"The check ended with status {done.returncode}:\n{last_lines(done.stderr)}"]
    if failures:
        serving = current(place)
        end = f"Nothing was switched: release {serving} still serves." if serving else "No release serves yet."
        raise Problem("\n".join(["The new release does not serve and was removed.", *map(tail, failures), end]))
    report = _performance.report(told.get("performance"))
    write_json(os.path.join(release, _performance.FILE), report, place.owner)


def tail(text: str, lines: int = 30) -> str:
    """The first line, which says what failed, and the end, where a traceback says why."""
    rows = text.splitlines()
    return text if len(rows) <= lines else "\n".join([rows[0], "...", *rows[1 - lines :]])


def current(place: Place) -> str | None:
    """The id of the release that serves; None when there is none."""
    path = os.path.join(place.root, "current")
    try:
        name = os.path.basename(os.readlink(path))
    except OSError:
        return None
    return name if os.path.isdir(os.path.join(place.releases, name)) else None


def about(place: Place, identity: str | None) -> dict[str, Any]:
    """release.json of a release; {} when there is none."""
    found: dict[str, Any] = {}
    if identity:
        found = read_json(os.path.join(place.releases, identity, "release.json"), {})
    return found


def activate(place: Place, identity: str) -> None:
    """Let `current` point to the release, and write down that it served."""
    if current(place) != identity:
        link(os.path.join(place.root, "current"), os.path.join("releases", identity))
    record = activated(place)
    if record[-1:] != [identity]:
        write_json(
            _record(place), {"activated": [*(each for each in record if each != identity), identity]}, place.owner
        )


def activated(place: Place) -> list[str]:
    """The releases that served, the latest last."""
    return list(read_json(_record(place), {"activated": []})["activated"])


def _record(place: Place) -> str:
    return os.path.join(place.root, "releases.json")


def in_use(place: Place) -> set[str]:
    """The releases that a server still runs: its processes hold a lock (web2py_runtime/lease.py)."""
    found = set()
    for name in os.listdir(place.releases):
        try:
            # For writing: NFS gives no lock of this kind otherwise.
            with open(os.path.join(place.releases, name, "runtime.json"), "r+", encoding="utf-8") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            found.add(name)
        except (FileNotFoundError, NotADirectoryError):
            continue
    return found


def surplus(place: Place, keep: int, base: Mapping[str, str]) -> list[str]:
    """Paths that no kept release needs: old releases, parts without one, what killed runs left."""
    kept = {*activated(place)[-keep:], *in_use(place)}
    needed = set(base.values())
    for identity in kept:
        parts = about(place, identity).get("parts", {})
        needed.update(part for name, part in parts.items() if name != "applications")
        needed.update(parts.get("applications", {}).values())
    found = [os.path.join(place.releases, name) for name in os.listdir(place.releases) if name not in kept]
    found += [place.part(name) for name in os.listdir(place.parts) if name not in needed]
    return sorted({*found, *leftovers(place.root)})


def prune(place: Place, keep: int, base: Mapping[str, str]) -> bool:
    """Keep the last releases that served, those still in use and their parts; True when something was removed."""
    paths = surplus(place, keep, base)
    for path in paths:
        remove(path)
    record = activated(place)
    if len(record) > keep:
        write_json(_record(place), {"activated": record[-keep:]}, place.owner)
    return bool(paths)


def discard(place: Place, identity: str) -> None:
    """Remove a release that failed its check; its parts stay until the next release serves."""
    if identity not in {*activated(place), current(place), *in_use(place)}:
        remove(os.path.join(place.releases, identity))


def describe(about: Mapping[str, Any], changed: Sequence[str] = ()) -> str:
    """A release in lines a person compares."""
    if not about:
        return ""
    lines = [f"release {about['id']}"]
    lines += [f"{name} {version}" for name, version in sorted(about["versions"].items())]
    lines += [f"{name}: {source}" for name, source in sorted(about["sources"].items())]
    parts = about["parts"]
    lines += [f"part {part}" for name, part in sorted(parts.items()) if name != "applications"]
    lines += [f"part {part}" for part in sorted(parts["applications"].values())]
    lines += [f"private file {name}: changed (not shown)" for name in changed]
    return "\n".join(lines) + "\n"
