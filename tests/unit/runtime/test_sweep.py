"""Sessions that have expired go, others stay."""

from __future__ import annotations

import datetime
import fcntl
import json
import os
import pickle
import sys
import time
from pathlib import Path
from typing import Any

import pydal
import pytest
from web2py_runtime import stored, sweep

HOUR = 3600
RULE = {"store": "file", "expiry": HOUR, "force": False, "dry_run": False}


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, Any]:
    for name in ("sessions", "databases"):
        (tmp_path / "state/probe" / name).mkdir(parents=True)
    row = {"uri": "sqlite://storage.sqlite", "driver_args": {}}
    (tmp_path / "databases.json").write_text(json.dumps({"applications": {"probe": row}}))
    return {
        "state": str(tmp_path / "state"), "code": str(tmp_path), "databases": str(tmp_path / "databases.json"),
        "applications": {"probe": dict(RULE)},
    }  # fmt: skip


@pytest.fixture
def sessions(settings: dict[str, Any]) -> Path:
    return Path(settings["state"]) / "probe/sessions"


def put(path: Path, age: float, content: Any = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else pickle.dumps(content or {"count": 1}))
    os.utime(path, (time.time() - age,) * 2)
    return path


def test_files_by_their_age_wherever_they_lie(
    settings: dict[str, Any], sessions: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old = [put(sessions / name, HOUR + 5) for name in ("1.2.3.4-a", "01a/1ff/1.2.3.4-b", "ab/000/1ff/ab.c", "01a/d")]
    live = [put(sessions / name, HOUR - 5) for name in ("1.2.3.4-e", "01a/1ff/1.2.3.4-f", "ab/000/1fe/ab.g")]
    assert sweep.sweep(settings) == []
    assert not any(path.exists() for path in old) and all(path.exists() for path in live)
    assert capsys.readouterr().out.startswith("probe: 4 of 7 sessions removed in 0.")


def test_a_session_of_the_future_stays(settings: dict[str, Any], sessions: Path) -> None:
    path = put(sessions / "a", -HOUR * 50)
    sweep.sweep(settings)
    assert path.exists()


class Storage(dict):  # type: ignore[type-arg]
    """As gluon's."""

    def __reduce__(self) -> Any:
        return (Storage, (), None, None, iter(self.items()))


def auth(**words: Any) -> dict[str, Any]:
    return {"auth": Storage(user=Storage(id=1), **words)}


def ago(seconds: float) -> datetime.datetime:
    return datetime.datetime.now() - datetime.timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("age", "content", "force", "stays"),
    [
        (2 * HOUR, auth(expiration=30 * 24 * HOUR, last_visit=ago(2 * HOUR)), False, True),
        (2 * HOUR, auth(expiration=30 * 24 * HOUR, last_visit=ago(2 * HOUR)), True, False),
        (2 * HOUR, auth(expiration=HOUR, last_visit=ago(60)), False, True),
        (2 * HOUR, auth(expiration=HOUR, last_visit=ago(2 * HOUR)), False, False),
        # The file has the last word where the visit is older, and a shorter time is Auth's own affair.
        (60, auth(expiration=1, last_visit=ago(9 * HOUR)), False, True),
        (2 * HOUR, auth(expiration=60), False, False),
        (2 * HOUR, auth(expiration="x", last_visit="y"), False, False),
        (2 * HOUR, auth(expiration=float("nan")), False, False),
        (2 * HOUR, auth(expiration=10**400), False, False),
        (2 * HOUR, auth(last_visit=datetime.datetime.min, expiration=1), False, False),
        (2 * HOUR, {"auth": "expiration"}, False, False),
        (2 * HOUR, b"expiration, but no pickle", False, False),
        (2 * HOUR, b"", False, False),
        (60, b"", False, True),
    ],
)
def test_auths_own_expiration_counts(
    age: float, content: Any, force: bool, stays: bool, settings: dict[str, Any], sessions: Path
) -> None:
    path = put(sessions / "a", age, content)
    settings["applications"]["probe"]["force"] = force
    assert sweep.sweep(settings) == []
    assert path.exists() is stays


