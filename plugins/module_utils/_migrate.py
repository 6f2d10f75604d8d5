# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection: one process migrates the databases of applications while nobody else is let in.

The notice that keeps visitors out is a lease: it is renewed as long as this process lives and is over soon after its
end, whatever that was. What was in maintenance before stays so.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.web2py.deploy.plugins.module_utils import _data, _maintenance
from ansible_collections.web2py.deploy.plugins.module_utils._base import Place
from ansible_collections.web2py.deploy.plugins.module_utils._run import Problem, last_lines, run
from ansible_collections.web2py.deploy.plugins.module_utils._tree import run_lock

LEASE_SECONDS = 30.0
_RENEW_SECONDS = 5.0
_MIGRATE_SECONDS = 3600

Site = Mapping[str, Any]


def _renew(site: Site, applications: Sequence[str]) -> None:
    with run_lock("maintenance"):
        before = _maintenance.read(_maintenance.path_of(site))
        _maintenance.store(site, _maintenance.migrating(before, applications, time.time() + LEASE_SECONDS))


@contextlib.contextmanager
def closed(site: Site, applications: Sequence[str], hold_seconds: float = 0.0) -> Iterator[None]:
    """Keep everybody out of these applications, operators too; so long after the end, if that is a good one."""
    over = threading.Event()

    def renew() -> None:
        while not over.wait(_RENEW_SECONDS):
            # A file that cannot be written now may be so the next time, before the lease is over.
            with contextlib.suppress(Problem, OSError):
                _renew(site, applications)

    _renew(site, applications)
    keeper = threading.Thread(target=renew, daemon=True)
    keeper.start()
    until = 0.0
    try:
        yield
        until = time.time() + hold_seconds if hold_seconds else 0.0
    finally:
        over.set()
        keeper.join()
        opened(site, applications, until)


def opened(site: Site, applications: Sequence[str], until: float = 0.0) -> bool:
    """Let everybody in again, or at a time; whether anybody was kept out."""
    with run_lock("maintenance"):
        before = _maintenance.read(_maintenance.path_of(site))
        after = _maintenance.migrating(before, applications, until) if until else _maintenance.migrated(before)
        if after != before:
            _maintenance.store(site, after)
    return after != before


def due(site: Site, former: Mapping[str, str], parts: Mapping[str, str]) -> list[str]:
    """Applications that make no tables while they serve, and whose code or settings are not those that serve."""
    rows = {row["name"]: row.get("settings") or {} for row in site["applications"]}
    return sorted(
        name for name, words in rows.items() if words.get("migrate") is False and former.get(name) != parts[name]
    )


def leader(name: str, site: Site, hosts: Mapping[str, Mapping[str, Any]]) -> str:
    """The host that makes the tables for the host `name`: itself, but for a database that several hosts share.

    `hosts` are the web hosts in the order of the inventory, with their variables as far as the inventory has them.
    """
    data = site.get("data")
    if not data or data["local"]:
        return name
    shared = (site["name"], data["host"], data["port"])
    return next((each for each, choices in hosts.items() if each == name or _shared(choices) == shared), name)


def _shared(choices: Mapping[str, Any]) -> tuple[Any, ...]:
    chosen = choices.get("web2py_database") or {}
    kind = _data.KINDS.get(str(chosen.get("type")))
    port = chosen.get("port") or (kind.port if kind else None)
    return choices.get("web2py_site") or "web2py", chosen.get("host"), port


def program(
    place: Place, release: str, argv: Sequence[str], words: tuple[str, str], seconds: int
) -> subprocess.CompletedProcess[str]:
    """Run a program of a release's runtime as the site's user, with migrations on."""
    return run(
        [os.path.join(release, "environment/bin/python"), "-s", "-B", "-m", f"web2py_runtime.{argv[0]}", *argv[1:]],
        *words,
        environment={"PYTHONPATH": os.path.join(release, "runtime"), "WEB2PY_RUNTIME_MIGRATES": "1"},
        cwd=os.path.join(release, "web2py"),
        account=place.account,
        timeout=seconds,
        check=False,
    )


def migrate(site: Site, place: Place, release: str, applications: Sequence[str]) -> dict[str, list[str]]:
    """Run the models of a release as the site's user; what was told to the databases, by application."""
    words = ("Migrating", "The migration took too long and was ended.")
    done = program(place, release, ["migrate", site["url"], *applications], words, _MIGRATE_SECONDS)
    try:
        found = json.loads(done.stdout)
        failure, statements = str(found["failure"]), dict(found["statements"])
    except (ValueError, KeyError, TypeError):
        failure, statements = f"it ended with status {done.returncode}:\n{last_lines(done.stderr)}", {}
    if failure:
        raise Problem("\n".join(["The migration failed.", failure, *_made(statements)]))
    return statements


def _made(statements: Mapping[str, Sequence[str]]) -> list[str]:
    """What databases may keep of a failed migration."""
    rows = [f"  {name}: {row}" for name, found in statements.items() for row in found]
    return ["Told to the databases before, and not taken back by all of them:", *rows] if rows else []


def described(statements: Mapping[str, Sequence[str]]) -> str:
    """What was done, in the lines of a diff."""
    return "".join(f"migrated {name}: {row}\n" for name, found in sorted(statements.items()) for row in found)
