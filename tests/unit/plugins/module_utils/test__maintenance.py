from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.web2py.deploy.plugins.module_utils import _maintenance
from ansible_collections.web2py.deploy.plugins.module_utils._base import Place
from ansible_collections.web2py.deploy.plugins.module_utils._maintenance import (
    closed,
    described,
    for_programs,
    migrated,
    migrating,
    path_of,
    problems,
    read,
    state_of,
    switched_off,
    switched_on,
)
from tests.unit.plugins.module_utils.choices import ROOT

SITE: dict[str, Any] = {
    "name": "shop",
    "paths": {"root": "/srv/shop", "settings": "/etc/shop"},
    "applications": [{"name": "shop"}, {"name": "blog"}],
    "maintenance": {"operators": ["192.0.2.0/24"]},
}
RUNTIME = {"maintenance": "/etc/shop/maintenance.json"}


def on(before: Any = None, *names: str, message: str = "") -> dict[str, Any]:
    return switched_on(before, SITE, names, message, 300)


def test_on_and_off_again_leaves_nothing() -> None:
    for names in ([], ["shop"], ["shop", "blog"]):
        notice = on(None, *names)
        assert on(notice, *names) == notice
        assert switched_off(notice, names) is None
        assert switched_off(notice, []) is None
    assert switched_off(None, []) is None
    assert switched_off(None, ["shop"]) is None


def test_applications_come_and_go_one_by_one() -> None:
    notice = on(on(None, "shop"), "blog")
    assert (notice["site"], notice["applications"]) == (False, ["blog", "shop"])
    left = switched_off(notice, ["shop"])
    assert left is not None and left["applications"] == ["blog"]
    assert closed(left, "blog") and not closed(left, "shop")


def test_the_site_and_an_application_are_two_things() -> None:
    notice = on(on(None, "shop"))
    assert notice["site"] and notice["applications"] == ["shop"]
    assert closed(notice, "blog") and not closed(None, "blog")
    assert described(notice) == "the whole site"
    assert switched_off(notice, []) is None


def test_operators_are_those_of_the_inventory_now() -> None:
    assert on()["operators"] == ["192.0.2.0/24"]
    assert switched_on(on(), {**SITE, "maintenance": {"operators": []}}, [], "", 300)["operators"] == []


@pytest.mark.parametrize("before", [None, on(), on(None, "blog", message="x")])
def test_a_migration_leaves_what_was_before(before: Any) -> None:
    during = migrating(before, ["shop"], time.time() + 30)
    assert closed(during, "shop") and "shop (being migrated)" in described(during)
    assert migrated(during) == before
    # Somebody switches while it runs: neither forgets the other.
    left = switched_off(during, [])
    assert left is not None and not left["site"] and not left["applications"] and closed(left, "shop")
    assert migrated(on(during, "blog"))["applications"] == ["blog"]  # type: ignore[index]


def test_a_migration_that_nobody_ended_is_over_by_its_time() -> None:
    during = migrating(None, ["shop"], time.time() - 1)
    assert not closed(during, "shop") and described(during) == ""


@pytest.mark.parametrize(
    ("word", "state"), [("on", True), ("off", False), (True, True), (False, False), ("", None), ("ON", None), (1, None)]
)
def test_on_and_off_are_words_or_booleans(word: Any, state: bool | None) -> None:
    assert state_of(word) is state


def found(**changed: Any) -> list[str]:
    given = {"state": "on", "wanted": [], "message": "", "retry_seconds": 300, "before": None, "runtime": RUNTIME}
    return [str(problem) for problem in problems(SITE, **{**given, **changed})]


def test_good_words_have_no_problems() -> None:
    assert found() == found(state="off", wanted=["shop"], before=on(None, "blog")) == []
    assert found(wanted=["blog"], message="Back at six. Grüße", retry_seconds=86400) == []


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"state": ""}, "web2py_maintenance: missing"),
        ({"state": "true?"}, "web2py_maintenance = 'true?': is not a word for it. Give on or off"),
        ({"wanted": ["shp"]}, "= 'shp': is no application of this site. The nearest known name is shop"),
        ({"state": "off", "wanted": ["shop"], "before": on()}, "the whole site is in maintenance"),
        ({"message": "x" * 1001}, "web2py_maintenance_message"),
        ({"message": "two\nlines"}, "is not one line of text"),
        ({"retry_seconds": 0}, "web2py_maintenance_retry_seconds = 0: is out of bounds"),
        ({"retry_seconds": 86401}, "is out of bounds"),
        ({"runtime": None}, "no release of it serves on this host"),
        ({"runtime": {}}, "is older than maintenance"),
        ({"runtime": {"maintenance": "/etc/other/maintenance.json"}}, "is older than maintenance"),
    ],
)
def test_each_fault_is_told(changed: dict[str, Any], words: str) -> None:
    assert len(found(**changed)) == 1 and words in found(**changed)[0]


def test_all_faults_are_told_at_once() -> None:
    assert len(found(state="x", wanted=["a", "b", "shop"], message="\n", retry_seconds=-1, runtime=None)) == 6


