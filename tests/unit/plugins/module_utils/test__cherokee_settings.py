from __future__ import annotations

import re
from typing import Any

import pytest

from ansible_collections.web2py.deploy.plugins.module_utils import _cherokee_settings as settings
from ansible_collections.web2py.deploy.plugins.module_utils._policy import CLOSED, ENCODED_TWICE, HIDDEN, policy

CHOICES = {
    "web2py_tls": {"provider": "self_signed"},
    "web2py_hsts_seconds": 60,
    "web2py_static_seconds": 60,
    "web2py_compress_pages": False,
}


def site(secure: bool = True, **more: Any) -> dict[str, Any]:
    choices = {**CHOICES, "web2py_tls": {"provider": "self_signed" if secure else "none"}}
    return {
        "name": "web2py",
        "hosts": [{"name": "www.example.org", "aliases": ["example.org"], "application": "shop"}],
        "ports": {"http": 80, "https": 443 if secure else None},
        "paths": {"code": "/srv/code"},
        "policy": policy(choices, ["shop"], False),
        "admin": {"mode": "disabled", "networks": []},
        "limits": {"body_mb": 1, "request_seconds": 60, "methods": ["GET", "HEAD", "POST"]},
        "applications": [{"name": "shop", "static": "/srv/code/applications/shop/static"}],
        "server": {"backend": {"protocol": "fastcgi", "path": "/run/web2py/fastcgi.sock"}},
        "tls": {"certificate": "/c.pem", "key": "/k.pem"},
        **more,
    }


def text(**more: Any) -> str:
    return settings.settings(site(**more), "/pages")


def test_a_tree_becomes_lines() -> None:
    tree = {"rule": {1: {"match": {"": "not", "right": "tls"}, "show": False}}}
    assert settings.flat(tree) == ["rule!1!match = not", "rule!1!match!right = tls", "rule!1!show = 0"]


@pytest.mark.parametrize("value", ["", "a\nserver!user = root", "a\r"])
def test_a_value_is_one_line(value: str) -> None:
    with pytest.raises(ValueError, match="key: not a line"):
        settings.flat({"key": value})


def test_every_line_is_one_of_settings() -> None:
    assert [line for line in text().splitlines() if not re.fullmatch(r"(vserver|source)![!\w.-]+ = .+", line)] == []


def test_sites_have_numbers_of_their_own() -> None:
    assert settings.number("web2py") != settings.number("shop")
    assert settings.number("shop") == settings.number("shop") > 1


@pytest.mark.parametrize(
    ("pattern", "asked", "found"),
    [
        (CLOSED, "/admin", True),
        (CLOSED, "/admin?x", True),
        (CLOSED, "/shop/appadmin?x", True),
        (CLOSED, "/shop?next=/appadmin/", False),
        (CLOSED, "/administer", False),
        (HIDDEN, "/shop/static/a.ini?x", True),
        (HIDDEN, "/shop/static/.git/config", True),
        (HIDDEN, "/shop/static/a.css?file=.ini", False),
        (HIDDEN, "/shop/static/a.css?b=/.c", False),
        ("^[^?]*" + ENCODED_TWICE, "/a%2e", True),
        ("^[^?]*" + ENCODED_TWICE, "/a?b=%20", False),
    ],
)
def test_patterns_look_at_the_path_only(pattern: str, asked: str, found: bool) -> None:
    assert bool(re.search(settings.before_query(pattern), asked)) is found


def test_http_only_redirects() -> None:
    assert "!rewrite!1!substring = https://www.example.org$1" in text()
    assert "!match!right = tls" in text()
    assert "!match!right = tls" not in text(secure=False)
    assert "ssl_" not in text(secure=False)


