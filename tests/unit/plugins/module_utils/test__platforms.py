from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.web2py.deploy.plugins.module_utils import _platforms
from ansible_collections.web2py.deploy.plugins.module_utils._backend import APP_SERVERS
from ansible_collections.web2py.deploy.plugins.module_utils._host import PROVIDED
from ansible_collections.web2py.deploy.plugins.module_utils._packages import DEBIAN, RED_HAT, packages
from ansible_collections.web2py.deploy.plugins.module_utils._preflight_host import (
    platform_problems,
    program_problems,
)

ROLES = Path(__file__).resolve().parents[4] / "roles"
CHOICES: dict[str, Any] = {
    "web2py_front_end": "apache",
    "web2py_app_server": "mod_wsgi",
    "web2py_tls": {"provider": "self_signed"},
    "web2py_unproven_platform": True,
}


def words(role: str, family: str) -> dict[str, Any]:
    return dict(yaml.safe_load((ROLES / role / "vars" / f"{family}.yml").read_text()))


@pytest.mark.parametrize("role", sorted(path.parents[1].name for path in ROLES.glob("*/vars/RedHat.yml")))
def test_each_family_says_the_same_words(role: str) -> None:
    assert words(role, "RedHat").keys() == words(role, "Debian").keys()


@pytest.mark.parametrize("role", ["apache", "mod_wsgi", "nginx", "uwsgi"])
def test_the_words_of_red_hat_name_nothing_of_debian(role: str) -> None:
    text = re.sub(r"(sites|conf)-(available|enabled)", "", str(words(role, "RedHat")))
    assert not re.search(r"apache2|www-data|debian|/usr/lib/uwsgi", text)


@pytest.mark.parametrize("place", _platforms.WRITTEN)
def test_a_written_platform_has_all_that_its_pairs_need(place: tuple[str, str]) -> None:
    family = _platforms.family(place[0])
    for front_end, server in (("nginx", "uwsgi"), ("apache", "mod_wsgi")):
        if _platforms.lacks(*place, [front_end, server]):
            continue
        assert all(packages([word], family) != packages([], family) for word in (front_end, server))
        unit = _platforms.front_end(front_end, place[0]).units[-1]
        assert words(front_end, family)[f"__{front_end}_service"] + ".service" == unit


@pytest.mark.parametrize("place", _platforms.WRITTEN)
def test_each_word_has_its_packages_or_is_refused(place: tuple[str, str]) -> None:
    """A word that a family's table does not know would be passed over in silence, and the run fail at its end."""
    known = RED_HAT if _platforms.family(place[0]) == "RedHat" else DEBIAN
    for word in DEBIAN:
        elsewhere = word in APP_SERVERS and APP_SERVERS[word].hosts and place not in APP_SERVERS[word].hosts
        assert word in known or _platforms.lacks(*place, [word]) or elsewhere, word


def test_what_no_distribution_has_is_looked_for_where_its_role_runs_it() -> None:
    own, row = words("cherokee", "Debian"), _platforms.front_end("cherokee", "debian")
    assert PROVIDED["cherokee"] == (own["__cherokee_check"][0], own["__cherokee_program"])
    assert own["__cherokee_program"].rpartition("/")[2] == row.program
    assert own["__cherokee_service"] + ".service" == row.units[-1]


def test_a_front_end_has_the_names_of_its_platform() -> None:
    assert _platforms.front_end("apache", "ubuntu").user == "www-data"
    assert _platforms.front_end("apache", "rocky").program == "httpd"
    assert _platforms.front_end("apache", "rocky").speaks == _platforms.front_end("apache", "debian").speaks
    assert _platforms.front_end("nginx", "rhel").user == "nginx"


@pytest.mark.parametrize(
    ("place", "choices", "host", "words"),
    [
        (("debian", "11"), {}, {}, "is not a supported distribution"),
        (("ubuntu", "24"), {"web2py_unproven_platform": False}, {}, "web2py_unproven_platform: true"),
        (("ubuntu", "22"), {"web2py_front_end": "nginx"}, {}, "use apache"),
        (("rocky", "9"), {"web2py_front_end": "lighttpd"}, {}, "use nginx or apache"),
        (("rocky", "9"), {"web2py_front_end": "cherokee"}, {}, "use nginx or apache"),
        (("ubuntu", "22"), {"web2py_front_end": "none"}, {}, "older than 3.11; use apache"),
        (("rhel", "9"), {"web2py_front_end": "none"}, {}, "older than 3.11; use nginx or apache"),
        (("rocky", "9"), {"web2py_tls": {"provider": "acme"}}, {}, "use self_signed or provided"),
        (("debian", "12"), {}, {"selinux": "enforcing"}, "setenforce 0"),
        (("ubuntu", "24"), {}, {"selinux": "enforcing"}, "setenforce 0"),
        # Nobody but root can write a policy down.
        (("rhel", "9"), {}, {"selinux": "enforcing", "account": {}}, "setenforce 0"),
    ],
)
def test_what_is_not_shown_to_work_is_told(
    place: tuple[str, str], choices: dict[str, Any], host: dict[str, Any], words: str
) -> None:
    host = {"distribution": place[0], "version": place[1], **host}
    found = [check({**CHOICES, **choices}, host) for check in (platform_problems, program_problems)]
    found = [problem for problems in found for problem in problems]
    assert len(found) == 1 and words in str(found[0])


@pytest.mark.parametrize("place", _platforms.WRITTEN)
def test_plain_http_works_everywhere(place: tuple[str, str]) -> None:
    host = {"distribution": place[0], "version": place[1]}
    assert program_problems({**CHOICES, "web2py_tls": {"provider": "none"}}, host) == []


@pytest.mark.parametrize(
    ("place", "selinux"),
    [
        (("debian", "12"), "disabled"),
        (("debian", "13"), "permissive"),
        (("ubuntu", "24"), "permissive"),
        (("almalinux", "9"), "permissive"),
        (("almalinux", "9"), "enforcing"),
    ],
)
def test_a_known_platform_is_accepted_where_asked_for(place: tuple[str, str], selinux: str) -> None:
    host = {"distribution": place[0], "version": place[1], "selinux": selinux}
    assert platform_problems(CHOICES, host) == []
