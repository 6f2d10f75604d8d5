# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection: a PostgreSQL that follows another one, and the one that takes its place.

A cluster that holds data of its own is never overwritten: at most it is put aside.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from ansible_collections.web2py.deploy.plugins.module_utils._run import Problem
from ansible_collections.web2py.deploy.plugins.module_utils._tree import Owner, write

SIGNAL = "standby.signal"
# What it is called until it is whole, and what was there before.
NEW, BEFORE = ".web2py_deploy_new", ".before"
# What a server makes before anybody uses it has smaller numbers: FirstNormalObjectId.
_FIRST = 16384


def used(data: str) -> bool:
    """Whether somebody has made a database, a table or a tablespace in a cluster, which need not run for that."""
    found = set(os.listdir(f"{data}/base"))
    for name in list(found):
        with contextlib.suppress(NotADirectoryError):
            found.update(os.listdir(f"{data}/base/{name}"))
    numbers = [re.match(r"\d*", name)[0] for name in found]  # type: ignore[index]
    return any(number and int(number) >= _FIRST for number in numbers) or bool(os.listdir(f"{data}/pg_tblspc"))


class Cluster(NamedTuple):
    """Where a cluster is on the host."""

    data: str
    # Its programs, its unit, and the folder and port of its socket.
    programs: str
    service: str
    sockets: str
    port: int


class Lead(NamedTuple):
    """The primary that a standby follows, and what it is called there."""

    host: str
    port: int
    user: str
    slot: str
    ca: str
    passfile: str


Run = Callable[..., str]


def quoted(value: Any) -> str:
    """A value in a connection string of libpq."""
    text = str(value).replace("\\", "\\\\").replace("'", "\\'")
    return f"'{text}'"


def conninfo(lead: Lead) -> str:
    """How a standby reaches its primary; the password is in a file."""
    words = {
        "host": lead.host,
        "port": lead.port,
        "user": lead.user,
        "passfile": lead.passfile,
        "sslmode": "verify-full",
        "sslrootcert": lead.ca,
        "application_name": lead.slot,
        "connect_timeout": 5,
    }
    return " ".join(f"{key}={quoted(value)}" for key, value in words.items())


def passwords(user: str, password: str) -> str:
    """The file of passwords that libpq reads; any member may be the primary one day."""
    text = re.sub(r"([:\\])", r"\\\1", password)
    return f"*:*:*:{user}:{text}\n"


def settings(lead: Lead) -> str:
    """The settings of a standby."""
    doubled = conninfo(lead).replace("'", "''")
    return (
        "# Written by web2py.deploy.\n"
        f"hot_standby = on\nprimary_conninfo = '{doubled}'\nprimary_slot_name = '{lead.slot}'\n"
    )


def slot(name: str) -> str:
    """A name for the slot of a host: small letters, digits and _."""
    return re.sub(r"[^a-z0-9_]", "_", name.lower())[:63]