def test_challenges_stand_before_the_redirect_and_under_every_name() -> None:
    assert "acme-challenge" not in text()
    acme = {"challenge": {"path": "/.well-known/acme-challenge/", "token": "[A-Za-z0-9_-]+", "folder": "/run/c"}}
    lines = text(policy={**policy(CHOICES, ["shop"], False), **acme}).splitlines()
    served = [place for place, line in enumerate(lines) if line.endswith("!document_root = /run/c")]
    redirected = [place for place, line in enumerate(lines) if line.endswith("!substring = https://www.example.org$1")]
    assert len(served) == len(redirected) == 2
    assert served[0] < redirected[0] < served[1] < redirected[1]


def test_only_what_shrinks_is_packed() -> None:
    found = re.search(r"request = \\\.\(\?:(.*?)\)", text())
    assert found and {"css", "svg"} <= set(found[1].split("|")) and "png" not in found[1]


def test_an_error_page_tells_no_range_of_its_own() -> None:
    rules = re.split(r"\n(?=\S+!rule!\d+!match = )", text())
    for rule in rules:
        page = "!document_root = /pages\n" in rule and "!handler = common\n" in rule
        assert ("header = Content-Range" in rule and "!type = del\n" in rule) is page


def test_a_body_without_its_length_is_refused() -> None:
    lines = text().splitlines()
    place = lines.index(next(line for line in lines if line.endswith("!header = Transfer-Encoding")))
    assert [line.rpartition("!")[2] for line in lines[place : place + 4]] == [
        "header = Transfer-Encoding",
        "type = provided",
        "handler = custom_error",
        "error = 411",
    ]


def test_admin_is_open_to_its_networks_only() -> None:
    opened = text(admin={"mode": "https", "networks": ["192.0.2.0/24", "2001:db8::/32", "2001:db8::7/128"]})
    assert "!match!right!right!from!2 = 2001:db8::/32" in opened
    assert "!match!right!right!from!3 = 2001:db8::7\n" in opened
    assert "!from!" not in text()


def test_the_first_rule_has_the_highest_number() -> None:
    rules = [line for line in text().splitlines() if re.search(r"!rule!\d+!match = ", line)]
    first = f"vserver!{settings.number('web2py')}!"
    numbers = [int(line.split("!")[3]) for line in rules if line.startswith(first)]
    assert numbers == sorted(numbers, reverse=True) and numbers[-1] == 1
    assert next(line for line in rules if line.startswith(first + "rule!1!")).endswith(" = default")


@pytest.mark.parametrize(
    ("head", "found"),
    [
        ("GET / HTTP/1.1\r\nHost: a\r\nhost : b\r\n\r\n", True),
        ("GET / HTTP/1.1\nHost: a\nX: b\nHost: a\n\n", True),
        ("GET / HTTP/1.1\r\nHost: a\r\nX-Host: b\r\n\r\n", False),
        ("POST / HTTP/1.1\r\nHost: a\r\n\r\nHost: b\r\nHost: c", False),
    ],
)
def test_two_hosts_in_one_head_are_noticed(head: str, found: bool) -> None:
    # Before 3.11 Python has no possessive repetition; what it finds is the same.
    pattern = settings._TWICE.replace("{name}", "Host").replace("*+", "*")
    assert bool(re.search(pattern, head)) is found


@pytest.mark.parametrize(
    ("asked", "refused"),
    [("bytes=a-b", True), ("bytes=--5", True), ("bytes=", True), ("bytes=0-9, -5", False), ("lines=1-2", False)],
)
def test_a_part_that_is_none_is_noticed(asked: str, refused: bool) -> None:
    head = f"GET / HTTP/1.1\r\nHost: a\r\nRange: {asked}\r\n\r\n"
    assert bool(re.search(settings._NO_PART.replace("*+", "*"), head)) is refused


@pytest.mark.parametrize(
    ("accepted", "readable"),
    [("gzip", True), ("br, gzip;q=0.5", True), ("gzip;q=0", False), ("gzip; q=0.0, br", False), ("xgzipx", False)],
)
def test_compressed_text_goes_to_who_reads_it(accepted: str, readable: bool) -> None:
    assert bool(re.search(settings._READABLE, accepted)) is readable
