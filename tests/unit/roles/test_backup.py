"""The program that makes, proves and restores backups, with a repository that is a folder instead of restic's."""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

FILES = Path(__file__).resolve().parents[3] / "roles/backup/files"
sys.path.insert(0, str(FILES))
from site_backup import (  # noqa: E402
    commands,
    common,
    databases,
    manifest,
    mysql,
    postgresql,
    restic,
    restore,
    served,
    sqlite,
)


def fake_restic(words: list[str], env: dict[str, str], **_how: Any) -> subprocess.CompletedProcess[str]:
    """What the program wants of restic, with snapshots that are plain copies."""
    repository = Path(env["RESTIC_REPOSITORY"])
    trouble = repository.parent / "trouble"
    with (repository.parent / "calls").open("a") as log:
        log.write(json.dumps(words) + "\n")
    assert Path(env["RESTIC_PASSWORD_FILE"]).is_file()
    out, error, code = "", "", 0
    if words[1] == "cat":
        config = repository / "config"
        code = 0 if config.exists() else 1
        out, error = ("", "Is there a repository at the following location?") if code else (config.read_text(), "")
    elif words[1] == "init":
        repository.mkdir(exist_ok=True)
        (repository / "config").write_text(json.dumps({"id": str(time.time())}))
    elif words[1] == "snapshots":
        out = json.dumps([json.loads(path.read_text()) for path in repository.glob("*.json")])
    elif words[1] == "backup":
        paths = Path(words[words.index("--files-from-raw") + 1]).read_bytes().split(b"\0")[:-1]
        number = f"{len(list(repository.glob('*.json'))):064x}"[::-1]
        for path in map(os.fsdecode, paths):
            target = repository / number / path[1:]
            target.parent.mkdir(parents=True, exist_ok=True)
            if os.path.isdir(path):
                shutil.copytree(path, target, symlinks=True)
            else:
                shutil.copy2(path, target)
        when = f"2026-01-01T00:00:00.{time.time_ns()}+01:00"
        (repository / f"{number}.json").write_text(json.dumps({"id": number, "time": when}))
        out = '{"message_type": "status"}\n' + json.dumps({"message_type": "summary", "snapshot_id": number})
        if trouble.exists():
            error, code = trouble.read_text(), 3
    elif words[1] == "forget" and "--prune" not in words:
        (repository / f"{words[-1]}.json").unlink()
    elif words[1] == "stats":
        out = json.dumps({"total_size": 1000})
    elif words[1] == "restore":
        for path in (repository / words[2]).iterdir():
            shutil.copytree(path, Path(words[-1]) / path.name, symlinks=True)
    elif words[1] == "check" and (repository.parent / "damaged").exists():
        error, code = "pack 0815 is damaged", 1
    return subprocess.CompletedProcess(words, code, out, error)


SYSTEMCTL = """#!{python}
import sys
from pathlib import Path
log = Path(sys.argv[0]).parent / "units"
word = sys.argv[1]
if word == "list-units":
    print("shop.service loaded active running The site\\nother.service loaded active running Another")
elif word == "show":
    print("Id=shop.service\\nUser={user}\\nTriggeredBy=shop.socket\\n\\nId=other.service\\nUser=nobody-else\\n")
elif word == "is-active":
    print("\\n".join("active" for _name in sys.argv[2:]))
else:
    with open(log, "a") as out:
        out.write(" ".join(sys.argv[1:]) + "\\n")
    if word == "start" and (log.parent / "refuses").exists():
        (log.parent / "refuses").unlink()
        sys.exit("it does not start")
"""

USER = pwd.getpwuid(os.geteuid()).pw_name
STORAGE = "applications/shop/databases/storage.sqlite"


