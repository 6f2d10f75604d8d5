# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection: what is wrong with a site, from what is known of it, with the command that mends it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.web2py.deploy.plugins.module_utils import _backup_state
from ansible_collections.web2py.deploy.plugins.module_utils._finding import Finding, error, is_error, warning
from ansible_collections.web2py.deploy.plugins.module_utils._performance import report

# The options of the role `status` have the same defaults.
LIMITS = {
    "disk_percent": 95,
    "certificate_days": 7,
    "heartbeat_seconds": 90,
    "replica_lag_seconds": 300,
}
# A warning comes before the error: this much earlier.
DISK_MARGIN_PERCENT = 10
CERTIFICATE_MARGIN = 2
MEMORY_PERCENT = 95
SITE = "ansible-playbook -i INVENTORY web2py.deploy.site"
PARTS = {
    "release": "the release",
    "units": "the units",
    "host": "the host",
    "applications": "sessions and tickets",
    "databases": "the databases",
    "replicas": "the standbys of the database",
    "stores": "Redis and memcached",
    "backup": "the backups",
    "maintenance": "maintenance mode",
    "storage": "the file system of the data",
}


def judge(found: Mapping[str, Any], limits: Mapping[str, int] | None = None) -> list[Finding]:
    """Every finding about a site, the errors first."""
    chosen = {**LIMITS, **(limits or {})}
    findings = [
        *_unread(found),
        *_units(found),
        *_answers(found),
        *_certificate(found, chosen["certificate_days"]),
        *_storage(found, chosen["disk_percent"]),
        *_databases(found, chosen["heartbeat_seconds"]),
        *_replicas(found, chosen["replica_lag_seconds"]),
        *_stores(found),
        *_backup_state.findings(str(found.get("site")), part(found, "backup")),
        *_maintenance(found),
        *_tickets(found),
    ]
    return sorted(findings, key=lambda row: not is_error(row))


def is_healthy(findings: list[Finding]) -> bool:
    return not any(is_error(row) for row in findings)


def part(found: Mapping[str, Any], name: str) -> Any:
    """A part of what is known; None where it could not be read."""
    value = found.get(name)
    return None if isinstance(value, dict) and "error" in value else value


