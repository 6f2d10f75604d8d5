"""Tickets go to a database exactly once, and are told in a few words."""

from __future__ import annotations

import json
import os
import pickle
import sys
import uuid
from pathlib import Path
from typing import Any

import pydal
import pytest
from web2py_runtime import inert, stored, tickets

TRACEBACK = """Traceback (most recent call last):
  File "/srv/web2py/parts/web2py-1/gluon/restricted.py", line 219, in restricted
    exec(ccode, environment)
  File "/srv/web2py/current/web2py/applications/shop/controllers/default.py", line 12, in <module>
    def index(): return total / 0
                        ~~~~~~^~~
  File "/srv/web2py/parts/web2py-1/gluon/globals.py", line 430, in <lambda>
    self._caller = lambda f: f()
ZeroDivisionError: division by zero
"""

OWN, HASH = "sqlite://tickets.sqlite", "0" * 32
DOWN = {
    "uri": "postgres:psycopg2://me@127.0.0.1:1/none", "table_hash": HASH, "driver_args": {"password": "pa55"},
}  # fmt: skip


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, Any]:
    for name in ("errors", "databases", "private"):
        (tmp_path / "state/shop" / name).mkdir(parents=True)
    row = {"uri": OWN, "driver_args": {}, "table_hash": HASH}
    (tmp_path / "databases.json").write_text(json.dumps({"applications": {"shop": row}}))
    return {
        "state": str(tmp_path / "state"), "code": str(tmp_path), "databases": str(tmp_path / "databases.json"),
        "applications": {"shop": {"store": "database"}},
    }  # fmt: skip


@pytest.fixture
def errors(settings: dict[str, Any]) -> Path:
    return Path(settings["state"]) / "shop/errors"


def name(address: str = "127.0.0.1", day: str = "2026-11-22") -> str:
    return f"{address}.{day}.10-11-12.{uuid.uuid4()}"


def put(errors: Path, ticket: str = "", **words: Any) -> str:
    ticket = ticket or name()
    content = {"layer": "/srv/web2py/current/web2py/applications/shop/controllers/default.py", "code": "", "output": ""}
    (errors / ticket).write_bytes(pickle.dumps({**content, "traceback": TRACEBACK, "snapshot": {}, **words}))
    return ticket


def stored_in(settings: dict[str, Any], uri: str = OWN) -> dict[str, Any]:
    """What admin sees: the tables are known by the files that pydal has left."""
    folder = Path(settings["state"]) / "shop/databases"
    database = pydal.DAL(uri, folder=str(folder), auto_import=True, table_hash=HASH)
    try:
        table = database["web2py_ticket_shop"]
        rows = database(table).select()
        assert len({row.ticket_id for row in rows}) == len(rows)
        return {row.ticket_id: pickle.loads(row.ticket_data) for row in rows}  # noqa: S301  as web2py does
    finally:
        database.close()


