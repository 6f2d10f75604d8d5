"""Upload fields of an application, kept in a table of the database, with pydal itself."""

from __future__ import annotations

import io
import os
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pydal
import pytest
from pydal.base import DAL
from pydal.objects import Field
from web2py_runtime import uploads

PICTURE = bytes(range(256)) * 40


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "databases").mkdir()
    (tmp_path / "uploads").mkdir()
    return tmp_path


@pytest.fixture
def opened(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A database of the site, as the application opens it; that of the request before is closed."""
    uploads.install(DAL)
    made: list[Any] = []

    def end() -> None:
        while made:
            last = made.pop()
            last.rollback()
            last.close()

    def database(store: str = "database", name: str = "site", **words: Any) -> Any:
        end()
        monkeypatch.setitem(uploads.CHOSEN, "shop", store)
        made.append(DAL(f"sqlite://{name}.sqlite", folder=str(folder / "databases"), **words))
        uploads.mark(made[-1], "shop")
        return made[-1]

    yield database
    end()


def document(database: Any, **words: Any) -> Any:
    return database.define_table("document", Field("title"), Field("file", "upload", **words))


def stored(table: Any, data: bytes = PICTURE, name: str = "a photo.jpg") -> str:
    return str(table.file.store(io.BytesIO(data), name))


def read(table: Any, name: str) -> bytes:
    return bytes(table.file.retrieve(name)[1].read())


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "uploads").rglob("*") if path.is_file())


@pytest.mark.parametrize("data", [b"", b"text", "Žluťoučký".encode(), PICTURE, b"\xff\x00'%s\\"])
def test_a_file_goes_into_the_database_and_comes_back(opened: Any, folder: Path, data: bytes) -> None:
    table = document(opened())
    name = stored(table, data)
    table.insert(title="x", file=name)
    assert table.file.retrieve(name)[0] == "a_photo.jpg" and read(table, name) == data
    assert table.file.retrieve(name, nameonly=True)[1].read() == data
    assert files(folder) == [] and table._db(table._db[uploads.TABLE]).count() == 1


def test_every_way_of_storing_leads_there(opened: Any, folder: Path) -> None:
    table = document(opened())
    sent = types.SimpleNamespace(file=io.BytesIO(b"form"), filename="a.txt")
    (folder / "b.txt").write_bytes(b"file")
    numbers = [table.insert(file=sent), table.insert(file={"data": b"words", "filename": "c.txt"})]
    with open(folder / "b.txt", "rb") as file:
        numbers.append(table.insert(file=file))
    assert [read(table, table[number].file) for number in numbers] == [b"form", b"words", b"file"]
    assert files(folder) == []


def test_a_file_is_part_of_the_transaction(opened: Any) -> None:
    database = opened()
    table = document(database)
    database.commit()
    name = stored(table)
    database.rollback()
    with pytest.raises(FileNotFoundError):
        read(table, name)


def test_a_file_that_was_half_sent_is_not_stored(opened: Any) -> None:
    class Broken(io.BytesIO):
        def read(self, *_size: Any) -> bytes:
            raise RuntimeError("the visitor is gone")

    table = document(opened())
    with pytest.raises(RuntimeError):
        table.file.store(Broken(), "a.txt")
    assert table._db(table._db[uploads.TABLE]).isempty()


def test_files_go_with_their_record_where_the_code_says_so(opened: Any, folder: Path) -> None:
    table = document(opened(), autodelete=True)
    number = table.insert(file=stored(table))
    (folder / "uploads" / "document.file.0123456789abcdef.eA==.txt").write_bytes(b"old")
    table.insert(file="document.file.0123456789abcdef.eA==.txt")
    table._db(table.id > 0).delete()
    assert number and table._db(table._db[uploads.TABLE]).isempty() and files(folder) == []


def test_files_from_before_are_read_where_they_are(opened: Any, folder: Path) -> None:
    name = "document.file.0123456789abcdef.eA==.txt"
    (folder / "uploads" / name).write_bytes(b"old")
    table = document(opened())
    assert read(table, name) == b"old"
    apart = opened().define_table("apart", Field("file", "upload", uploadseparate=True))
    name = "apart.file.0123456789abcdef.eA==.txt"
    (folder / "uploads/apart.file/01").mkdir(parents=True)
    (folder / "uploads/apart.file/01" / name).write_bytes(b"apart")
    assert read(apart, name) == b"apart"


@pytest.mark.parametrize("name", ["document.file.0123456789abcdef.eA==.txt", "document.file.0/../../../x.eA==.txt"])
def test_what_is_not_there_is_not_found(opened: Any, folder: Path, name: str) -> None:
    """web2py answers 404 for this error."""
    (folder / "x.eA==.txt").write_bytes(b"secret")
    kept = document(opened()).file.uploadfs
    assert not kept.exists(name)
    with pytest.raises(FileNotFoundError):
        kept.open(name)
    kept.remove(name)


def test_no_link_is_followed(opened: Any, folder: Path) -> None:
    (folder / "secret").write_text("x")
    os.symlink(folder / "secret", folder / "uploads/document.file.0123456789abcdef.eA==.txt")
    with pytest.raises(OSError):
        document(opened()).file.uploadfs.open("document.file.0123456789abcdef.eA==.txt")


@pytest.mark.parametrize(
    "words",
    [
        {"uploadfield": "data"},
        {"uploadfield": False},
        {"uploadfs": "another"},
        {"custom_store": lambda *_words: "x"},
        {"custom_retrieve": lambda *_words: ("x", "y")},
        {"custom_delete": lambda _name: None},
        {"uploadfolder": "/elsewhere"},
        {"uploadfolder": "static/pictures"},
    ],
)
def test_a_place_that_the_code_names_is_kept(opened: Any, words: dict[str, Any]) -> None:
    table = opened().define_table("document", Field("file", "upload", **words), Field("data", "blob"))
    assert table.file.uploadfs == words.get("uploadfs")
    assert uploads.TABLE not in table._db.tables


def test_the_usual_folder_is_no_place_of_its_own(opened: Any, folder: Path) -> None:
    (folder / "link").symlink_to(folder / "uploads")
    for number, path in enumerate([folder / "uploads", folder / "databases/../uploads", folder / "link"]):
        table = opened().define_table(f"t{number}", Field("file", "upload", uploadfolder=str(path)))
        assert isinstance(table.file.uploadfs, uploads.Kept)


@pytest.mark.parametrize("store", ["file", "database"])
def test_lazy_and_imported_tables_are_taken_too(opened: Any, store: str) -> None:
    database = opened(store, lazy_tables=True)
    document(database)
    assert isinstance(database.document.file.uploadfs, uploads.Kept) == (store == "database")
    database.commit()
    database = opened(store, auto_import=True)
    assert isinstance(database.document.file.uploadfs, uploads.Kept) == (store == "database")


def test_databases_of_others_are_left_alone(opened: Any, folder: Path) -> None:
    opened()
    other = DAL("sqlite://other.sqlite", folder=str(folder / "databases"))
    table = document(other)
    assert table.file.uploadfs is None and uploads.TABLE not in other.tables
    other.close()


def test_the_table_is_not_made_again_without_the_note_of_it(opened: Any, folder: Path) -> None:
    """A second host, or a restored database, has the table only."""
    table = document(opened())
    name = stored(table)
    table._db.commit()
    (note,) = (folder / "databases").glob(f"*{uploads.TABLE}.table")
    note.unlink()
    again = opened()
    assert uploads.there(again)
    again.define_table("document", Field("title"), Field("file", "upload"), migrate=False)
    assert read(again.document, name) == PICTURE and note.exists()


def test_looking_makes_no_table(opened: Any) -> None:
    database = opened("file")
    rows = uploads.Rows(database)
    assert rows.get("x") is None and not uploads.there(database)
    rows.drop("x")
    assert not uploads.there(database)


def test_without_migrations_no_table_is_made(opened: Any) -> None:
    database = opened(migrate_enabled=False)
    table = document(database)
    assert not uploads.there(database) or table
    with pytest.raises(Exception, match="no such table"):
        stored(table)


def test_a_column_is_filled_without_callbacks_of_the_code(opened: Any) -> None:
    called = []
    table = opened().define_table("t", Field("file", "upload", uploadfield="data"), Field("data", "blob"))
    table._after_update.append(lambda *words: called.append(words))
    name = "t.file.0123456789abcdef.eA==.txt"
    table.insert(file=name)
    column = uploads.Column(table.file)
    assert column.get(name) is None and column.get("another") is None
    column.put(name, PICTURE)
    assert column.get(name) == PICTURE and read(table, name) == PICTURE and called == []


def test_the_hook_is_installed_once() -> None:
    uploads.install(DAL)
    before = DAL.lazy_define_table
    uploads.install(pydal.DAL)
    assert DAL.lazy_define_table is before