class Standby:
    """A cluster that follows another one, or shall."""

    def __init__(self, cluster: Cluster, run: Run, account: Owner) -> None:
        self.cluster, self.account, self._run = cluster, account, run

    def program(self, name: str, *words: str, task: str) -> str:
        """Run one of the server's programs as its user."""
        argv = ["runuser", "--user=postgres", "--", f"{self.cluster.programs}/{name}", *words]
        return self._run(argv, task)

    def asked(self, query: str, where: str = "", task: str = "Ask PostgreSQL") -> str:
        """The answer of this server, or of the one at a connection string."""
        own = f"host={quoted(self.cluster.sockets)} port={self.cluster.port} dbname=postgres"
        return self.program("psql", "-XAtw", "-d", where or own, "-c", query, task=task).strip()

    def unit(self, verb: str) -> None:
        self._run(["systemctl", verb, self.cluster.service], f"systemctl {verb} {self.cluster.service}")

    def active(self) -> bool:
        return (
            self._run(["systemctl", "is-active", self.cluster.service], "Look at it", check=False).strip() == "active"
        )

    def state(self) -> str:
        """`none` without a cluster, `standby`, `fresh` for one that was made and never used, or `data`."""
        data = self.cluster.data
        if not os.path.exists(f"{data}/PG_VERSION"):
            if os.path.isdir(data) and os.listdir(data):
                raise Problem(f"{data} is neither empty nor a cluster of PostgreSQL: look what it is, and move it away")
            return "none"
        if os.path.exists(f"{data}/{SIGNAL}"):
            return "standby"
        return "data" if used(data) else "fresh"

    def identity(self) -> str:
        """The number that a primary and its standbys have in common."""
        text = self.program("pg_controldata", "-D", self.cluster.data, task="Look at the cluster")
        found = re.search(r"^Database system identifier:\s*(\d+)$", text, re.MULTILINE)
        if not found:
            raise Problem(f"{self.cluster.data} has no identity: pg_controldata says nothing of it")
        return found[1]

    def identity_of(self, lead: Lead) -> str:
        """That of the primary."""
        where = f"{conninfo(lead)} replication=true"
        return self.asked("IDENTIFY_SYSTEM", where, f"Log in to {lead.host} as a standby").split("|")[0]

    def reserve(self, lead: Lead) -> bool:
        """Let the primary keep what this standby has not got yet; whether that is new."""
        where = f"{conninfo(lead)} replication=true"
        try:
            self.asked(f"CREATE_REPLICATION_SLOT {lead.slot} PHYSICAL RESERVE_WAL", where, "Reserve a slot")
        except Problem as problem:
            if "already exists" in str(problem):
                return False
            raise
        return True

    def lost(self, lead: Lead) -> bool:
        """Whether the primary no longer has what this standby lacks."""
        where = f"{conninfo(lead)} replication=true"
        try:
            found = self.asked(f"READ_REPLICATION_SLOT {lead.slot}", where, "Look at the slot")
        except Problem:
            return False  # before PostgreSQL 15 it cannot be asked
        if found.split("|")[1:2] != [""]:
            return False
        self.asked(f"DROP_REPLICATION_SLOT {lead.slot} WAIT", where, "Drop the slot")
        self.reserve(lead)
        return True

    def copy(self, lead: Lead, state: str) -> None:
        """Become a copy of the primary. Until it is whole, what is there is left alone."""
        data = self.cluster.data
        new = data + NEW
        shutil.rmtree(new, ignore_errors=True)
        words = ["--pgdata", new, "--checkpoint=fast", "--wal-method=stream", "--slot", lead.slot, "--no-password"]
        self.program("pg_basebackup", *words, "-d", conninfo(lead), task=f"Copy {lead.host}")
        write(f"{new}/{SIGNAL}", "", self.account, 0o600)
        running = self.active()
        self.unit("stop")
        if state == "data":
            os.rename(data, next(path for path in _names(data + BEFORE) if not os.path.lexists(path)))
        elif os.path.lexists(data):
            shutil.rmtree(data)
        os.rename(new, data)
        # A primary that was replaced is kept from starting.
        self.unit("unmask")
        if running:
            self.unit("start")

    def promote(self, dry: bool) -> bool:
        """Take the place of the primary; whether that is new."""
        if self.state() != "standby":
            return False
        if not dry and self.asked("SELECT pg_promote(true, 120)", task="Promote") != "t":
            raise Problem("It did not become a primary within 120 seconds: journalctl -u " + self.cluster.service)
        return True


def _names(base: str) -> Iterator[str]:
    yield from (f"{base}-{number}" for number in itertools.count(1))


def _text(path: str) -> str | None:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except FileNotFoundError:
        return None


def files(lead: Lead, password: str, settings_path: str) -> dict[str, str]:
    """What a standby needs beside its data, by path."""
    return {lead.passfile: passwords(lead.user, password), settings_path: settings(lead)}


def stale(wanted: Mapping[str, str]) -> list[str]:
    """The files that are not as they are to be."""
    return [path for path, text in wanted.items() if _text(path) != text]


def follow(standby: Standby, lead: Lead, wanted: Mapping[str, str], rebuild: bool, dry: bool) -> list[str]:
    """Make the cluster follow the primary; what was done, in words."""
    state = standby.state()
    other, lost = "", False
    new = stale(wanted)
    done = [f"{path}: changed (not shown)" for path in new]
    if state == "data" and not rebuild:
        raise Problem(
            f"{standby.cluster.data} holds data of its own and is no standby: it is left alone. If it was the primary"
            " before, and nothing in it is missed: run this again with -e postgresql_rebuild=true, which puts it aside"
        )
    if not dry:
        for path in new:
            write(path, wanted[path], standby.account, 0o600)
        reserved = standby.reserve(lead)
        done += [f"slot {lead.slot}: reserved"] if reserved else []
        lost = state == "standby" and not reserved and standby.lost(lead)
        if state == "standby" and standby.identity() != standby.identity_of(lead):
            other = "is a standby of another primary"
    if other and not rebuild:
        remedy = "Run this again with -e postgresql_rebuild=true, which copies this one"
        raise Problem(f"{standby.cluster.data} {other}. {remedy}")
    if state != "standby" or other or lost:
        if not dry:
            standby.copy(lead, state)
        done.append(f"{standby.cluster.data}: copied from {lead.host}")
    return done


def ensure(standby: Standby, params: Mapping[str, Any], dry: bool) -> list[str]:
    """What the parameters of the module ask for."""
    if params["state"] == "promoted":
        return [f"{standby.cluster.service}: promoted"] if standby.promote(dry) else []
    passfile = f"{params['folder']}/web2py_deploy.pgpass"
    if params["state"] == "leading":
        wanted = {passfile: passwords(params["user"], params["password"])}
        new = stale(wanted)
        for path in [] if dry else new:
            write(path, wanted[path], standby.account, 0o600)
        return [f"{path}: changed (not shown)" for path in new]
    lead = Lead(
        params["primary"],
        standby.cluster.port,
        params["user"],
        slot(params["name"]),
        params["ca"],
        passfile,
    )
    return follow(standby, lead, files(lead, params["password"], params["settings"]), params["rebuild"], dry)
