# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Databases on MariaDB or MySQL: dumped in one transaction, counted in the dump, proven in a server of the drill's own.

MariaDB's client takes commands out of what it reads, and whoever names a table writes into a dump: all its programs
run as the site's user. A password is given to them by a file, never by an argument or the environment.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, BinaryIO

from site_backup import served
from site_backup.common import Trouble, last_words, owner

KIND = "mysql"
PORT = 3306
SECONDS = 60
END = b"-- Dump completed"
CREATE = re.compile(rb"CREATE TABLE (?:IF NOT EXISTS )?`((?:[^`]|``)+)` \(")
INSERT = re.compile(rb"INSERT INTO `((?:[^`]|``)+)` (?:\(.*\) )?VALUES")
DUMPING = (
    *("--single-transaction", "--quick", "--hex-blob", "--skip-lock-tables", "--no-tablespaces", "--triggers"),
    *("--skip-dump-date", "--max-allowed-packet=1G", "--default-character-set=utf8mb4"),
)
CLIENT = ("--batch", "--skip-column-names", "--raw", "--max-allowed-packet=1G", "--default-character-set=utf8mb4")
TABLES = (
    "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE()"
    " AND table_type IN ('BASE TABLE', 'SYSTEM VERSIONED');\n"
)
# Also what came after the backup: a table that its migrations do not know would stop an application.
UNBOUND = "SET FOREIGN_KEY_CHECKS = 0;\n"
DROPS = (
    "SELECT CONCAT('DROP ', IF(table_type = 'VIEW', 'VIEW', 'TABLE'), ' IF EXISTS `', REPLACE(table_name, '`', '``'),"
    " '`;') FROM information_schema.tables WHERE table_schema = DATABASE();\n"
)


def who(settings: Mapping[str, Any]) -> dict[str, Any]:
    """As whom a program is run."""
    uid, gid = owner(settings)
    return {"user": uid, "group": gid, "extra_groups": []} if os.geteuid() == 0 else {}


def quoted(word: str) -> str:
    """A value in a file of MariaDB's options."""
    return '"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"'


def options(told: served.Told) -> dict[str, str]:
    """How MariaDB's programs are told of a database. The password is in it."""
    found = {"user": told.user, "password": told.password}
    socket = told.query.get("unix_socket")
    tls = told.arguments.get("ssl") or {}
    if socket:
        return {**found, "socket": socket, "protocol": "socket"}
    found |= {"host": told.uri.hostname or "localhost", "port": str(told.uri.port or PORT), "protocol": "tcp"}
    if told.arguments.get("ssl_disabled"):
        return {**found, "ssl": "0"}
    if tls.get("verify_mode"):
        return {**found, "ssl": "1", "ssl-ca": str(tls.get("ca") or ""), "ssl-verify-server-cert": "1"}
    return {**found, "ssl": "1", "ssl-verify-server-cert": "0"} if tls else found


@contextlib.contextmanager
def reached(settings: Mapping[str, Any], told: served.Told) -> Iterator[str]:
    """The option with which MariaDB's programs, run by the site's user, reach a server."""
    uid, gid = owner(settings)
    with tempfile.NamedTemporaryFile("w", dir=settings["home"], prefix="opens-", encoding="utf-8") as file:
        os.fchmod(file.fileno(), 0o400)
        os.fchown(file.fileno(), uid, gid)
        file.write("[client]\n" + "".join(f"{key}={quoted(word)}\n" for key, word in options(told).items()))
        file.flush()
        yield f"--defaults-file={file.name}"


def run(settings: Mapping[str, Any], words: Sequence[str], **how: Any) -> subprocess.CompletedProcess[str]:
    """A program of MariaDB to its end, as the site's user; what it says where it fails is in the trouble."""
    environment = {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LANG": "C.UTF-8", "HOME": "/nonexistent"}
    streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, **how}
    if "input" in how:
        del streams["stdin"]
    done = subprocess.run(
        words, env=environment, cwd="/", text=True, stderr=subprocess.PIPE, check=False, **streams, **who(settings)
    )
    if done.returncode:
        done.stdout = done.stdout or ""
        raise Trouble(f"{os.path.basename(words[0])} failed: {last_words(done)}")
    return done


def dump_one(settings: Mapping[str, Any], told: served.Told, path: str) -> dict[str, int]:
    """Dump a database as it is at one moment, and count what is in the dump."""
    with reached(settings, told) as opens, open(path, "xb") as file:
        os.fchmod(file.fileno(), 0o600)
        run(settings, ["mariadb-dump", opens, *DUMPING, told.name], stdout=file)
    with open(path, "rb") as read:
        return counts(read)


