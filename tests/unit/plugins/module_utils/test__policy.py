"""What every front end holds to."""

from __future__ import annotations

import re

import pytest

from ansible_collections.web2py.deploy.plugins.module_utils import _policy

CHOICES = {
    "web2py_tls": {"provider": "self_signed"},
    "web2py_hsts_seconds": 300,
    "web2py_static_seconds": 60,
    "web2py_compress_pages": False,
}


def made(**changes: object) -> dict:
    return _policy.policy({**CHOICES, **changes}, ["shop", "a_b"], False)


@pytest.mark.parametrize(
    "path, closed",
    [
        ("/admin", True),
        ("/admin/default/index", True),
        ("/ADMIN", True),
        ("/shop/appadmin", True),
        ("/en/shop/appadmin/index", True),
        ("/shop/appadmin.html", True),
        ("/administration", False),
        ("/shop/admin", False),
        ("/shop/default/appadmins", False),
    ],
)
def test_closed_paths_are_known(path: str, closed: bool) -> None:
    assert bool(re.search(made()["closed"], path, re.IGNORECASE)) is closed


@pytest.mark.parametrize(
    "query, found",
    [
        ("password=x", True),
        ("send=/x&p%61ss%77ord=x", True),
        ("%70%61%73%73%77%6F%72%64=x", True),
        ("send=/admin/default/site", False),
        ("", False),
    ],
)
def test_a_password_in_a_query_is_known(query: str, found: bool) -> None:
    assert bool(re.search(made()["password"], query, re.IGNORECASE)) is found


@pytest.mark.parametrize(
    "path, parts",
    [
        ("/shop/static/css/a.css", ("shop", "css/a.css")),
        ("/shop/static/_1.2.3/css/a.css", ("shop", "css/a.css")),
        ("/other/static/a.css", None),
        ("/shop/static/", None),
        ("/shop/models/db.py", None),
    ],
)
def test_static_paths_are_taken_apart(path: str, parts: tuple[str, str] | None) -> None:
    found = re.search(made()["static"], path)
    assert (found.groups() if found else None) == parts


@pytest.mark.parametrize(
    "name", [".git/config", "a/.env", "settings.ini", "db.sqlite", "x.py", "x.pyc", "old.css~", "a.bak"]
)
def test_files_left_by_mistake_are_hidden(name: str) -> None:
    assert re.search(made()["hidden"], f"/shop/static/{name}", re.IGNORECASE)


@pytest.mark.parametrize(
    ("told", "encodings"),
    [
        ("", []),
        ("gzip, deflate, br", ["br", "gzip"]),
        ("GZIP;q=0.5,BR;q=1.0", ["br", "gzip"]),
        ("gzip;q=0, br;q=0.0", []),
        ("gzip ; q=0.000, br ;q=0.001", ["br"]),
        ("xbr, br-x, x-gzip, gzipped", []),
        ("*", []),
    ],
)
def test_a_visitor_names_what_he_reads(told: str, encodings: list[str]) -> None:
    named = [twin["encoding"] for twin in made()["twins"] if re.search(twin["accepted"], told, re.IGNORECASE)]
    assert named == encodings


def test_hsts_goes_with_https_only() -> None:
    assert made()["headers"]["Strict-Transport-Security"] == "max-age=300"
    assert "Strict-Transport-Security" not in made(web2py_tls={"provider": "none"})["headers"]


def test_the_curve_of_today_comes_first_where_it_is_known() -> None:
    assert made()["tls"]["curves"][0] == "X25519"
    assert _policy.policy(CHOICES, [], True)["tls"]["curves"][0] == "X25519MLKEM768"


def test_every_error_has_its_page() -> None:
    folder, *pages = _policy.error_pages(made()["errors"], "/etc/x")
    assert folder["state"] == "directory"
    assert [page["path"] for page in pages] == [f"/etc/x/{code}.html" for code in made()["errors"]]
    assert all("<h1>" in page["content"] and page["mode"] == "0644" for page in pages)


def test_a_unit_has_one_setting_a_line() -> None:
    lines = made()["unit"]
    assert "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6" in lines
    assert all(re.fullmatch(r"[A-Z]\w+=\S.*", line) for line in lines)


def test_the_challenge_of_an_authority_has_one_place() -> None:
    assert made()["challenge"] is None
    challenge = made(web2py_tls={"provider": "acme"}, web2py_site="shop")["challenge"]
    assert challenge["path"] == "/.well-known/acme-challenge/" and challenge["folder"] == "/run/shop_acme"
    for name, good in (("a-B_3", True), ("../x", False), ("a.b", False), ("a/b", False), ("", False)):
        assert bool(re.fullmatch(challenge["token"], name)) is good


def test_hung_pages_do_not_use_up_the_starts() -> None:
    """Visitors who ask for them all day do not make systemd give the site up."""
    interval, starts = (int(line.split("=")[1]) for line in _policy.START_LIMIT)
    shortest_request, watchdog = 1, 6  # of _preflight's bounds, and of service_unit's launcher
    assert interval / starts < shortest_request + watchdog


def test_a_claim_is_known_in_every_spelling() -> None:
    assert _policy.spellings("Proxy") == ["Proxy"]
    assert _policy.spellings("X-Real-IP") == ["X-Real-IP", "X-Real_IP", "X_Real-IP", "X_Real_IP"]
