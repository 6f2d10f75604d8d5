"""The words that say how a site is doing."""

from __future__ import annotations

import copy
import ssl
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.web2py.deploy.plugins.module_utils import _info
from ansible_collections.web2py.deploy.plugins.module_utils._info import (
    certificate_days,
    days_of_file,
    first_page,
    is_in_file,
    problems,
    renewal,
    summary,
    units_of,
)
from tests.unit.plugins.module_utils.test__health import BACKUP, DAY

SITE: dict[str, Any] = {
    "name": "web2py",
    "domain": "www.example.org",
    "url": "https://www.example.org",
    "front_end": {"name": "apache", "unit": "apache2.service"},
    "admin": {"mode": "disabled", "tunnel_port": 8002, "networks": ["192.0.2.0/24"]},
    "tls": {
        "provider": "self_signed",
        "ca": "/etc/web2py/tls/ca.pem",
        "certificate": "/etc/web2py/tls/certificate.pem",
    },
    "applications": [{"name": "starter", "check_path": "/starter/default/index"}],
    "routes": {"default_application": "starter"},
}
FOUND: dict[str, Any] = {
    "url": "https://www.example.org",
    "release": "0123abc",
    "versions": {"web2py": "3.3.3-stable+timestamp.2026", "python": "3.11.2"},
    "units": {"web2py.service": "active", "apache2.service": "active"},
    "page": {"status": 200},
    "health": {"status": 200},
    "redirect": {"status": 301, "location": "https://www.example.org/"},
    "admin": {"status": 404},
    "tunnel": None,
    "certificate_days": 365,
}


def found(**changes: Any) -> dict[str, Any]:
    return {**copy.deepcopy(FOUND), **changes}


def test_a_good_site_has_no_problem() -> None:
    assert problems(SITE, FOUND) == []


NOTICE = {"site": True, "applications": [], "operators": [], "message": "", "retry_seconds": 300}


@pytest.mark.parametrize(
    ("notice", "page", "health", "good"),
    [
        (NOTICE, 503, 503, True),
        (NOTICE, 200, 503, True),  # who asks is an operator
        (NOTICE, 503, 200, False),
        (NOTICE, 500, 503, False),
        ({**NOTICE, "site": False, "applications": ["starter"]}, 503, 200, True),
        ({**NOTICE, "site": False, "applications": ["starter"]}, 503, 503, False),
        ({**NOTICE, "site": False, "applications": ["blog"]}, 503, 200, False),
        (
            {**NOTICE, "site": False, "migration": {"applications": ["starter"], "until": time.time() + 9999}},
            503,
            200,
            True,
        ),
        (
            {**NOTICE, "site": False, "migration": {"applications": ["starter"], "until": time.time() - 9}},
            503,
            200,
            False,
        ),
        (None, 503, 200, False),
    ],
)
def test_a_site_in_maintenance_is_well(notice: Any, page: int, health: int, good: bool) -> None:
    seen = found(maintenance=notice, page={"status": page}, health={"status": health})
    assert (problems(SITE, seen) == []) is good


def test_maintenance_is_the_first_thing_that_is_told() -> None:
    assert "maintenance" not in " ".join(summary(SITE, FOUND))
    assert summary(SITE, found(maintenance=NOTICE))[0].startswith("In maintenance: the whole site. ")
    some = {**NOTICE, "site": False, "applications": ["blog", "shop"]}
    assert "In maintenance: blog, shop." in summary(SITE, found(maintenance=some))[0]


@pytest.mark.parametrize(
    "changes, word",
    [
        ({"page": {"error": "ConnectionRefusedError"}}, "no answer"),
        ({"page": {"status": 502}}, "answered 502"),
        ({"page": {"status": 404}}, "first page of https://www.example.org answered 404"),
        ({"page": {"status": 405}}, "answered 405"),
        ({"health": {"status": 503}}, "health page"),
        ({"health": {"status": 404}}, "health page"),
        ({"health": {"status": 429}}, "health page"),
        ({"units": {"web2py.service": "failed", "apache2.service": "active"}}, "systemctl status web2py.service"),
        ({"redirect": {"status": 200, "location": None}}, "not redirected"),
        (
            {"page": {"status": 200, "present": False}},
            "another certificate than /etc/web2py/tls/certificate.pem. Reload or restart apache2.service",
        ),
        ({"tunnel": {"error": "ConnectionRefusedError"}}, "http://127.0.0.1:8002/admin answered ConnectionRefused"),
        ({"tunnel": {"status": 404}}, "http://127.0.0.1:8002/admin answered 404. Look at: journalctl -u web2py-admin"),
        ({"units": {"web2py-admin.socket": "inactive"}}, "systemctl status web2py-admin.socket"),
        ({"admin": {"status": 200}}, "although web2py_admin is disabled"),
    ],
)
def test_what_keeps_a_site_from_being_called_up_is_said(changes: dict[str, Any], word: str) -> None:
    assert any(word in line for line in problems(SITE, found(**changes)))


def test_backups_belong_to_a_site_that_is_well() -> None:
    site = {**SITE, "backup": {"unit": "web2py-backup", "drill_unit": "web2py-drill", "repository": "/srv/b"}}
    assert units_of(site)[-2:] == ["web2py-backup.timer", "web2py-drill.timer"]
    late = {**BACKUP, "backup_seconds": 9 * DAY, "proven_seconds": None, "first_seconds": 1}
    said = problems(site, found(backup=late))
    # What is only a warning does not fail a run.
    assert said == ["the last good backup is 9 days old. Do: systemctl start web2py-backup.service"]
    assert problems(site, found(backup=BACKUP)) == []
    assert any(line.startswith("Last good backup 60 minutes old") for line in summary(site, found(backup=BACKUP)))


