"""One site on several hosts: what must be the same on all of them, and what each keeps for itself."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.web2py.deploy.plugins.module_utils import _hosts
from ansible_collections.web2py.deploy.plugins.module_utils._preflight import examine
from tests.unit.plugins.module_utils.choices import ELSEWHERE, HOST, OPTIONS, SERVER, application, problems, site

KEY = "a key of a vault, long enough for it"
COOKIE = application(sessions={"store": "cookie"})
REDIS = {"web2py_redis": {"host": "10.0.0.7"}, "web2py_redis_password": "long enough"}


def test_all_hosts_make_the_same_key_and_each_application_has_its_own() -> None:
    key = _hosts.cookie_key(KEY, "shop", "one")
    assert key == _hosts.cookie_key(KEY, "shop", "one") and len(key) == 43 and key.isascii()
    others = [(KEY, "shop", "two"), (KEY, "other", "one"), (KEY + "x", "shop", "one"), (KEY, "shop\0one", "")]
    assert len({key, *(_hosts.cookie_key(*words) for words in others)}) == 5


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"web2py_session_key": "x" * 31}, "web2py_session_key = (not shown): is not fit for a key"),
        ({"web2py_session_key": "x" * 1025}, "is not fit for a key"),
        ({"web2py_session_key": KEY + "\n" + KEY}, "is not fit for a key"),
        ({"web2py_session_key": KEY, **application()}, "no application has these"),
    ],
)
def test_wrong_keys_are_refused_and_not_shown(given: dict[str, Any], told: str) -> None:
    found = problems(**{**COOKIE, **given})
    assert len(found) == 1 and told in found[0] and given["web2py_session_key"] not in found[0]


@pytest.mark.parametrize("key", ["x" * 32, "y" * 1024, KEY])
def test_right_keys_are_taken(key: str) -> None:
    assert problems(**COOKIE, web2py_session_key=key) == []


@pytest.mark.parametrize(
    ("given", "peers", "refused"),
    [
        (COOKIE, ["two"], True),
        (COOKIE, [], False),
        ({**COOKIE, "web2py_session_key": KEY}, ["two"], False),
        (application(), ["two"], False),
    ],
)
def test_hosts_of_a_site_need_one_key(given: dict[str, Any], peers: list[str], refused: bool) -> None:
    found = examine(OPTIONS, {**SERVER, **given}, HOST, (), peers)[1]
    assert [str(problem).split(",")[0] for problem in found] == (["web2py_session_key: missing"] if refused else [])


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ({}, ["the database server", "the sessions of shop (file)"]),
        (
            {"web2py_database": {"type": "sqlite"}, "web2py_database_password": None},
            ["the database of shop (sqlite)", "the sessions of shop (file)"],
        ),
        ({"web2py_database": ELSEWHERE, "web2py_sessions": {"store": "database"}}, []),
        ({"web2py_database": ELSEWHERE, "web2py_sessions": {"store": "cookie"}}, []),
        ({"web2py_database": ELSEWHERE, "web2py_sessions": {"store": "redis"}}, ["the sessions of shop (redis)"]),
        ({"web2py_database": ELSEWHERE, "web2py_sessions": {"store": "redis"}, **REDIS}, []),
        (
            {"web2py_database": ELSEWHERE, "web2py_sessions": {"store": "memcached"}},
            ["the sessions of shop (memcached)"],
        ),
    ],
)
def test_what_each_host_keeps_for_itself_is_told(given: dict[str, Any], kept: list[str]) -> None:
    files = site(**{**application(), **given})
    assert _hosts.own(files) == [*kept, "the uploads of shop, if it has any (file)"]
    if files["data"] is None:
        return
    resolved = site(**{**application(), **given, "web2py_uploads": {"store": "database"}})
    assert _hosts.own(resolved) == kept
    assert _hosts.warnings(resolved, []) == []
    told = _hosts.warnings(resolved, ["two", "three"])
    assert len(told) == bool(kept) and all(word in told[0] for word in kept)


def test_hosts_of_a_site_are_those_of_its_name_and_domain_on_other_machines() -> None:
    shop = {"web2py_site": "shop", "web2py_domain": "www.example.org"}
    hostvars = {
        "one": {**shop, "ansible_host": "10.0.0.1"},
        "same": {**shop, "ansible_host": "10.0.0.1"},
        "two": {**shop, "ansible_host": "10.0.0.2"},
        "other": {"web2py_domain": "www.example.org", "ansible_host": "10.0.0.3"},
        "elsewhere": {"web2py_site": "shop", "ansible_host": "10.0.0.4"},
    }
    groups = {"web2py_web": list(hostvars)}

    def variables(name: str) -> dict[str, Any]:
        return {"hostvars": hostvars, "groups": groups, "inventory_hostname": name, **hostvars[name]}

    def peers(name: str) -> list[str]:
        return _hosts.peers(variables(name), "web2py_web")

    assert [name for name, _theirs in _hosts.neighbours(variables("one"), "web2py_web")] == ["same"]
    assert peers("one") == ["two"] and peers("two") == ["one", "same"]
    assert peers("other") == [] == peers("elsewhere")
