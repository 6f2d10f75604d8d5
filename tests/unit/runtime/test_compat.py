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
        "_compat": types.SimpleNamespace(),
        "fileutils": types.SimpleNamespace(try_mkdir=try_mkdir),
        "languages": types.SimpleNamespace(is_writable=lambda: True),
        "restricted": types.SimpleNamespace(DEFAULT_SAFE_GLOBALS={"uuid": {"UUID"}}),
        "globals": types.SimpleNamespace(secure_loads=secure_loads, secure_dumps=lambda data, _key: data),
    }
    monkeypatch.setitem(sys.modules, "gluon", types.ModuleType("gluon"))
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, f"gluon.{name}", module)
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
