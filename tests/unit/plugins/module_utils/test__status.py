"""What is known of a site on its host, with everything up or down."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.web2py.deploy.plugins.module_utils import _status, _units
from ansible_collections.web2py.deploy.plugins.module_utils._health import judge
from ansible_collections.web2py.deploy.plugins.module_utils._page import page, text
from ansible_collections.web2py.deploy.plugins.module_utils._status import answers, gather, not_asked, release


def test_the_release_is_read(site: dict[str, Any], tmp_path: Path) -> None:
    assert release(site) == {"id": None, "versions": {}, "performance": None, "deployed": None}
    (tmp_path / "r").mkdir()
    (tmp_path / "r/release.json").write_text('{"id": "abc", "versions": {"web2py": "1"}}')
    (tmp_path / "current").symlink_to("r")
    found = release(site)
    assert (found["id"], found["versions"]) == ("abc", {"web2py": "1"}) and found["deployed"]
    assert found["performance"] is None
    (tmp_path / "r/performance.json").write_text('{"level": "fast", "on": ["html"], "off": {"conn": "changed"}}')
    found = {"site": "shop", "release": release(site)}
    assert "fast: html; off: conn" in text(found)
    assert [row for row in judge(found) if "conn of web2py_performance is off" in row["what"]]
    (tmp_path / "r/performance.json").write_text("{")
    assert release(site)["performance"] is None


@pytest.mark.parametrize("state", ["failed", "inactive", "not-found"])
def test_a_stopped_site_is_not_started_by_a_question(site: dict[str, Any], state: str) -> None:
    why = f"not asked, shop.service is {state}"
    assert not_asked({"shop.service": state}, "shop") == why
    found = answers(site, {"shop.service": state})
    assert found["page"] == found["health"] == found["tunnel"] == {"error": why}
    # It has its unit for a cause, which is told with the unit.
    assert found["faults"] == []


@pytest.mark.parametrize("state", ["active", "activating", "reloading"])
def test_a_running_site_is_asked(state: str) -> None:
    assert not_asked({"shop.service": state}, "shop") is None
    assert not_asked({}, "shop") is None


def test_a_site_that_does_not_answer_is_told_with_what_to_look_at(site: dict[str, Any]) -> None:
    faults = answers(site, {"shop.service": "active"})["faults"]
    assert "the first page of https://www.example.org gave no answer" in faults[0]["what"]
    assert faults[0]["remedy"] == "Look at: journalctl -u shop -n 50"


@pytest.mark.parametrize(("closes", "good"), [({"site": True}, False), ({"applications": ["starter"]}, True)])
def test_pages_are_judged_by_maintenance(
    site: dict[str, Any], monkeypatch: pytest.MonkeyPatch, closes: dict[str, Any], good: bool
) -> None:
    """With one application closed its page says 503 and the health page 200; with the site closed both say 503."""
    site["admin"]["mode"] = "disabled"
    notice = {"site": False, "applications": [], "operators": [], "message": "", "retry_seconds": 300, **closes}
    (Path(site["paths"]["settings"]) / "maintenance.json").write_text(json.dumps(notice))
    said: dict[str, dict[str, Any]] = {
        "page": {"status": 503}, "health": {"status": 200}, "admin": {"status": 404},
        "redirect": {"status": 301, "location": "https://www.example.org/"},
    }  # fmt: skip
    monkeypatch.setattr(_status, "together", lambda asked, seconds: said)
    assert (answers(site, {})["faults"] == []) is good


def test_a_host_where_nothing_is_right_is_a_page(site: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """No unit, no release, no database program, broken files: lines, and no traceback."""
    folder = Path(site["paths"]["state"]) / "applications/starter/databases"
    folder.mkdir()
    (folder / "storage.sqlite").write_text("")
    (Path(site["paths"]["settings"]) / "databases.json").write_text("{")

    def no_systemd(*words: str, **more: Any) -> str:
        raise FileNotFoundError("systemctl")

    monkeypatch.setattr(_units, "output", no_systemd)
    found = gather(site)
    findings = judge(found)
    said = " ".join(row["what"] for row in findings)
    for word in ("no release", "the units cannot be read", "the databases cannot be read", "gave no answer"):
        assert word in said, findings
    shown = {**found, "healthy": False, "findings": findings}
    assert "NOT HEALTHY" in text(shown) and "NOT HEALTHY" in page(shown)
    assert json.loads(json.dumps(shown)) == shown
