"""The moment of the last request: beside the session, bounded, and never in its way."""

from __future__ import annotations

import datetime
import types
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any

import pytest
from pydal.base import DAL
from pydal.objects import Field
from web2py_runtime import seen

NOW = 1_800_000_000


class Note:
    """A place for the moment."""

    def __init__(self, noted: int | None) -> None:
        self.noted, self.written = noted, list[int]()

    def read(self) -> int | None:
        return self.noted

    def write(self, now: int) -> None:
        self.written.append(now)


@pytest.mark.parametrize(
    ("first", "noted", "kept", "after", "written"),
    [
        (None, None, True, NOW, []),
        (NOW, None, True, NOW, []),
        (NOW - 1, None, True, NOW - 1, [NOW]),
        (NOW - 30, None, True, NOW - 30, [NOW]),
        (NOW - 31, None, True, NOW, []),
        (NOW - 600, None, True, NOW, []),
        (NOW - 601, None, False, NOW - 601, []),
        (NOW - 601, NOW - 600, True, NOW, []),
        (NOW - 630, NOW - 600, True, NOW, []),
        (NOW - 630, NOW - 601, False, NOW - 630, []),
        # Nobody gets more than the part by it.
        (NOW - 631, NOW - 600, False, NOW - 631, []),
        (NOW - 601, NOW - 602, False, NOW - 601, []),
        (NOW - 601, NOW + 9999, False, NOW - 601, []),
        # A clock that ran ahead.
        (NOW + 7200, None, True, NOW, []),
    ],
)
def test_the_last_request_counts_to_the_second(
    first: int | None, noted: int | None, kept: bool, after: int, written: list[int]
) -> None:
    session: dict[str, Any] = {} if first is None else {seen.SEEN: first}
    note = Note(noted)
    assert seen.ended(session, note, 600, NOW) is not kept
    assert (session.get(seen.SEEN), note.written) == (after, written)


def cookie(value: str | None, name: str = "session_data_shop", key: str = "a key") -> seen.Cookie:
    jar: SimpleCookie = SimpleCookie()
    if value is not None:
        jar[f"{name}.seen"] = value
    request = types.SimpleNamespace(cookies=jar)
    response = types.SimpleNamespace(cookies=SimpleCookie(), session_data_name=name)
    return seen.Cookie(request, response, key)


def test_a_cookie_is_the_sites_own_word() -> None:
    writer = cookie(None)
    assert writer.read() is None
    writer.write(NOW)
    morsel = writer.response.cookies["session_data_shop.seen"]
    assert morsel["path"] == "/"
    assert cookie(morsel.value).read() == NOW
    assert cookie(morsel.value, key="another").read() is None
    assert cookie(morsel.value, name="session_data_blog").read() is None
    for forged in (morsel.value.replace(str(NOW), str(NOW + 1)), f"{NOW}.", str(NOW), "", ".", "x.y", "²." + "0" * 64):
        assert cookie(forged).read() is None


@pytest.fixture
def table(tmp_path: Path) -> Any:
    database = DAL("sqlite://sessions.sqlite", folder=str(tmp_path))
    table = database.define_table("web2py_session_shop", Field("modified_datetime", "datetime"), Field("session_data"))
    table.insert(modified_datetime=datetime.datetime.fromtimestamp(NOW - 9), session_data="as it was")
    database.commit()
    yield table
    database.close()


def column(table: Any, number: int | None) -> seen.Column:
    return seen.Column(types.SimpleNamespace(session_db_table=table, session_db_record_id=number), table._db)


def test_a_column_is_written_without_the_session(table: Any) -> None:
    place = column(table, 1)
    assert place.read() == NOW - 9
    place.write(NOW)
    table._db.rollback()
    assert place.read() == NOW and table[1].session_data == "as it was"
    # What comes late does not set it back.
    place.write(NOW - 5)
    assert place.read() == NOW


def test_a_page_goes_on_without_the_moment(table: Any) -> None:
    """Where the row is held, or the database takes nothing."""
    table._db.executesql("create trigger no before update on web2py_session_shop begin select raise(abort, 'no'); end")
    table._db.commit()
    place = column(table, 1)
    place.write(NOW)
    assert place.read() == NOW - 9


def test_who_has_no_row_has_no_moment(table: Any) -> None:
    place = column(table, None)
    place.write(NOW)
    assert place.read() is None and column(table, 77).read() is None
    table[1] = {"modified_datetime": None}
    assert column(table, 1).read() is None