def counts(lines: Iterable[bytes] | BinaryIO) -> dict[str, int]:
    """Rows by table in a dump. A row has a line of its own, and no line break in it."""
    found: dict[str, int] = {}
    last, table, program = b"", "", False
    for line in lines:
        if line.startswith(b"DELIMITER "):
            # What a trigger does is no row.
            program = line.rstrip() != b"DELIMITER ;"
        elif program:
            continue
        elif line.startswith(b"(") and table:
            found[table] += 1
        elif match := INSERT.match(line):
            table = named(match[1])
            if not line.rstrip().endswith(b"VALUES") or table not in found:
                raise Trouble("the dump is not of MariaDB's own program, and cannot be counted")
        elif line.strip():
            table, last = "", line
            if match := CREATE.match(line):
                found[named(match[1])] = 0
    if not last.startswith(END):
        raise Trouble("the dump has no end")
    return found


def named(word: bytes) -> str:
    return word.replace(b"``", b"`").decode("utf-8", "backslashreplace")


def counted(settings: Mapping[str, Any], row: Mapping[str, Any], folder: str) -> dict[str, int]:
    """Rows by table of a dump that came back, read into a server that is there for this only.

    Where the site's server is on another host there may be no program of one here: then the dump is read to its end,
    and its rows are counted in it.
    """
    server = shutil.which("mariadbd", path="/usr/sbin:/usr/libexec:/usr/local/sbin")
    if not server or not shutil.which("mariadb-install-db"):
        with open(os.path.join(folder, str(row["dump"])), "rb") as lines:
            return counts(lines)
    uid, gid = owner(settings)
    with tempfile.TemporaryDirectory(dir=settings["home"], prefix="proof-") as scratch:
        os.chmod(scratch, 0o711)  # noqa: S103  the site's user passes
        place = os.path.join(scratch, "my")
        os.mkdir(place, 0o700)
        os.chown(place, uid, gid)
        # A socket's path is short.
        words = [f"--datadir={place}/data", f"--tmpdir={place}"]
        try:
            made = ["mariadb-install-db", "--no-defaults", *words, "--skip-test-db", "--skip-name-resolve"]
            run(settings, [*made, "--auth-root-authentication-method=normal"])
            with started(settings, [server, "--no-defaults", *words], place) as opens:
                run(settings, ["mariadb", *opens, "-e", "CREATE DATABASE proof CHARACTER SET utf8mb4"])
                with open(os.path.join(folder, str(row["dump"])), "rb") as file:
                    run(settings, ["mariadb", *opens, *CLIENT, "proof"], stdin=file)
                return rows_of(settings, opens)
        except Trouble as trouble:
            raise Trouble(f"{row['name']} was not counted: {trouble}") from None


@contextlib.contextmanager
def started(settings: Mapping[str, Any], server: Sequence[str], place: str) -> Iterator[list[str]]:
    """A server that nobody reaches but who is in the folder; the options that lead there."""
    socket, log = os.path.join(place, "s"), os.path.join(place, "log")
    words = [*server, f"--socket={socket}", f"--pid-file={place}/pid", "--skip-networking", "--skip-grant-tables"]
    words += ["--innodb-use-native-aio=0", "--innodb-buffer-pool-size=32M", "--innodb-flush-log-at-trx-commit=0"]
    words += ["--skip-log-bin", "--max-allowed-packet=1G", f"--secure-file-priv={place}", f"--log-error={log}"]
    environment = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "TZ": "UTC"}
    with subprocess.Popen(
        words, env=environment, cwd=place, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL, **who(settings),
    ) as process:  # fmt: skip
        try:
            limit = time.monotonic() + SECONDS
            while not os.path.exists(socket):
                if process.poll() is not None or time.monotonic() > limit:
                    raise Trouble(f"its server did not start: {last_line(log)}")
                time.sleep(0.1)
            yield ["--no-defaults", f"--socket={socket}"]
        finally:
            process.kill()


def last_line(path: str) -> str:
    """Where a log ends."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return (file.read().strip().splitlines() or ["it says nothing"])[-1]
    except OSError:
        return "it says nothing"


def rows_of(settings: Mapping[str, Any], opens: Sequence[str]) -> dict[str, int]:
    """Rows by table of the database that came back."""
    ask = ["mariadb", *opens, *CLIENT, "proof"]
    names = run(settings, ask, input=TABLES).stdout.splitlines()
    query = "".join("SELECT count(*) FROM `{}`;\n".format(name.replace("`", "``")) for name in names)  # noqa: S608  quoted
    numbers = run(settings, ask, input=query).stdout.split() if names else []
    return {name: int(number) for name, number in zip(names, numbers)}


def settle(settings: Mapping[str, Any], row: Mapping[str, Any], folder: str, root: str) -> None:
    """Nothing of it lies in the state of the site."""


def put(settings: Mapping[str, Any], name: str, path: str) -> None:
    """Put a dump in the place of what a database holds."""
    told = served.named(settings, KIND, name, "mariadb")
    with reached(settings, told) as opens:
        client = ["mariadb", opens, *CLIENT, name]
        try:
            drops = run(settings, client, input=DROPS).stdout
            run(settings, client, input=UNBOUND + drops)
            with open(path, "rb") as file:
                run(settings, client, stdin=file)
        except Trouble as trouble:
            raise Trouble(f"the database {name} was not restored: {trouble}") from None