@pytest.fixture(autouse=True)
def umask() -> Iterator[None]:
    """What writes copies takes a umask of its own, in a process that ends with it."""
    before = os.umask(0o022)
    os.umask(before)
    yield
    os.umask(before)


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    path = tmp_path / "bin/systemctl"
    path.parent.mkdir()
    path.write_text(SYSTEMCTL.format(python=sys.executable, user=USER))
    path.chmod(0o755)
    monkeypatch.setattr(restic, "run", fake_restic)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    state = tmp_path / "state"
    for name in ("databases", "uploads/a", "private", "sessions", "errors"):
        (state / "applications/shop" / name).mkdir(parents=True)
    for name in ("uploads/a/picture", "private/appconfig.ini", "databases/1_thing.table", "sessions/s", "errors/e"):
        (state / "applications/shop" / name).write_text(f"content of {name}")
    with contextlib.closing(sqlite3.connect(state / STORAGE)) as database, database:
        database.execute("CREATE TABLE thing (name)")
        database.executemany("INSERT INTO thing VALUES (?)", [("one",), ("two",)])
    for name in ("etc", "folder", "home"):
        (tmp_path / name).mkdir()
    (tmp_path / "etc/site.json").write_text("{}")
    (tmp_path / "release.json").write_text('{"id": "r1"}')
    (tmp_path / "folder/password").write_text("word")
    found = {
        "name": "shop", "domain": "www.example.org", "user": USER, "state": str(state), "units": [],
        "settings": str(tmp_path / "etc"), "release": str(tmp_path / "release.json"),
        "repository": str(tmp_path / "repository"), "keep": {"daily": 7}, "options": [],
        "folder": str(tmp_path / "folder"), "home": str(tmp_path / "home"), "cache": str(tmp_path / "cache"),
    }  # fmt: skip
    (tmp_path / "settings.json").write_text(json.dumps(found))
    return found


def run(settings: dict[str, Any], command: str, *words: str) -> int:
    return commands.main([command, str(Path(settings["home"]).parent / "settings.json"), *words])


def status(settings: dict[str, Any]) -> dict[str, Any]:
    return dict(json.loads((Path(settings["home"]) / "status.json").read_text()))


def rows(settings: dict[str, Any], root: str = "") -> int:
    with contextlib.closing(sqlite3.connect(f"{root}{settings['state']}/{STORAGE}")) as database:
        return int(database.execute("SELECT count(*) FROM thing").fetchone()[0])


def insert(settings: dict[str, Any]) -> None:
    with contextlib.closing(sqlite3.connect(f"{settings['state']}/{STORAGE}")) as database, database:
        database.execute("INSERT INTO thing VALUES ('more')")