def test_tickets_are_moved_as_admin_reads_them(
    settings: dict[str, Any], errors: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names_ = [put(errors, name(address)) for address in ("127.0.0.1", "2001:db8::1", "unknown")]
    assert tickets.collect(settings) == []
    assert capsys.readouterr().out == "shop: 3 tickets moved to the database\n"
    assert list(errors.iterdir()) == []
    found = stored_in(settings)
    assert sorted(found) == sorted(names_) and found[names_[0]]["traceback"] == TRACEBACK
    more = put(errors)
    assert tickets.collect(settings) == [] and sorted(stored_in(settings)) == sorted([*names_, more])
    # Nothing to do is nothing to say.
    capsys.readouterr()
    assert tickets.collect(settings) == [] and capsys.readouterr().out == ""


def test_a_run_killed_between_commit_and_removal_doubles_nothing(
    settings: dict[str, Any], errors: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticket = put(errors)

    class Killed(BaseException):
        pass

    def kill(_path: str) -> None:
        raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(tickets.os, "unlink", lambda path: kill(path) if "errors" in str(path) else None)
        tickets.collect(settings)
    assert (errors / ticket).exists() and list(stored_in(settings)) == [ticket]
    assert tickets.collect(settings) == []
    assert not (errors / ticket).exists() and list(stored_in(settings)) == [ticket]


def test_with_the_database_down_nothing_is_lost(settings: dict[str, Any], errors: Path) -> None:
    ticket = put(errors)
    Path(settings["databases"]).write_text(json.dumps({"applications": {"shop": DOWN}}))
    (failure,) = tickets.collect(settings)
    assert failure.startswith("shop: the database takes no tickets, 1 tickets stay in ") and "pa55" not in failure
    assert (errors / ticket).exists()


@pytest.mark.parametrize("moment", ["insert", "commit"])
def test_a_full_disk_loses_nothing(
    moment: str, settings: dict[str, Any], errors: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = put(errors)
    assert tickets.collect(settings) == []
    first, second = put(errors, name(day="2026-11-21")), put(errors)
    pydal = stored.pydal(settings["code"])
    owner = pydal.DAL if moment == "commit" else pydal.objects.Table
    real, calls = getattr(owner, moment), []

    def full(self: Any, *words: Any, **options: Any) -> Any:
        calls.append(1)
        # The table's own commit comes first.
        if len(calls) > (2 if moment == "commit" else 1):
            raise OSError(28, "No space left on device")
        return real(self, *words, **options)

    with monkeypatch.context() as patch:
        patch.setattr(owner, moment, full)
        (failure,) = tickets.collect(settings)
    assert "No space left" in failure and "1 tickets stay" in failure
    assert (
        not (errors / first).exists()
        and (errors / second).exists()
        and sorted(stored_in(settings)) == sorted([before, first])
    )
    assert tickets.collect(settings) == [] and sorted(stored_in(settings)) == sorted([before, first, second])


@pytest.mark.parametrize("data", [b"", pickle.dumps({"traceback": "x"})[:-1], b"no pickle.", pickle.dumps(["x"])])
def test_what_is_not_whole_stays(
    data: bytes, settings: dict[str, Any], errors: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ticket = errors / name()
    ticket.write_bytes(data)
    assert tickets.collect(settings) == [] and ticket.exists()
    assert "0 tickets moved to the database, 1 are being written" in capsys.readouterr().out
    os.utime(ticket, (0, 0))
    assert tickets.collect(settings) == [] and ticket.exists()
    assert "1 are damaged and stay" in capsys.readouterr().out


def test_what_is_no_ticket_is_left_alone(settings: dict[str, Any], errors: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(pickle.dumps({"traceback": "x"}))
    names_ = [".gitignore", "notes.txt", "127.0.0.1.2026-99-99.10-11-12." + str(uuid.uuid4()), name() + ".tmp"]
    for one in names_:
        put(errors, one)
    (errors / name()).symlink_to(tmp_path / "secret")
    (errors / name()).mkdir()
    assert tickets.collect(settings) == [] and len(list(errors.iterdir())) == 6


def test_a_malicious_ticket_is_moved_and_not_run(settings: dict[str, Any], errors: Path, tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> Any:
            return os.mkdir, (str(tmp_path / "made"),)

    ticket = put(errors, snapshot=Evil())
    assert tickets.newest(settings, 9)[0][0]["exception"] == "ZeroDivisionError"
    assert tickets.collect(settings) == [] and not (errors / ticket).exists()
    assert tickets.newest(settings, 9)[0][0]["where"] == "database"
    assert not (tmp_path / "made").exists()


def test_a_table_that_another_host_has_made_is_used(settings: dict[str, Any], errors: Path) -> None:
    folder = errors.parent / "databases"
    first = put(errors)
    assert tickets.collect(settings) == []
    for path in folder.glob("*.table"):
        path.unlink()
    second = put(errors)
    assert tickets.collect(settings) == [] and sorted(stored_in(settings)) == sorted([first, second])


def test_a_database_that_was_made_anew_gets_its_table(settings: dict[str, Any], errors: Path) -> None:
    first = put(errors)
    assert tickets.collect(settings) == []
    database = pydal.DAL(OWN, folder=str(errors.parent / "databases"), migrate_enabled=False)
    database.executesql("DROP TABLE web2py_ticket_shop")
    database.commit()
    database.close()
    second = put(errors)
    assert tickets.collect(settings) == [] and list(stored_in(settings)) == [second] != [first]


def test_an_application_without_a_database_keeps_its_tickets(settings: dict[str, Any], errors: Path) -> None:
    put(errors)
    Path(settings["databases"]).unlink()
    (failure,) = tickets.collect(settings)
    assert failure.endswith("the site gives the application no database") and len(list(errors.iterdir())) == 1


@pytest.mark.parametrize(
    ("traceback", "told"),
    [
        (TRACEBACK, ("ZeroDivisionError", "division by zero", "shop/controllers/default.py:12")),
        ('  File "/x/gluon/dal.py", line 3, in f\n    g()\nKeyError: \'a\'\n', ("KeyError", "'a'", "dal.py:3")),
        (
            '  File "/x/applications/a/views/b.html", line 3\n    {{\n    ^\nSyntaxError: bad\n',
            ("SyntaxError", "bad", "a/views/b.html:3"),
        ),
        ("a.b.Error: x: y\nmore of it\n", ("a.b.Error", "x: y", "")),
        ("KeyboardInterrupt\n", ("KeyboardInterrupt", "", "")),
        ("", ("", "", "")),
        ("   \n\n", ("", "", "")),
    ],
)  # fmt: skip
def test_a_traceback_in_a_few_words(traceback: str, told: tuple[str, str, str]) -> None:
    assert tickets.summary(traceback) == told


@pytest.mark.parametrize("data", [b"", b"x", pickle.dumps([1]), pickle.dumps({"traceback": None}), pickle.dumps({})])
def test_a_ticket_without_words_is_told_all_the_same(data: bytes) -> None:
    assert tickets.row("shop", name(), "file", data)["exception"] in ("unreadable", "")


def test_what_is_no_ticket_is_unreadable() -> None:
    for data in (b"", b"x", pickle.dumps([1]), pickle.dumps({}), b"cos\nsystem\n(S'touch /executed'\ntR."):
        assert tickets.row("shop", name(), "file", data)["exception"] == "unreadable"


def test_the_newest_come_first_and_are_not_more_than_asked(
    settings: dict[str, Any], errors: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    days = [f"2026-11-{day:02}" for day in (3, 1, 5, 2, 4)]
    for day in days:
        put(errors, name("9.9.9.9" if day.endswith("1") else "1.1.1.1", day))
    assert tickets.collect(settings) == []
    for day in days:
        put(errors, name("9.9.9.9" if day.endswith("1") else "1.1.1.1", day.replace("11-", "12-")))
    capsys.readouterr()
    monkeypatch.setattr(sys, "argv", ["tickets", "list", "2", json.dumps(settings)])
    assert tickets.main() == 0
    told = json.loads(capsys.readouterr().out)
    assert told["failures"] == [] and [row["when"][:10] for row in told["tickets"]] == [
        "2026-12-05", "2026-12-04", "2026-11-05", "2026-11-04",
    ]  # fmt: skip
    assert told["tickets"][0]["layer"] == "shop/controllers/default.py"


def test_files_only_where_that_was_chosen(settings: dict[str, Any], errors: Path) -> None:
    ticket = put(errors)
    settings["applications"]["shop"]["store"] = "file"
    assert [row["ticket"] for row in tickets.newest(settings, 5)[0]] == [ticket]


def test_a_database_that_is_down_is_told(settings: dict[str, Any], errors: Path) -> None:
    put(errors)
    Path(settings["databases"]).write_text(json.dumps({"applications": {"shop": DOWN}}))
    rows, failures = tickets.newest(settings, 5)
    assert len(rows) == 1 and failures[0].startswith("shop: ") and "pa55" not in failures[0]


def test_time_is_what_the_name_says() -> None:
    assert str(tickets.when(name())) == "2026-11-22 10:11:12"
    for word in ("", "x", name() + "x", "../" + name(), name().replace("10-11-12", "10-61-12")):
        assert tickets.when(word) is None


def test_the_program_fails_where_something_failed(
    settings: dict[str, Any], errors: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(errors)
    good = Path(settings["databases"]).read_text()
    told = tmp_path / "tickets.json"
    told.write_text(json.dumps(settings))
    monkeypatch.setattr(sys, "argv", ["tickets", "collect", str(told)])
    Path(settings["databases"]).write_text(json.dumps({"applications": {"shop": {"uri": "nonsense://"}}}))
    assert tickets.main() == 1
    Path(settings["databases"]).write_text(good)
    assert tickets.main() == 0
    assert list(errors.iterdir()) == []
    with pytest.raises(inert.Unreadable):
        tickets.read(str(told))
