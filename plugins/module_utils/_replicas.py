# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection: replicas of the database server: which there are, and what is read from them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.web2py.deploy.plugins.module_utils._settings import given, merged
from ansible_collections.web2py.deploy.plugins.module_utils._spec import Problem, shown

_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")
_ACTION = re.compile(r"[A-Za-z_]\w*/([A-Za-z_]\w*|\*)", re.ASCII)
# libpq asks one host after the other; with several, one that is down costs less time.
CONNECT_SECONDS = 3
# The role by which the servers of the group web2py_database follow each other.
ROLE = "web2py_replication"
# For those of a group with standbys, equal on all of them: a standby with fewer connections than its primary stops.
# A standby that is away does not fill the disk of the primary; it is copied anew when it comes back later than that.
TUNING = {"max_connections": "300", "max_slot_wal_keep_size": "1GB"}

Rows = Sequence[Mapping[str, Any]]


def settings(chosen: Mapping[str, Any]) -> dict[str, Any]:
    """What the settings of an application say of replicas; nothing where there are none."""
    if not chosen.get("replicas"):
        return {}
    found: dict[str, Any] = {"replicas": list(chosen["replicas"])}
    if chosen.get("reads"):
        found["reads"] = chosen["reads"]
        found["read_actions"] = sorted(chosen.get("read_actions") or []) if chosen["reads"] == "actions" else []
    return found


def hosts(chosen: Mapping[str, Any]) -> str:
    """The hosts of a URI, the primary first: after a promotion the next connection finds the one that takes writes."""
    return ",".join([chosen["host"], *chosen.get("replicas", [])])


def driver_args(chosen: Mapping[str, Any]) -> dict[str, Any]:
    """What libpq is told to find the primary among them."""
    if not chosen.get("replicas"):
        return {}
    return {"connect_timeout": CONNECT_SECONDS, "target_session_attrs": "read-write"}


def standbys(chosen: Mapping[str, Any]) -> dict[str, Any]:
    """What the runtime is told of the replicas that are read; nothing where none is."""
    if not chosen.get("reads"):
        return {}
    places = [{"name": host, "args": {"host": host, "port": chosen["port"]}} for host in chosen["replicas"]]
    return {"standbys": {"reads": chosen["reads"], "actions": chosen["read_actions"], "places": places}}


def problems(choices: Mapping[str, Any]) -> list[Problem]:
    """What is wrong with the choices of replicas."""
    chosen = given(choices["web2py_database"])
    replicas = chosen.get("replicas") or []
    found = []
    if replicas and not chosen.get("host"):
        fault, remedy = "belong to a server elsewhere, and no host is given", "Give host too, or remove them"
        found.append(Problem("web2py_database.replicas", shown(replicas), fault, remedy))
    if replicas and not known(chosen):
        fault, remedy = f"are of PostgreSQL, and the type is {chosen.get('type', 'sqlite')}", "Remove them"
        found.append(Problem("web2py_database.replicas", shown(replicas), fault, remedy))
    for host in replicas:
        if not _HOST.fullmatch(host):
            remedy = "Give a name or an IPv4 address, without scheme and port"
            found.append(Problem("web2py_database.replicas", shown(host), "is not a host", remedy))
        elif host == chosen.get("host"):
            remedy = "Name the primary in host only"
            found.append(Problem("web2py_database.replicas", shown(host), "is the primary itself", remedy))
    if len(set(replicas)) != len(replicas):
        found.append(Problem("web2py_database.replicas", shown(replicas), "names a host twice", "Keep one of them"))
    found += _reads_problems("web2py_database", chosen, bool(replicas))
    for row in choices["web2py_applications"]:
        own = given(row.get("database")) or {}
        if {"reads", "read_actions"} & set(own):
            whole = merged(choices, row)["database"]
            variable = f"web2py_applications ({row['name']}).database"
            if "read_actions" not in own and whole.get("reads") != "actions":
                # Those of the site count no more.
                whole.pop("read_actions", None)
            found += _reads_problems(variable, whole, bool(replicas) and whole["type"] == "postgresql")
    return found


def _reads_problems(variable: str, chosen: Mapping[str, Any], replicas: bool) -> list[Problem]:
    """What is wrong with what is read from replicas."""
    reads, actions = chosen.get("reads"), chosen.get("read_actions") or []
    found = []
    if reads and not replicas:
        fault = "needs replicas of a database server"
        found.append(Problem(f"{variable}.reads", shown(reads), fault, f"{_way_to_replicas(chosen)}, or remove it"))
    if actions and reads != "actions":
        fault, remedy = "is for reads: actions only", "Set reads to actions, or remove it"
        found.append(Problem(f"{variable}.read_actions", shown(actions), fault, remedy))
    if reads == "actions" and not actions:
        fault, remedy = "missing, and reads is actions", "Name those that read from replicas, such as default/index"
        found.append(Problem(f"{variable}.read_actions", "", fault, remedy))
    for action in actions:
        if not _ACTION.fullmatch(action):
            fault, remedy = "is not an action", "Give controller/function, or controller/* for all of a controller"
            found.append(Problem(f"{variable}.read_actions", shown(action), fault, remedy))
    return found


def _way_to_replicas(chosen: Mapping[str, Any]) -> str:
    """How a site with these words comes to replicas."""
    if not known(chosen):
        return "Use PostgreSQL with replicas"
    if chosen.get("group"):
        return "Give the group web2py_database a host more, which stands by"
    if chosen.get("host"):
        return "Give web2py_database.replicas"
    return "Give host and replicas of a server elsewhere, or a group web2py_database of two hosts"


