# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Uploaded files in the site's database, for applications whose code knows of files only.

web2py's database layer lets a field keep its files in a file system of another kind (`uploadfs`): three calls, for
storing, reading and removing. Here it is a table, `web2py_upload`, beside the application's own and in the same
transaction: a row and its file come and go together. Files from before are read where they are, until `movement`
has brought them here.
"""

from __future__ import annotations

import importlib
import io
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

TABLE = "web2py_upload"
# What the settings of each application say; filled by its model.
CHOSEN: dict[str, str] = {}
# Of a database that is the site's: what is said for its application.
MARK = "_web2py_deploy_uploads"
_NAME = re.compile(r"([\w-]+)\.([\w-]+)\.([\w-]+)(\.[^\s/\0]*)?")
# Whether a table is there.
_THERE = {
    "sqlite": "select 1 from sqlite_master where type = 'table' and name = '{}'",
    "postgres": "select 1 from pg_tables where schemaname = current_schema() and tablename = '{}'",
    "mysql": "select 1 from information_schema.tables where table_schema = database() and table_name = '{}'",
}


def folder_of(database: Any) -> str:
    """Where the application's files are."""
    return os.path.join(str(database._adapter.folder), "..", "uploads")


def free(field: Any) -> bool:
    """Whether a field keeps its files where web2py does by itself: its code has named no other place."""
    own = (field.uploadfs, field.custom_store, field.custom_retrieve, field.custom_delete)
    if field.type != "upload" or field.uploadfield is not True or any(part is not None for part in own):
        return False
    told = field.uploadfolder
    return not told or os.path.realpath(told) == os.path.realpath(folder_of(field.db))


def there(database: Any) -> bool:
    """Whether the database has the table of the files."""
    question = _THERE.get(str(database._adapter.dbengine))
    if TABLE in database.tables or question is None:
        return TABLE in database.tables
    return bool(database.executesql(question.format(TABLE)))


def table_of(database: Any) -> Any:
    """The table of the files, made where it is missing.

    A second host of the site, or a restored database, has the table and not the note that pydal leaves in the folder.
    """
    if TABLE not in database.tables:
        field: Any = importlib.import_module("pydal.objects").Field
        note = os.path.join(str(database._adapter.folder), f"{database._uri_hash}_{TABLE}.table")
        exists = bool(database._migrate_enabled) and not os.path.exists(note) and there(database)
        columns = field("name", length=512, unique=True, notnull=True), field("data", "blob")
        database.define_table(TABLE, *columns, migrate=True, fake_migrate=exists)
    return database[TABLE]


class Rows:
    """Files as rows of the table."""

    label = "database"

    def __init__(self, database: Any) -> None:
        self.database = database
        self.seen: bool | None = None

    @property
    def table(self) -> Any:
        return table_of(self.database)

    def get(self, name: str) -> bytes | None:
        """The content; None where there is no such file. Looking makes no table."""
        if self.seen is None:
            self.seen = there(self.database)
        if not self.seen:
            return None
        row = self.database(self.table.name == name).select(self.table.data).first()
        return None if row is None else content(row.data)

    def put(self, name: str, data: bytes) -> None:
        self.seen = True
        if not self.database(self.table.name == name).update(data=data):
            self.table.insert(name=name, data=data)

    def drop(self, name: str) -> None:
        if there(self.database):
            self.database(self.table.name == name).delete()


