# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Databases on PostgreSQL: dumped and counted in one transaction, proven in a server of the drill's own.

What opens them stands in the site's databases.json. A password is given to libpq by a file, never by an argument or the
environment. Dumps are the site's words: a server that has to read one again runs as the site's user.
"""

from __future__ import annotations

import contextlib
import glob
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from site_backup import served
from site_backup.common import Trouble, last_words, owner, run

KIND = "postgresql"
# A program that sets its own search path cannot lead the counting astray.
COUNT = (
    "SELECT format('SELECT %L, count(*) FROM %I.%I', schemaname || '.' || tablename, schemaname, tablename) "
    "FROM pg_catalog.pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema') "
    "AND schemaname NOT LIKE 'pg\\_%' ORDER BY schemaname, tablename \\gexec\n"
)
# Also what came after the backup: a table that its migrations do not know would stop an application.
EMPTY = """DO $$ DECLARE name text; BEGIN
FOR name IN SELECT format('%I.%I', schemaname, tablename) FROM pg_catalog.pg_tables WHERE tableowner = current_user
AND schemaname NOT IN ('pg_catalog', 'information_schema') LOOP EXECUTE 'DROP TABLE ' || name || ' CASCADE'; END LOOP;
END $$"""
# Where Debian has the programs of a server, by its version.
PROGRAMS = "/usr/lib/postgresql/*/bin/initdb"
# A table in the text of a dump: schema and name, each in quotes where it needs them.
_NAME = rb'("(?:[^"]|"")+"|[^". ]+)'
_COPY = re.compile(rb"COPY " + _NAME + rb"\." + _NAME + rb" .*FROM stdin;")
END = "-- end --"
SEPARATOR = "\t"


def variables(told: served.Told) -> dict[str, str]:
    """How libpq is told of a database, by its variables; `password` stands beside them."""
    host, port = told.uri.hostname or "", told.uri.port or told.arguments.get("port")
    if told.query.get("unix_socket"):
        host, _slash, socket = told.query["unix_socket"].rpartition("/")
        port = port or socket.rpartition(".")[2]
    found = {
        "PGHOST": host or "/run/postgresql",
        "PGPORT": str(port or 5432),
        "PGUSER": told.user,
        "PGDATABASE": told.name,
        "password": told.password,
        "PGSSLMODE": told.query.get("sslmode") or told.arguments.get("sslmode") or "",
        "PGSSLROOTCERT": told.query.get("sslrootcert") or told.arguments.get("sslrootcert") or "",
    }
    return {key: value for key, value in found.items() if value or key == "password"}


@contextlib.contextmanager
def reached(settings: Mapping[str, Any], database: served.Told) -> Iterator[dict[str, str]]:
    """The environment with which the programs of PostgreSQL reach a database."""
    told = variables(database)
    words = [told[key] for key in ("PGHOST", "PGPORT", "PGDATABASE", "PGUSER", "password")]
    line = ":".join(word.replace("\\", "\\\\").replace(":", "\\:") for word in words)
    with tempfile.NamedTemporaryFile("w", dir=settings["home"], prefix="opens-", encoding="utf-8") as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(line + "\n")
        file.flush()
        rest = {key: value for key, value in told.items() if key != "password"}
        yield {**plain(), **rest, "PGPASSFILE": file.name, "PGCONNECT_TIMEOUT": "30"}


def plain() -> dict[str, str]:
    return {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LANG": "C.UTF-8", "HOME": "/nonexistent"}


def dump_one(settings: Mapping[str, Any], told: served.Told, path: str) -> dict[str, int]:
    """Dump a database, and count it in the same moment of its life."""
    with reached(settings, told) as environment, session_of(environment) as session:
        snapshot = say(session, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SELECT pg_export_snapshot();\n")
        words = ["pg_dump", "--format=custom", "--no-owner", "--no-privileges", "--no-password"]
        # Also where somebody restores by hand, and what was there is dumped first: for root only.
        done = run([*words, f"--snapshot={snapshot[0]}", f"--file={path}"], env=environment, cwd="/", umask=0o077)
        if done.returncode:
            raise Trouble(last_words(done))
        return counts(say(session, COUNT))


@contextlib.contextmanager
def session_of(environment: Mapping[str, str]) -> Iterator[subprocess.Popen[str]]:
    """A session of psql that is there until the end."""
    command = ["psql", "-X", "-q", "-A", "-t", "-F", SEPARATOR, "-v", "ON_ERROR_STOP=1"]
    with subprocess.Popen(
        command,
        env=dict(environment),
        cwd="/",
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as session:
        try:
            yield session
        finally:
            session.kill()


def say(session: subprocess.Popen[str], words: str) -> list[str]:
    """The lines that a session answers."""
    assert session.stdin and session.stdout and session.stderr  # noqa: S101  they are pipes
    try:
        session.stdin.write(f"{words}\\echo '{END}'\n")
        session.stdin.flush()
    except BrokenPipeError:
        pass  # it says why
    found = []
    for line in session.stdout:
        if line.rstrip("\n") == END:
            return found
        found.append(line.rstrip("\n"))
    raise Trouble((session.stderr.read().strip().splitlines() or ["psql ended"])[-1])


def counts(lines: Sequence[str]) -> dict[str, int]:
    """Rows by table."""
    rows = (line.rpartition(SEPARATOR) for line in lines if SEPARATOR in line)
    return {table: int(number) for table, _tab, number in rows}


def dumped(lines: Iterable[bytes]) -> dict[str, int]:
    """Rows by table of a dump's data as text: a line each, behind that of their table and before one with a dot."""
    found: dict[str, int] = {}
    table = ""
    for line in lines:
        words = line.rstrip(b"\n")
        if not table:
            named = _COPY.fullmatch(words)
            if named:
                table = ".".join(_plain(name.decode()) for name in named.groups())
                found[table] = 0
        elif words == b"\\.":
            table = ""
        else:
            found[table] += 1
    return found