def known(chosen: Mapping[str, Any]) -> bool:
    """Whether servers of this type have replicas here."""
    return bool(chosen.get("type") == "postgresql")


def ordered(rows: Rows, primary: str | None) -> list[Mapping[str, Any]]:
    """The hosts of the group web2py_database, the primary first."""
    return sorted(rows, key=lambda row: row["host"] != primary) if primary else list(rows)


def standing_by(rows: Rows) -> dict[str, Any]:
    """What the group says of the hosts after the first."""
    return {"standbys": [dict(row) for row in rows[1:]]} if rows[1:] else {}


def member(group: Mapping[str, Any] | None, name: str) -> dict[str, Any] | None:
    """The group as one of its hosts sees it; None for other hosts."""
    if not group or group["host"] == name:
        return dict(group) if group else None
    found = next((row for row in group.get("standbys", []) if row["host"] == name), None)
    return None if found is None else {**group, **found, "primary": {key: group[key] for key in ("host", "address")}}


def replication(group: Mapping[str, Any]) -> dict[str, Any] | None:
    """Who follows whom, for the role postgresql on one of the hosts; None where nobody does."""
    if "standbys" not in group:
        return None
    rows = [group.get("primary", group), *group["standbys"]]
    return {
        "user": ROLE,
        "name": group["host"],
        # "" on the primary itself.
        "primary": group["primary"]["address"] if "primary" in group else "",
        "hosts": [row["host"] for row in rows],
        "others": [row["address"] for row in rows if row["host"] != group["host"]],
    }


def rules(found: Mapping[str, Any] | None) -> list[dict[str, str]]:
    """Rules of pg_hba.conf by which the servers of a group follow each other."""
    others = found["others"] if found else []
    ends = [f"{each}/{128 if ':' in each else 32}" for each in others]
    row = {"contype": "hostssl", "databases": "replication", "users": ROLE, "method": "scram-sha-256"}
    return [{**row, "address": end} for end in ends]


def group_problems(
    choices: Mapping[str, Any], group: Mapping[str, Any] | None, members: Sequence[str] = ()
) -> list[Problem]:
    """What is wrong with the group, of which the site has its databases or has them not. `members` are its hosts."""
    primary, password = choices.get("web2py_database_primary"), choices.get("web2py_database_replication_password")
    found = []
    if group is not None and not known(given(choices["web2py_database"])):
        return _alone_problems(primary, password, members)
    if primary and (group is None or group["host"] != primary):
        fault, remedy = (
            "is no host of the group web2py_database from which the site has its databases",
            "Name one of it",
        )
        found.append(Problem("web2py_database_primary", shown(primary), fault, remedy))
    variable = "web2py_database_replication_password"
    if group is not None and group.get("standbys"):
        if not password:
            fault, remedy = "missing, and the group web2py_database has standbys", "Give one from a vault"
            found.append(Problem(variable, "", fault, remedy))
        elif not 8 <= len(password) <= 1024 or re.search(r"[\0\r\n]", password):
            fault, remedy = "is not fit for a password", "Use 8 to 1024 characters on one line"
            found.append(Problem(variable, shown(password, True), fault, remedy))
    elif password:
        fault, remedy = (
            "is for standbys, and the group web2py_database has none",
            "Remove it, or give the group a host more",
        )
        found.append(Problem(variable, shown(password, True), fault, remedy))
    return found


def _alone_problems(primary: Any, password: Any, members: Sequence[str]) -> list[Problem]:
    """What is wrong with a group of which the site has a server without standbys."""
    found, remedy = [], "Remove it, or use postgresql"
    fault = "is for standbys, and MariaDB has none here"
    if primary:
        found.append(Problem("web2py_database_primary", shown(primary), fault, remedy))
    if password:
        found.append(Problem("web2py_database_replication_password", shown(password, True), fault, remedy))
    if len(members) > 1:
        fault, remedy = "has further hosts, and MariaDB has no standbys here", "Keep one host in it, or use postgresql"
        found.append(Problem("group web2py_database", ", ".join(members), fault, remedy))
    return found


def left_out_problems(groups: Sequence[Mapping[str, Any]], name: str, playing: Sequence[str]) -> list[Problem]:
    """A run that leaves out some hosts of a group cannot tell the others whom to trust.

    `groups` are those that the host has a place in, `playing` the hosts of the run.
    """
    hosts = {row["host"] for group in groups for row in (group, *group.get("standbys", [])) if "standbys" in group}
    absent = sorted(hosts - set(playing))
    if not absent:
        return []
    missing = f"{', '.join(absent)} {'is' if len(absent) == 1 else 'are'} left out"
    fault = f"is not all in this run, {missing}, and {name} would trust those no more"
    remedy = "Let --limit name all of its hosts, or none of them"
    return [Problem("group web2py_database", "", fault, remedy)]


def password_problems(passwords: Mapping[str, Any], name: str) -> list[Problem]:
    """The servers of a group follow each other by one password. `passwords` are those that the sites give, by site."""
    if len({str(word or "") for word in passwords.values()}) < 2:
        return []
    fault = f"differs between {' and '.join(sorted(passwords))}, which share the server on {name}"
    return [Problem("web2py_database_replication_password", shown("", True), fault, "Give all of them the same")]
