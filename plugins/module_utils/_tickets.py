# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection: what the newest tickets of a site have in common, and the words that say so."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.web2py.deploy.plugins.module_utils._run import last_lines, masked, run
from ansible_collections.web2py.deploy.plugins.module_utils._words import plain

HEAD = ("tickets", "last", "application", "exception", "place", "message")
_WIDTHS = (7, 19, 20, 30, 50, 60)


def question(site: Mapping[str, Any]) -> dict[str, Any]:
    """What the program on the host must know to list the tickets of a site. No secret."""
    upkeep = (site.get("upkeep") or {}).get("tickets") or {"applications": {}}
    paths = site["paths"]
    return {
        "state": f"{paths['state']}/applications",
        "code": paths["code"],
        "databases": f"{paths['settings']}/databases.json",
        "applications": {
            row["name"]: {"store": "database" if row["name"] in upkeep["applications"] else "file"}
            for row in site["applications"]
        },
    }


def asked(site: Mapping[str, Any], account: tuple[int, int], newest: int) -> dict[str, Any]:
    """The newest tickets, read on the host as the site's user by the site's own runtime: a ticket is a pickle, and
    root reads none.
    """
    paths = site["paths"]
    done = run(
        [
            f"{paths['environment']}/bin/python", "-s", "-B", "-m", "web2py_runtime.tickets", "list",
            str(newest), json.dumps(question(site)),
        ],
        "Reading the tickets",
        environment={"PYTHONPATH": paths["runtime"]},
        account=account,
        timeout=120,
        check=False,
    )  # fmt: skip
    try:
        return dict(json.loads(done.stdout))
    except ValueError:
        words = last_lines(done.stderr) or f"the program ended with status {done.returncode}"
        return {"tickets": [], "failures": [f"Reading the tickets failed: {words}"]}


def digest(tickets: Sequence[Mapping[str, str]]) -> list[dict[str, Any]]:
    """Groups of tickets with one application, exception and place; the group with the newest ticket comes first."""
    groups: dict[tuple[str, str, str], dict[str, Any]] = {}
    for row in sorted(tickets, key=lambda one: (one["when"], one["ticket"])):
        key = (row["application"], row["exception"], row["place"])
        group = groups.setdefault(key, {"tickets": 0, "first": row["when"], "in_files": 0, "in_database": 0})
        group["tickets"] += 1
        group["in_database" if row["where"] == "database" else "in_files"] += 1
        # The newest one has the last word.
        group.update(
            application=row["application"], exception=plain(row["exception"]), place=plain(row["place"]),
            layer=plain(row["layer"]), message=plain(masked(row["message"])), last=row["when"], newest=row["ticket"],
        )  # fmt: skip
    return sorted(groups.values(), key=lambda group: (group["last"], group["newest"]), reverse=True)


def table(groups: Sequence[Mapping[str, Any]]) -> list[str]:
    """The groups as lines of a table."""
    if not groups:
        return ["No tickets"]
    rows = [HEAD, *([str(group[name]) for name in HEAD] for group in groups)]
    cut = [[_cut(word, most) for word, most in zip(row, _WIDTHS)] for row in rows]
    widths = [max(len(row[place]) for row in cut) for place in range(len(HEAD))]
    return ["  ".join(word.ljust(width) for word, width in zip(row, widths)).rstrip() for row in cut]


def _cut(word: str, most: int) -> str:
    return word if len(word) <= most else word[: most - 3] + "..."