@pytest.mark.parametrize("status", [200, 303, 401, 403])
def test_a_first_page_may_ask_who_is_there(status: int) -> None:
    assert problems(SITE, found(page={"status": status})) == []


def test_an_application_without_a_first_page_names_another() -> None:
    assert first_page(SITE) == "/"
    rows = [{"name": name, "check_path": f"/{name}/api/up"} for name in ("starter", "other")]
    assert first_page({**SITE, "applications": rows}) == "/starter/api/up"
    assert first_page({**SITE, "applications": rows[1:]}) == "/"


@pytest.mark.parametrize(
    ("release", "state", "count"), [(None, "inactive", 0), ("1", "failed", 1), ("1", "active", 0), ("1", "inactive", 1)]
)
def test_a_dry_run_sees_a_dead_site_but_does_not_judge_one_that_is_planned(
    release: str | None, state: str, count: int
) -> None:
    seen = found(release=release, units={"web2py.service": state}, page={"error": "x"}, redirect={"status": 404})
    assert len(problems(SITE, seen, planned=True)) == count
    assert ("would build it" in summary(SITE, seen, planned=True)[0]) is (release is None)


def test_a_site_without_tls_needs_no_redirect() -> None:
    assert problems(SITE, found(redirect=None)) == []


@pytest.mark.parametrize(
    "mode, words",
    [
        ("disabled", "nobody asked for them"),
        ("tunnel", "ssh -L 8002:127.0.0.1:8002"),
        ("https", "192.0.2.0/24"),
    ],
)
def test_the_summary_says_whether_admin_is_open_and_how(mode: str, words: str) -> None:
    site = {**SITE, "admin": {**SITE["admin"], "mode": mode}}
    assert any(words in line for line in summary(site, FOUND))


def test_the_summary_names_versions_and_address() -> None:
    text = "\n".join(summary(SITE, FOUND))
    assert "https://www.example.org answers 200" in text and "web2py 3.3.3 on Python 3.11.2" in text


def test_the_certificate_that_is_shown_is_compared_with_the_file(tmp_path: Path) -> None:
    one, two = b"one certificate", b"its authority"
    path = tmp_path / "certificate.pem"
    path.write_text("Subject: www\n" + ssl.DER_cert_to_PEM_cert(one) + ssl.DER_cert_to_PEM_cert(two))
    assert is_in_file(one, str(path)) and not is_in_file(two, str(path))
    assert not is_in_file(one, str(tmp_path / "none"))


def test_days_are_read_from_a_verified_certificate_only() -> None:
    assert certificate_days({}) is None
    end = time.strftime("%b %d %H:%M:%S %Y GMT", time.gmtime(time.time() + 10 * 86400 + 3600))
    assert certificate_days({"notAfter": end}) == 10


ACME: dict[str, Any] = {
    **SITE,
    "tls": {
        "provider": "acme",
        "ca": "/etc/web2py/tls/ca.pem",
        "certificate": "/etc/web2py/tls/live/certificate.pem",
        "acme": {"unit": "web2py_acme", "directory": "https://ca.example.org:14000/dir"},
    },
}
GOT = {"timer": "active", "service": "inactive", "got": True}


@pytest.mark.parametrize(
    ("how", "word"),
    [
        ({}, ""),
        ({"service": "activating"}, ""),
        ({"service": "failed"}, "not renewed, 365 days are left. Look at: journalctl -u web2py_acme"),
        ({"timer": "inactive"}, "web2py_acme.timer is inactive"),
        ({"got": False}, "not from its authority yet"),
        ({"got": False, "service": "failed"}, "not from its authority yet"),
    ],
)
def test_a_renewal_that_failed_is_seen(how: dict[str, Any], word: str) -> None:
    said = problems(ACME, found(renewal={**GOT, **how}))
    assert len(said) == bool(word) and word in "".join(said)


def test_the_days_left_are_told() -> None:
    lines = summary(ACME, found(renewal=GOT))
    assert "Certificate by ACME from ca.example.org:14000, 365 days left; web2py_acme.timer renews it" in lines


def test_days_come_from_the_file_where_this_host_cannot_verify(tmp_path: Path) -> None:
    words = ["openssl", "req", "-x509", "-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
    words += ["-subj", "/CN=a", "-days", "30", "-keyout", str(tmp_path / "k"), "-out", str(tmp_path / "c")]
    subprocess.run(words, check=True, capture_output=True)
    assert days_of_file(str(tmp_path / "c")) == 29
    assert days_of_file(str(tmp_path / "k")) is None
    assert days_of_file(str(tmp_path / "none")) is None


def test_a_link_tells_whether_the_authority_gave_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_info, "unit_states", lambda units: dict.fromkeys(units, "active"))
    site = {"tls": {**ACME["tls"], "certificate": str(tmp_path / "live/certificate.pem")}}
    (tmp_path / "live").symlink_to(".")
    assert renewal(site) == {"timer": "active", "service": "active", "got": False}
    (tmp_path / "live").unlink()
    (tmp_path / "live").symlink_to("acme-0123")
    assert renewal(site) == {"timer": "active", "service": "active", "got": True}
    assert renewal(SITE) is None
