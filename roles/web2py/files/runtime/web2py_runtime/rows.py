# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bring the rows of SQLite to the site's database server: `python -m web2py_runtime.rows SETTINGS_AS_JSON`

Settings: `{"url": ..., "applications": ["shop"], "replace": false}`. Prints one line of JSON.
The tables are there (migrate.py). Every row is written with its own number, read again and compared; then it is all
committed, of all applications, or nothing is. SQLite's file is locked against writers meanwhile, and its rows stay.
"""

from __future__ import annotations

import importlib
import json
import math
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from decimal import Decimal
from typing import Any

from web2py_runtime.databases import NAMED
from web2py_runtime.migrate import answered, models, opened_by, reason
from web2py_runtime.uploads import TABLE as UPLOADS
from web2py_runtime.uploads import content

# Of a SQLite in the folder of the application, or anywhere.
SCHEME = "sqlite://"
# What pydal's fields are compared with by their own operators.
NULL: Any = None
BATCH = 1000
# Rows that are told of a table that does not fit.
TOLD = 3
# Not the application's own: web2py makes it at the first visit, and everybody logs in again.
_SESSIONS = "web2py_session_"

Report = dict[str, Any]


class Unfit(Exception):
    """The rows of an application cannot be brought, in words for people."""


def source_of(database: Any) -> str:
    """The file of SQLite that the application's code names where the site gives it this database; "" for none."""
    named = database.__dict__.get(NAMED) or ""
    for uri in [named] if isinstance(named, str) else named:
        if str(uri).startswith(SCHEME):
            return os.path.join(str(database._adapter.folder), str(uri)[len(SCHEME) :])
    return ""


class Source:
    """A file of SQLite that nobody else writes to now."""

    def __init__(self, path: str, kind: Any) -> None:
        self.path = path
        words = {"migrate": False, "migrate_enabled": False, "attempts": 1, "pool_size": 0}
        # In other words than any that stand for the site's database.
        self.database = kind(f"{SCHEME}/.{os.path.abspath(path)}", folder=os.path.dirname(path), **words)
        # With a log beside it, the file would not tell that it was written to.
        if self.database.executesql("pragma journal_mode")[0][0] == "wal":
            self.database.executesql("pragma journal_mode = delete")
        self.database.executesql("BEGIN IMMEDIATE")
        found = self.database.executesql("select name from sqlite_master where type = 'table'")
        # SQLite does not tell capital letters from small ones.
        self.names = {str(row[0]).lower(): str(row[0]) for row in found if not str(row[0]).startswith("sqlite_")}

    def columns(self, name: str) -> list[str]:
        """The columns of a table."""
        return [str(row[1]) for row in self.database.executesql(f"pragma table_info({_quoted(name)})")]

    def count(self, name: str) -> int:
        return int(self.database.executesql(f"select count(*) from {_quoted(name)}")[0][0])  # noqa: S608  quoted

    def last(self, name: str, key: str) -> int:
        """The highest number that a record ever had: it is not given to another one."""
        ask = self.database.executesql
        found = ask(f"select max({_quoted(key)}) from {_quoted(name)}")  # noqa: S608  quoted
        if ask("select 1 from sqlite_master where name = 'sqlite_sequence'"):
            found += ask("select seq from sqlite_sequence where name = ?", placeholders=[name])
        return max(int(row[0] or 0) for row in found)

    def stamp(self) -> list[int]:
        """What is different after the next write."""
        found = os.stat(self.path)
        return [found.st_mtime_ns, found.st_size]

    def close(self) -> None:
        self.database.rollback()
        self.database.close()


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def plain(name: str) -> str:
    """The name of a table or column as the database knows it, out of pydal's quotes."""
    return name.strip('"`').replace('""', '"')


