from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.web2py.deploy.plugins.module_utils import _application, _twins
from ansible_collections.web2py.deploy.plugins.module_utils._base import Place
from ansible_collections.web2py.deploy.plugins.module_utils._run import Problem
from ansible_collections.web2py.deploy.plugins.module_utils._source import Found
from tests.unit.plugins.module_utils.conftest import names

SHOP: dict[str, Any] = {"name": "shop", "source": {"type": "directory"}, "compile": False, "compress": True}
FOUND = Found(["directory", "d"], "directory shop")
BASE = {"web2py": "web2py-1", "environment": "environment-1", "runtime": "runtime-1"}


def files(root: Path, **content: str) -> Path:
    for name, text in content.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def test_shape_makes_folders_and_sets_seeds_apart(tmp_path: Path) -> None:
    files(tmp_path, controllers__default="", private__key="k", databases__a="d", sessions__s="", errors__e="",
          modules____pycache____x="", __git__x="")  # fmt: skip
    (tmp_path / ".git").mkdir()
    _application.shape(str(tmp_path), "Application shop")
    assert {"controllers", "cron", "languages", "models", "modules", "static", "views"} <= set(names(tmp_path))
    assert (tmp_path / ".seed/private/key").read_text() == "k"
    assert (tmp_path / ".seed/databases/a").read_text() == "d"
    assert not {"sessions", "errors", "private", "databases", ".git"} & set(names(tmp_path))


def test_tree_without_controllers_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Problem, match="no folder `controllers`"):
        _application.shape(str(tmp_path), "Application shop")


@pytest.mark.parametrize(("source", "kept"), [("default.py", False), ("", True)])
def test_byte_code_stays_only_where_it_is_the_application(tmp_path: Path, source: str, kept: bool) -> None:
    (tmp_path / "controllers").mkdir()
    (tmp_path / "compiled").mkdir()
    if source:
        (tmp_path / "controllers" / source).touch()
    _application.shape(str(tmp_path), "Application shop")
    assert (tmp_path / "compiled").exists() is kept


def test_name_follows_what_is_in_the_part(place: Place) -> None:
    def name(
        application: dict[str, Any], found: Found = FOUND, base: dict[str, str] = BASE, python: str = "3.11"
    ) -> str:
        return _application.part_name(application, found, place, base, python)

    compiled = {**SHOP, "compile": True}
    assert name(SHOP) == name(SHOP, base={**BASE, "web2py": "web2py-2"}, python="3.13")
    assert name(SHOP) not in (
        name({**SHOP, "compress": False}),
        name(compiled),
        name(SHOP, Found(["directory", "e"], "")),
    )
    assert name(compiled) not in (name(compiled, base={**BASE, "web2py": "web2py-2"}), name(compiled, python="3.13"))


def test_a_part_with_brotli_is_another(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    with_it = _application.part_name(SHOP, FOUND, place, BASE, "3.11")
    monkeypatch.setattr(_application, "BROTLI", None)
    assert _application.part_name(SHOP, FOUND, place, BASE, "3.11") != with_it


def test_bundled_application_must_be_whole(place: Place) -> None:
    folder = Path(place.part("web2py-1"), "applications/admin/controllers")
    folder.mkdir(parents=True)
    with pytest.raises(Problem, match="does not carry it whole"):
        _application.bundled("admin", place, "web2py-1")
    (folder.parent / "views").mkdir()
    assert _application.bundled("admin", place, "web2py-1").identity == ["bundled", "web2py-1", "admin"]


def test_staged_bundle_is_closed_but_for_static_and_linked_to_its_state(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_application, "byte_compile", lambda *_: None)
    tree = Path(place.part("web2py-1"), "applications/shop")
    files(tree, controllers__default="x", static__css__x="y", views__x="", private__key="k")
    application = {**SHOP, "source": {"type": "bundled"}}
    _application.stage(place, "app-shop-1", application, _application.bundled("shop", place, "web2py-1"), {}, BASE)
    part = Path(place.part("app-shop-1"))
    modes = [
        stat.S_IMODE((part / name).stat().st_mode) for name in ("", "controllers/default", "static", "static/css/x")
    ]
    assert modes == [0o751, 0o640, 0o755, 0o644]
    assert str(Path(part / "sessions").readlink()) == f"{place.state}/applications/shop/sessions"
    assert names(place.parts) == ["app-shop-1", "web2py-1"]


def test_a_new_part_takes_over_what_brotli_made_before(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_application, "byte_compile", lambda *_: None)
    tree = Path(place.part("web2py-1"), "applications/shop")
    text = "body { color: red }\n" * 100
    files(tree, controllers__default="x", views__x="")
    for name in ("static/old.css", ".twins.json"):
        (tree / name).parent.mkdir(exist_ok=True)
        (tree / name).write_text(text)
    application = {**SHOP, "source": {"type": "bundled"}}
    found = _application.bundled("shop", place, "web2py-1")
    _application.stage(place, "app-shop-1", application, found, {}, BASE)
    packed = Path(place.part("app-shop-1"), "static/old.css.br").read_bytes()
    (tree / "static/old.css").rename(tree / "static/new.css")
    monkeypatch.setattr(_twins, "_brotli", lambda _data: pytest.fail("compressed again"))
    _application.stage(place, "app-shop-2", application, found, {}, BASE, place.part("app-shop-1"))
    part = Path(place.part("app-shop-2"))
    assert (part / "static/new.css.br").read_bytes() == packed
    assert stat.S_IMODE((part / ".twins.json").stat().st_mode) == 0o640


def test_state_is_made_once_and_mended(place: Place) -> None:
    assert _application.state_folders(place, ["shop"], False)
    assert not _application.state_folders(place, ["shop"], False)
    uploads = Path(place.state, "applications/shop/uploads")
    uploads.chmod(0o777)
    assert _application.state_folders(place, ["shop"], False)
    assert stat.S_IMODE(uploads.stat().st_mode) == 0o750


def test_profiles_have_a_closed_folder_as_long_as_there_are_any(place: Place) -> None:
    folder = Path(place.state, "profiles")
    assert _application.state_folders(place, ["shop"], True)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    (folder / "1.prof").touch()
    assert not _application.state_folders(place, ["shop"], True)
    assert _application.state_folders(place, ["shop"], False)
    assert not folder.exists()