def test_a_session_in_use_stays(settings: dict[str, Any], sessions: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = put(sessions / "01a/1ff/a", 9 * HOUR)
    with path.open("rb+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        sweep.sweep(settings)
        assert path.exists() and "1 in use" in capsys.readouterr().out
    sweep.sweep(settings)
    assert not path.exists()


def test_what_was_written_since_it_was_listed_stays(
    settings: dict[str, Any], sessions: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = put(sessions / "a", 9 * HOUR)
    locked = fcntl.flock

    def lock_after_a_visit(descriptor: Any, kind: int) -> None:
        os.utime(path)
        locked(descriptor, kind)

    monkeypatch.setattr(sweep.fcntl, "flock", lock_after_a_visit)
    sweep.sweep(settings)
    assert path.exists()


def test_a_dry_run_only_names(settings: dict[str, Any], sessions: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = put(sessions / "01a/1ff/a", 9 * HOUR)
    os.utime(path.parent, (0, 0))
    settings["applications"]["probe"]["dry_run"] = True
    sweep.sweep(settings)
    out = capsys.readouterr().out
    assert path.exists() and f"would remove {path}" in out and "1 of 1 sessions would be removed" in out


def test_empty_folders_go_when_they_are_old(settings: dict[str, Any], sessions: Path) -> None:
    (sessions / "new/new").mkdir(parents=True)
    (sessions / "old/old").mkdir(parents=True)
    put(sessions / "was/in/a", 9 * HOUR)
    for name in ("old/old", "old", "was/in", "was"):
        os.utime(sessions / name, (0, 0))
    sweep.sweep(settings)
    assert [path.name for path in sessions.rglob("*")] == ["new", "new"]


def test_links_hidden_files_and_pipes_are_not_touched(settings: dict[str, Any], sessions: Path, tmp_path: Path) -> None:
    outside = put(tmp_path / "outside/a", 9 * HOUR)
    (sessions / "folder").symlink_to(outside.parent)
    (sessions / "file").symlink_to(outside)
    hidden = put(sessions / ".gitignore", 9 * HOUR)
    os.mkfifo(sessions / "pipe")
    os.utime(sessions / "pipe", (0, 0))
    sweep.sweep(settings)
    assert outside.exists() and hidden.exists() and len(list(sessions.iterdir())) == 4


def test_an_application_without_sessions_is_no_failure(settings: dict[str, Any]) -> None:
    settings["applications"]["gone"] = dict(RULE)
    assert sweep.sweep(settings) == []


def test_one_that_cannot_be_read_does_not_keep_the_others(
    settings: dict[str, Any], sessions: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = put(sessions / "a", 9 * HOUR)
    settings["applications"] = {"bad": dict(RULE), **settings["applications"]}
    scandir = os.scandir

    def refuse(where: str) -> Any:
        if "/bad/" in where:
            raise PermissionError("no")
        return scandir(where)

    monkeypatch.setattr(os, "scandir", refuse)
    assert sweep.sweep(settings) == ["bad: no"] and not path.exists()


def test_many_go_in_little_memory(settings: dict[str, Any], sessions: Path) -> None:
    import tracemalloc

    for number in range(5000):
        put(sessions / f"a{number}", 9 * HOUR, b"x")
    tracemalloc.start()
    sweep.sweep(settings)
    assert tracemalloc.get_traced_memory()[1] < 1 << 20
    tracemalloc.stop()
    assert list(sessions.iterdir()) == []


@pytest.fixture
def rows(settings: dict[str, Any]) -> Any:
    settings["applications"]["probe"]["store"] = "database"
    folder = Path(settings["state"]) / "probe/databases"
    database = pydal.DAL("sqlite://storage.sqlite", folder=str(folder))
    table = database.define_table(
        "web2py_session_probe", pydal.Field("modified_datetime", "datetime"), pydal.Field("session_data", "blob")
    )
    yield (
        lambda: {row.id for row in database(table).select()},
        lambda age, content=None: (
            table.insert(modified_datetime=ago(age), session_data=pickle.dumps(content or {})),
            database.commit(),
        ),
    )
    database.close()


@pytest.mark.parametrize("force", [False, True])
def test_rows_of_a_database(rows: Any, force: bool, settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep, "BATCH", 2)
    settings["applications"]["probe"]["force"] = force
    left, insert = rows
    for age in (9 * HOUR, 60, 8 * HOUR, 7 * HOUR, 30, 2 * HOUR):
        insert(age)
    insert(9 * HOUR, auth(expiration=99 * HOUR))
    assert sweep.sweep(settings) == []
    assert left() == ({2, 5} if force else {2, 5, 7})


def test_rows_are_named_by_a_dry_run(rows: Any, settings: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    left, insert = rows
    insert(9 * HOUR)
    settings["applications"]["probe"]["dry_run"] = True
    assert sweep.sweep(settings) == [] and left() == {1}
    assert "would remove web2py_session_probe 1\n" in capsys.readouterr().out


def test_a_table_that_nobody_has_made_yet_is_none(settings: dict[str, Any]) -> None:
    settings["applications"]["probe"]["store"] = "database"
    assert sweep.sweep(settings) == []


def test_a_database_that_is_down_is_told_without_its_password(settings: dict[str, Any], sessions: Path) -> None:
    path = put(sessions / "a", 9 * HOUR)
    settings["applications"]["probe"]["store"] = "database"
    row = {"uri": "postgres:psycopg2://me@127.0.0.1:1/none", "driver_args": {"password": "s3cr@t"}}
    Path(settings["databases"]).write_text(json.dumps({"applications": {"probe": row}}))
    (failure,) = sweep.sweep(settings)
    assert failure.startswith("probe: ") and "s3cr" not in failure and not path.exists()


@pytest.mark.parametrize(
    ("text", "secret", "told"),
    [
        ("a\n\n  no route to postgres://me:pw@h/d  \n", "", "no route to postgres://***@h/d"),
        ("refused pw", "pw", "refused ***"),
        ("x postgres://a:b@c:d@h/d", "postgres://a:b@c:d@h/d", "x ***"),
        ("", "", "ValueError"),
        ("x" * 999, "", "x" * 300),
    ],
)
def test_errors_are_told_in_a_line(text: str, secret: str, told: str) -> None:
    assert stored.told(ValueError(text), secret) == told


def test_a_second_one_goes_away(
    settings: dict[str, Any], sessions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = put(sessions / "a", 9 * HOUR)
    told = tmp_path / "sessions.json"
    told.write_text(json.dumps(settings))
    monkeypatch.setattr(sys, "argv", ["sweep", str(told)])
    first = sweep.alone(str(told))
    assert first and sweep.main() == 0 and path.exists()
    os.close(first[1])
    assert sweep.main() == 0 and not path.exists()