def kind_of(field: Any) -> Any:
    """A field's type for reading: references as the numbers that they are."""
    told = field.type
    if isinstance(told, str) and told.startswith("list:reference"):
        return "list:integer"
    if not isinstance(told, str) or not told.startswith(("reference", "big-reference")):
        return told
    table = told.split(" ", 1)[1].split(".")[0].strip() if " " in told else ""
    other = field.db[table] if table in field.db.tables else None
    named = told.rsplit(".", 1)[1] if "." in told else ""
    if other is None or not named or other[named].type in ("id", "big-id"):
        return "bigint"
    return other[named].type


class Table:
    """A table of the application: here in SQLite, there on the server."""

    def __init__(self, there: Any, source: Source) -> None:
        self.there, self.source, self.db = there, source, there._db
        self.name = str(there._tablename)
        self.label = source.names[plain(str(there._rname)).lower()]
        columns = {name.lower() for name in source.columns(self.label)}
        self.fields = [field for field in there if plain(str(field._rname)).lower() in columns]
        known = {plain(str(field._rname)).lower() for field in there}
        self.left = [f"{self.name}.{name}" for name in source.columns(self.label) if name.lower() not in known]
        self.key = None if hasattr(there, "_primarykey") else there._id
        field: Any = importlib.import_module("pydal.objects").Field
        clones = [field(each.name, kind_of(each), length=each.length, rname=each._rname) for each in self.fields]
        for each in clones:
            # What an application makes of a value while it is shown or stored is none of our business.
            each.filter_in = each.filter_out = None
        more = {} if self.key is not None else {"primarykey": list(there._primarykey)}
        self.here = source.database.define_table(self.name, *clones, migrate=False, rname=_quoted(self.label), **more)
        for each in self.fields:
            each.filter_in = each.filter_out = None

    def pages(self, table: Any) -> Iterator[dict[str, Any]]:
        """All rows of one side, those of a table with numbers in their order."""
        database, names = table._db, [field.name for field in self.fields]
        wanted = [table[name] for name in names]
        words: dict[str, Any] = {"orderby_on_limitby": False}
        if self.key is None:
            for row in self._read(database(_every(table), ignore_common_filters=True), None, *wanted, **words):
                yield {name: row[name] for name in names}
            return
        number, last = table[self.key.name], None
        while True:
            query = _every(table) if last is None else number > last
            found = database(query, ignore_common_filters=True)
            rows = self._read(found, last, *wanted, orderby=number, limitby=(0, BATCH), **words)
            for row in rows:
                yield {name: row[name] for name in names}
            if len(rows) < BATCH:
                return
            last = rows.last()[self.key.name]

    def _read(self, query: Any, last: Any, *fields: Any, **words: Any) -> Any:
        try:
            return query.select(*fields, **words)
        except Exception as error:  # a value that is none of its type
            where = f" after record {last}" if last is not None else ""
            raise Unfit(f"{self.name}: a row{where} cannot be read: {words_of(error)}") from error

    def last(self) -> int:
        """The highest number of a record so far; 0 where there are none."""
        return self.source.last(self.label, plain(str(self.key._rname))) if self.key is not None else 0

    def count(self) -> int:
        """Rows on the server."""
        return int(self.db(_every(self.there), ignore_common_filters=True).count())

    def told(self, row: Mapping[str, Any]) -> str:
        names = [self.key.name] if self.key is not None else list(self.there._primarykey)
        return f"{self.name} " + ", ".join(str(row.get(name)) for name in names)

    def same(self, one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
        return all(equal(one[field.name], other[field.name], field.type) for field in self.fields)

    def strangers(self, number: int) -> list[str]:
        """Rows on the server that SQLite does not have like this, if it has more rows than that: at most a few."""
        if not number:
            return []
        odd: Iterable[dict[str, Any]]
        if self.key is None:
            mine = {self._key(row): row for row in self.pages(self.here)}
            odd = (row for row in self.pages(self.there) if not self._same_as(mine.get(self._key(row)), row))
        else:
            odd = self._odd(self.key.name)
        return [self.told(row) for row, _number in zip(odd, range(TOLD))]

    def _same_as(self, mine: dict[str, Any] | None, row: Mapping[str, Any]) -> bool:
        return mine is not None and self.same(mine, row)

    def _odd(self, key: str) -> Iterator[dict[str, Any]]:
        here = self.pages(self.here)
        mine = next(here, None)
        for row in self.pages(self.there):
            while mine is not None and int(mine[key]) < int(row[key]):
                mine = next(here, None)
            if mine is None or int(mine[key]) != int(row[key]) or not self.same(mine, row):
                yield row

    def bring(self) -> int:
        """Write the rows that the server does not have; how many."""
        adapter = self.db._adapter
        have = {self._key(row) for row in self.pages(self.there)} if self.count() else set()
        number = 0
        for row in self.pages(self.here):
            if self._key(row) in have:
                continue
            values = [(field, _value(row[field.name], field.type)) for field in self.fields]
            try:
                # Not by `insert` of the table: that would run the application's own callbacks and defaults.
                adapter.execute(adapter._insert(self.there, values))
            except Exception as error:  # each driver has errors of its own
                raise Unfit(f"{self.told(row)}: {words_of(error)}") from error
            number += 1
        return number

    def _key(self, row: Mapping[str, Any]) -> Any:
        names = [self.key.name] if self.key is not None else list(self.there._primarykey)
        return tuple(row[name] for name in names)

    def prove(self) -> int:
        """Compare all rows; how many there are."""
        if self.key is None:
            here, there = ({self._key(row): row for row in self.pages(side)} for side in (self.here, self.there))
            pairs: Iterable[Any] = [(row, there.get(key)) for key, row in here.items()]
            number = len(there)
        else:
            pairs, number = zip(self.pages(self.here), self.pages(self.there)), self.count()
        for mine, theirs in pairs:
            if theirs is None or not self.same(mine, theirs):
                raise Unfit(f"{self.told(mine)} was read back with another content")
        if number != self.source.count(self.label):
            raise Unfit(f"{self.name} has {number} rows on the server and {self.source.count(self.label)} in SQLite")
        return number

    def dangling(self) -> list[str]:
        """References to records that are nowhere."""
        found = []
        for field in self.fields:
            told = str(field.type)
            name = told.split(" ", 1)[1].strip() if told.startswith(("reference ", "big-reference ")) else ""
            table, _dot, column = name.partition(".")
            if table not in self.db.tables:
                continue
            other = self.db[table]
            aim = other[column] if column else other._id
            known = self.db(aim != NULL, ignore_common_filters=True)._select(aim)
            query = (field != NULL) & ~field.belongs(known)
            some = {"distinct": True, "limitby": (0, TOLD), "orderby_on_limitby": False}
            rows = self.db(query, ignore_common_filters=True).select(field, **some)
            if rows:
                numbers = ", ".join(str(int(row[field]) if not column else row[field]) for row in rows)
                found.append(f"{self.name}.{field.name} names records of {table} that are not there: {numbers}")
        return found


def _every(table: Any) -> Any:
    return table[next(iter(getattr(table, "_primarykey", None) or [table._id.name]))] != NULL


def _value(value: Any, kind: Any) -> Any:
    """pydal reads an empty blob as a text, and writes an empty text as nothing."""
    return b"" if kind == "blob" and value == "" else value


def equal(one: Any, other: Any, kind: Any) -> bool:
    """Whether two databases give the same, each in its own way."""
    if kind == "float" and isinstance(one, float) and isinstance(other, float):
        # MariaDB has four bytes for it.
        return math.isclose(one, other, rel_tol=1e-6)
    if kind == "blob":
        return content(one) == content(other)
    if isinstance(one, Decimal) and isinstance(other, Decimal):
        # A column with two digits after the point rounds to them; SQLite keeps more.
        places = int(str(kind).rstrip(")").rsplit(",", 1)[1]) if "," in str(kind) else 0
        return abs(one - other) < Decimal(1).scaleb(-places)
    return bool(one == other)


def words_of(error: BaseException) -> str:
    """What a driver says. Further lines may hold the statement, hence the row."""
    return (str(error.args[-1] if error.args else error).strip() or type(error).__name__).splitlines()[0][:300]


class Server:
    """What differs between databases while rows come in an order that fits no reference."""

    def __init__(self, database: Any) -> None:
        self.database, self.engine = database, str(database._adapter.dbengine)
        self.waiting: list[str] = []

    def begin(self) -> None:
        ask = self.database.executesql
        if self.engine == "postgres":
            ask("set local lock_timeout = '30s'")
            question = (
                "select format('alter table %s alter constraint %I', conrelid::regclass, conname) from pg_constraint"
                " where contype = 'f' and not condeferrable and connamespace = current_schema()::regnamespace"
            )
            self.waiting = [str(row[0]) for row in ask(question)]
            for constraint in self.waiting:
                ask(f"{constraint} deferrable initially deferred")
        elif self.engine == "mysql":
            ask("set foreign_key_checks = 0")

    def settle(self, tables: Sequence[Table]) -> None:
        """References hold, and the next record gets a number that none had."""
        ask = self.database.executesql
        if self.engine == "postgres":
            ask("set constraints all immediate")
            for constraint in self.waiting:
                ask(f"{constraint} not deferrable")
        for table in tables:
            number = table.last() if self.engine == "postgres" else 0
            if number:
                ask(
                    "select setval(sequence, greatest(%s, (select last_value from pg_sequences where"
                    " format('%%I.%%I', schemaname, sequencename)::regclass = sequence)))"
                    " from (select pg_get_serial_sequence(%s, %s)::regclass as sequence) as found"
                    " where sequence is not null",
                    placeholders=(number, str(table.there._rname), plain(str(table.key._rname))),
                )

    def end(self, tables: Sequence[Table]) -> None:
        """After the commit: what MySQL does in a transaction of its own."""
        if self.engine == "mysql":
            self.database.executesql("set foreign_key_checks = 1")
            for table in tables:
                number = table.last()
                if number:
                    # It takes no smaller one than it needs.
                    self.database.executesql(f"alter table {table.there._rname} auto_increment = {number + 1}")


class Bringing:
    """The rows of one application, on their way."""

    def __init__(self, application: str, databases: Sequence[Any], kind: Any, stack: ExitStack) -> None:
        self.application = application
        self.pairs: list[tuple[Source, Any]] = []
        sources: dict[str, Source] = {}
        for database in databases:
            path = os.path.realpath(source_of(database))
            if not os.path.isfile(path):
                continue
            if path not in sources:
                sources[path] = Source(path, kind)
                stack.callback(sources[path].close)
            self.pairs.append((sources[path], database))
        self.databases = list({id(each): each for _source, each in self.pairs}.values())
        for each in self.databases[1:]:
            # It is one database on the server: in two connections one would wait for the other.
            each._adapter.set_connection(self.databases[0]._adapter.connection)
        self.server = Server(self.databases[0]) if self.databases else None
        self.tables: dict[str, Table] = {}
        for source, database in self.pairs:
            for name in list(database.tables):
                there = database[name]
                label = plain(str(there._rname)).lower()
                if name == UPLOADS or label not in source.names:
                    continue
                if name not in self.tables:
                    self.tables[name] = Table(there, source)
                known = self.tables[name]
                if known.source is not source:
                    raise Unfit(f"{name} is a table in {known.source.path} and in {source.path}: give one another name")

    def bring(self, replace: bool) -> Report:
        """Write and prove, without a commit."""
        tables = list(self.tables.values())
        numbers = {table.name: table.count() for table in tables}
        odd = [] if replace else [row for table in tables for row in table.strangers(numbers[table.name])]
        if odd:
            words = ", ".join(odd[:TOLD]) + (" and others" if len(odd) > TOLD else "")
            raise Unfit(
                f"the database on the server has rows that are not those of SQLite: {words}. If nobody needs them, run"
                " again with -e web2py_rows_replace=true, which removes all rows of these tables there first"
            )
        if self.server:
            self.server.begin()
        if replace:
            others = self.others()
            if others:
                raise Unfit(f"{', '.join(others)} on the server would lose records. Empty it there first, or keep all")
            for table in tables:
                table.db.executesql(f"delete from {table.there._rname}")  # noqa: S608  as pydal quotes it
        brought = {table.name: table.bring() for table in tables}
        dangling = [row for table in tables for row in table.dangling()]
        if dangling:
            raise Unfit(
                ". ".join(dangling) + ". A server takes no such reference: mend it where the application serves"
            )
        rows = {table.name: {"rows": table.prove(), "brought": brought[table.name]} for table in tables}
        if self.server:
            self.server.settle(tables)
        return {
            "application": self.application,
            "tables": rows,
            "left": self.left(),
            "columns": [name for table in tables for name in table.left],
            "stamps": {source.path: source.stamp() for source, _database in self.pairs},
        }

    def others(self) -> list[str]:
        """Tables that SQLite does not have, with rows on the server that name records of those that it has."""
        found = set()
        for database in self.databases:
            for name in list(database.tables):
                for field in database[name] if name not in self.tables else ():
                    told = str(field.type)
                    aim = told.split(" ", 1)[1].split(".")[0] if told.startswith(("reference ", "big-ref")) else ""
                    if aim in self.tables and database(field != NULL, ignore_common_filters=True).count():
                        found.add(name)
        return sorted(found)

    def left(self) -> dict[str, int]:
        """Tables of SQLite that no model names, with their rows."""
        taken = {(table.source.path, table.label) for table in self.tables.values()}
        sources = {source.path: source for source, _database in self.pairs}.values()
        rows = {
            label: source.count(label)
            for source in sources
            for label in source.names.values()
            if (source.path, label) not in taken and not label.startswith(_SESSIONS)
        }
        return {label: number for label, number in rows.items() if number}

    def commit(self) -> None:
        if self.server:
            self.server.database.commit()
            self.server.end(list(self.tables.values()))


def databases_of(environment: dict[str, Any]) -> list[Any]:
    """The databases on the site's server that the models have opened."""
    return [each for each in opened_by(environment) if source_of(each)]


def work(settings: Mapping[str, Any]) -> dict[str, Any]:
    """All applications, then the commit."""
    base: Any = importlib.import_module("pydal.base")
    reports: list[Report] = []
    failures: list[str] = []
    done: list[Bringing] = []
    known: set[int] = set()
    committed: list[str] = []
    with ExitStack() as stack:
        for application in settings["applications"]:
            try:
                found = databases_of(models(settings["url"], application))
                # Those of the application before are open still.
                opened = [database for database in found if id(database) not in known]
                known |= {id(database) for database in opened}
                for database in opened:
                    database.commit()
                bringing = Bringing(application, opened, base.DAL, stack)
                reports.append(bringing.bring(bool(settings["replace"])))
                done.append(bringing)
            except Unfit as error:
                failures.append(f"{application}: {error}")
            except BaseException as error:
                failures.append(f"{application}: {reason(error)}")
        for bringing in done if not failures else ():
            try:
                bringing.commit()
                committed.append(bringing.application)
            except Exception as error:
                failures.append(f"{bringing.application}: while its rows were committed: {words_of(error)}")
                break
        with suppress(Exception):
            base.BaseAdapter.close_all_instances("rollback")
    return {"reports": reports, "failures": failures, "committed": committed}


def main() -> int:
    """Bring the rows of the applications named in the settings."""
    answered(lambda: work(json.loads(sys.argv[1])))
    return 0


if __name__ == "__main__":
    sys.exit(main())
