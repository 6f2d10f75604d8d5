"""The database servers on a site's host, each asked by its own keeper."""

from __future__ import annotations

import json
import re
import shlex
from typing import Any, Protocol

from hosts import Machine, Site


class Server(Protocol):
    """What tests want of a server. In a query `:'word'` stands for a text and `:"word"` for a name."""

    unit: str
    # All that has to stop: who stops the first alone does not wait for the others.
    units: str
    tables: str
    long_ago: str
    # What comes is the site's: it owns the tables that it makes.
    become: str

    def sql(self, machine: Machine, text: str, base: str = "", **words: Any) -> list[list[str]]:
        """Rows of a query; no log of arguments shows its words."""

    def let_in(self, machine: Machine, site: Site, base: str, password: str, host: str) -> Any:
        """The database that an attempt to log in as the site's role ends in, or why not, in a list."""

    def change_password(self, machine: Machine, user: str, new: str) -> None:
        """Set a password and end the connections of the old one."""


class Postgresql:
    unit, units = "postgresql", "postgresql.service 'postgresql@*.service'"
    tables = "select tablename from pg_tables where schemaname = 'public'"
    long_ago = "now() - interval '99 hours'"
    become = 'set role :"role"; '

    def sql(self, machine: Machine, text: str, base: str = "", **words: Any) -> list[list[str]]:
        quoted = {name: str(value).replace("\\", "\\\\").replace("'", "''") for name, value in words.items()}
        given = "".join(f"\\set {name} '{value}'\n" for name, value in quoted.items())
        psql = f"runuser -u postgres -- psql -XAt -F '|' -v ON_ERROR_STOP=1 -d {shlex.quote(base or 'postgres')}"
        return [row.split("|") for row in machine.run(f"printf %s {shlex.quote(given + text)} | {psql}").splitlines()]

    def let_in(self, machine: Machine, site: Site, base: str, password: str, host: str = "/run/postgresql") -> Any:
        words = {"host": host, "user": site["data"]["user"], "dbname": base, "password": password}
        program = (
            f"import json, psycopg2\ntry:\n c = psycopg2.connect(**{words!r})\n"
            " q = c.cursor()\n q.execute('select current_database()')\n print(json.dumps(q.fetchone()[0]))\n"
            "except psycopg2.Error as error:\n print(json.dumps([str(error)]))\n"
        )
        return json.loads(machine.python(program))

    def change_password(self, machine: Machine, user: str, new: str) -> None:
        self.sql(machine, "alter role :\"role\" password :'new'", role=user, new=new)
        self.sql(machine, "select pg_terminate_backend(pid) from pg_stat_activity where usename = :'role'", role=user)


class Mariadb:
    unit = units = "mariadb.service"
    tables = "select table_name from information_schema.tables where table_schema = database()"
    long_ago = "now() - interval 99 hour"
    become = ""

    def sql(self, machine: Machine, text: str, base: str = "", **words: Any) -> list[list[str]]:
        def put(found: re.Match[str]) -> str:
            value, mark = str(words[found[2]]), "`" if found[1] == '"' else "'"
            return mark + value.replace("\\", "\\\\").replace(mark, mark * 2) + mark

        given = re.sub(r":(['\"])(\w+)\1", put, text)
        client = f"mariadb --batch --raw --skip-column-names --default-character-set=utf8mb4 {shlex.quote(base)}"
        return [row.split("\t") for row in machine.run(f"printf %s {shlex.quote(given)} | {client}").splitlines()]

    def let_in(self, machine: Machine, site: Site, base: str, password: str, host: str = "") -> Any:
        place = {"host": host} if host else {"unix_socket": "/run/mysqld/mysqld.sock"}
        words = {**place, "user": site["data"]["user"], "database": base, "password": password.encode()}
        program = (
            f"import json, pymysql\ntry:\n c = pymysql.connect(**{words!r})\n"
            " q = c.cursor()\n q.execute('select database()')\n print(json.dumps(q.fetchone()[0]))\n"
            "except pymysql.Error as error:\n print(json.dumps([str(error)]))\n"
        )
        return json.loads(machine.python(program))

    def change_password(self, machine: Machine, user: str, new: str) -> None:
        self.sql(
            machine, "set password for :'user'@'localhost' = password(:'new'); kill user :'user'", user=user, new=new
        )


SERVERS: dict[str, Server] = {"postgresql": Postgresql(), "mysql": Mariadb()}


def database(site: Site, application: str = "probe") -> str:
    """The name of an application's database."""
    return str(next(r["settings"]["database"]["name"] for r in site["applications"] if r["name"] == application))