def _plain(name: str) -> str:
    return name[1:-1].replace('""', '"') if name.startswith('"') else name


def counted(settings: Mapping[str, Any], row: Mapping[str, Any], folder: str) -> dict[str, int]:
    """Rows by table of a dump that came back, read into a server that is there for this only.

    Where the site's server is on another host there may be no program of one here: then the dump is read to its end,
    and its rows are counted in it.
    """
    programs = sorted(glob.glob(PROGRAMS), key=lambda path: int(path.split("/")[-3]))
    uid, gid = owner(settings)
    who: dict[str, Any] = {"user": uid, "group": gid, "extra_groups": []} if os.geteuid() == 0 else {}
    with tempfile.TemporaryDirectory(dir=settings["home"], prefix="proof-") as scratch:
        os.chmod(scratch, 0o711)  # noqa: S103  the site's user passes
        place = os.path.join(scratch, "pg")
        os.mkdir(place, 0o700)
        os.chown(place, uid, gid)
        source = os.path.join(scratch, "dump")
        shutil.copyfile(os.path.join(folder, str(row["dump"])), source)
        os.chmod(source, 0o400)
        os.chown(source, uid, gid)
        how: dict[str, Any] = {"cwd": place, "stdin": subprocess.DEVNULL, **who}
        if programs:
            return _in_server(row["name"], os.path.dirname(programs[-1]), source, place, how)
        return _in_dump(row["name"], source, how)


def _in_dump(name: str, source: str, how: Mapping[str, Any]) -> dict[str, int]:
    words = ["pg_restore", "--data-only", "--file=-", source]
    with tempfile.TemporaryFile("w+") as log:
        with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=log, env=plain(), **how) as reading:
            found = dumped(reading.stdout or ())
        if reading.returncode:
            log.seek(0)
            raise Trouble(f"{name}: pg_restore failed: {(log.read().strip().splitlines() or ['without a word'])[-1]}")
    return found


def _in_server(name: str, tools: str, source: str, place: str, how: Mapping[str, Any]) -> dict[str, int]:
    environment = {**plain(), "PGHOST": place, "PGUSER": "drill", "PGDATABASE": "postgres", "TZ": "UTC"}

    def step(*words: str) -> str:
        done = run(words, env=environment, **how)
        if done.returncode:
            raise Trouble(f"{name}: {os.path.basename(words[0])} failed: {last_words(done)}")
        return done.stdout

    data, log = os.path.join(place, "data"), os.path.join(place, "log")
    step(f"{tools}/initdb", "-D", data, "-U", "drill", "-A", "trust", "-N", "-E", "UTF8", "--locale=C.UTF-8")
    options = f"-c listen_addresses= -c unix_socket_directories={place} -c fsync=off -c jit=off"
    options += " -c shared_buffers=32MB -c dynamic_shared_memory_type=mmap"
    step(f"{tools}/pg_ctl", "-D", data, "-w", "-t", "60", "-l", log, "-o", options, "start")
    try:
        step(f"{tools}/pg_restore", "--no-owner", "--no-privileges", "--exit-on-error", "-d", "postgres", source)
        words = [f"{tools}/psql", "-X", "-q", "-A", "-t", "-F", SEPARATOR, "-v", "ON_ERROR_STOP=1"]
        asking = {key: value for key, value in how.items() if key != "stdin"}
        done = run(words, env=environment, **asking, input=COUNT)
        if done.returncode:
            raise Trouble(f"{name} was not counted: {last_words(done)}")
        return counts(done.stdout.splitlines())
    finally:
        step(f"{tools}/pg_ctl", "-D", data, "-m", "immediate", "stop")


def settle(settings: Mapping[str, Any], row: Mapping[str, Any], folder: str, root: str) -> None:
    """Nothing of it lies in the state of the site."""


def put(settings: Mapping[str, Any], name: str, path: str) -> None:
    """Put a dump in the place of what a database holds."""
    told = served.named(settings, KIND, name, "pg_restore")
    with reached(settings, told) as environment:
        restoring = ["pg_restore", "--no-owner", "--no-privileges", "--no-password", "--exit-on-error"]
        restoring += ["--single-transaction", "--clean", "--if-exists", "-d", name, path]
        for words in (["psql", "-X", "-q", "-w", "-v", "ON_ERROR_STOP=1", "-c", EMPTY], restoring):
            done = run(words, env=environment, cwd="/", stdin=subprocess.DEVNULL)
            if done.returncode:
                raise Trouble(f"the database {name} was not restored: {last_words(done)}")
