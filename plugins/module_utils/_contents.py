# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection: what a site holds: sessions, tickets, databases with their standbys, and stores.

Nothing secret is in what is told.
"""

from __future__ import annotations

import glob
import inspect
import json
import os
import pwd
import re
import socket
import time
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from ansible_collections.web2py.deploy.plugins.module_utils import _database_state
from ansible_collections.web2py.deploy.plugins.module_utils._bounded import failure, output
from ansible_collections.web2py.deploy.plugins.module_utils._tree import read_json
from ansible_collections.web2py.deploy.plugins.module_utils._words import number

WALK_SECONDS = 4.0
DATABASE_SECONDS = 3
REPLICAS = (
    "SELECT coalesce(json_agg(json_build_object('name', application_name, 'address', host(client_addr), 'state', state,"
    " 'bytes', pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn),"
    " 'seconds', extract(epoch from replay_lag))), '[]') FROM pg_stat_replication"
)


def files_below(folder: str, deadline: float) -> Iterator[os.DirEntry[str]]:
    """All files of a folder tree, until it takes too long (TimeoutError). Links are not followed."""
    waiting = [folder]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    if time.monotonic() > deadline:
                        raise TimeoutError
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
                    else:
                        yield entry
        except FileNotFoundError:
            continue


def count(folder: str, since: float | None, deadline: float) -> dict[str, Any]:
    """How many files lie in a folder tree, and how many since a time; `whole` tells whether all were counted."""
    total, new, whole = 0, 0, True
    try:
        for entry in files_below(folder, deadline):
            total += 1
            if since is not None:
                new += entry.stat(follow_symlinks=False).st_mtime >= since
    except TimeoutError:
        whole = False
    except FileNotFoundError:
        # A file went while it was counted.
        whole = False
    return {"total": total, "today": new if since is not None else None, "whole": whole}


def midnight() -> float:
    return datetime.now().replace(hour=0, minute=0, second=0, microsecond=0).timestamp()


def applications(site: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Sessions and tickets in files, by application, with where the choices put them."""
    deadline, since = time.monotonic() + WALK_SECONDS, midnight()
    found = []
    for row in site["applications"]:
        chosen = row.get("settings") or {}
        folder = os.path.join(site["paths"]["state"], "applications", row["name"])
        found.append(
            {
                "name": row["name"],
                "folder": folder,
                "session_store": (chosen.get("sessions") or {}).get("store", "file"),
                "ticket_store": (chosen.get("tickets") or {}).get("store", "file"),
                "sessions": count(f"{folder}/sessions", None, deadline),
                "tickets": count(f"{folder}/errors", since, deadline),
            }
        )
    return found


def uris(site: Mapping[str, Any]) -> list[dict[str, Any]]:
    """(application, URI, arguments of the driver) of every database: those in the site's file, and SQLite's."""
    given = read_json(os.path.join(site["paths"]["settings"], "databases.json"), {})
    known = given.get("applications") or {}
    found = []
    for row in site["applications"]:
        name, told = row["name"], known.get(row["name"]) or {}
        folder = os.path.join(site["paths"]["state"], "applications", name, "databases")
        if told.get("uri"):
            found.append({"application": name, "uri": told["uri"], "driver_args": told.get("driver_args") or {}})
        for path in sorted(glob.glob(f"{glob.escape(folder)}/*.sqlite"))[:10]:
            found.append({"application": name, "uri": f"sqlite://{path}", "driver_args": {}})
    return found


def databases(site: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What the site's databases hold."""
    return asked_of_databases(site, uris(site))


def asked_of_databases(site: Mapping[str, Any], asked: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Answers of databases to the site's own Python as its own user."""
    if not asked:
        return []
    account = pwd.getpwnam(site["user"])
    text = inspect.getsource(_database_state)
    start = "import json, sys; exec(compile(json.loads(sys.stdin.readline()), 'database_state', 'exec'))"
    given = json.dumps(text) + "\n" + json.dumps({"databases": asked, "seconds": DATABASE_SECONDS})
    said = output(
        os.path.join(site["paths"]["environment"], "bin/python"), "-I", "-c", start,
        input=given, cwd="/", user=account.pw_uid, group=account.pw_gid, extra_groups=[],
    )  # fmt: skip
    rows: list[dict[str, Any]] = json.loads(said)
    return rows


def standbys(site: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What to ask of the standbys of a server elsewhere, each once: the way of an application, to that host alone."""
    given = read_json(os.path.join(site["paths"]["settings"], "databases.json"), {}).get("applications") or {}
    found: dict[str, dict[str, Any]] = {}
    for row in site["applications"]:
        told, base = given.get(row["name"]) or {}, (row.get("settings") or {}).get("database") or {}
        for host in base.get("replicas") or () if told.get("uri") else ():
            args = {
                key: value for key, value in (told.get("driver_args") or {}).items() if key != "target_session_attrs"
            }
            uri = re.sub(r"@[^/]*/", f"@{host}:{base['port']}/", told["uri"], count=1)
            found.setdefault(host, {"application": row["name"], "uri": uri, "driver_args": args, "standby": host})
    return list(found.values())


def replicas(site: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Standbys: of a PostgreSQL server on the host as its administrator sees them, of one elsewhere as they say."""
    base = site.get("data") or {}
    if base.get("type") != "postgresql":
        return []
    if not base.get("local"):
        told = asked_of_databases(site, standbys(site))
        kept = ("state", "bytes", "seconds", "error")
        return [
            {"name": row["host"], "address": row["host"], **{key: row[key] for key in kept if key in row}}
            for row in told
        ]
    account = pwd.getpwnam("postgres")
    words = ["psql", "-XAtq", "-d", "postgres", "-c", REPLICAS]
    said = output(*words, cwd="/", user=account.pw_uid, group=account.pw_gid, extra_groups=[])
    rows: list[dict[str, Any]] = json.loads(said)
    return rows


def talk(path: str, words: bytes) -> str:
    """What a service says on its socket until it hangs up."""
    with socket.socket(socket.AF_UNIX) as line:
        line.settimeout(DATABASE_SECONDS)
        line.connect(path)
        line.sendall(words)
        said = b""
        while len(said) < 1 << 20:
            more = line.recv(1 << 16)
            if not more:
                break
            said += more
    return said.decode("utf-8", "replace")


def counters(text: str) -> dict[str, int | None]:
    """Of what Redis or memcached say, what a page shows."""
    found = dict(re.findall(r"^(?:STAT )?(\w+)[: ]([0-9]+)\r?$", text, re.MULTILINE))
    keys = re.search(r"^:([0-9]+)\r?$", text, re.MULTILINE)
    return {
        "keys": int(keys[1]) if keys else number(found.get("curr_items")),
        "bytes": number(found.get("used_memory") or found.get("bytes")),
        "limit_bytes": number(found.get("maxmemory") or found.get("limit_maxbytes")),
        "evicted": number(found.get("evicted_keys") or found.get("evictions")),
    }


def stores(site: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The site's own Redis and memcached: what they hold. Those elsewhere are not asked."""
    asked = {"redis": b"DBSIZE\r\nINFO memory\r\nINFO stats\r\nQUIT\r\n", "memcached": b"stats\r\nquit\r\n"}
    found = []
    for program, words in asked.items():
        for row in (site.get(program) or {}).get("instances") or ():
            about = {"program": program, "use": row["use"], "unit": row["unit"]}
            try:
                found.append({**about, **counters(talk(row["socket"], words))})
            except OSError as error:
                found.append({**about, **failure(error)})
    return found
