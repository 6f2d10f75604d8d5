"""Redis and memcached of a site: what is refused, and what the roles and the runtime are told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.web2py.deploy.plugins.module_utils import _host, _stores
from ansible_collections.web2py.deploy.plugins.module_utils._preflight import examine
from ansible_collections.web2py.deploy.plugins.module_utils._preflight_account import account_problems
from ansible_collections.web2py.deploy.plugins.module_utils._site import resolve
from tests.unit.plugins.module_utils.choices import HOST, OPTIONS, PASSWORD

BASE: dict[str, Any] = {"web2py_domain": "www.example.org", "web2py_source": {"type": "pypi"}}
BOTH = {"web2py_sessions": {"store": "redis"}, "web2py_cache": {"store": "redis"}}
FAR = {**BOTH, "web2py_redis": {"host": "10.0.0.7"}, "web2py_redis_password": PASSWORD}


def found(given: dict[str, Any]) -> list[str]:
    _choices, problems = examine(OPTIONS, {**BASE, **given}, HOST)
    return [str(problem) for problem in problems]


def site(given: dict[str, Any], host: dict[str, Any] | None = None) -> dict[str, Any]:
    choices, problems = examine(OPTIONS, {**BASE, **given}, HOST)
    assert problems == []
    return resolve(choices, {**HOST, **(host or {})})


def test_a_site_without_them_has_nothing() -> None:
    resolved = site({})
    for program in _stores.PROGRAMS:
        assert resolved[program] == {
            "uses": [],
            "places": {},
            "elsewhere": False,
            "group": None,
            "instances": [],
            "former": [],
            "forget": False,
            "settle": False,
        }
    assert not {"redis-server", "memcached"} & set(resolved["packages"])
    assert not [name for name in resolved["requirements"] if name.startswith(("redis", "pymemcache"))]


def test_sessions_and_cached_values_have_an_instance_each() -> None:
    resolved = site(BOTH)
    part = resolved["redis"]
    assert part["uses"] == ["sessions", "cache"]
    assert [row["unit"] for row in part["instances"]] == ["web2py_redis_sessions", "web2py_redis_cache"]
    assert part["places"] == {
        "sessions": {"socket": "/run/web2py_redis_sessions/redis.sock"},
        "cache": {"socket": "/run/web2py_redis_cache/redis.sock"},
    }
    assert [row["state"] for row in part["instances"]] == ["/var/lib/web2py_redis_sessions", ""]
    assert part["settle"] and not part["elsewhere"]
    assert "redis-server" in resolved["packages"]
    assert "redis==8.1.0" in resolved["requirements"]
    assert resolved["memcached"]["instances"] == []


def test_an_application_has_its_own_word() -> None:
    rows = [
        {"name": "a", "source": {"type": "starter"}},
        {"name": "b", "source": {"type": "starter"}, "sessions": {"store": "memcached"}},
    ]
    resolved = site({"web2py_applications": rows, "web2py_cache": {"store": "redis"}})
    assert resolved["redis"]["uses"] == ["cache"]
    assert resolved["memcached"]["uses"] == ["sessions"]
    assert resolved["memcached"]["places"] == {
        "sessions": {"servers": ["unix:/run/web2py_memcached_sessions/memcached.sock"]}
    }
    assert {"memcached", "redis-server"} <= set(resolved["packages"])
    assert "pymemcache==4.0.0" in resolved["requirements"]


@pytest.mark.parametrize(
    ("python", "wanted"), [("3.9.18", "redis==7.0.1"), ("3.10", "redis==8.1.0"), ("3.13.5", "redis==8.1.0")]
)
def test_the_client_fits_the_python(python: str, wanted: str) -> None:
    rows = [{"settings": {"cache": {"store": "redis"}}}]
    assert _stores.requirements(rows, python) == [wanted]


def test_elsewhere_nothing_is_installed_and_no_secret_is_told() -> None:
    resolved = site({**FAR, "web2py_memcached": None})
    assert resolved["redis"]["places"] == {
        use: {"host": "10.0.0.7", "port": 6379, "user": "default"} for use in ("sessions", "cache")
    }
    assert resolved["redis"]["elsewhere"] and resolved["redis"]["instances"] == []
    assert "redis-server" not in resolved["packages"]
    assert PASSWORD not in json.dumps(resolved)
    far = {"web2py_cache": {"store": "memcached"}, "web2py_memcached": {"servers": ["10.0.0.7:11211", "[fd00::7]:1"]}}
    assert site(far)["memcached"]["places"] == {"cache": {"servers": ["10.0.0.7:11211", "[fd00::7]:1"]}}
    assert "memcached" not in site(far)["packages"]


@pytest.mark.parametrize(
    ("host", "settle"),
    [
        ({}, True),
        ({"packages": ["redis-server"]}, False),
        ({"packages": ["redis-server"], "held": ["redis"]}, True),
        ({"packages": ["redis-tools"], "held": ["memcached"]}, True),
    ],
)
def test_only_an_instance_that_nobody_had_is_turned_off(host: dict[str, Any], settle: bool) -> None:
    assert site(BOTH, host)["redis"]["settle"] is settle


def test_what_a_site_no_longer_has_is_former() -> None:
    traces = {
        "redis": ["web2py"],
        "redis_sessions": ["web2py", "other"],
        "redis_cache": ["web2py"],
        "memcached_cache": ["other"],
    }
    host = {"traces": traces, "folders": {"/etc/web2py": "web2py"}}
    part = site({"web2py_cache": {"store": "redis"}}, host)["redis"]
    assert [row["use"] for row in part["former"]] == ["sessions"]
    assert not part["forget"]
    part = site({}, host)
    assert [row["unit"] for row in part["redis"]["former"]] == ["web2py_redis_sessions", "web2py_redis_cache"]
    assert part["redis"]["forget"]
    assert part["memcached"]["former"] == []
    assert not part["memcached"]["forget"]
    # Settings of its name alone may be somebody's own.
    assert site({}, {"traces": traces})["redis"]["former"] == []


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"web2py_redis": {"port": 6380}, **BOTH}, "web2py_redis.port = 6380: has no meaning"),
        ({"web2py_redis": {"user": "shop", "ca": "/a"}, **BOTH}, "web2py_redis.ca = '/a': has no meaning"),
        ({"web2py_redis_password": PASSWORD, **BOTH}, "web2py_redis_password"),
        ({**FAR, "web2py_redis_password": None}, "missing, and Redis is elsewhere"),
        ({**FAR, "web2py_redis_password": "short"}, "not fit for a password"),
        ({**FAR, "web2py_redis_password": "two\nlines of it"}, "not fit for a password"),
        ({**FAR, "web2py_redis": {"host": "redis://x"}}, "is not a host"),
        ({**FAR, "web2py_redis": {"host": "a..b"}}, "is not a host"),
        ({**FAR, "web2py_redis": {"host": "8.8.8.8"}}, "is a public address"),
        ({**FAR, "web2py_redis": {"host": "224.0.0.1"}}, "is no address of a host"),
        ({**FAR, "web2py_redis": {"host": "10.0.0.7", "port": 0}}, "is not a port"),
        ({**FAR, "web2py_redis": {"host": "10.0.0.7", "port": 65536}}, "is not a port"),
        ({**FAR, "web2py_redis": {"host": "10.0.0.7", "user": "a b"}}, "is not a name of an ACL user"),
        ({**FAR, "web2py_redis": {"host": "10.0.0.7", "ca": "ca.pem"}}, "is not a path on the host"),
        ({"web2py_redis": {"host": "10.0.0.7"}, "web2py_redis_password": PASSWORD}, "no application"),
        ({"web2py_memcached": {"servers": ["10.0.0.7:11211"]}}, "is used by no application"),
        ({"web2py_cache": {"store": "memcached"}, "web2py_memcached": {"servers": ["10.0.0.7"]}}, "host with a port"),
        ({"web2py_cache": {"store": "memcached"}, "web2py_memcached": {"servers": ["a:0"]}}, "host with a port"),
        ({"web2py_cache": {"store": "memcached"}, "web2py_memcached": {"servers": ["a:99999"]}}, "host with a port"),
        ({"web2py_cache": {"store": "memcached"}, "web2py_memcached": {"servers": ["8.8.8.8:1"]}}, "public address"),
        ({"web2py_cache": {"store": "memcached"}, "web2py_memcached": {"servers": ["a:1", "a:1"]}}, "twice"),
        ({"web2py_cache": {"store": "mongodb"}}, "web2py_cache"),
        ({"web2py_sessions": {"store": "ram"}}, "web2py_sessions"),
    ],
)
def test_what_is_wrong_is_told(given: dict[str, Any], words: str) -> None:
    told = found(given)
    assert any(words in line for line in told), told
    assert not any(PASSWORD in line for line in told)


def test_a_public_address_with_tls_is_fine() -> None:
    assert found({**FAR, "web2py_redis": {"host": "8.8.8.8", "ca": "/etc/ssl/redis.pem"}}) == []


def test_an_account_has_no_instances() -> None:
    choices, _problems = examine(OPTIONS, {**BASE, **BOTH}, HOST)
    told = _stores.account_problems({**choices, "web2py_account": {}})
    assert ["redis" in str(problem) for problem in told] == [True]
    assert _stores.account_problems({**choices, "web2py_sessions": None, "web2py_cache": None}) == []
    assert callable(account_problems)


def test_a_server_that_waits_for_its_role_is_seen(tmp_path: Path) -> None:
    masks, wants = tmp_path / "run", tmp_path / "etc/multi-user.target.wants"
    for folder in (masks, wants):
        folder.mkdir(parents=True)

    def held() -> list[str]:
        return _host.held(str(masks), str(tmp_path / "etc"))

    assert held() == []
    (masks / "redis-server.service").symlink_to("/dev/null")
    (masks / "memcached.service").write_text("[Unit]\n")
    # Off after the next boot too.
    assert held() == []
    for name in ("redis-server", "memcached"):
        (wants / f"{name}.service").touch()
    assert held() == ["redis"]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"web2py_cache": {"store": "ram", "max_mb": 0}}, "cache.max_mb = 0: is out of bounds"),
        ({"web2py_cache": {"store": "ram", "max_mb": 4097}}, "cache.max_mb = 4097: is out of bounds"),
        ({"web2py_cache": {"store": "ram", "max_mb": -5}}, "cache.max_mb = -5: is out of bounds"),
        ({"web2py_cache": {"max_mb": "much"}}, "web2py_cache.max_mb"),
        ({"web2py_cache": {"store": "disk", "max_mb": 8}}, "and cache.store is disk"),
        ({"web2py_cache": {"store": "redis", "max_mb": 8}}, "and cache.store is redis"),
    ],
)
def test_a_bound_that_means_nothing_is_refused(given: dict[str, Any], words: str) -> None:
    assert [problem for problem in found(given) if words in problem]


@pytest.mark.parametrize("bound", [1, 64, 4096])
def test_a_bound_is_told_to_the_application(bound: int) -> None:
    (row,) = site({"web2py_cache": {"max_mb": bound}})["applications"]
    assert row["settings"]["cache"] == {"store": "ram", "max_mb": bound}
