# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection: the databases of a site: what the choices mean, their faults, and their URIs."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ansible_collections.web2py.deploy.plugins.module_utils import _replicas
from ansible_collections.web2py.deploy.plugins.module_utils._settings import given, merged, plain
from ansible_collections.web2py.deploy.plugins.module_utils._spec import Problem, shown


class Kind(NamedTuple):
    """What differs between the servers of databases."""

    role: str
    # Of pip, for the site's environment. web2py's database layer speaks to the server through it and nothing else.
    requirements: tuple[str, ...]
    port: int
    ssl_modes: tuple[str, ...]
    # A longer name is refused by the server, or cut off in silence.
    longest_database: int
    longest_user: int
    # The server's own.
    databases: tuple[str, ...]
    users: tuple[str, ...]


KINDS = {
    "postgresql": Kind(
        role="postgresql",
        requirements=("psycopg2-binary==2.9.13",),
        port=5432,
        ssl_modes=("disable", "require", "verify-ca", "verify-full"),
        longest_database=63,
        longest_user=63,
        databases=("postgres", "template0", "template1"),
        users=("postgres", "public"),
    ),
    # Programs of MariaDB verify the name in a certificate as well, or nothing.
    "mysql": Kind(
        role="mariadb",
        requirements=("PyMySQL==1.2.4",),
        port=3306,
        ssl_modes=("disable", "require", "verify-full"),
        longest_database=64,
        longest_user=32,
        databases=("information_schema", "mysql", "performance_schema", "sys"),
        users=("debian-sys-maint", "mariadb", "mysql", "public", "root"),
    ),
}
POOL_SIZE = 5
# What an application's code names where it means the database that its site gives it: that of web2py's scaffolding.
REPLACED = ("sqlite://storage.sqlite",)
SOCKETS = "/run/postgresql"
MARIADB_SOCKETS = {"Debian": "/run/mysqld/mysqld.sock", "RedHat": "/var/lib/mysql/mysql.sock"}
# All that migrations, pages and a backup want of a database; no code that the server runs by itself.
MARIADB_PRIVILEGES = (
    "ALTER",
    "CREATE",
    "CREATE TEMPORARY TABLES",
    "CREATE VIEW",
    "DELETE",
    "DROP",
    "INDEX",
    "INSERT",
    "LOCK TABLES",
    "REFERENCES",
    "SELECT",
    "SHOW VIEW",
    "TRIGGER",
    "UPDATE",
)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")


def served(choices: Mapping[str, Any]) -> bool:
    """Whether the site's databases are on a database server."""
    return bool(given(choices["web2py_database"]).get("type", "sqlite") != "sqlite")


def requirements(choices: Mapping[str, Any]) -> tuple[str, ...]:
    """What the environment needs for the databases."""
    kind = KINDS.get(given(choices["web2py_database"]).get("type", "sqlite"))
    return kind.requirements if kind else ()


def words(choices: Mapping[str, Any]) -> list[str]:
    """Words for the list of the distribution's packages."""
    chosen = given(choices["web2py_database"])
    return [chosen["type"]] if chosen.get("type") in KINDS and not chosen.get("host") else []


def user(choices: Mapping[str, Any]) -> str:
    """The login role of the site, one for all of its applications."""
    return str(given(choices["web2py_database"]).get("user") or choices["web2py_site"])


