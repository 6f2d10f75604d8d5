# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection: one page about a site, for a terminal and as an HTML file that needs nothing else."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.web2py.deploy.plugins.module_utils import _words
from ansible_collections.web2py.deploy.plugins.module_utils._health import part, rows, sessions, tickets
from ansible_collections.web2py.deploy.plugins.module_utils._performance import shown_report
from ansible_collections.web2py.deploy.plugins.module_utils._words import plain

Row = Sequence[str]
UNKNOWN = "unknown"
STYLE = """
:root { color-scheme: light dark; --line: #8884; --bad: #b3261e; --late: #8a5a00; --good: #1b6e3c; }
@media (prefers-color-scheme: dark) { :root { --bad: #ff8a80; --late: #ffc65c; --good: #7ddc9c; } }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 62rem; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin: 0; } h2 { font-size: 1rem; margin: 1.8rem 0 .3rem; }
p { margin: .2rem 0 0; } .good { color: var(--good); } .error { color: var(--bad); } .warning { color: var(--late); }
div { overflow-x: auto; } table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: left; vertical-align: top; padding: .25rem .8rem .25rem 0; border-bottom: 1px solid var(--line); }
th { font-weight: 600; } td:first-child { white-space: nowrap; } code { overflow-wrap: anywhere; }
"""


@dataclass(frozen=True)
class Section:
    """A table with a title; `head` is empty where each row is a word and its value."""

    title: str
    rows: Sequence[Row]
    head: Row = ()


def size(value: Any) -> str:
    """Bytes, where they are known."""
    return _words.size(value) if isinstance(value, (int, float)) else UNKNOWN


def age(value: Any) -> str:
    """Seconds, where they are known."""
    return _words.age(value) if isinstance(value, (int, float)) else UNKNOWN


def sections(found: Mapping[str, Any]) -> list[Section]:
    """What the page shows, without its head."""
    made = [
        _findings(found),
        _site(found),
        _units(found),
        _applications(found),
        _databases(found),
        _scheduler(found),
        _replicas(found),
        _stores(found),
        _care(found),
        _host(found),
    ]
    return [
        Section(plain(each.title), [[plain(cell) for cell in row] for row in each.rows], each.head)
        for each in made
        if each.rows
    ]


def headline(found: Mapping[str, Any]) -> str:
    return "healthy" if found.get("healthy") else "NOT HEALTHY"


def _findings(found: Mapping[str, Any]) -> Section:
    shown = [[row["severity"], row["what"], row["remedy"]] for row in found.get("findings") or ()]
    return Section("What is wrong, and the command that mends it", shown, ("severity", "what", "do"))


def _site(found: Mapping[str, Any]) -> Section:
    release, answers = part(found, "release") or {}, found.get("answers") or {}
    versions = release.get("versions") or {}
    number = str(versions.get("web2py", UNKNOWN)).partition("-")[0]
    certificate, trust = found.get("certificate") or {}, (found.get("trust") or {}).get("addresses") or ()
    shown = [
        ["first page", _answer(answers.get("page"))],
        ["health page", _answer(answers.get("health"))],
        ["http", _answer(answers.get("redirect"))] if answers.get("redirect") else [],
        ["admin", _answer(answers.get("admin"))],
        ["admin's tunnel", _answer(answers.get("tunnel"))] if answers.get("tunnel") else [],
        ["web2py", f"web2py {number} on Python {versions.get('python', UNKNOWN)}"],
        ["release", str(release.get("id") or "none")],
        ["performance", shown_report(release["performance"]) if release.get("performance") else UNKNOWN],
        ["certificate", _certificate(found, certificate)],
        ["believed forwarded headers", f"from {', '.join(trust)}" if trust else "from nobody"],
        ["maintenance", _maintenance(found)],
    ]
    return Section("Site", [row for row in shown if row])


def _answer(answer: Any) -> str:
    if not isinstance(answer, Mapping):
        return UNKNOWN
    if "error" in answer:
        return f"no answer: {answer['error']}"
    to = f", to {answer['location']}" if answer.get("location") else ""
    return f"answers {answer.get('status', UNKNOWN)}{to}"


