"""A host has room for a site, or tells what is in the way. test__site.py has the cases that need all choices."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.web2py.deploy.plugins.module_utils._preflight_host import folder_problems, host_problems

CHOICES: dict[str, Any] = {
    "web2py_site": "shop",
    "web2py_root": "/srv",
    "web2py_front_end": "nginx",
    "web2py_app_server": "uwsgi",
    "web2py_tls": {"provider": "self_signed"},
    "web2py_admin": "disabled",
}
HOST: dict[str, Any] = {"distribution": "debian", "version": "12"}


@pytest.mark.parametrize(
    "host, words",
    [
        ({"version": "11"}, "is not a supported distribution"),
        ({"users": {"shop": "/home/shop"}}, "a user of that name exists"),
        ({"groups": ["shop"]}, "a group of that name exists"),
        ({"units": ["shop.service"]}, "has a service of that name"),
        ({"units": ["shop-admin.service"]}, "has a service of that name"),
        ({"listening": [{"port": 443, "program": "haproxy"}]}, "port 443 is held by haproxy"),
        ({"folders": {"/etc/shop": ""}}, "belongs to something else"),
    ],
)
def test_what_is_in_the_way_is_told(host: dict[str, Any], words: str) -> None:
    assert host_problems(CHOICES, HOST) == []
    assert words in str(host_problems(CHOICES, {**HOST, **host})[0])


def test_the_front_end_itself_is_in_nobodys_way() -> None:
    assert host_problems(CHOICES, {**HOST, "listening": [{"port": 80, "program": "nginx"}]}) == []


def test_a_program_that_is_ours_alone_shares_no_port() -> None:
    """Cherokee of somebody else is another instance of it."""
    choices = {**CHOICES, "web2py_front_end": "cherokee", "web2py_app_server": "fastcgi"}
    row = {"port": 80, "program": "cherokee-worker"}
    host = {**HOST, "programs": ["/usr/sbin/cherokee", "/usr/sbin/cherokee-worker"], "listening": [row]}
    assert "port 80 is held by cherokee-worker" in str(host_problems(choices, host)[0])
    assert host_problems(choices, {**host, "traces": {"cherokee": ["other"]}}) == []


def test_a_server_that_the_distribution_has_no_more_is_refused_by_name() -> None:
    choices = {**CHOICES, "web2py_front_end": "apache", "web2py_app_server": "mod_python"}
    assert host_problems(choices, HOST) == []
    assert str(host_problems(choices, {**HOST, "version": "13"})[0]) == (
        "web2py_app_server = 'mod_python': has no package on debian 13. Use mod_wsgi, or a host with debian 12."
    )


def test_folders_with_the_mark_of_the_site_are_its_own() -> None:
    assert folder_problems(CHOICES, {"folders": {"/etc/shop": "shop", "/srv/shop": "shop"}}) == []