def settings(choices: Mapping[str, Any], row: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of an application as the resolved site has them: no secret, and its database by name."""
    found = merged(choices, row)
    chosen = found["database"]
    base = {"type": chosen["type"], "replaces": list(chosen.get("replaces") or REPLACED)}
    if chosen["type"] != "sqlite":
        prefix = chosen.get("name_prefix")
        prefix = f"{choices['web2py_site']}_" if prefix is None else prefix
        base |= {
            "name": chosen.get("name") or f"{prefix}{row['name']}",
            "user": user(choices),
            "host": chosen.get("host"),
            "port": chosen.get("port") or KINDS[chosen["type"]].port,
            "pool_size": POOL_SIZE if chosen.get("pool_size") is None else chosen["pool_size"],
            "ssl_mode": chosen.get("ssl_mode") or ("verify-full" if chosen.get("host") else None),
            "ca": chosen.get("ca"),
            **_replicas.settings(chosen),
        }
    return {**found, "database": base}


def data(choices: Mapping[str, Any], host: Mapping[str, Any], applications: Sequence[Mapping[str, Any]]) -> Any:
    """The part of the resolved site for database servers; None where the site has none."""
    if not served(choices):
        return None
    chosen = given(choices["web2py_database"])
    rows = [row["settings"]["database"] for row in applications]
    names = sorted({row["name"] for row in rows if row["type"] != "sqlite"})
    return {
        "type": chosen["type"],
        "local": not chosen.get("host"),
        "host": chosen.get("host"),
        "port": chosen.get("port") or KINDS[chosen["type"]].port,
        "user": user(choices),
        "databases": names,
        "ssl_mode": chosen.get("ssl_mode") or ("verify-full" if chosen.get("host") else None),
        "ca": chosen.get("ca"),
        "replicas": list(chosen.get("replicas") or []),
        # The host of the group web2py_database that has it, where it is not the web host and not somebody else's.
        "group": chosen.get("group"),
    }


def rules(data: Mapping[str, Any]) -> list[dict[str, str]]:
    """Rules of pg_hba.conf for the role of a resolved site: into its databases with its password, nowhere else."""
    ways = [{"contype": "local"}, *({"contype": "host", "address": each} for each in ("127.0.0.1/32", "::1/128"))]
    if data.get("group"):
        # From the site's own web hosts, encrypted. No other rule of the file lets the role in.
        ends = [f"{each}/{128 if ':' in each else 32}" for each in data["group"]["clients"]]
        everywhere = (*ends, "127.0.0.1/32", "::1/128", "0.0.0.0/0", "::/0")
        closed = [{"contype": "local"}, *({"contype": "host", "address": each} for each in everywhere)]
        role = {"users": data["user"]}
        return [
            *(
                {"contype": "hostssl", "address": end, "databases": name, **role, "method": "scram-sha-256"}
                for end in ends
                for name in data["databases"]
            ),
            *_replicas.rules(data.get("replication")),
            *({**way, "databases": "all", **role, "method": "reject"} for way in closed),
        ]
    own = [
        {**way, "databases": name, "users": data["user"], "method": "scram-sha-256"}
        for way in ways
        for name in data["databases"]
    ]
    return own + [{**way, "databases": "all", "users": data["user"], "method": "reject"} for way in ways]


def mariadb_privileges(data: Mapping[str, Any]) -> dict[str, str]:
    """What the account of a resolved site may do, by database. `_` and `%` stand for others there unless escaped."""
    names = (name.replace("_", "\\_").replace("%", "\\%") for name in data["databases"])
    return {f"{name}.*": ",".join(MARIADB_PRIVILEGES) for name in names}


def secrets(site: Mapping[str, Any], password: str) -> dict[str, Any]:
    """How the runtime opens the databases of a resolved site, by application: the file that holds the secrets.

    The password stands beside the URI and not in it: no character of it needs another form, no URI that is logged
    shows it, and what is named by the URI (pydal's .table files are) keeps its name when the password changes.
    """
    found = {}
    for row in site["applications"]:
        words = row.get("settings")
        if not words or plain(words):
            continue
        chosen = words["database"]
        entry: dict[str, Any] = {"replaces": chosen["replaces"], "migrate": words["migrate"], "uri": None}
        if chosen["type"] != "sqlite":
            entry |= {
                "uri": uri(chosen, site.get("family", "Debian")),
                "pool_size": chosen["pool_size"],
                "driver_args": {"password": password, **driver_args(chosen)},
                "table_hash": f"{chosen['type']}-{chosen['name']}",
                **_replicas.standbys(chosen),
            }
        found[row["name"]] = entry
    return found


def uri(chosen: Mapping[str, Any], family: str = "Debian") -> str:
    """The URI of a database in the words of web2py's database layer, without the password."""
    user_, name, port = (chosen[word] for word in ("user", "name", "port"))
    host = _replicas.hosts(chosen) if chosen["host"] else None
    if chosen["type"] == "mysql":
        # Whatever other driver an application brings along.
        begin, words_ = f"mysql:pymysql://{user_}@", "set_encoding=utf8mb4"
        if host:
            return f"{begin}{host}:{port}/{name}?{words_}"
        return f"{begin}localhost/{name}?{words_}&unix_socket={MARIADB_SOCKETS[family]}"
    if host:
        return f"postgres://{user_}@{host}:{port}/{name}?sslmode={chosen['ssl_mode']}"
    return f"postgres://{user_}@/{name}?unix_socket={SOCKETS}/.s.PGSQL.{port}"


def driver_args(chosen: Mapping[str, Any]) -> dict[str, Any]:
    """What else the driver is told."""
    args: dict[str, Any] = {"connect_timeout": 5, **_replicas.driver_args(chosen)}
    if chosen["type"] == "mysql":
        verified = {"ca": chosen["ca"], "check_hostname": True, "verify_mode": True}
        if not chosen["host"] or chosen["ssl_mode"] == "disable":
            args["ssl_disabled"] = True
        else:
            args["ssl"] = verified if chosen["ssl_mode"] == "verify-full" else {"verify_mode": False}
    elif not chosen["host"]:
        args["port"] = chosen["port"]
    elif chosen["ca"]:
        args["sslrootcert"] = chosen["ca"]
    return args


def problems(choices: Mapping[str, Any]) -> list[Problem]:
    """What is wrong with the choices of databases and of what is kept in them."""
    found = [*_server_problems(choices), *_replicas.problems(choices)]
    rows = {row["name"]: settings(choices, row) for row in choices["web2py_applications"] if _readable(choices, row)}
    databases: dict[str, str] = {}
    for application, words_ in rows.items():
        variable = f"web2py_applications ({application})"
        chosen = words_["database"]
        for word in ("sessions", "tickets", "uploads"):
            if words_[word]["store"] == "database" and chosen["type"] == "sqlite":
                fault = "needs a database server, because writers of SQLite wait for each other"
                remedy = "Set web2py_database.type to postgresql or mysql, or keep them in files"
                found.append(Problem(f"{variable}.{word}.store", "database", fault, remedy))
        if not 1 <= words_["sessions"].get("expiry", 1) <= 31536000:
            value = shown(words_["sessions"]["expiry"])
            found.append(
                Problem(f"{variable}.sessions.expiry", value, "is out of bounds", "Give 1 to 31536000 seconds")
            )
        if chosen["type"] == "sqlite":
            continue
        if chosen["type"] != given(choices["web2py_database"]).get("type"):
            fault, remedy = "is not the type of the site's server", "Use that of web2py_database, or sqlite"
            found.append(Problem(f"{variable}.database.type", shown(chosen["type"]), fault, remedy))
        name = chosen["name"]
        kind = KINDS[chosen["type"]]
        if not _NAME.fullmatch(name) or len(name) > kind.longest_database or name.lower() in kind.databases:
            fault = "is not a name for a database"
            remedy = (
                f"Use letters, digits, - and _, at most {kind.longest_database}, and none of the server's own names"
            )
            found.append(Problem(f"{variable}.database.name", shown(name), fault, remedy))
        if name in databases:
            fault, remedy = f"is the database of {databases[name]} too", "Give each application a database of its own"
            found.append(Problem(f"{variable}.database.name", shown(name), fault, remedy))
        databases[name] = application
        if not 0 <= chosen["pool_size"] <= 1000:
            found.append(
                Problem(
                    f"{variable}.database.pool_size", shown(chosen["pool_size"]), "is out of bounds", "Give 0 to 1000"
                )
            )
    return found


def _readable(choices: Mapping[str, Any], row: Mapping[str, Any]) -> bool:
    """Whether a row says enough to be merged."""
    return merged(choices, row)["database"].get("type") in ("sqlite", *KINDS)


def _server_problems(choices: Mapping[str, Any]) -> list[Problem]:
    chosen = given(choices["web2py_database"])
    kind = chosen.get("type", "sqlite")
    password = choices.get("web2py_database_password")
    found = []
    if kind == "sqlite":
        for key in sorted({"host", "port", "user", "name_prefix", "ssl_mode", "ca"} & set(chosen)):
            value = shown(chosen[key])
            found.append(
                Problem(f"web2py_database.{key}", value, "has no meaning for sqlite", "Remove it, or choose a server")
            )
        return found
    if not password:
        fault, remedy = f"missing, and web2py_database.type is {kind}", "Give one from a vault"
        found.append(Problem("web2py_database_password", "", fault, remedy))
    elif len(password) < 8 or len(password) > 1024 or any(character in password for character in "\0\n\r"):
        fault, remedy = "is not fit for a password", "Use 8 to 1024 characters on one line"
        found.append(Problem("web2py_database_password", shown(password, True), fault, remedy))
    name, longest = user(choices), KINDS[kind].longest_user
    if not _NAME.fullmatch(name) or len(name) > longest or name.startswith("pg_") or name in KINDS[kind].users:
        fault, remedy = (
            "is not a name for a role of the site",
            f"Use letters, digits, - and _, at most {longest}, not one of the server's own",
        )
        found.append(Problem("web2py_database.user", shown(name), fault, remedy))
    if chosen.get("port") is not None and not 1 <= chosen["port"] <= 65535:
        found.append(Problem("web2py_database.port", shown(chosen["port"]), "is not a port", "Give 1 to 65535"))
    return found + _remote_problems(chosen)


def _remote_problems(chosen: Mapping[str, Any]) -> list[Problem]:
    """What is wrong with the way to a server elsewhere."""
    found = []
    if not chosen.get("host"):
        for key in sorted({"ssl_mode", "ca"} & set(chosen)):
            fault, remedy = "is for a server elsewhere, and no host is given", "Give host too, or remove it"
            found.append(Problem(f"web2py_database.{key}", shown(chosen[key]), fault, remedy))
        if chosen["type"] == "mysql" and chosen.get("port"):
            fault, remedy = (
                "has no meaning: MariaDB on the host is reached by its socket",
                "Give host too, or remove it",
            )
            found.append(Problem("web2py_database.port", shown(chosen["port"]), fault, remedy))
        return found
    if not _HOST.fullmatch(chosen["host"]):
        remedy = "Give a name or an IPv4 address, without scheme and port"
        found.append(Problem("web2py_database.host", shown(chosen["host"]), "is not a host", remedy))
    mode, known = chosen.get("ssl_mode") or "verify-full", KINDS[chosen["type"]].ssl_modes
    if mode not in known:
        fault = f"is nothing that programs of {chosen['type']} can do"
        found.append(Problem("web2py_database.ssl_mode", shown(mode), fault, f"Use {', '.join(known)}"))
    if mode.startswith("verify") and not chosen.get("ca"):
        fault = f"missing, and ssl_mode is {mode}"
        remedy = "Give the path of the authority's certificate on the host, such as /etc/ssl/certs/ca-certificates.crt"
        found.append(Problem("web2py_database.ca", "", fault, remedy))
    return found
