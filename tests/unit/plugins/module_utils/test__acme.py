"""What a site wants of an ACME authority, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.web2py.deploy.plugins.module_utils._acme import PRODUCTION, STAGING, acme, problems

NAMES = [("web2py_domain", "www.example.org"), ("web2py_aliases", "example.org")]
OWN = {"directory": "https://ca.example.org:14000/acme/directory", "ca_bundle": "/ca.pem"}


def asked(**tls: Any) -> dict[str, Any]:
    found = acme({"web2py_site": "shop", "web2py_tls": {"provider": "acme", **tls}})
    assert found
    return found


def test_lets_encrypt_is_asked_if_nobody_else_is_named() -> None:
    assert asked()["directory"] == PRODUCTION
    assert asked(staging=False)["directory"] == PRODUCTION
    assert asked(staging=True)["directory"] == STAGING
    assert asked(**OWN)["directory"] == OWN["directory"]


def test_its_places_are_no_sites() -> None:
    assert asked()["state"] == "/var/lib/shop_acme"
    assert asked()["challenges"] == "/run/shop_acme"


def test_other_providers_have_none_of_it() -> None:
    assert acme({"web2py_site": "shop", "web2py_tls": {"provider": "self_signed"}}) is None


@pytest.mark.parametrize("tls", [{}, {"staging": True}, OWN, {"contact": "keeper+web@mail.example.org"}])
def test_good_choices_are_let_through(tls: dict[str, Any]) -> None:
    assert problems({"provider": "acme", **tls}, NAMES) == []


@pytest.mark.parametrize(
    ("tls", "variable", "words"),
    [
        ({"provider": "provided", "directory": "https://x/d"}, "web2py_tls.directory", "use the provider acme"),
        ({"provider": "none", "staging": False}, "web2py_tls.staging", "no meaning"),
        ({**OWN, "staging": True}, "web2py_tls.staging", "Keep one"),
        ({"directory": "http://ca.example.org/d"}, "web2py_tls.directory", "not an address with https"),
        ({"directory": "ca.example.org"}, "web2py_tls.directory", "not an address with https"),
        ({"directory": "https://ca.example.org/a b"}, "web2py_tls.directory", "not an address with https"),
        ({"directory": "https://me:word@ca.example.org/d"}, "web2py_tls.directory", "user name or password"),
        ({"ca_bundle": "/ca.pem"}, "web2py_tls.ca_bundle", "Give directory too"),
        ({"contact": "mailto:a@example.org"}, "web2py_tls.contact", "not an address of mail"),
        ({"contact": "a@localhost"}, "web2py_tls.contact", "not an address of mail"),
    ],
)
def test_wrong_choices_are_named(tls: dict[str, Any], variable: str, words: str) -> None:
    found = problems({"provider": "acme", **tls}, NAMES)
    assert [problem.variable for problem in found] == [variable]
    assert words in str(found[0])
    assert "word@" not in str(found[0])


def test_names_of_no_domain_are_refused_one_by_one() -> None:
    found = problems({"provider": "acme"}, [*NAMES, ("web2py_aliases", "intranet"), ("web2py_aliases", "localhost")])
    assert [problem.value for problem in found] == ["'intranet'", "'localhost'"]
    assert "self_signed" in str(found[0])
