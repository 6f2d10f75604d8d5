# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection: rows of SQLite are brought to the site's database server.

It is a part of the switch to a release: nobody is let in, and the scheduler rests. What was brought is noted, so that a
second run knows it. After the switch visitors stay outside until the processes of before are gone: those would write to
SQLite.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.web2py.deploy.plugins.module_utils import _scheduler
from ansible_collections.web2py.deploy.plugins.module_utils._base import Place
from ansible_collections.web2py.deploy.plugins.module_utils._migrate import program
from ansible_collections.web2py.deploy.plugins.module_utils._run import Problem, last_lines, masked, run
from ansible_collections.web2py.deploy.plugins.module_utils._tree import read_json, write_json

Site = Mapping[str, Any]
Noted = dict[str, dict[str, Any]]

# Within this time after the switch the run has started the server anew.
HOLD_SECONDS = 600.0
_SECONDS = 4 * 3600
_SQLITE = "sqlite://"


def problems(site: Site, applications: Sequence[str]) -> list[str]:
    """What is wrong with what was asked for."""
    served = [row["name"] for row in site["applications"] if _database(row)["type"] != "sqlite"]
    told = ", ".join(served)
    known = [row["name"] for row in site["applications"]]
    remedy = f"Name some of {told}" if told else "Choose a server in web2py_database"
    return [
        f"{name} {'has no database on a server' if name in known else 'is no application of ' + site['name']}. {remedy}"
        for name in applications
        if name not in served
    ]


def _database(row: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = (row.get("settings") or {}).get("database") or {"type": "sqlite"}
    return found


def names(site: Site) -> dict[str, str]:
    """Which database on which server it is, by application."""
    rows = {row["name"]: _database(row) for row in site["applications"]}
    return {
        name: f"{row['type']} {row['name']} of {row.get('host') or 'this host'}"
        for name, row in rows.items()
        if row["type"] != "sqlite"
    }


def _file(place: Place) -> str:
    return os.path.join(place.root, "rows.json")


def noted(place: Place) -> Noted:
    """What was brought, by application."""
    found: Noted = read_json(_file(place), {})
    return found


def note(place: Place, site: Site, reports: Sequence[Mapping[str, Any]]) -> None:
    """Write down what was brought."""
    found = {row["application"]: {**row, "database": names(site)[row["application"]]} for row in reports}
    if found:
        write_json(_file(place), {**noted(place), **found}, place.owner)


def touched(row: Mapping[str, Any]) -> list[str]:
    """Files of SQLite that are not as they were when their rows were taken."""
    return [path for path, stamp in row["stamps"].items() if _stamp(path) not in (list(stamp), None)]


def _stamp(path: str) -> list[int] | None:
    try:
        found = os.lstat(path)
    except OSError:
        return None
    return [found.st_mtime_ns, found.st_size]


def due(place: Place, site: Site, applications: Sequence[str], replace: bool) -> list[str]:
    """Those whose rows are not on the server as they are in SQLite."""
    known, databases = noted(place), names(site)
    return [
        name
        for name in applications
        if replace or known.get(name, {}).get("database") != databases[name] or touched(known[name])
    ]


def behind(place: Place, site: Site, elsewhere: str) -> list[str]:
    """Warnings of rows that a run leaves in SQLite; `elsewhere` is the host of the site whose rows may come along."""
    found = []
    for name in due(place, site, sorted(names(site)), False):
        database = next(_database(row) for row in site["applications"] if row["name"] == name)
        files = [uri.removeprefix(_SQLITE) for uri in database["replaces"] if uri.startswith(_SQLITE)]
        folder = os.path.join(site["paths"]["state"], "applications", name, "databases")
        left = [path for path in (os.path.join(folder, file) for file in files) if (_stamp(path) or [0, 0])[1]]
        if left:
            words = f"Those of {elsewhere} may come along." if elsewhere else "web2py.deploy.rows brings them over."
            found.append(f"{' and '.join(left)}: its rows stay there. {words}")
    return found


@contextlib.contextmanager
def resting(site: Site, applications: Sequence[str]) -> Iterator[None]:
    """The scheduler's workers of these end after their tasks; the run starts them later. If this fails, they go on."""
    ours = tuple(f"{_scheduler.prefix(site['name'])}{name}-" for name in applications)
    listed = _systemctl("list-units", "--plain", "--no-legend", "--full", "--state=active,activating")
    units = [line.split()[0] for line in listed.splitlines() if line.startswith(ours)] if ours else []
    try:
        if units:
            _systemctl("stop", *units)
        yield
    except BaseException:
        if units:
            _systemctl("start", "--no-block", *units)
        raise


def _systemctl(*words: str) -> str:
    return run(["systemctl", *words], "Asking systemd", "It took too long.", timeout=_SECONDS).stdout


def bring(site: Site, place: Place, release: str, applications: Sequence[str], replace: bool) -> list[dict[str, Any]]:
    """Bring them as the site's user, all or none; a report for each application."""
    asked = {"url": site["url"], "applications": list(applications), "replace": replace}
    words = ("Bringing the rows", "It took too long and was ended; nothing was brought.")
    done = program(place, release, ["rows", json.dumps(asked)], words, _SECONDS)
    committed: list[str] = []
    try:
        found = json.loads(done.stdout)
        failures, reports = [masked(str(row)) for row in found["failures"]], list(found["reports"])
        committed = list(found["committed"])
    except (ValueError, KeyError, TypeError):
        failures, reports = [f"the program ended with status {done.returncode}:\n{last_lines(done.stderr)}"], []
    if failures:
        there = f"Rows of {', '.join(committed)} are on the server, and nothing uses them yet."
        raise Problem("\n".join([there if committed else "No row was brought to the server.", *failures]))
    return reports


def described(reports: Sequence[Mapping[str, Any]]) -> str:
    """What was done, in the lines of a diff."""
    return "".join(f"rows of {row['application']}: {told(row)}\n" for row in reports)


def told(row: Mapping[str, Any]) -> str:
    """What is on the server, and what stays behind."""
    tables = {name: each["rows"] for name, each in row["tables"].items() if each["rows"]}
    if not tables:
        words = "SQLite has none"
    else:
        words = f"{sum(tables.values())} in {len(tables)} tables are on the server as they were in SQLite"
    left = [f"{name} ({number} rows)" for name, number in sorted(row["left"].items())]
    if left:
        words += f"; no model names {', '.join(left)}"
    if row["columns"]:
        words += f"; no field has the columns {', '.join(sorted(row['columns']))}"
    return words


def late(reports: Mapping[str, Mapping[str, Any]], shut: bool) -> str:
    """What is to be done where SQLite has rows that came too late; "" where it has none.

    `shut` says whether visitors are kept out still.
    """
    found = {name: touched(row) for name, row in reports.items()}
    files = [path for paths in found.values() for path in paths]
    if not files:
        return ""
    told = f"{' and '.join(files)} was written to after its rows were taken, so the last of them are not on the server."
    names = ",".join(name for name, paths in found.items() if paths)
    again = f"web2py.deploy.rows -e web2py_rows_applications={names} -e web2py_rows_replace=true"
    if shut:
        return f"{told} Visitors are still kept out: take all rows again at once by {again}"
    return (
        f"{told} Visitors were let in before, so the server may have newer rows, too: compare."
        f" {again} would take all from SQLite, and remove what the server has"
    )