@pytest.mark.parametrize("text", ["", "{", "[]", '{"site": true}', "null"])
def test_what_is_no_notice_closes_the_site(tmp_path: Path, text: str) -> None:
    (tmp_path / "m").write_text(text)
    notice = read(str(tmp_path / "m"))
    assert notice is not None and notice["site"]
    assert switched_off(notice, []) is None


def test_the_file_is_written_read_and_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    from ansible_collections.web2py.deploy.plugins.module_utils._tree import Owner

    owner = Owner(os.geteuid(), os.getegid())
    place = Place(str(tmp_path), str(tmp_path), str(tmp_path), owner, (owner.uid, owner.gid))
    monkeypatch.setattr(_maintenance, "place_of", lambda site: place)
    site = {
        **SITE,
        "user": "shop",
        "paths": {"root": str(tmp_path), "settings": str(tmp_path), "current": str(tmp_path)},
    }
    assert read(path_of(site)) is None and _maintenance.runtime_of(site) is None
    for notice in (on(), on(None, "shop"), migrating(on(), ["blog"], 5.5)):
        _maintenance.store(site, notice)
        assert read(path_of(site)) == notice
        assert os.stat(path_of(site)).st_mode & 0o777 == 0o640
        # What the front end asks for, and may open.
        assert os.stat(_maintenance.mark_of(site)).st_mode & 0o777 == 0o644
    _maintenance.store(site, None)
    _maintenance.store(site, None)
    assert not os.path.exists(path_of(site)) and not os.path.exists(_maintenance.mark_of(site))
    monkeypatch.setattr(_maintenance, "place_of", lambda site: None)
    with pytest.raises(_maintenance.Trouble, match="does not exist"):
        _maintenance.store({**site, "user": "shop"}, on())


def test_kept_pages_go_when_maintenance_ends(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, place: Place) -> None:
    """All of them, and nothing else; their folders stay, which the front end has made."""
    monkeypatch.setattr(_maintenance, "place_of", lambda site: place)
    folder = tmp_path / "pages"
    (folder / "1/0/ab").mkdir(parents=True)
    paths = {"root": place.root, "settings": place.settings}
    site = {**SITE, "paths": paths, "page_cache": {"folder": str(folder)}}
    for notice, left in ((on(), 2), (None, 0)):
        for name in ("1/0/ab/x", "1/y"):
            (folder / name).touch()
        _maintenance.store(site, notice)
        assert _maintenance.look(site)["pages_off"] is (notice is not None)
        assert _maintenance.look({**site, "page_cache": None})["pages_off"] is False
        assert sum(path.is_file() for path in folder.rglob("*")) == left
    assert (folder / "1/0/ab").is_dir()
    (folder / "1/y").touch()
    _maintenance.store({**site, "page_cache": None}, None)
    assert (folder / "1/y").exists()


def test_the_runtime_reads_what_is_written() -> None:
    """The two sides know nothing of each other but this form."""
    import sys

    sys.path.insert(0, str(Path(__file__).resolve().parents[4] / "roles/web2py/files/runtime"))
    from web2py_runtime.maintenance import parsed

    notice = parsed(json.dumps(migrating(on(None, "blog", message="Soon."), ["shop"], 7.5)))
    assert (notice.site, set(notice.applications), notice.operators) == (False, {"blog"}, ("192.0.2.0/24",))
    assert (notice.message, notice.retry_seconds, set(notice.migrating), notice.until) == ("Soon.", 300, {"shop"}, 7.5)
    assert parsed(json.dumps(on())).message


def test_programs_are_told_what_is_closed() -> None:
    nothing = {"on": False, "site": False, "applications": [], "seconds_left": None}
    assert for_programs(None) == nothing
    assert for_programs(on()) == {**nothing, "on": True, "site": True}
    assert for_programs(on(None, "shop", "blog")) == {**nothing, "on": True, "applications": ["blog", "shop"]}
    during = for_programs(migrating(on(None, "blog"), ["shop"], time.time() + 60))
    assert (during["on"], during["applications"]) == (True, ["blog", "shop"]) and 50 < during["seconds_left"] <= 60
    assert for_programs(migrating(None, ["shop"], time.time() - 1)) == nothing


def notice_of(**words: Any) -> str:
    return json.dumps({**switched_on(None, SITE, ["shop"], "", 300), **words})


@pytest.mark.parametrize(
    "content",
    [
        "", "[]", "{", '"x"', '{"site": false}', notice_of(migration="x"), notice_of(migration=[1]),
        notice_of(migration={"until": "soon"}), notice_of(migration={"until": []}), notice_of(applications=5),
    ],
)  # fmt: skip
def test_what_is_no_notice_is_told_as_the_closed_site_that_it_is(tmp_path: Path, content: str) -> None:
    (tmp_path / "maintenance.json").write_text(content)
    assert for_programs(read(str(tmp_path / "maintenance.json")))["site"]
    # The runtime, which visitors meet, reads it alike.
    sys.path.insert(0, str(ROOT / "roles/web2py/files/runtime"))
    from web2py_runtime.maintenance import CLOSED, parsed

    assert parsed(content) == CLOSED