def rows(found: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    value = part(found, name)
    return [row for row in value if isinstance(row, dict)] if isinstance(value, list) else []


def _unread(found: Mapping[str, Any]) -> Iterator[Finding]:
    for name, words in PARTS.items():
        value = found.get(name)
        if isinstance(value, dict) and "error" in value:
            remedy = "ls -l /run/dbus /run/systemd" if name == "units" else "journalctl -p err -n 50"
            yield error(f"{words} cannot be read: {value['error']}", remedy)
    release = part(found, "release")
    if isinstance(release, dict) and not release.get("id"):
        yield error(f"no release of {found.get('site')} serves on this host", SITE)
    told = report(release.get("performance")) if isinstance(release, dict) else {"off": {}}
    for name, why in told["off"].items():
        words = f"{name} of web2py_performance is off and web2py's own code serves: {why}"
        yield warning(words, f"a web2py.deploy that knows this web2py, then: {SITE}")


def _units(found: Mapping[str, Any]) -> Iterator[Finding]:
    for row in rows(found, "units"):
        name, state = row["name"], row["active"]
        if state == "failed":
            why = f" ({row['result']})" if row.get("result") not in (None, "", "success") else ""
            mend = f"systemctl reset-failed {name} && systemctl start {name}"
            yield error(f"{name} is failed{why}", f"journalctl -u {name} -n 50 says why; then: {mend}")
        elif row["expected"] and state == "not-found":
            yield error(f"{name} is not on the host", SITE)
        elif row["expected"] and state != "active":
            yield error(f"{name} is {state}", f"systemctl start {name}")
        limit, used = row.get("memory_limit_bytes"), row.get("memory_bytes")
        if limit and used and used * 100 >= limit * MEMORY_PERCENT:
            what = f"{name} uses {used * 100 // limit} percent of the memory it may have"
            yield warning(what, f"systemctl restart {name}")


def _answers(found: Mapping[str, Any]) -> Iterator[Finding]:
    """What the site answered wrong."""
    for row in rows(found, "faults"):
        yield error(row["what"], row["remedy"].replace("Look at: ", "") or SITE)


def _certificate(found: Mapping[str, Any], least: int) -> Iterator[Finding]:
    about = found.get("certificate") or {}
    days, provider = about.get("days"), about.get("provider")
    if days is None:
        return
    remedy = {
        "acme": f"systemctl start {found.get('site')}_acme.service",
        "provided": f"a new certificate into web2py_tls, then: {SITE} --tags tls",
    }.get(str(provider), f"{SITE} --tags tls")
    words = f"the certificate ended {-days} days ago" if days < 0 else f"the certificate ends in {days} days"
    if days < least:
        yield error(words, remedy)
    elif days < least * CERTIFICATE_MARGIN:
        yield warning(words, remedy)


def _storage(found: Mapping[str, Any], most: int) -> Iterator[Finding]:
    about = part(found, "storage")
    if not isinstance(about, dict):
        return
    for key, what, look in (
        ("percent", "is full to {} percent", "du -xh --max-depth=2 {} | sort -h | tail"),
        ("inodes_percent", "has used {} percent of its inodes", "du -x --inodes --max-depth=3 {} | sort -n | tail"),
    ):
        used = about.get(key)
        if used is None or used < most - DISK_MARGIN_PERCENT:
            continue
        told = error if used >= most else warning
        yield told(f"the file system of {about['path']} {what.format(used)}", look.format(about["path"]))


def _databases(found: Mapping[str, Any], silent: int) -> Iterator[Finding]:
    service = f"{found.get('site')}-scheduler@*"
    scheduled = any(row["name"].startswith(service[:-1]) for row in rows(found, "units"))
    for row in rows(found, "databases"):
        where = f"the database {row.get('name') or ''} of {row.get('application')}".replace("  ", " ")
        if row.get("error"):
            remedy = {
                "postgresql": "systemctl status 'postgresql@*'",
                "mysql": "systemctl status mariadb",
                "sqlite": f"ls -l /var/lib/{found.get('site')}/applications/{row.get('application')}/databases",
            }.get(str(row.get("kind")), "journalctl -p err -n 50")
            yield error(f"{where} cannot be asked: {row['error']}", remedy)
        for fault in row.get("faults") or ():
            yield warning(f"{where} did not answer all: {fault}", "journalctl -p err -n 50")
        beats = [each for each in row.get("workers") or () if each.get("silent_seconds") is not None]
        heard = min((each["silent_seconds"] for each in beats), default=None)
        if scheduled and heard is not None and heard > silent:
            what = f"no worker of the scheduler of {row.get('application')} was heard of for {heard} seconds"
            yield error(what, f"systemctl restart '{service}'")
        waiting = sum(number for status, number in (row.get("tasks") or {}).items() if status in ("QUEUED", "ASSIGNED"))
        if scheduled and waiting and "workers" in row and not beats:
            what = f"{waiting} tasks of {row.get('application')} wait and no worker takes them"
            yield error(what, f"systemctl restart '{service}'")


def _replicas(found: Mapping[str, Any], most: int) -> Iterator[Finding]:
    for row in rows(found, "replicas"):
        late = row.get("seconds")
        if row.get("error"):
            what = f"the standby {row.get('name')} cannot be asked: {row['error']}"
            yield error(what, "systemctl status 'postgresql@*', on the standby")
        elif row.get("state") != "streaming":
            what = f"the standby {row.get('name')} is {row.get('state')}"
            yield error(what, "journalctl -u 'postgresql@*' -n 50, on the standby")
        elif late is not None and late > most:
            yield error(f"the standby {row.get('name')} is {int(late)} seconds behind", "look at its disk and network")


def _stores(found: Mapping[str, Any]) -> Iterator[Finding]:
    for row in rows(found, "stores"):
        if row.get("error"):
            yield error(f"{row.get('unit')} cannot be asked: {row['error']}", f"systemctl restart {row.get('unit')}")
        elif row.get("use") == "sessions" and row.get("evicted"):
            what = f"{row.get('unit')} has thrown {row['evicted']} sessions away for want of memory"
            yield warning(what, "give it more memory, or sessions a shorter expiry")


def _maintenance(found: Mapping[str, Any]) -> Iterator[Finding]:
    about = part(found, "maintenance")
    off = "ansible-playbook -i INVENTORY web2py.deploy.maintenance -e web2py_maintenance=off"
    if isinstance(about, dict) and about.get("on"):
        names = "the whole site" if about.get("site") else ", ".join(about.get("applications") or ())
        yield warning(f"maintenance mode is on: {names}", off)
    elif isinstance(about, dict) and about.get("pages_off"):
        yield warning("no pages are kept: a migration was ended in its middle", off)


def _tickets(found: Mapping[str, Any]) -> Iterator[Finding]:
    for row in rows(found, "applications"):
        new = tickets(found, row)["today"]
        if new:
            what = f"{row['name']} has {new} new {'ticket' if new == 1 else 'tickets'} since midnight"
            yield warning(what, f"ls -lt {row['folder']}/errors | head")


def tickets(found: Mapping[str, Any], row: Mapping[str, Any]) -> dict[str, int]:
    """Tickets of an application, in files and databases together."""
    files = row.get("tickets") or {}
    total, today = int(files.get("total") or 0), int(files.get("today") or 0)
    for base in rows(found, "databases"):
        if base.get("application") == row["name"]:
            total += int(base.get("tickets") or 0)
            today += int(base.get("tickets_today") or 0)
    return {"total": total, "today": today}


def sessions(found: Mapping[str, Any], row: Mapping[str, Any]) -> int | None:
    """Sessions of an application where its choices put them. None where nobody can count them."""
    store = row.get("session_store")
    if store == "file":
        return (row.get("sessions") or {}).get("total")
    if store == "database":
        counted = [base["sessions"] for base in rows(found, "databases") if _holds_sessions(base, row)]
        return sum(counted) if counted else None
    return None


def _holds_sessions(base: Mapping[str, Any], row: Mapping[str, Any]) -> bool:
    return base.get("application") == row["name"] and base.get("sessions") is not None
