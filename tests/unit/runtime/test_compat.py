from __future__ import annotations

import configparser
import sys
import types
import urllib.request
from typing import Any

import pytest
from web2py_runtime import compat


@pytest.fixture
def gluon(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Modules of a web2py, as empty as the shims allow."""

    def try_mkdir(path: str) -> None:
        raise PermissionError(path)

    def secure_loads(data: bytes, _key: str) -> bytes:
        assert isinstance(data, bytes)
        return data

    modules: dict[str, Any] = {
        "storage": types.SimpleNamespace(Storage=dict),
        "_compat": types.SimpleNamespace(),
        "fileutils": types.SimpleNamespace(try_mkdir=try_mkdir),
        "recfile": types.SimpleNamespace(open=open),
        "languages": types.SimpleNamespace(is_writable=lambda: True),
        "restricted": types.SimpleNamespace(DEFAULT_SAFE_GLOBALS={"uuid": {"UUID"}}),
        "globals": types.SimpleNamespace(secure_loads=secure_loads, secure_dumps=lambda data, _key: data),
    }
    monkeypatch.setitem(sys.modules, "gluon", types.ModuleType("gluon"))
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, f"gluon.{name}", module)
    table = type("Table", (), {"_filter_fields": lambda self, record, allow_id=False: (record, allow_id)})
    pydal: Any = types.SimpleNamespace(Table=table, Set=type("Set", (), {}))
    monkeypatch.setitem(sys.modules, "pydal", types.ModuleType("pydal"))
    monkeypatch.setitem(sys.modules, "pydal.objects", pydal)
    ways = {"close": lambda self: None, "get_connection": lambda self: None}
    connection: Any = types.SimpleNamespace(ConnectionPool=type("Pool", (), ways))
    monkeypatch.setitem(sys.modules, "pydal.connection", connection)
    # Python 3.14 has dropped it, the tests have not.
    monkeypatch.setattr(urllib.request, "FancyURLopener", object, raising=False)
    return modules


@pytest.mark.parametrize(
    ("version", "numbers"), [("2.26.1-stable+timestamp.2020", (2, 26, 1)), ("3.3.3", (3, 3, 3)), ("", ())]
)
def test_version_is_read(version: str, numbers: tuple[int, ...]) -> None:
    assert compat.numbers(version) == numbers


def test_web2py_2_gets_what_python_and_the_wheel_lack(gluon: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(configparser, "SafeConfigParser", raising=False)
    compat.before_import("2.26.1-stable")
    assert gluon["_compat"].FancyURLopener is urllib.request.FancyURLopener  # type: ignore[attr-defined]
    assert configparser.SafeConfigParser is configparser.ConfigParser  # type: ignore[attr-defined]
    gluon["fileutils"].try_mkdir("/nowhere")


def test_web2py_2_gets_rows_with_their_number(gluon: dict[str, Any]) -> None:
    """As Auth asks for the user who logs in; pydal of before took the word itself."""
    kind = sys.modules["pydal.objects"].Table  # type: ignore[attr-defined]
    compat.filtered_fields()
    row = kind()
    assert row._filter_fields("x", id=True) == row._filter_fields("x", allow_id=True) == ("x", True)
    assert row._filter_fields("x", True) == ("x", True) and row._filter_fields("x") == ("x", False)
    kind._filter_fields = lambda self, record, id=False: id
    compat.filtered_fields()
    assert row._filter_fields("x", id=True) is True


def test_web2py_3_is_left_alone(gluon: dict[str, Any]) -> None:
    compat.before_import("3.3.3")
    assert not hasattr(gluon["_compat"], "FancyURLopener")
    with pytest.raises(PermissionError):
        gluon["fileutils"].try_mkdir("/nowhere")


@pytest.mark.parametrize(("version", "shimmed"), [("2.26.1", False), ("3.3.3", True), ("3.4.0", False)])
def test_cookie_sessions_survive_text(gluon: dict[str, Any], version: str, shimmed: bool) -> None:
    compat.after_import(version)
    dumped = gluon["globals"].secure_dumps(b"hmac256:x", "key")
    assert dumped == ("hmac256:x" if shimmed else b"hmac256:x")
    assert gluon["globals"].secure_loads(dumped, "key") == b"hmac256:x"
    assert gluon["globals"].secure_loads(b"x", "key") == b"x"


@pytest.mark.parametrize(("version", "shimmed"), [("2.26.1", False), ("3.3.3", True), ("3.4.0", False)])
def test_tickets_with_markup_are_shown(gluon: dict[str, Any], version: str, shimmed: bool) -> None:
    compat.after_import(version)
    known = {"uuid": {"UUID"}, **({"gluon.html": {"XML_unpickle"}} if shimmed else {})}
    assert known == gluon["restricted"].DEFAULT_SAFE_GLOBALS


def test_languages_are_never_written(gluon: dict[str, Any]) -> None:
    compat.after_import("3.3.3")
    assert gluon["languages"].is_writable() is False


def test_web2py_2_reads_inserts_by_attributes(gluon: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Scheduler.queue_task of 2.26 does, and pydal gives a dict; what is no plain dict is left as it is."""

    class Storage(dict[str, Any]):
        __getattr__ = dict.get
        __setattr__ = dict.__setitem__  # type: ignore[assignment]

    class Table:
        def validate_and_insert(self, **fields: Any) -> Any:
            return {"id": 1, "errors": fields}

        def _filter_fields(self, record: Any, allow_id: bool = False) -> Any:
            return record

    class Set:
        def validate_and_update(self, **fields: Any) -> Any:
            return Storage(updated=len(fields))

    objects: Any = types.SimpleNamespace(Table=Table, Set=Set)
    storage: Any = types.SimpleNamespace(Storage=Storage)
    monkeypatch.setitem(sys.modules, "pydal", types.ModuleType("pydal"))
    monkeypatch.setitem(sys.modules, "pydal.objects", objects)
    monkeypatch.setitem(sys.modules, "gluon.storage", storage)
    compat.after_import("2.26.1-stable")
    told = Table().validate_and_insert(name="x")
    told.uuid = "1"
    assert (told.id, told.errors, told["uuid"]) == (1, {"name": "x"}, "1")
    assert Set().validate_and_update(name="x").updated == 1


class Adapter:
    """What pydal keeps of a database, with its way to end a request: whatever goes wrong is not told."""

    def __init__(self, fault: Exception | None = None) -> None:
        self.fault = fault
        self.ended: list[str] = []

    def commit(self) -> None:
        self.ended.append("commit")
        if self.fault:
            raise self.fault

    def rollback(self) -> None:
        self.ended.append("rollback")
        if self.fault:
            raise self.fault

    def close(self, action: Any = "commit", really: bool = True) -> None:
        try:
            if callable(action):
                action(self)
            elif action:
                getattr(self, action)()
        except Exception:
            self.ended.append("dropped")
        self.ended.append(f"closed {really}")


@pytest.fixture
def pool(monkeypatch: pytest.MonkeyPatch) -> type[Adapter]:
    kind = type("Pool", (Adapter,), {"close": Adapter.close})
    connection: Any = types.SimpleNamespace(ConnectionPool=kind)
    monkeypatch.setitem(sys.modules, "pydal.connection", connection)
    compat.commits_that_fail()
    return kind


def test_a_commit_that_fails_is_told_when_all_is_tidy(pool: type[Adapter]) -> None:
    fault = OSError("no space left")
    for words in ((), ("commit",)):
        adapter = pool(fault)
        with pytest.raises(OSError, match="no space") as raised:
            adapter.close(*words)
        assert raised.value is fault and adapter.ended == ["commit", "dropped", "closed True"]


class Connection:
    """One that a server has ended."""

    def cursor(self) -> Any:
        raise OSError("gone")


def test_a_connection_that_failed_its_test_is_nobodys(monkeypatch: pytest.MonkeyPatch) -> None:
    from pydal.connection import ConnectionPool

    class Pool(ConnectionPool):  # type: ignore[misc]
        uri, pool_size = "the server", 5

        def connector(self) -> Any:
            raise ConnectionRefusedError("no server")

        def commit(self) -> None:
            self.connection.commit()

    monkeypatch.setattr(ConnectionPool, "get_connection", ConnectionPool.get_connection)
    monkeypatch.setattr(ConnectionPool, "POOLS", {"the server": [Connection()]})
    compat.dead_connections()
    pool = Pool()
    with pytest.raises(ConnectionRefusedError):
        _connection = pool.connection
    # At the end of the request there is nothing to end.
    pool.close("commit")
    with pytest.raises(ConnectionRefusedError):
        _connection = pool.connection


def test_other_ends_are_as_before(pool: type[Adapter]) -> None:
    for action, ended in (("commit", ["commit"]), ("rollback", ["rollback"]), (None, [])):
        adapter = pool()
        adapter.close(action, really=False)
        assert adapter.ended == [*ended, "closed False"]
    adapter = pool(OSError())
    adapter.close("rollback")
    adapter.close(lambda each: each.rollback())
    assert adapter.ended == ["rollback", "dropped", "closed True"] * 2


@pytest.mark.parametrize("trouble", [FileExistsError, FileNotFoundError])
def test_a_new_session_is_written_whoever_makes_or_takes_its_folder(
    gluon: dict[str, Any], trouble: type[OSError]
) -> None:
    """Between web2py's look for the folder and its use; what is only read is away."""
    asked: list[str] = []

    def opens(filename: str, mode: str = "r", path: str | None = None) -> str:
        asked.append(mode)
        if len(asked) == 1:
            raise trouble(filename)
        return "opened"

    gluon["recfile"].open = opens
    compat.session_folders()
    assert gluon["recfile"].open("a", "wb") == "opened" and asked == ["wb", "wb"]
    asked.clear()
    with pytest.raises(trouble):
        gluon["recfile"].open("a", "rb+")
