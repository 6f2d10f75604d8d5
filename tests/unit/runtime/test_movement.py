"""Uploads are moved both ways: proven first, removed last, repeated after a kill."""

from __future__ import annotations

import json
import sys
import types
from pathlib import Path
from typing import Any

import pytest
from pydal.objects import Field
from web2py_runtime import migrate, movement, uploads

from tests.unit.runtime.test_uploads import PICTURE, document, files, folder, opened, stored

__all__ = ["folder", "opened"]

COUNTS = ("files", "copied", "originals", "removed", "missing")


def settings(check: bool = False, tables: tuple[str, ...] = ()) -> dict[str, Any]:
    return {"url": "https://x", "check": check, "tables": list(tables), "applications": {}}


def move(database: Any, store: str, **words: Any) -> tuple[list[tuple[int, ...]], list[str]]:
    reports, failures = movement.of_application("shop", store, {"db": database}, settings(**words))
    return [tuple(row[key] for key in COUNTS) for row in reports], failures


def filled(database: Any, number: int = 3, **words: Any) -> dict[str, bytes]:
    """Records with a file each."""
    table = document(database, **words) if "document" not in database.tables else database.document
    found = {}
    for each in range(number):
        data = PICTURE[each:] if each else b""
        name = stored(table, data)
        table.insert(file=name)
        found[name] = data
    table.insert(title="none")
    table.insert(file="")
    database.commit()
    return found


def rows(database: Any) -> dict[str, bytes]:
    place = uploads.Rows(database)
    if not uploads.there(database):
        return {}
    return {row.name: place.get(row.name) or b"" for row in database(place.table).select(place.table.name)}


def on_disk(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (folder / "uploads").rglob("*") if path.is_file()}


@pytest.mark.parametrize("separate", [False, True])
def test_both_ways_and_a_second_run_changes_nothing(opened: Any, folder: Path, separate: bool) -> None:
    found = filled(opened("file"), uploadseparate=separate)
    assert on_disk(folder) == found
    database = opened("database")
    document(database, uploadseparate=separate)
    assert move(database, "database", check=True) == ([(3, 3, 3, 0, 0)], [])
    assert on_disk(folder) == found and rows(database) == {}
    assert move(database, "database") == ([(3, 3, 3, 3, 0)], [])
    assert rows(database) == found and on_disk(folder) == {}
    assert move(database, "database") == ([(3, 0, 0, 0, 0)], [])

    database = opened("file")
    document(database, uploadseparate=separate)
    assert move(database, "file") == ([(3, 3, 3, 3, 0)], [])
    assert on_disk(folder) == found and rows(database) == {}
    assert move(database, "file") == ([(3, 0, 0, 0, 0)], [])
    assert bool(list((folder / "uploads").glob("document.file/*"))) == separate


def test_before_the_release_is_switched_originals_stay(opened: Any, folder: Path) -> None:
    """The release that serves would miss them."""
    database = opened("database")
    found = filled(database)
    assert move(database, "file") == ([(3, 3, 3, 0, 0)], [])
    assert on_disk(folder) == found == rows(database)
    assert move(database, "file") == ([(3, 0, 3, 0, 0)], [])
    database = opened("file")
    document(database)
    assert move(database, "file") == ([(3, 0, 3, 3, 0)], [])
    assert on_disk(folder) == found and rows(database) == {}


@pytest.mark.parametrize("direction", ["database", "file"])
@pytest.mark.parametrize("after", [0, 1, 2])
def test_a_killed_run_is_repeated(
    opened: Any, folder: Path, monkeypatch: pytest.MonkeyPatch, after: int, direction: str
) -> None:
    found = filled(opened("file" if direction == "database" else "database"))
    kind = uploads.Rows if direction == "database" else uploads.Files
    put, count = kind.put, iter(range(9))

    def killed(self: Any, name: str, data: bytes) -> None:
        if next(count) == after:
            raise KeyboardInterrupt
        put(self, name, data)

    database = opened(direction)
    document(database)
    with monkeypatch.context() as patch:
        patch.setattr(kind, "put", killed)
        with pytest.raises(KeyboardInterrupt):
            move(database, direction)
    database.rollback()
    # All are somewhere, and nothing is gone.
    assert (on_disk(folder) if direction == "database" else rows(database)) == found
    assert move(database, direction) == ([(3, 3 - after, 3, 3, 0)], [])
    assert (rows(database) if direction == "database" else on_disk(folder)) == found