def test_a_backup_is_due_until_there_is_one(settings: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(settings, "due") == 0 and "there is none yet" in capsys.readouterr().out
    assert run(settings, "backup") == 0
    capsys.readouterr()
    assert run(settings, "due") == 0 and capsys.readouterr().out == ""
    common.note(settings, troubles={"backup": {"why": "x"}})
    assert run(settings, "due") == 0 and "failed" in capsys.readouterr().out
    # Another repository has none.
    path = Path(settings["home"]).parent / "settings.json"
    path.write_text(json.dumps({**settings, "repository": "/elsewhere"}))
    assert run(settings, "due") == 0 and "none yet in /elsewhere" in capsys.readouterr().out


def test_what_a_snapshot_holds(settings: dict[str, Any], tmp_path: Path) -> None:
    assert run(settings, "backup") == 0
    held = [str(path.relative_to(tmp_path / "repository")) for path in (tmp_path / "repository").rglob("*")]
    inside = "\n".join(held)
    for name in ("uploads/a/picture", "appconfig.ini", "1_thing.table", "site.json", "manifest.json", "sqlite/0"):
        assert name in inside
    for name in ("sessions/s", "errors/e", "storage.sqlite"):
        assert name not in inside
    done = status(settings)["backup"]
    assert (done["databases"], done["tables"], done["rows"]) == (1, 1, 2) and done["files"] == 4
    assert not (tmp_path / "home/dump").exists()
    calls = (tmp_path / "calls").read_text()
    assert "--keep-daily" in calls and "--prune" in calls and "word" not in calls.replace("password", "")


def test_a_host_that_was_built_anew_puts_nothing_before_its_snapshots(
    settings: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(settings, "backup") == 0
    good = status(settings)["backup"]["snapshot"]
    shutil.rmtree(tmp_path / "home")
    (tmp_path / "home").mkdir()
    shutil.rmtree(Path(settings["state"]) / "applications")
    assert run(settings, "due") == 0 and "there is none yet" in capsys.readouterr().out
    assert run(settings, "backup") == 0 and "none is made now" in capsys.readouterr().out
    assert status(settings)["backup"]["snapshot"] == good and status(settings)["backup"]["at"] == 1767222000
    assert run(settings, "due") == 0 and capsys.readouterr().out == ""
    assert run(settings, "restore", "latest") == 0 and rows(settings) == 2


@pytest.mark.parametrize("text", ["", "yesterday", "2026-01-01", "2026-01-01T00:00:00"])
def test_a_time_that_restic_does_not_tell_so(text: str) -> None:
    with pytest.raises(common.Trouble, match="tells the time"):
        restic.moment(text)


def test_a_drill_proves_what_was_made(settings: dict[str, Any], tmp_path: Path) -> None:
    assert run(settings, "drill") == 1
    assert run(settings, "backup") == 0
    insert(settings)
    assert run(settings, "drill") == 0
    done = status(settings)["drill"]
    assert (done["rows"], done["files"], done["moving"]) == (2, 4, 0) and done["snapshot"] == status(settings)[
        "backup"
    ]["snapshot"]
    assert not (tmp_path / "home/drill").exists() and not list((tmp_path / "home").glob("proof-*"))


@pytest.mark.parametrize("what", ["file", "gone", "row", "database", "table", "pack", "manifest"])
def test_a_drill_is_red_when_something_is_other_than_it_was(
    settings: dict[str, Any], tmp_path: Path, what: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(settings, "backup") == 0
    inside = tmp_path / "repository" / status(settings)["backup"]["snapshot"]
    copy = next(inside.rglob("sqlite/0"))
    picture = next(inside.rglob("picture"))
    if what == "file":
        picture.write_text("another")
        os.utime(picture, (1, 1))
    elif what == "gone":
        picture.unlink()
        os.utime(picture.parent, (1, 1))
    elif what in ("row", "table"):
        with contextlib.closing(sqlite3.connect(copy)) as database, database:
            database.execute({"row": "DELETE FROM thing WHERE name = 'one'", "table": "DROP TABLE thing"}[what])
    elif what == "database":
        copy.write_bytes(copy.read_bytes()[:5000] + b"x" * 3192)
    elif what == "pack":
        (tmp_path / "damaged").touch()
    else:
        told = next(inside.rglob("manifest.json"))
        told.write_text(told.read_text().replace('"site": "shop"', '"site": "blog"'))
    capsys.readouterr()
    assert run(settings, "drill") == 1
    said = capsys.readouterr().err
    assert said.startswith("www.example.org: ") and said.count("\n") == 1, said
    assert status(settings)["troubles"]["drill"]["why"] and "drill" not in status(settings)
    assert not (tmp_path / "home/drill").exists()
    assert run(settings, "backup") == 0
    (tmp_path / "damaged").unlink(missing_ok=True)
    assert run(settings, "drill") == 0 and status(settings)["troubles"] == {}


def test_files_that_move_meanwhile_are_no_damage(tmp_path: Path) -> None:
    for name in ("same", "changed", "gone"):
        (tmp_path / "a").mkdir(exist_ok=True)
        (tmp_path / "a" / name).write_text(name)
    listed = tmp_path / "list"
    assert manifest.list_files([str(tmp_path / "a")], str(listed)).files == 3
    shutil.copytree(tmp_path / "a", f"{tmp_path}/back{tmp_path}/a")
    began = time.time()
    (Path(f"{tmp_path}/back{tmp_path}/a/changed")).write_text("later")
    (Path(f"{tmp_path}/back{tmp_path}/a/gone")).unlink()
    later = began + 5
    os.utime(f"{tmp_path}/back{tmp_path}/a/changed", (later, later))
    os.utime(f"{tmp_path}/back{tmp_path}/a", (later, later))
    assert manifest.prove_files(f"{tmp_path}/back", str(listed), began) == manifest.Counts(1, 4, 2)
    with pytest.raises(common.Trouble, match="2 files came back other than they were"):
        manifest.prove_files(f"{tmp_path}/back", str(listed), later + 1)


def test_a_dump_that_fails_leaves_the_last_good_snapshot(
    settings: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(settings, "backup") == 0
    good = status(settings)["backup"]
    (Path(settings["state"]) / STORAGE).write_bytes(b"SQLite format 3\0" + b"no database" * 100)
    assert run(settings, "backup") == 1
    assert "storage.sqlite was not copied" in capsys.readouterr().err
    assert status(settings)["backup"] == good and "storage.sqlite" in status(settings)["troubles"]["backup"]["why"]
    assert len(list((tmp_path / "repository").glob("*.json"))) == 1
    assert not (tmp_path / "home/dump").exists()


@pytest.mark.parametrize(
    ("error", "good"),
    [
        ({"message_type": "error", "item": "/not/there/any/more", "during": "archival"}, True),
        ({"message_type": "error", "item": "STATE/applications/shop/uploads/a/picture", "during": "archival"}, False),
        ({"message_type": "error", "during": "archival"}, False),
        ("words that nobody understands", False),
        ("Warning: at least one source file could not be read", True),
        ("/not/there/any/more does not exist, skipping", True),
    ],
)
def test_half_a_snapshot_is_none(settings: dict[str, Any], tmp_path: Path, error: Any, good: bool) -> None:
    text = error if isinstance(error, str) else json.dumps(error).replace("STATE", settings["state"])
    (tmp_path / "trouble").write_text(text)
    assert run(settings, "backup") == (0 if good else 1)
    assert len(list((tmp_path / "repository").glob("*.json"))) == (1 if good else 0)
    assert ("backup" in status(settings)) is good


def test_who_lists_changes_nothing(settings: dict[str, Any], tmp_path: Path) -> None:
    """Neither on a host that was built anew nor in the repository, where a lock would be a change."""
    assert run(settings, "backup") == 0
    shutil.rmtree(tmp_path / "home")
    (tmp_path / "calls").unlink()
    assert run(settings, "list") == 0
    assert not (tmp_path / "home").exists()
    calls = [json.loads(line) for line in (tmp_path / "calls").read_text().splitlines()]
    assert [words[1] for words in calls] == ["cat", "snapshots"]
    assert all(words[-2:] == ["--no-cache", "--no-lock"] for words in calls)


def test_a_repository_that_is_gone_is_not_made_anew(settings: dict[str, Any], tmp_path: Path) -> None:
    assert run(settings, "backup") == 0
    os.rename(tmp_path / "repository", tmp_path / "elsewhere")
    assert run(settings, "backup") == 1
    assert "is it mounted?" in status(settings)["troubles"]["backup"]["why"]
    assert not (tmp_path / "repository").exists()
    (tmp_path / "repository").mkdir()
    (tmp_path / "repository/config").write_text('{"id": "another"}')
    assert run(settings, "backup") == 1
    assert "another repository than before" in status(settings)["troubles"]["backup"]["why"]


def test_data_come_back_into_place(settings: dict[str, Any], tmp_path: Path) -> None:
    assert run(settings, "backup") == 0
    state = Path(settings["state"])
    insert(settings)
    (state / "applications/shop/uploads/a/picture").write_text("spoiled")
    (state / "applications/shop/uploads/later").write_text("later")
    (state / "applications/shop/private/appconfig.ini").unlink()
    assert run(settings, "restore", "latest") == 0
    assert rows(settings) == 2
    assert (state / "applications/shop/uploads/a/picture").read_text() == "content of uploads/a/picture"
    assert (state / "applications/shop/private/appconfig.ini").exists()
    assert not (state / "applications/shop/uploads/later").exists()
    # Sessions are not the backup's; what was there is kept.
    assert (state / "applications/shop/sessions/s").exists()
    aside = next(state.glob("before-restore-*"))
    assert (aside / "shop/uploads/later").read_text() == "later" and aside.stat().st_mode & 0o777 == 0o700
    units = (tmp_path / "bin/units").read_text().splitlines()
    assert units == ["stop shop.socket shop.service", "start shop.socket", "start shop.service"]
    assert not (tmp_path / "home/restoring").exists() and not (tmp_path / "home/restore.json").exists()
    assert run(settings, "restore", "f" * 64) == 1


def test_a_restore_that_fails_puts_the_old_back(settings: dict[str, Any], tmp_path: Path) -> None:
    assert run(settings, "backup") == 0
    insert(settings)
    (tmp_path / "bin/refuses").touch()
    assert run(settings, "restore", "latest") == 1
    assert rows(settings) == 3
    assert (Path(settings["state"]) / "applications/shop/private/appconfig.ini").exists()
    assert (tmp_path / "bin/units").read_text().splitlines()[-2:] == ["start shop.socket", "start shop.service"]
    assert not (tmp_path / "home/restore.json").exists()


@pytest.mark.parametrize("moved", range(5))
def test_a_restore_that_was_killed_is_undone_by_the_next(
    settings: dict[str, Any], tmp_path: Path, moved: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(settings, "backup") == 0
    insert(settings)
    whole, left = os.rename, [moved]

    def rename(source: Any, target: Any) -> None:
        if "/applications/shop/" in str(source) + str(target):
            left[0] -= 1
            if left[0] < 0:
                raise KeyboardInterrupt
        whole(source, target)

    monkeypatch.setattr(restore, "undo", lambda settings: None)
    monkeypatch.setattr(os, "rename", rename)
    with pytest.raises(KeyboardInterrupt):
        run(settings, "restore", "latest")
    monkeypatch.undo()
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    monkeypatch.setattr(restic, "run", fake_restic)
    restore.undo(settings)
    assert rows(settings) == 3
    restore.undo(settings)
    assert rows(settings) == 3
    assert run(settings, "restore", "latest") == 0
    assert rows(settings) == 2


def test_a_snapshot_that_is_not_whole_is_never_put_in_place(settings: dict[str, Any], tmp_path: Path) -> None:
    assert run(settings, "backup") == 0
    insert(settings)
    picture = next((tmp_path / "repository").rglob("picture"))
    picture.write_text("damaged")
    os.utime(picture, (1, 1))
    assert run(settings, "restore", "latest") == 1
    assert rows(settings) == 3 and not (tmp_path / "bin/units").exists()


def test_a_scratch_folder_touches_nothing(settings: dict[str, Any], tmp_path: Path) -> None:
    assert run(settings, "backup") == 0
    insert(settings)
    scratch = tmp_path / "scratch"
    assert run(settings, "extract", "latest", str(scratch)) == 0
    assert rows(settings) == 3 and rows(settings, str(scratch)) == 2
    assert scratch.stat().st_mode & 0o777 == 0o700
    assert not (tmp_path / "bin/units").exists()
    assert run(settings, "extract", "latest", str(scratch)) == 1
    assert run(settings, "extract", "latest", "scratch") == 1


def test_an_application_that_is_a_link_is_not_written_through(settings: dict[str, Any], tmp_path: Path) -> None:
    assert run(settings, "backup") == 0
    application = Path(settings["state"]) / "applications/shop"
    os.rename(application, tmp_path / "moved")
    application.symlink_to(tmp_path / "moved")
    assert run(settings, "restore", "latest") == 1
    assert not (tmp_path / "bin/units").exists()


def test_another_site_in_the_repository_is_waited_for(
    settings: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    locked = [2]

    def busy(words: list[str], **how: Any) -> Any:
        if words[1] == "backup" and locked[0]:
            locked[0] -= 1
            return subprocess.CompletedProcess(words, 1, "", "unable to create lock: repository is already locked by x")
        return fake_restic(words, **how)

    monkeypatch.setattr(restic, "run", busy)
    monkeypatch.setattr(restic, "PAUSE_SECONDS", 0)
    assert run(settings, "backup") == 0 and locked == [0]
    locked[0] = 1
    monkeypatch.setattr(restic, "LOCK_SECONDS", -1)
    assert run(settings, "backup") == 1
    assert "already locked" in status(settings)["troubles"]["backup"]["why"]


def test_snapshots_are_listed_and_found_by_their_name(
    settings: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(settings, "backup") == 0 and run(settings, "backup") == 0
    capsys.readouterr()
    assert run(settings, "list") == 0
    listed = capsys.readouterr().out.splitlines()
    assert len(listed) == 2
    repository = restic.Repository(settings)
    assert repository.newest().startswith(listed[-1][:8])
    with pytest.raises(common.Trouble, match="no snapshot short"):
        repository.newest("short")


def test_a_database_in_use_is_copied_as_it_is_at_one_moment(settings: dict[str, Any], tmp_path: Path) -> None:
    path = f"{settings['state']}/{STORAGE}"
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("INSERT INTO thing VALUES ('three')")
        database.execute("BEGIN")
        database.execute("INSERT INTO thing VALUES ('not yet')")
        assert sqlite.copy(path, str(tmp_path / "copy")) == {"tables": {"thing": 3}}


@pytest.mark.parametrize("name", ['od"d', "ünï", "sqlite3x", "a b; DROP TABLE thing"])
def test_tables_of_any_name_are_counted(tmp_path: Path, name: str) -> None:
    path = str(tmp_path / "d.sqlite")
    quoted = name.replace('"', '""')
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        database.execute(f'CREATE TABLE "{quoted}" (id INTEGER PRIMARY KEY AUTOINCREMENT)')
    assert sqlite.count(path) == {"tables": {name: 0}}


def test_an_empty_database_and_none_at_all(settings: dict[str, Any], tmp_path: Path) -> None:
    (Path(settings["state"]) / "applications/shop/databases/empty.sqlite").touch()
    (Path(settings["state"]) / "applications/shop/databases/link.sqlite").symlink_to("/etc/passwd")
    assert run(settings, "backup") == 0 and run(settings, "drill") == 0
    assert status(settings)["drill"]["databases"] == 2
    shutil.rmtree(Path(settings["state"]) / "applications")
    assert run(settings, "backup") == 0 and run(settings, "drill") == 0
    assert status(settings)["drill"]["databases"] == 0


@pytest.mark.parametrize("told", [{}, {"tables": []}, {"tables": {"thing": "2"}}])
def test_what_the_sites_user_says_is_not_believed(told: dict[str, Any]) -> None:
    with pytest.raises(common.Trouble, match="not counted"):
        sqlite.tables_of(told)


def test_a_user_that_is_not_there_is_told(settings: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    path = Path(settings["home"]).parent / "settings.json"
    path.write_text(json.dumps({**settings, "user": "nobody-at-all"}))
    assert run(settings, "backup") == 1 and "run the playbook web2py.deploy.site" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("uri", "arguments", "told"),
    [
        (
            "postgres://shop@/shop_blog?unix_socket=/run/postgresql/.s.PGSQL.5433",
            {"password": "a:b\\c", "connect_timeout": 5, "port": 5433},
            {"PGHOST": "/run/postgresql", "PGPORT": "5433", "PGUSER": "shop", "PGDATABASE": "shop_blog"},
        ),
        (
            "postgres://shop@db.example.org:5432/shop_blog?sslmode=verify-full",
            {"password": "word", "sslrootcert": "/etc/ca.pem"},
            {
                "PGHOST": "db.example.org", "PGPORT": "5432", "PGUSER": "shop", "PGDATABASE": "shop_blog",
                "PGSSLMODE": "verify-full", "PGSSLROOTCERT": "/etc/ca.pem",
            },
        ),
    ],
)  # fmt: skip
def test_how_libpq_is_told_of_a_database(
    settings: dict[str, Any], tmp_path: Path, uri: str, arguments: dict[str, Any], told: dict[str, str]
) -> None:
    rows = {"blog": {"uri": uri, "driver_args": arguments}, "twin": {"uri": uri, "driver_args": arguments}}
    rows["plain"] = {"uri": None}  # type: ignore[dict-item]
    (tmp_path / "etc/databases.json").write_text(json.dumps({"applications": rows}))
    found = served.databases(settings, "postgresql")
    assert served.databases(settings, "mysql") == []
    assert [postgresql.variables(one) for one in found] == [{**told, "password": arguments["password"]}]
    with postgresql.reached(settings, found[0]) as environment:
        assert arguments["password"] not in str(environment).replace("PGPASSFILE", "")
        path = Path(environment["PGPASSFILE"])
        assert path.stat().st_mode & 0o777 == 0o600
        assert path.read_text().endswith(
            ":shop:" + arguments["password"].replace("\\", "\\\\").replace(":", "\\:") + "\n"
        )
    assert not path.exists()


def test_a_database_of_another_kind_stops_the_backup(settings: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "etc/databases.json").write_text(
        json.dumps({"applications": {"blog": {"uri": "oracle://shop@db/shop"}}})
    )
    assert run(settings, "backup") == 1
    assert (
        "the database of blog is of a kind that is not backed up: oracle"
        in status(settings)["troubles"]["backup"]["why"]
    )


def test_rows_of_tables_of_any_name() -> None:
    assert postgresql.counts(["public.a\t3", "public.b\tc\t0", "", "notice"]) == {"public.a": 3, "public.b\tc": 0}


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("", {}),
        ("SET x = 1;\nCOPY public.a (id, b) FROM stdin;\n1\tx\n2\t\\N\n\\.\n\nSELECT 1;\n", {"public.a": 2}),
        ("COPY public.a  FROM stdin;\n\\.\nCOPY public.b (id) FROM stdin;\n\n\\.\n", {"public.a": 0, "public.b": 1}),
        ('COPY "my ""own""."."b.c d" ("x y") FROM stdin;\n1\n\\.\n', {'my "own"..b.c d': 1}),
        # What a visitor has typed is a row, whatever it looks like.
        ("COPY public.a (t) FROM stdin;\nCOPY public.b (id) FROM stdin;\n\\\\.\n\\.\n", {"public.a": 2}),
    ],
)
def test_rows_are_counted_in_the_text_of_a_dump(text: str, rows: dict[str, int]) -> None:
    assert postgresql.dumped(line.encode() + b"\n" for line in text.splitlines()) == rows


def test_the_file_is_the_one_that_the_site_has(settings: dict[str, Any], tmp_path: Path) -> None:
    """As the module writes it, from what a site was resolved to."""
    from ansible_collections.web2py.deploy.plugins.module_utils import _data

    words = {"host": None, "port": 3306, "user": "shop", "pool_size": 3, "ssl_mode": None, "ca": None}
    rows = [
        {"name": kind, "settings": {
            "database": {**words, "type": kind, "name": f"shop_{kind}", "replaces": []},
            "sessions": {"store": "file"}, "cache": {"store": "ram"}, "tickets": {"store": "file"}, "migrate": True,
        }}
        for kind in _data.KINDS
    ]  # fmt: skip
    written = {"applications": _data.secrets({"applications": rows}, "a: word")}
    (tmp_path / "etc/databases.json").write_text(json.dumps(written))
    for kind in _data.KINDS:
        (found,) = served.databases(settings, kind)
        assert (found.name, found.user, found.password) == (f"shop_{kind}", "shop", "a: word")
        assert kind in databases.SERVERS


@pytest.mark.parametrize(
    ("uri", "arguments", "told"),
    [
        (
            "mysql:pymysql://shop@localhost/shop_blog?set_encoding=utf8mb4&unix_socket=/run/mysqld/mysqld.sock",
            {"password": "a \"b\" #\\c ü", "connect_timeout": 5, "ssl_disabled": True},
            {"socket": "/run/mysqld/mysqld.sock", "protocol": "socket"},
        ),
        (
            "mysql:pymysql://shop@db.example.org:3307/shop_blog?set_encoding=utf8mb4",
            {"password": "word", "ssl": {"ca": "/etc/ca.pem", "check_hostname": True, "verify_mode": True}},
            {"host": "db.example.org", "port": "3307", "protocol": "tcp", "ssl": "1", "ssl-ca": "/etc/ca.pem",
             "ssl-verify-server-cert": "1"},
        ),
        (
            "mysql://shop@db.example.org/shop_blog",
            {"password": "word", "ssl": {"verify_mode": False}},
            {"host": "db.example.org", "port": "3306", "protocol": "tcp", "ssl": "1", "ssl-verify-server-cert": "0"},
        ),
        (
            "mysql://shop@10.0.0.1/shop_blog",
            {"password": "word", "ssl_disabled": True},
            {"host": "10.0.0.1", "port": "3306", "protocol": "tcp", "ssl": "0"},
        ),
    ],
)  # fmt: skip
def test_how_mariadbs_programs_are_told_of_a_database(
    settings: dict[str, Any], uri: str, arguments: dict[str, Any], told: dict[str, str]
) -> None:
    one = served.told(uri, arguments)
    assert mysql.options(one) == {"user": "shop", "password": arguments["password"], **told}
    with mysql.reached(settings, one) as option:
        path = Path(option.removeprefix("--defaults-file="))
        assert path.stat().st_mode & 0o777 == 0o400
        lines = path.read_text(encoding="utf-8").splitlines()
    assert not path.exists() and lines[0] == "[client]"
    word = arguments["password"].replace("\\", "\\\\").replace('"', '\\"')
    assert f'password="{word}"' in lines


DUMP = r"""/*M!999999\- enable the sandbox mode */
DROP TABLE IF EXISTS `note`;
CREATE TABLE `note` (
  `id` int(11) NOT NULL AUTO_INCREMENT,
  PRIMARY KEY (`id`)
) ENGINE=InnoDB;
LOCK TABLES `note` WRITE;
INSERT INTO `note` VALUES
(1,'(one'),
(2,'two\n(and a half'),
(3,'INSERT INTO `note` VALUES');
UNLOCK TABLES;
CREATE TABLE `odd``name` (
  `id` int(11)
);
DELIMITER ;;
CREATE TRIGGER t BEFORE INSERT ON note FOR EACH ROW BEGIN
INSERT INTO `log` VALUES
(1);
END */;;
DELIMITER ;
CREATE TABLE `gone` (`id` int);
INSERT INTO `gone` VALUES
(1);
INSERT INTO `gone` VALUES
(2);
-- Dump completed
"""


def test_rows_of_a_dump_are_counted() -> None:
    lines = DUMP.encode().splitlines(keepends=True)
    assert mysql.counts(lines) == {"note": 3, "odd`name": 0, "gone": 2}


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ("-- Dump completed\n", "", "the dump has no end"),
        (DUMP, "", "the dump has no end"),
        ("VALUES\n(1);", "VALUES (1);", "not of MariaDB's own program"),
        ("CREATE TABLE `gone`", "CREATE THING `gone`", "not of MariaDB's own program"),
    ],
)
def test_a_dump_that_cannot_be_counted_is_refused(before: str, after: str, words: str) -> None:
    lines = DUMP.replace(before, after).encode().splitlines(keepends=True)
    with pytest.raises(common.Trouble, match=words):
        mysql.counts(lines)


MARIADB = """#!{python}
import sys
from pathlib import Path
here = Path(sys.argv[0]).parent
given = Path(sys.argv[1].partition("=")[2]).read_text()
with open(here / "asked", "a") as log:
    log.write(repr([sys.argv[2:], "password" in given]) + "\\n")
if (here / "down").exists():
    sys.exit("ERROR 2002 (HY000): Can't connect")
if sys.argv[0].endswith("-dump"):
    print((here / "dump").read_text(), end="")
else:
    text = sys.stdin.read()
    (here / "told").write_text(text)
    if text.startswith("SELECT CONCAT"):
        print("DROP TABLE IF EXISTS `note`;")
"""


@pytest.fixture
def mariadb(settings: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A site with a database there; programs of MariaDB that write down what they are told."""
    for name in ("mariadb", "mariadb-dump"):
        (tmp_path / "bin" / name).write_text(MARIADB.format(python=sys.executable))
        (tmp_path / "bin" / name).chmod(0o755)
    (tmp_path / "bin/dump").write_text(DUMP)
    row = {"uri": "mysql:pymysql://shop@localhost/shop_blog?unix_socket=/run/s", "driver_args": {"password": "secret"}}
    (tmp_path / "etc/databases.json").write_text(json.dumps({"applications": {"blog": row, "twin": row}}))
    monkeypatch.setattr(
        mysql, "counted", lambda _settings, row, folder: mysql.counts((Path(folder) / row["dump"]).open("rb"))
    )
    return tmp_path / "bin"


def test_databases_of_mariadb_are_saved_proven_and_put_back(settings: dict[str, Any], mariadb: Path) -> None:
    assert run(settings, "backup") == 0 and run(settings, "drill") == 0
    told = status(settings)
    assert told["backup"]["databases"] == told["drill"]["databases"] == 2
    assert told["backup"]["tables"] == told["drill"]["tables"] == 4 and told["drill"]["rows"] == 7
    assert run(settings, "restore", "latest") == 0
    asked = (mariadb / "asked").read_text()
    assert "secret" not in asked and "--single-transaction" in asked
    # First it is dumped as it was, then emptied, then filled.
    lines = asked.splitlines()
    assert len(lines) == 5 and all(line.endswith("True]") for line in lines)
    assert (mariadb / "told").read_text() == DUMP


def test_a_restore_that_fails_puts_the_database_back(settings: dict[str, Any], mariadb: Path) -> None:
    assert run(settings, "backup") == 0
    (mariadb / "dump").write_text(DUMP.replace("(1,'(one'),\n", ""))
    (mariadb / "refuses").touch()
    assert run(settings, "restore", "latest") == 1
    assert (mariadb / "told").read_text() == (mariadb / "dump").read_text()


def test_a_server_that_is_down_is_told(settings: dict[str, Any], mariadb: Path) -> None:
    (mariadb / "down").touch()
    assert run(settings, "backup") == 1
    why = status(settings)["troubles"]["backup"]["why"]
    assert why == "the database shop_blog was not dumped: mariadb-dump failed: ERROR 2002 (HY000): Can't connect"


def test_without_the_server_rows_are_counted_in_the_dump(
    settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The site's server is on another host."""
    monkeypatch.setattr(shutil, "which", lambda _name, path=None: None)
    row = {"name": "shop_blog", "dump": "0"}
    (tmp_path / "0").write_text(DUMP)
    assert mysql.counted(settings, row, str(tmp_path)) == {"note": 3, "odd`name": 0, "gone": 2}
    (tmp_path / "0").write_text(DUMP.replace("-- Dump completed", ""))
    with pytest.raises(common.Trouble, match="the dump has no end"):
        mysql.counted(settings, row, str(tmp_path))


@pytest.mark.parametrize("text", [None, "", "first\nit is full\n"])
def test_why_a_server_did_not_start(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "log").write_text(text)
    assert mysql.last_line(str(tmp_path / "log")) == ("it is full" if text else "it says nothing")
