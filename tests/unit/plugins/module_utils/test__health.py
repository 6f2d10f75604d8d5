"""What is wrong with a site, from what is known of it."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from ansible_collections.web2py.deploy.plugins.module_utils._health import (
    LIMITS,
    is_healthy,
    judge,
    part,
    rows,
    sessions,
    tickets,
)

DAY = 86400


def unit(name: str, active: str = "active", **more: Any) -> dict[str, Any]:
    return {"name": name, "active": active, "sub": "running", "result": "success", "expected": True, **more}


BACKUP = {
    "backup_seconds": 3600,
    "proven_seconds": DAY,
    "first_seconds": 30 * DAY,
    "snapshot": "0123456789abcdef",
    "rows": 12,
    "periods": {"backup": DAY, "drill": 7 * DAY},
    "troubles": {},
}
FOUND: dict[str, Any] = {
    "site": "shop",
    "url": "https://www.example.org",
    "time": "2026-11-22T03:00:00+00:00",
    "release": {"id": "0123abc", "versions": {"web2py": "2.26.1-stable", "python": "3.11"}, "deployed": 1},
    "units": [unit("shop.service"), unit("nginx.service")],
    "host": {
        "name": "web",
        "memory_bytes": 10,
        "memory_available_bytes": 5,
        "load": [0.1],
        "cpus": 2,
        "up_seconds": 99,
    },
    "applications": [
        {
            "name": "starter",
            "folder": "/var/lib/shop/applications/starter",
            "session_store": "file",
            "ticket_store": "file",
            "sessions": {"total": 7, "today": None, "whole": True},
            "tickets": {"total": 3, "today": 0, "whole": True},
        }
    ],
    "databases": [],
    "replicas": [],
    "stores": [],
    "backup": None,
    "maintenance": {"on": False, "applications": [], "seconds_left": None},
    "storage": {"path": "/var/lib/shop", "percent": 40, "inodes_percent": 3, "bytes_free": 9, "bytes_total": 99},
    "answers": {"page": {"status": 200}},
    "certificate": {"provider": "self_signed", "days": 300, "renewal": None},
    "trust": {"addresses": []},
    "faults": [],
}
SCHEDULED = unit("shop-scheduler@starter-main-1.service")
WORKER = {"name": "web#1", "status": "ACTIVE", "silent_seconds": 3, "groups": "main"}


def found(**changes: Any) -> dict[str, Any]:
    return {**copy.deepcopy(FOUND), **changes}


def base(**more: Any) -> dict[str, Any]:
    return {"application": "starter", "kind": "sqlite", "name": "storage.sqlite", "faults": [], **more}


def words(about: dict[str, Any], **limits: int) -> list[str]:
    return [f"{row['severity']} {row['what']} | {row['remedy']}" for row in judge(about, limits)]


def test_a_good_site_has_no_finding() -> None:
    assert judge(FOUND) == []
    assert is_healthy([])


@pytest.mark.parametrize(
    ("changes", "severity", "what", "remedy"),
    [
        ({"units": [unit("shop.service", "inactive")]}, "error", "shop.service is inactive", "systemctl start shop"),
        ({"units": [unit("nginx.service", "not-found")]}, "error", "nginx.service is not on the host", "deploy.site"),
        (
            {"units": [unit("shop-backup.service", "failed", expected=False, result="exit-code")]},
            "error",
            "shop-backup.service is failed (exit-code)",
            "journalctl -u shop-backup.service -n 50 says why; then: systemctl reset-failed",
        ),
        (
            {"units": [unit("shop.service", memory_bytes=96, memory_limit_bytes=100)]},
            "warning",
            "96 percent",
            "restart",
        ),
        ({"units": {"error": "TimeoutExpired: x"}}, "error", "the units cannot be read: TimeoutExpired", "ls"),
        ({"storage": {"error": "OSError: gone"}}, "error", "the file system of the data cannot be read", "journalctl"),
        ({"release": {"id": None}}, "error", "no release of shop serves", "web2py.deploy.site"),
        (
            {"faults": [{"what": "the first page of X answered 500", "remedy": "Look at: journalctl -u shop -n 50"}]},
            "error",
            "the first page of X answered 500",
            "journalctl -u shop -n 50",
        ),
        (
            {"faults": [{"what": "X shows another", "remedy": "Reload or restart nginx.service"}]},
            "error",
            "X shows another",
            "Reload or",
        ),
        (
            {"faults": [{"what": "http is not redirected", "remedy": ""}]},
            "error",
            "http is not redirected",
            "web2py.deploy.site",
        ),
        ({"certificate": {"provider": "acme", "days": 6}}, "error", "ends in 6 days", "start shop_acme.service"),
        ({"certificate": {"provider": "provided", "days": 13}}, "warning", "ends in 13 days", "web2py_tls"),
        ({"certificate": {"provider": "self_signed", "days": -2}}, "error", "ended 2 days ago", "--tags tls"),
        ({"storage": {"path": "/v", "percent": 95, "inodes_percent": 1}}, "error", "full to 95 percent", "du -xh"),
        ({"storage": {"path": "/v", "percent": 85, "inodes_percent": 1}}, "warning", "full to 85 percent", "du -xh"),
        (
            {"storage": {"path": "/v", "percent": 1, "inodes_percent": 99}},
            "error",
            "99 percent of its inodes",
            "--inodes",
        ),
        (
            {"databases": [base(error="OperationalError: down")]},
            "error",
            "storage.sqlite of starter cannot",
            "ls -l /var/lib/shop",
        ),
        ({"databases": [base(kind="postgresql", error="x")]}, "error", "cannot be asked: x", "postgresql@"),
        ({"databases": [base(kind="mysql", error="x")]}, "error", "cannot be asked: x", "systemctl status mariadb"),
        ({"databases": [base(faults=["sessions: locked"])]}, "warning", "did not answer all: sessions", "journal"),
        (
            {"units": [SCHEDULED], "databases": [base(workers=[{**WORKER, "silent_seconds": 91}])]},
            "error",
            "no worker of the scheduler of starter was heard of for 91 seconds",
            "systemctl restart 'shop-scheduler@*'",
        ),
        (
            {"units": [SCHEDULED], "databases": [base(workers=[], tasks={"QUEUED": 2})]},
            "error",
            "2 tasks of starter wait",
            "shop-scheduler@*",
        ),
        ({"stores": [{"unit": "u", "use": "cache", "error": "gone"}]}, "error", "u cannot be asked: gone", "restart u"),
        ({"stores": [{"unit": "u", "use": "sessions", "evicted": 3}]}, "warning", "thrown 3 sessions away", "memory"),
        ({"replicas": [{"name": "b", "state": "catchup"}]}, "error", "the standby b is catchup", "standby"),
        ({"replicas": [{"name": "b", "error": "x"}]}, "error", "the standby b cannot be asked: x", "on the standby"),
        ({"replicas": [{"name": "b", "state": "streaming", "seconds": 301.5}]}, "error", "301 seconds behind", "disk"),
        (
            {"backup": {**BACKUP, "backup_seconds": None}},
            "error",
            "there is no backup yet",
            "start shop-backup.service",
        ),
        (
            {"backup": {**BACKUP, "proven_seconds": None, "first_seconds": 9}},
            "warning",
            "no backup was proven",
            "drill",
        ),
        ({"backup": {"error": "ValueError: x"}}, "error", "the backups cannot be read: ValueError: x", "journalctl"),
        (
            {"maintenance": {"on": True, "site": True, "applications": []}},
            "warning",
            "is on: the whole site",
            "web2py_maintenance=off",
        ),
        ({"maintenance": {"on": False, "pages_off": True}}, "warning", "no pages are kept", "web2py_maintenance=off"),
        ({"maintenance": {"on": True, "applications": ["a", "b"]}}, "warning", "is on: a, b", "maintenance"),
    ],
)
def test_what_is_wrong_is_told_with_what_mends_it(
    changes: dict[str, Any], severity: str, what: str, remedy: str
) -> None:
    findings = judge(found(**changes))
    assert len(findings) == 1, findings
    assert findings[0]["severity"] == severity
    assert what in findings[0]["what"] and remedy in findings[0]["remedy"], findings
    assert is_healthy(findings) is (severity == "warning")


@pytest.mark.parametrize(
    "changes",
    [
        {"units": [unit("shop-drill.service", "inactive", expected=False)]},
        {"units": [unit("shop.service", memory_bytes=5, memory_limit_bytes=None)]},
        {"certificate": {"provider": "none", "days": None}},
        {"certificate": {}},
        {"certificate": None},
        {"storage": {"path": "/v", "percent": 84, "inodes_percent": None}},
        # Without units of the scheduler what its tables hold is of the past.
        {"databases": [base(workers=[{**WORKER, "silent_seconds": 9999}], tasks={"QUEUED": 1})]},
        {"units": [SCHEDULED], "databases": [base(workers=[WORKER, {**WORKER, "silent_seconds": 9999}])]},
        {"units": [SCHEDULED], "databases": [base(workers=[], tasks={"COMPLETED": 9})]},
        {"replicas": [{"name": "b", "state": "streaming", "seconds": None}]},
        {"backup": BACKUP},
        {"maintenance": None},
        {"stores": [{"unit": "u", "use": "cache", "evicted": 9}, {"unit": "v", "use": "sessions", "evicted": 0}]},
        {"databases": None, "replicas": None, "applications": None, "units": None, "faults": None},
    ],
)
def test_what_is_in_order_is_not_told(changes: dict[str, Any]) -> None:
    assert judge(found(**changes)) == []


def test_an_empty_report_is_no_traceback() -> None:
    assert judge({}) == []


def test_errors_come_first() -> None:
    about = found(maintenance={"on": True}, units=[unit("shop.service", "failed")])
    assert [row["severity"] for row in judge(about)] == ["error", "warning"]
    about = found(maintenance={"on": True}, faults=[{"what": "x", "remedy": "y"}])
    assert [row["severity"] for row in judge(about)] == ["error", "warning"]


def test_limits_are_chosen() -> None:
    assert words(FOUND, disk_percent=40)[0].startswith("error the file system")
    assert words(FOUND, certificate_days=301)[0].startswith("error the certificate")
    assert words(found(units=[SCHEDULED], databases=[base(workers=[WORKER])]), heartbeat_seconds=2)
    assert words(found(replicas=[{"name": "b", "state": "streaming", "seconds": 9}]), replica_lag_seconds=8)
    assert set(LIMITS) == {"disk_percent", "certificate_days", "heartbeat_seconds", "replica_lag_seconds"}


def test_tickets_of_files_and_databases_are_added() -> None:
    row = {**FOUND["applications"][0], "tickets": {"total": 3, "today": 1, "whole": True}}
    about = found(applications=[row], databases=[base(tickets=5, tickets_today=2), base(application="b", tickets=50)])
    assert tickets(about, row) == {"total": 8, "today": 3}
    assert words(about) == [
        "warning starter has 3 new tickets since midnight | ls -lt /var/lib/shop/applications/starter/errors | head"
    ]


@pytest.mark.parametrize(
    ("store", "bases", "expected"),
    [
        ("file", [], 7),
        ("database", [base(sessions=4), base(sessions=2), base(application="b", sessions=9)], 6),
        ("database", [base()], None),
        ("redis", [base(sessions=4)], None),
        ("cookie", [], None),
    ],
)
def test_sessions_are_counted_where_the_choices_put_them(store: str, bases: list[Any], expected: int | None) -> None:
    row = {**FOUND["applications"][0], "session_store": store}
    assert sessions(found(databases=bases), row) == expected


@pytest.mark.parametrize("value", [None, {"error": "x"}, "text", 5, [1, "x"]])
def test_rows_are_rows(value: Any) -> None:
    assert rows({"a": value}, "a") == []
    assert part({"a": {"error": "x"}}, "a") is None
