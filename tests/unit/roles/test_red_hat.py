"""What SELinux and firewalld are told of a site, for every pair that is accepted on the family of Red Hat."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

from ansible_collections.web2py.deploy.plugins.module_utils._backend import APP_SERVERS, servers_of
from tests.unit.plugins.module_utils.test__site import problems, resolved

ROLE = Path(__file__).resolve().parents[3] / "roles/red_hat"
ROCKY = {"distribution": "rocky", "version": "9", "python": "3.9.18", "selinux": "enforcing"}
UNPROVEN = {"web2py_unproven_platform": True}
# mod_python is on Debian 12 only.
PAIRS = [(front, server) for front in ("nginx", "apache") for server in servers_of(front) if server != "mod_python"]


def pair(front_end: str, server: str) -> dict[str, Any]:
    return {**UNPROVEN, "web2py_front_end": front_end, "web2py_app_server": server}


def told(name: str, site: dict[str, Any], **host: Any) -> Any:
    """A word of vars/main.yml for a site on a host."""
    machine = {"sites": [], "packages": [], "selinux": "enforcing", **host}
    words = yaml.safe_load((ROLE / "vars/main.yml").read_text())
    words["__red_hat_module_text"] = (ROLE / "templates/etc/site/selinux.cil.j2").read_text()
    variables = {
        key: trust_as_template(value) if isinstance(value, str) else trusted(value) for key, value in words.items()
    }
    variables |= {"red_hat_site": site, "red_hat_host": machine, "ansible_managed": "Ansible managed"}
    return Templar(loader=DataLoader(), variables=variables).template(trust_as_template("{{ " + name + " }}"))


def trusted(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: trusted(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [trusted(entry) for entry in value]
    return trust_as_template(value) if isinstance(value, str) else value


def labels(text: str) -> list[str]:
    """The file contexts of a module."""
    return re.findall(r"^\(filecon (.*) \(\(s0\) \(s0\)\)\)\)$", text, re.MULTILINE)


def rules(text: str) -> list[str]:
    return re.findall(r"^\(allow (.*)\)$", text, re.MULTILINE)


def test_the_pairs_are_there() -> None:
    assert ("nginx", "uwsgi") in PAIRS and ("apache", "mod_wsgi") in PAIRS and len(PAIRS) > len(APP_SERVERS)


@pytest.mark.parametrize(("front_end", "server"), PAIRS)
def test_a_front_end_may_do_what_its_pair_needs_and_no_more(front_end: str, server: str) -> None:
    text = told("__red_hat_module_text", resolved(pair(front_end, server), ROCKY))
    inside = server == "mod_wsgi"
    assert labels(text) == [
        '"/srv/web2py(/.*)?" any (system_u object_r httpd_sys_content_t',
        '"/var/lib/web2py(/.*)?" any (system_u object_r httpd_sys_rw_content_t'
        if inside
        else '"/var/run/web2py/.*" socket (system_u object_r httpd_var_run_t',
        '"/etc/web2py/tls(/.*)?" any (system_u object_r cert_t',
    ]
    follows = "init_t httpd_sys_content_t (lnk_file (read))"
    if inside:
        assert rules(text) == [
            follows,
            "httpd_t httpd_sys_content_t (file (execute))",
            "httpd_t self (process (setrlimit))",
            "httpd_t port_type (tcp_socket (name_connect))",
        ]
    else:
        assert rules(text) == [follows, "httpd_t unconfined_service_t (unix_stream_socket (connectto))"]


@pytest.mark.parametrize("server", ["uwsgi", "mod_wsgi"])
def test_the_module_holds_nothing_else(server: str) -> None:
    text = told("__red_hat_module_text", resolved(pair("apache", server), ROCKY))
    statements = [line for line in text.splitlines() if line and not line.startswith(";")]
    assert len(statements) == len(labels(text)) + len(rules(text))
    assert all(line.count("(") == line.count(")") for line in statements)


def test_without_tls_there_is_no_key_to_label() -> None:
    site = resolved({**UNPROVEN, "web2py_tls": {"provider": "none"}}, ROCKY)
    assert "cert_t" not in told("__red_hat_module_text", site)


def test_a_dot_in_a_path_is_a_dot() -> None:
    site = resolved({**UNPROVEN, "web2py_root": "/srv/www.d"}, ROCKY)
    assert '(filecon "/srv/www[.]d/web2py(/.*)?" any ' in told("__red_hat_module_text", site)


def test_a_module_is_known_again_by_its_name_and_content() -> None:
    site = resolved({**UNPROVEN, "web2py_site": "my-shop"}, ROCKY)
    digest = hashlib.sha256(told("__red_hat_module_text", site).encode()).hexdigest()
    assert told("__red_hat_module_line", site) == f"web2py_deploy_my-shop sha256:{digest}"
    assert told("__red_hat_module_file", site) == "/etc/my-shop/web2py_deploy_my-shop.cil"


@pytest.mark.parametrize(("word", "there"), [("enforcing", True), ("permissive", True), ("disabled", False)])
def test_a_module_is_for_hosts_with_selinux(word: str, there: bool) -> None:
    assert told("__red_hat_enabled", resolved(UNPROVEN, ROCKY), selinux=word) is there


HTTP, HTTPS = 'rule service name="http" accept', 'rule service name="https" accept'


@pytest.mark.parametrize(
    ("provider", "neighbours", "opened", "closed"),
    [
        ("self_signed", [], [HTTP, HTTPS], []),
        ("none", [], [HTTP], [HTTPS]),
        ("none", ["blog"], [HTTP], []),
        ("none", ["web2py"], [HTTP], [HTTPS]),
    ],
)
def test_firewalld_opens_what_is_served(
    provider: str, neighbours: list[str], opened: list[str], closed: list[str]
) -> None:
    site = resolved({**UNPROVEN, "web2py_tls": {"provider": provider}}, ROCKY)
    sites = [{"site": name} for name in neighbours]
    assert told("__red_hat_open", site, sites=sites) == opened
    assert told("__red_hat_closed", site, sites=sites) == closed


def test_firewalld_is_asked_where_it_is() -> None:
    site = resolved(UNPROVEN, ROCKY)
    assert told("__red_hat_firewall", site, packages=["firewalld"]) is True
    assert told("__red_hat_firewall", site) is False


@pytest.mark.parametrize(("front_end", "server"), PAIRS)
def test_enforcing_is_accepted_where_a_module_is_written(front_end: str, server: str) -> None:
    assert problems(pair(front_end, server), ROCKY) == []


def test_keys_of_sessions_between_hosts_are_keys() -> None:
    site = resolved(UNPROVEN, ROCKY)
    site["tls"]["sessions"] = {"folder": "/var/lib/web2py_tls"}
    text = told("__red_hat_module_text", site)
    assert '"/var/lib/web2py_tls(/.*)?" any (system_u object_r cert_t' in labels(text)