def _certificate(found: Mapping[str, Any], about: Mapping[str, Any]) -> str:
    provider = about.get("provider")
    if provider == "none":
        return "none, the site has no TLS"
    days = "days left unknown" if about.get("days") is None else f"{about['days']} days left"
    timer = f"; {found.get('site')}_acme.timer renews it" if provider == "acme" else ""
    return f"{provider}, {days}{timer}"


def _maintenance(found: Mapping[str, Any]) -> str:
    about = part(found, "maintenance")
    if not isinstance(about, dict):
        return UNKNOWN
    if not about.get("on"):
        return "off"
    left = f", {age(about['seconds_left'])} left" if about.get("seconds_left") is not None else ""
    return f"on for {'the whole site' if about.get('site') else ', '.join(about.get('applications') or ())}{left}"


def _units(found: Mapping[str, Any]) -> Section:
    shown = []
    for row in rows(found, "units"):
        limit = f" of {size(row['memory_limit_bytes'])}" if row.get("memory_limit_bytes") else ""
        shown.append(
            [
                row["name"],
                f"{row['active']} ({row['sub']})" if row.get("sub") else str(row["active"]),
                age(row["active_seconds"]) if row.get("active_seconds") is not None else "",
                str(row.get("processes") or ""),
                f"{size(row['memory_bytes'])}{limit}" if row.get("memory_bytes") else "",
                str(row.get("restarts") or ""),
            ]
        )
    return Section("Units", shown, ("unit", "state", "for", "processes", "memory", "restarts"))


def _applications(found: Mapping[str, Any]) -> Section:
    shown = []
    for row in rows(found, "applications"):
        counted, kept = tickets(found, row), sessions(found, row)
        less = "" if (row.get("tickets") or {}).get("whole", True) else " or more"
        few = "" if row.get("session_store") != "file" or (row.get("sessions") or {}).get("whole", True) else " or more"
        shown.append(
            [
                row["name"],
                f"{UNKNOWN if kept is None else kept}{few} ({row.get('session_store')})",
                f"{counted['today']}{less}",
                f"{counted['total']}{less} ({row.get('ticket_store')})",
            ]
        )
    return Section(
        "Applications", shown, ("application", "sessions (store)", "tickets since midnight", "tickets (store)")
    )


def _databases(found: Mapping[str, Any]) -> Section:
    shown = [
        [
            str(row.get("application")),
            " ".join(str(row[key]) for key in ("kind", "name") if row.get(key)),
            str(row.get("host") or "on this host"),
            f"cannot be asked: {row['error']}" if row.get("error") else size(row.get("bytes")),
        ]
        for row in rows(found, "databases")
    ]
    return Section("Databases", shown, ("application", "database", "where", "size"))


def _scheduler(found: Mapping[str, Any]) -> Section:
    shown = []
    for row in rows(found, "databases"):
        if "tasks" not in row and "workers" not in row:
            continue
        heard = [each["silent_seconds"] for each in row.get("workers") or () if each.get("silent_seconds") is not None]
        queue = ", ".join(f"{number} {status.lower()}" for status, number in sorted((row.get("tasks") or {}).items()))
        last = f"{age(min(heard))} ago" if heard else "none"
        shown.append([str(row.get("application")), str(len(row.get("workers") or ())), last, queue or "empty"])
    return Section("Scheduler", shown, ("application", "workers", "last heartbeat", "tasks"))


def _replicas(found: Mapping[str, Any]) -> Section:
    shown = [
        [str(row.get("name")), str(row.get("address") or ""), str(row.get("state") or "cannot be asked"), _lag(row)]
        for row in rows(found, "replicas")
    ]
    return Section("Standbys of the database", shown, ("standby", "address", "state", "behind"))


def _lag(row: Mapping[str, Any]) -> str:
    late = f", {age(row['seconds'])}" if isinstance(row.get("seconds"), (int, float)) else ""
    return f"{size(row.get('bytes'))}{late}"