def test_half_a_file_is_never_at_its_place(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = uploads.Files(str(folder / "uploads"))

    def full(_descriptor: int) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(uploads.os, "fsync", full)
    name = "document.file.0123456789abcdef.eA==.txt"
    with pytest.raises(OSError, match="No space"):
        place.put(name, PICTURE)
    assert place.get(name) is None
    with pytest.raises(ValueError, match="no name for a file"):
        place.put("../x", b"")


def test_one_file_that_cannot_be_proven_keeps_all_originals(opened: Any, folder: Path) -> None:
    found = filled(opened("file"))
    database = opened("database")
    document(database)
    name = sorted(found)[1]
    uploads.Rows(database).put(name, b"another content")
    counts, failures = move(database, "database")
    assert counts == [(3, 2, 2, 0, 0)] and failures == [f"shop: document.file: {name} is there twice, and different"]
    assert on_disk(folder) == found


def test_a_copy_with_another_checksum_is_a_failure(opened: Any, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = filled(opened("file"), 2)
    database = opened("database")
    document(database)
    put = uploads.Rows.put
    monkeypatch.setattr(uploads.Rows, "put", lambda self, name, data: put(self, name, data + b"!"))
    _counts, failures = move(database, "database")
    assert len(failures) == 2 and all("another checksum" in row for row in failures)
    assert on_disk(folder) == found


def test_a_database_that_refuses_is_told_and_nothing_is_lost(opened: Any, folder: Path) -> None:
    found = filled(opened("file"))
    database = opened("database", migrate_enabled=False)
    document(database)
    _counts, failures = move(database, "database")
    assert failures and "no such table" in failures[0] and on_disk(folder) == found


def test_a_failure_holds_nothing_of_a_file(opened: Any, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Refusal(Exception):
        pass

    def put(_self: Any, _name: str, data: bytes) -> None:
        raise Refusal(f"the disk is full\nLINE 1: insert {data!r}")

    filled(opened("file"), 1)
    database = opened("database")
    document(database)
    monkeypatch.setattr(uploads.Rows, "put", put)
    assert move(database, "database")[1] == ["shop: document.file: the disk is full"]


def test_what_was_missing_is_counted_and_fails_nothing(opened: Any, folder: Path) -> None:
    database = opened("database")
    table = document(database)
    table.insert(file="document.file.0123456789abcdef.eA==.txt")
    table.insert(file="../../etc/passwd")
    assert move(database, "database") == ([(2, 0, 0, 0, 2)], [])


def test_files_of_no_record_stay(opened: Any, folder: Path) -> None:
    (folder / "uploads/document.file.0123456789abcdef.eA==.txt").write_bytes(b"x")
    (folder / "uploads/by hand.txt").write_bytes(b"x")
    database = opened("database")
    filled(database)
    assert move(database, "database")[0] == [(3, 0, 0, 0, 0)] and len(files(folder)) == 2


def test_a_filter_of_the_code_hides_nothing(opened: Any, folder: Path) -> None:
    found = filled(opened("file"))
    database = opened("database")
    document(database)._common_filter = lambda query: database.document.title == "nobody's"
    move(database, "database")
    assert rows(database) == found


def test_a_file_that_two_records_name_is_moved_once(opened: Any, folder: Path) -> None:
    """The archive of a table names the files of the table."""
    database = opened("file")
    name = next(iter(filled(database, 2)))
    database.define_table("document_archive", Field("file", "upload"))
    database.document_archive.insert(file=name)
    database.commit()
    database = opened("database")
    document(database)
    database.define_table("document_archive", Field("file", "upload"))
    assert move(database, "database") == ([(2, 2, 2, 2, 0), (1, 0, 1, 1, 0)], [])
    assert files(folder) == [] and len(rows(database)) == 2


@pytest.mark.parametrize("ours", [True, False])
def test_a_column_that_the_code_names_is_filled(opened: Any, folder: Path, ours: bool) -> None:
    """From files, and from the table where the site kept them before; also in a database of the application's own."""
    found = filled(opened("file"))
    database = opened("file", migrate=True)
    if not ours:
        del database.__dict__[uploads.MARK]
    database.define_table(
        "document", Field("title"), Field("file", "upload", uploadfield="data"), Field("data", "blob")
    )
    database.commit()
    if ours:
        name = sorted(found)[2]
        uploads.Rows(database).put(name, found[name])
        uploads.Files(str(folder / "uploads")).drop(name)
    assert move(database, "file") == ([(3, 3, 3, 3, 0)], [])
    assert files(folder) == [] and rows(database) == {}
    assert {name: bytes(database.document.file.retrieve(name)[1].read()) for name in found} == found
    assert move(database, "file") == ([(3, 0, 0, 0, 0)], [])


def test_tables_are_chosen_and_unknown_ones_told(opened: Any, folder: Path) -> None:
    filled(opened("file"))
    database = opened("database")
    document(database)
    database.define_table("picture", Field("file", "upload"))
    assert move(database, "database", tables=("picture",)) == ([(0, 0, 0, 0, 0)], [])
    counts, failures = move(database, "database", tables=("nothing",))
    assert counts == [] and failures == ["shop: no upload field in nothing. It has document, picture"]
    assert len(files(folder)) == 3


def test_a_release_without_the_sites_database_is_told(opened: Any) -> None:
    database = opened("file")
    del database.__dict__[uploads.MARK]
    document(database)
    assert move(database, "file") == ([], [])
    assert "Run web2py.deploy.site" in move(database, "database")[1][0]


def test_the_program_answers_with_one_line_of_json(
    opened: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def models(_url: str, application: str) -> dict[str, Any]:
        print("words of the application")
        if application == "broken":
            raise SystemExit("a model gave up")
        database = opened("database")
        document(database)
        return {"db": database}

    monkeypatch.setattr(movement, "models", models)
    monkeypatch.setattr(migrate, "end_with_parent", lambda: None)
    monkeypatch.setitem(sys.modules, "web2py_runtime.entry", types.ModuleType("entry"))
    asked = {**settings(), "applications": {"broken": "file", "shop": "database"}}
    monkeypatch.setattr(sys, "argv", ["movement", json.dumps(asked)])
    assert movement.main() == 0
    told = json.loads(capsys.readouterr().out)
    assert [row["field"] for row in told["reports"]] == ["document.file"]
    (failure,) = told["failures"]
    assert failure.startswith("broken: its models failed: ") and "a model gave up" in failure