class Files:
    """Files as web2py keeps them."""

    label = "file"

    def __init__(self, folder: str, separate: bool = False) -> None:
        self.folder, self.separate = folder, separate

    def path(self, name: str) -> str | None:
        """None for what is no name of an upload."""
        found = _NAME.fullmatch(name)
        if not found:
            return None
        table, field, key = found[1], found[2], found[3]
        return os.path.join(self.folder, *([f"{table}.{field}", key[:2]] if self.separate else []), name)

    def get(self, name: str) -> bytes | None:
        """The content; None where there is no such file."""
        path = self.path(name)
        try:
            with open(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW), "rb") as file:  # type: ignore[arg-type]
                return file.read()
        except (FileNotFoundError, TypeError):
            return None

    def put(self, name: str, data: bytes) -> None:
        """Whole or not at all, and on the disk."""
        path = self.path(name)
        if path is None:
            raise ValueError(f"{name!r} is no name for a file")
        os.makedirs(os.path.dirname(path), exist_ok=True)
        part = f"{path}.part"
        with open(part, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)

    def drop(self, name: str) -> None:
        with suppress(FileNotFoundError, TypeError):
            os.unlink(self.path(name))  # type: ignore[arg-type]


class Column:
    """Files in a column of the record itself, as the application's code says by `uploadfield='...'`."""

    label = "column"

    def __init__(self, field: Any) -> None:
        self.field, self.database = field, field.db
        self.blob = field.table[field.uploadfield]

    def _records(self, name: str) -> Any:
        return self.database(self.field == name, ignore_common_filters=True)

    def get(self, name: str) -> bytes | None:
        """The content. An empty column may be one that was never filled: the same as no file."""
        row = self._records(name).select(self.blob, limitby=(0, 1)).first()
        return (content(row[self.blob]) or None) if row else None

    def put(self, name: str, data: bytes) -> None:
        # Not by `update`: that would run the application's own callbacks, and set times of changes.
        self._records(name).update_naive(**{self.blob.name: data})


def content(value: Any) -> bytes | None:
    """What a blob holds, which pydal gives as text where it can."""
    return value.encode("utf-8") if isinstance(value, str) else None if value is None else bytes(value)


class Writing:
    """A file that is being stored. No file object: one that is thrown away half written closes itself."""

    def __init__(self, rows: Rows, name: str) -> None:
        self.rows, self.name, self.data = rows, name, io.BytesIO()

    def write(self, data: bytes) -> int:
        return self.data.write(data)

    def close(self) -> None:
        self.rows.put(self.name, self.data.getvalue())


class Kept:
    """What a field takes for a file system: the table, and the files from before."""

    def __init__(self, rows: Rows, files: Files) -> None:
        self.rows, self.files = rows, files

    def open(self, name: str, mode: str = "rb") -> Any:
        if "w" in mode:
            return Writing(self.rows, name)
        for place in (self.rows, self.files):
            data = place.get(name)
            if data is not None:
                return io.BytesIO(data)
        raise FileNotFoundError(name)

    def exists(self, name: str) -> bool:
        return any(place.get(name) is not None for place in (self.rows, self.files))

    def remove(self, name: str) -> None:
        for place in (self.rows, self.files):
            place.drop(name)


def files_of(field: Any) -> Files:
    """The files of a field."""
    return Files(field.uploadfolder or folder_of(field.db), bool(field.uploadseparate))


def take(table: Any) -> None:
    """Lead the fields of a table to the database."""
    for field in upload_fields(table):
        if free(field):
            table_of(field.db)
            field.uploadfs = Kept(Rows(field.db), files_of(field))


def upload_fields(table: Any) -> Iterator[Any]:
    return (field for field in table if field.type == "upload")


def install(kind: Any) -> None:
    """Look at every table that is defined in a database of the site, once in a process."""
    if hasattr(kind, MARK):
        return
    original = kind.lazy_define_table

    def defined(self: Any, *args: Any, **words: Any) -> Any:
        table = original(self, *args, **words)
        if self.__dict__.get(MARK) == "database":
            take(table)
        return table

    kind.lazy_define_table = defined
    setattr(kind, MARK, "")


def mark(database: Any, application: str) -> None:
    """This database is the site's: the fields of its tables keep files where the site says."""
    chosen = CHOSEN.get(application, "file")
    setattr(database, MARK, chosen)
    if chosen == "database":
        # Tables that were there from its first moment, by `auto_import`.
        for name in [name for name in database.tables if name not in database._LAZY_TABLES and name != TABLE]:
            take(database[name])
