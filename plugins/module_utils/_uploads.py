# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection: uploads are brought to where the site keeps them, by the site's user in a sandbox."""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.web2py.deploy.plugins.module_utils._run import Problem, last_lines, masked, run
from ansible_collections.web2py.deploy.plugins.module_utils._tree import locked, run_lock

Site = Mapping[str, Any]

# Its files are code.
_ADMIN = "admin"
_SECONDS = 4 * 3600
_TABLE = re.compile(r"\w+")
# It reads the code and writes the state of the applications, nothing else.
_SANDBOX = (
    "UMask=0027", "ProtectSystem=strict", "PrivateTmp=yes", "PrivateDevices=yes", "ProtectHome=yes",
    "ProtectProc=invisible", "ProtectKernelTunables=yes", "ProtectKernelModules=yes", "ProtectKernelLogs=yes",
    "ProtectControlGroups=yes", "ProtectClock=yes", "ProtectHostname=yes", "NoNewPrivileges=yes",
    "CapabilityBoundingSet=", "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6", "RestrictNamespaces=yes",
    "RestrictRealtime=yes", "RestrictSUIDSGID=yes", "LockPersonality=yes", "SystemCallArchitectures=native",
    "SystemCallFilter=@system-service", "SystemCallErrorNumber=EPERM", "Nice=10", "LimitCORE=0",
)  # fmt: skip


def problems(site: Site, applications: Sequence[str], tables: Sequence[str]) -> list[str]:
    """What is wrong with what was asked for."""
    known = [row["name"] for row in site["applications"] if row["name"] != _ADMIN]
    found = [
        (f"{name} keeps no uploads" if name == _ADMIN else f"{name} is no application of {site['name']}")
        + f". Name some of {', '.join(known)}"
        for name in applications
        if name not in known
    ]
    return found + [f"{name!r} is not a name for a table" for name in tables if not _TABLE.fullmatch(name)]


def question(site: Site, applications: Sequence[str], tables: Sequence[str], check: bool) -> dict[str, Any]:
    """What the program on the host must know. No secret."""
    stores = {
        row["name"]: ((row.get("settings") or {}).get("uploads") or {}).get("store") or "file"
        for row in site["applications"]
        if row["name"] != _ADMIN
    }
    chosen = {name: store for name, store in stores.items() if not applications or name in applications}
    return {"url": site["url"], "check": check, "tables": list(tables), "applications": chosen}


def unit(site: Site) -> str:
    """Its name keeps a second one away, also where the run that began the first was killed."""
    return f"{site['name']}-uploads.service"


def command(site: Site, asked: Mapping[str, Any]) -> list[str]:
    """The program in a unit of its own."""
    paths = site["paths"]
    properties = [
        f"User={site['user']}", f"Group={site['user']}", f"WorkingDirectory={paths['code']}",
        f"ReadWritePaths={paths['state']}/applications", f"RuntimeMaxSec={_SECONDS}", *_SANDBOX,
    ]  # fmt: skip
    return [
        "systemd-run", "--quiet", "--wait", "--pipe", "--collect", f"--unit={unit(site)}",
        *(f"--property={row}" for row in properties),
        *(f"--setenv={row}" for row in (f"PYTHONPATH={paths['runtime']}", f"HOME={paths['state']}", "LANG=C.UTF-8")),
        f"{paths['environment']}/bin/python", "-s", "-B", "-m", "web2py_runtime.movement", json.dumps(asked),
    ]  # fmt: skip


@contextlib.contextmanager
def _no_backup(site: Site) -> Any:
    """No backup is made meanwhile: it takes databases before files, and would miss what goes from files to rows."""
    home = str((site.get("backup") or {}).get("home") or "")
    with locked(os.path.join(home, "lock")) if os.path.isdir(home) else contextlib.nullcontext():
        yield


def moved(site: Site, applications: Sequence[str], tables: Sequence[str], check: bool) -> dict[str, Any]:
    """Bring the files there; `reports` and `failures` of the program on the host."""
    asked = question(site, applications, tables, check)
    with run_lock(f"uploads-{site['name']}"), _no_backup(site):
        done = run(
            command(site, asked), "Moving the uploads", "Run it again: it goes on where it was.",
            timeout=_SECONDS + 60, check=False,
        )  # fmt: skip
    try:
        found = json.loads(done.stdout)
        return {"reports": list(found["reports"]), "failures": [masked(str(row)) for row in found["failures"]]}
    except (ValueError, KeyError, TypeError):
        words = last_lines(done.stderr) or f"the program ended with status {done.returncode}"
        raise Problem(f"Moving the uploads failed: {words}. Run it again: it goes on where it was.") from None


def changed(reports: Sequence[Mapping[str, Any]], check: bool) -> bool:
    """Whether something was, or would be, brought or removed."""
    return any(row["copied"] or row["removed"] or (check and row["originals"] and row["serves"]) for row in reports)


def told(report: Mapping[str, Any], check: bool) -> str:
    """One line of what was done for a field."""
    places = {"file": "in files", "database": "in the database", "column": "in a column of the table"}
    line = f"{report['application']} {report['field']}: {report['files']} {places[report['place']]}"
    would = "would be " if check else ""
    parts = []
    if report["copied"]:
        parts.append(f"{report['copied']} of {report['bytes']} bytes {would}brought there")
    if report["removed"]:
        parts.append(f"{report['removed']} originals removed")
    elif report["originals"] and check and report["serves"]:
        parts.append(f"{report['originals']} originals would be removed")
    elif report["originals"]:
        why = "the release that serves still needs them" if not report["serves"] else "not everything is proven"
        parts.append(f"{report['originals']} originals {'would ' if check else ''}stay, because {why}")
    if report["missing"]:
        parts.append(f"{report['missing']} were missing before")
    return "; ".join([line, *parts])