def _stores(found: Mapping[str, Any]) -> Section:
    shown = []
    for row in rows(found, "stores"):
        limit = f" of {size(row['limit_bytes'])}" if row.get("limit_bytes") else ""
        held = "" if row.get("error") else f"{size(row.get('bytes'))}{limit}"
        said = f"cannot be asked: {row['error']}" if row.get("error") else str(row.get("keys"))
        shown.append([f"{row.get('program')} {row.get('use')}", said, held, str(row.get("evicted") or "")])
    return Section("Stores", shown, ("store", "entries", "memory", "evicted"))


def _care(found: Mapping[str, Any]) -> Section:
    about = part(found, "backup")
    if not isinstance(about, dict):
        return Section("Backups", [["backups", "not chosen" if found.get("backup") is None else UNKNOWN]])
    return Section("Backups", [[word, _ago(about.get(key))] for word, key in (
        ("last backup", "backup_seconds"), ("last one proven by a restore", "proven_seconds"),
    )])  # fmt: skip


def _ago(value: Any) -> str:
    return "never" if value is None else f"{age(value)} ago"


def _host(found: Mapping[str, Any]) -> Section:
    about, disk = part(found, "host") or {}, part(found, "storage") or {}
    free = f"{size(disk.get('bytes_free'))} of {size(disk.get('bytes_total'))} free, {disk.get('percent')} percent used"
    nodes = disk.get("inodes_percent")
    shown = [
        [f"disk of {disk['path']}", free] if disk.get("path") else ["disk", UNKNOWN],
        [
            "inodes",
            "not limited" if nodes is None else f"{disk.get('inodes_free', UNKNOWN)} free, {nodes} percent used",
        ],
    ]
    if about:
        load = " ".join(str(value) for value in about.get("load") or ())
        left, all_of = size(about.get("memory_available_bytes")), size(about.get("memory_bytes"))
        shown += [
            ["memory", f"{left} of {all_of} available"],
            ["load", f"{load} on {about.get('cpus')} processors"],
            ["up", age(about.get("up_seconds"))],
        ]
    return Section(f"Host {about.get('name', '')}".strip(), shown)


def text(found: Mapping[str, Any]) -> str:
    """The page for a terminal."""
    head = f"{plain(found.get('site'))}: {headline(found)}   {plain(found.get('url'))}   {plain(found.get('time'))}"
    lines = ["", head]
    for each in sections(found):
        lines += ["", each.title]
        if each.title == _findings(found).title:
            for severity, what, remedy in each.rows:
                lines += [f"  {severity}: {what}", f"    do: {remedy}"]
            continue
        lines += columns([*([each.head] if each.head else []), *each.rows])
    return "\n".join(lines) + "\n"


def columns(table: Sequence[Row]) -> list[str]:
    """Rows under each other, every column as wide as its widest cell."""
    widths = [max(len(row[place]) for row in table) for place in range(len(table[0]))]
    return [("  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths))).rstrip() for row in table]


def page(found: Mapping[str, Any]) -> str:
    """The page as a file for a browser: no script, nothing from elsewhere, every word escaped."""
    title = html.escape(f"{plain(found.get('site'))}: {headline(found)}")
    word = "good" if found.get("healthy") else "error"
    about = html.escape(f"{plain(found.get('url'))}, {plain(found.get('time'))}")
    body = "".join(_table(each) for each in sections(found))
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        f'<h1 class="{word}">{title}</h1>\n<p>{about}</p>\n{body}</body>\n</html>\n'
    )


def _table(section: Section) -> str:
    is_wrong = section.head[:1] == ("severity",)
    made = [f"<h2>{html.escape(section.title)}</h2>\n<div><table>\n"]
    if section.head:
        made.append(f"<thead><tr>{_cells('th', section.head)}</tr></thead>\n")
    made.append("<tbody>\n")
    for row in section.rows:
        word = f' class="{html.escape(row[0])}"' if is_wrong else ""
        last = f"<td><code>{html.escape(row[-1])}</code></td>" if is_wrong else f"<td>{html.escape(row[-1])}</td>"
        made.append(f"<tr{word}>{_cells('td', row[:-1])}{last}</tr>\n")
    return "".join([*made, "</tbody></table></div>\n"])


def _cells(tag: str, cells: Iterable[str]) -> str:
    return "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in cells)
