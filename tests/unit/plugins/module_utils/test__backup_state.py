"""How backups do: what a host tells, and how it is judged."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.web2py.deploy.plugins.module_utils import _backup_state
from ansible_collections.web2py.deploy.plugins.module_utils._backup_state import calendar, findings, lines, period, read
from tests.unit.plugins.module_utils.test__health import BACKUP, DAY

PART = {"repository": "/srv/backups/shop", "every": "daily", "drill": "weekly", "drill_unit": "shop-drill"}
CALENDAR = """  Original form: Mon..Fri
Normalized form: Mon..Fri *-*-* 00:00:00
    Next elapse: Thu 2026-11-26 00:00:00 UTC
       From now: 3 days left
       Iter. #2: Fri 2026-11-27 00:00:00 UTC
       From now: 4 days left
       Iter. #3: Mon 2026-11-30 00:00:00 UTC
       From now: 1 week 0 days left
"""


def test_not_chosen_is_nothing() -> None:
    assert read(None) is None and list(findings("shop", None)) == [] and lines(None, None) == []


def test_the_longest_time_between_two_moments_counts() -> None:
    assert period(CALENDAR) == 3 * DAY
    assert period(CALENDAR.replace("Iter. #2", "Iteration #2").replace("Iter. #3", "Iteration #3")) == 3 * DAY
    assert period("") == 0


def test_without_systemd_a_calendar_is_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert calendar("daily") == ""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(_backup_state, "calendar", lambda expression: CALENDAR)
    return tmp_path


def told(home: Path, state: Any) -> dict[str, Any]:
    if state is not None:
        (home / "status.json").write_text(json.dumps(state))
    found = read({**PART, "home": str(home)})
    assert found is not None
    return found


def test_what_the_host_tells(home: Path) -> None:
    now = int(time.time())
    state = {
        "repository": PART["repository"],
        "first": now - 30 * DAY,
        "backup": {"at": now - 60, "snapshot": "0123456789"},
        "drill": {"at": now - DAY - 0.5, "rows": 7},
        "troubles": {"backup": {"at": 1, "why": "x" * 999}, "drill": "no"},
    }
    found = told(home, state)
    assert 60 <= found["backup_seconds"] < 90 and DAY <= found["proven_seconds"] < DAY + 30
    assert found["first_seconds"] >= 30 * DAY and (found["snapshot"], found["rows"]) == ("0123456789", 7)
    assert found["troubles"] == {"backup": "x" * 300, "drill": "no"}
    assert found["periods"] == {"backup": 3 * DAY, "drill": 3 * DAY}


@pytest.mark.parametrize(
    "state",
    [
        None,
        {},
        [],
        "x",
        {"repository": "/elsewhere", "backup": {"at": 1}, "troubles": {"backup": "x"}},
        {
            "repository": PART["repository"],
            "backup": 5,
            "drill": {"at": "soon"},
            "troubles": [],
            "first": True,
        },
    ],
)
def test_what_is_told_badly_or_of_another_repository_does_not_count(home: Path, state: Any) -> None:
    found = told(home, state)
    assert (found["backup_seconds"], found["proven_seconds"], found["first_seconds"]) == (None, None, None)
    assert found["troubles"] == {}


def test_good_backups_are_told_with_their_age() -> None:
    assert list(findings("shop", BACKUP)) == []
    assert lines(PART, BACKUP) == [
        "Last good backup 60 minutes old (01234567 in /srv/backups/shop); "
        "last proven one: 24 hours ago, 12 rows counted"
    ]
    fresh = {**BACKUP, "first_seconds": 5, "backup_seconds": 5, "proven_seconds": None}
    assert "5 seconds old" in lines(PART, fresh)[0] and "none is proven yet" in lines(PART, fresh)[0]
    assert lines(PART, {**BACKUP, "backup_seconds": None}) == []


@pytest.mark.parametrize(
    ("change", "severity", "what", "remedy"),
    [
        ({"backup_seconds": None, "first_seconds": None, "proven_seconds": None}, "error", "there is no backup yet",
         "systemctl start shop-backup.service"),
        ({"backup_seconds": 3 * DAY}, "error", "the last good backup is 3 days old", "start shop-backup.service"),
        # Judged by the calendar, whatever it is.
        ({"backup_seconds": 4 * 3600, "periods": {"backup": 3600, "drill": DAY}}, "error", "backup is 4 hours old",
         "start shop-backup.service"),
        ({"proven_seconds": 20 * DAY}, "error", "the last good drill is 20 days old", "start shop-drill.service"),
        ({"proven_seconds": None}, "error", "the last good drill is 30 days old", "start shop-drill.service"),
        ({"proven_seconds": None, "first_seconds": DAY}, "warning", "no backup was proven by a restore yet",
         "start shop-drill.service"),
        ({"troubles": {"backup": "disk is full"}}, "error", "the last backup failed: disk is full",
         "journalctl -u shop-backup.service -n 50 says why; then: systemctl start shop-backup.service"),
        ({"troubles": {"drill": "a row is lost"}}, "error", "the last drill failed: a row is lost", "shop-drill"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_backups_is_told(change: dict[str, Any], severity: str, what: str, remedy: str) -> None:
    found = list(findings("shop", {**BACKUP, **change}))
    assert len(found) == 1 and found[0]["severity"] == severity
    assert what in found[0]["what"] and remedy in found[0]["remedy"]


@pytest.mark.parametrize(
    "change",
    [
        {"backup_seconds": 9 * DAY, "periods": {"backup": 7 * DAY, "drill": 7 * DAY}},
        {"backup_seconds": 2 * DAY + 3600},
        {"backup_seconds": 99 * DAY, "proven_seconds": 99 * DAY, "periods": {"backup": 0, "drill": 0}},
    ],
    ids=["weekly", "just in time", "unknown calendar"],
)
def test_what_is_not_late_is_not_told(change: dict[str, Any]) -> None:
    assert list(findings("shop", {**BACKUP, **change})) == []
