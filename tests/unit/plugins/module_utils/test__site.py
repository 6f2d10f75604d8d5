"""The table of choices: what is refused, all at once, and what the resolved site looks like."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import yaml

from ansible_collections.web2py.deploy.plugins.module_utils._host import PROVIDED, UNKNOWN
from ansible_collections.web2py.deploy.plugins.module_utils._preflight import examine, examine_names
from ansible_collections.web2py.deploy.plugins.module_utils._site import claims, resolve
from tests.unit.plugins.module_utils.choices import HOST, OPTIONS, ROOT

MOD_PYTHON = {"web2py_front_end": "apache", "web2py_app_server": "mod_python"}
GIT = {"type": "git", "url": "https://git.example.org/shop.git", "version": "1.4.0"}

ALONE = {"web2py_front_end": "none", "web2py_app_server": "rocket"}


def problems(
    given: dict[str, Any], host: dict[str, Any] | None = None, others: list[dict[str, Any]] | None = None
) -> list[str]:
    choices = {"web2py_domain": "www.example.org", **given}
    return [str(problem) for problem in examine(OPTIONS, choices, {**HOST, **(host or {})}, others or [])[1]]


def resolved(given: dict[str, Any] | None = None, host: dict[str, Any] | None = None) -> dict[str, Any]:
    machine = {**HOST, **(host or {})}
    choices, found = examine(OPTIONS, {"web2py_domain": "www.example.org", **(given or {})}, machine)
    assert found == []
    return resolve(choices, machine)


def application(**keys: Any) -> dict[str, Any]:
    return {"web2py_applications": [{"name": "shop", "source": GIT, **keys}]}


STARTER = {"name": "starter", "source": {"type": "starter"}}
ADMIN = {"web2py_admin": "tunnel", "web2py_admin_password": "correct horse"}
CHEROKEE = {
    "web2py_front_end": "cherokee",
    "web2py_app_server": "fastcgi",
}
BAD = [
    # (choices, the variable that must be named, a word of the fault or remedy)
    ({"web2py_front_edn": "nginx"}, "web2py_front_edn", "web2py_front_end"),
    ({"web2py_nonsense_word": 1}, "web2py_nonsense_word", "unknown"),
    ({"web2py_front_end": "ngnix"}, "web2py_front_end", "nearest is nginx"),
    ({"web2py_app_server": "passenger"}, "web2py_app_server", "uwsgi"),
    (application(scheduler={"groups": ["a b"]}), "web2py_applications (shop).scheduler.groups", "not a name"),
    (application(scheduler={"workers": "many"}), "web2py_applications[0].scheduler.workers", "whole number"),
    (application(scheduler={"teams": ["main"]}), "web2py_applications[0].scheduler.teams", "groups"),
    ({"web2py_site": "Web2py"}, "web2py_site", "lower case"),
    ({"web2py_site": "a" * 32}, "web2py_site", "at most 31"),
    ({"web2py_site": "../etc"}, "web2py_site", "short name"),
    ({"web2py_site": "nginx"}, "web2py_site", "program"),
    ({"web2py_methods": ["POST", "GET"]}, "web2py_methods", "HEAD"),
    ({"web2py_site": 7}, "web2py_site", "Quote"),
    ({"web2py_site": True}, "web2py_site", "Quote"),
    ({"web2py_domain": "http://www.example.org"}, "web2py_domain", "no scheme"),
    ({"web2py_domain": "www.example.org:8080"}, "web2py_domain", "host name"),
    ({"web2py_domain": "*.example.org"}, "web2py_domain", "wildcard"),
    ({"web2py_domain": "192.0.2.1"}, "web2py_domain", "host name"),
    ({"web2py_domain": "WWW.example.org"}, "web2py_domain", "lower case"),
    ({"web2py_domain": "a;return 200"}, "web2py_domain", "host name"),
    ({"web2py_domain": "www.example.org\n"}, "web2py_domain", "host name"),
    ({"web2py_aliases": "example.org"}, "web2py_aliases", "a list"),
    ({"web2py_aliases": ["www.example.org"]}, "web2py_aliases", "more than once"),
    ({"web2py_aliases": [["x"]]}, "web2py_aliases[0]", "text"),
    ({"web2py_root": "srv"}, "web2py_root", "absolute"),
    ({"web2py_root": "/etc"}, "web2py_root", "folder for sites"),
    ({"web2py_root": "/var/lib"}, "web2py_root", "folder for sites"),
    ({"web2py_root": "/srv/a b"}, "web2py_root", "letters, digits"),
    ({"web2py_source": "v3.3.3"}, "web2py_source", "mapping"),
    ({"web2py_source": {"type": "svn"}}, "web2py_source.type", "pypi, git, archive, directory"),
    ({"web2py_source": {"version": "v3.3.3"}}, "web2py_source.type", "missing"),
    ({"web2py_source": {"type": "pypi", "version": 2.26}}, "web2py_source.version", "Quote"),
    ({"web2py_source": {"type": "pypi", "url": "https://x"}}, "web2py_source.url", "no meaning"),
    ({"web2py_source": {"type": "git", "verison": "v3"}}, "web2py_source.verison", "version"),
    ({"web2py_source": {"type": "git", "version": "--upload-pack=x"}}, "web2py_source", "hyphen"),
    ({"web2py_source": {"type": "archive", "url": "https://x/w.zip"}}, "web2py_source.sha256", "missing"),
    ({"web2py_source": {"type": "archive", "url": "http://x/w.zip", "sha256": "0" * 64}}, "web2py_source.url", "https"),
    (
        {"web2py_source": {"type": "archive", "url": "https://x/w.zip", "sha256": "abc"}},
        "web2py_source.sha256",
        "SHA-256",
    ),
    (
        {"web2py_source": {"type": "archive", "url": "https://x", "path": "/x", "sha256": "0" * 64}},
        "web2py_source",
        "either",
    ),
    ({"web2py_source": {"type": "directory"}}, "web2py_source.path", "missing"),
    ({"web2py_source": {"type": "git", "version": "v1.99.7"}}, "web2py_source.version", "not known"),
    ({"web2py_tls": {"provider": "letsencrypt"}}, "web2py_tls.provider", "self_signed"),
    ({"web2py_tls": {"provider": "provided"}}, "web2py_tls.certificate", "missing"),
    ({"web2py_tls": {"provider": "provided"}}, "web2py_tls.key", "missing"),
    ({"web2py_tls": {"provider": "self_signed", "key": "/k"}}, "web2py_tls.key", "no meaning"),
    ({"web2py_tls": {"provider": "self_signed", "contact": "a@example.org"}}, "web2py_tls.contact", "no meaning"),
    ({"web2py_tls": {"provider": "acme", "certificate": "/c"}}, "web2py_tls.certificate", "no meaning"),
    ({"web2py_tls": {"provider": "acme", "directory": "http://a.example.org/d"}}, "web2py_tls.directory", "https"),
    ({"web2py_tls": {"provider": "acme"}, "web2py_domain": "localhost"}, "web2py_domain", "authority"),
    ({"web2py_tls": {"provider": "acme"}, "web2py_domain": "192.0.2.7"}, "web2py_domain", "not a host name"),
    ({"web2py_admin": True}, "web2py_admin", "text"),
    ({"web2py_admin": "htps"}, "web2py_admin", "nearest is https"),
    ({"web2py_admin": "tunnel"}, "web2py_admin_password", "vault"),
    ({"web2py_admin": "tunnel", "web2py_admin_password": "short"}, "web2py_admin_password", "8 to 1024"),
    ({"web2py_admin": "https", "web2py_admin_password": "correct horse"}, "web2py_admin_networks", "0.0.0.0/0"),
    (
        {**ADMIN, "web2py_admin": "https", "web2py_admin_networks": ["::/0"], "web2py_tls": {"provider": "none"}},
        "web2py_admin",
        "no https",
    ),
    ({**ADMIN, "web2py_source": {"type": "pypi"}}, "web2py_admin", "no complete admin"),
    ({**ADMIN, **application(name="admin")}, "web2py_applications (admin)", "first page of a public name"),
    (
        {**ADMIN, "web2py_applications": [STARTER, {"name": "admin", "source": GIT, "domains": ["a.example.org"]}]},
        "web2py_applications (admin)",
        "first page of a public name",
    ),
    ({"web2py_site": "shop-admin"}, "web2py_site", "another site's admin"),
    ({**ADMIN, "web2py_admin_networks": ["office"]}, "web2py_admin_networks", "not a network"),
    ({**ADMIN, "web2py_admin_tunnel_port": 80}, "web2py_admin_tunnel_port", "1024"),
    ({"web2py_trusted_proxies": ["10.0.0.0/33"]}, "web2py_trusted_proxies", "not a network"),
    ({"web2py_applications": []}, "web2py_applications", "serves nothing"),
    ({"web2py_applications": {"shop": GIT}}, "web2py_applications", "a list"),
    ({"web2py_applications": [{"source": GIT}]}, "web2py_applications[0].name", "missing"),
    ({"web2py_applications": [{"name": "shop"}]}, "web2py_applications[0].source", "missing"),
    (application(name="my shop"), "web2py_applications (my shop)", "underscores"),
    (application(name="../x"), "web2py_applications (../x)", "underscores"),
    (application(name="admin"), "web2py_applications (admin)", "disabled"),
    ({"web2py_applications": [{"name": "shop", "source": GIT}] * 2}, "web2py_applications (shop)", "more than once"),
    (application(source={"type": "git", "url": "https://x"}), "web2py_applications (shop).source.version", "missing"),
    (application(source={"type": "pypi"}), "web2py_applications[0].source.type", "git, archive"),
    (
        application(source={"type": "bundled"}) | {"web2py_source": {"type": "pypi"}},
        "web2py_applications (shop).source",
        "PyPI",
    ),
    (application(domains=["www.example.org"]), "web2py_domain", "more than once"),
    (application(domains="shop.example.org"), "web2py_applications[0].domains", "a list"),
    (application(private_files={"../x": "y"}), "web2py_applications (shop).private_files", "plain file name"),
    (application(private_files={"a.ini": {"k": "v"}}), "web2py_applications (shop).private_files.a.ini", "text"),
    (application(compile="maybe"), "web2py_applications[0].compile", "true or false"),
    (application(workers=3), "web2py_applications[0].workers", "unknown"),
    ({"web2py_default_application": "shpo", **application()}, "web2py_default_application", "shop"),
    ({"web2py_methods": ["FETCH"]}, "web2py_methods", "GET"),
    ({"web2py_body_limit_mb": 0}, "web2py_body_limit_mb", "10240"),
    ({"web2py_body_limit_mb": "ten"}, "web2py_body_limit_mb", "whole number"),
    ({"web2py_request_timeout_seconds": -1}, "web2py_request_timeout_seconds", "bounds"),
    ({"web2py_keep_releases": 0}, "web2py_keep_releases", "bounds"),
    ({"web2py_keep_releases": 1}, "web2py_keep_releases", "from 2 to 100"),
    ({"web2py_log_level": "debug"}, "web2py_log_level", "DEBUG"),
    ({"web2py_source": {"type": "git", "url": "https://T0KEN@x/w.git"}}, "web2py_source.url", "web2py_credentials"),
    (
        application(source={**GIT, "url": "https://me:T0KEN@x/y"}),
        "web2py_applications (shop).source.url",
        "by its host",
    ),
    (application(requirements=["a @ https://T0KEN@x/a"]), "web2py_applications (shop).requirements", "user name"),
    ({"web2py_credentials": {"https://x": "T0KEN"}}, "web2py_credentials", "git.example.org"),
    ({"web2py_credentials": {"x": ["T0KEN"]}}, "web2py_credentials.x", "(not shown)"),
    ({"web2py_credentials": "T0KEN"}, "web2py_credentials", "(not shown)"),
    ({**CHEROKEE, "web2py_trusted_proxies": ["192.0.2.1"]}, "web2py_trusted_proxies", "whose word"),
    (CHEROKEE, "web2py_front_end", "no /usr/sbin/cherokee and no /usr/sbin/cherokee-worker"),
    (CHEROKEE, "web2py_front_end", "web2py_cherokee_package"),
    *[
        ({**CHEROKEE, "web2py_cherokee_package": package}, f"web2py_cherokee_package{key}", word)
        for package, key, word in (
            ("/c.deb", "", "mapping"),
            ({"path": "/c.deb"}, ".sha256", "missing"),
            ({"path": "/c.deb", "sha256": "abc"}, ".sha256", "SHA-256"),
            ({"sha256": "0" * 64}, "", "either url or path"),
            ({"path": "/c.deb", "url": "https://x/c.deb", "sha256": "0" * 64}, "", "either url or path"),
            ({"path": "/c.tar.gz", "sha256": "0" * 64}, ".path", "*.deb"),
            ({"url": "http://x/c.deb", "sha256": "0" * 64}, ".url", "https"),
            ({"url": "https://me:hunter2@x/c.deb", "sha256": "0" * 64}, ".url", "give path"),
            ({"file": "/c.deb", "sha256": "0" * 64}, ".file", "path"),
        )
    ],
    ({**CHEROKEE, "web2py_app_server": "rocket"}, "web2py_app_server", "cannot serve rocket"),
]


@pytest.mark.parametrize("given, variable, word", BAD, ids=[f"{number}-{row[1]}" for number, row in enumerate(BAD)])
def test_a_bad_choice_is_named_with_a_remedy(given: dict[str, Any], variable: str, word: str) -> None:
    found = problems(given)
    assert any(line.startswith((variable + ":", variable + " =")) and word in line for line in found), found


def test_all_problems_are_reported_at_once() -> None:
    found = problems({"web2py_front_edn": 1, "web2py_site": "X", "web2py_admin": "https", "web2py_keep_releases": 0})
    names = {line.split(" ")[0].rstrip(":") for line in found}
    assert {
        "web2py_front_edn",
        "web2py_site",
        "web2py_admin_password",
        "web2py_admin_networks",
        "web2py_keep_releases",
    } <= names


@pytest.mark.parametrize(
    "given",
    [
        {"web2py_admin": "tunnel", "web2py_admin_password": "hunter2"},
        {"web2py_admin": "tunnel", "web2py_admin_password": ["hunter2"]},
        application(private_files="hunter2"),
        application(private_files={"a.ini": ["hunter2"]}),
        application(source={"type": "archive", "url": "https://me:hunter2@x/y", "version": "-x", "sha256": "abc"}),
        application(source={"type": "pypi", "url": "http://hunter2@x/y"}),
        application(requirements=["git+https://hunter2@x/y", "a @ https://me:hunter2@x/a.whl"]),
        {"web2py_credentials": {"x": "hunter2 "}},
        {"web2py_credentials": {"hunter2@x": "y"}},
    ],
)
def test_no_message_shows_a_secret(given: dict[str, Any]) -> None:
    found = problems(given)
    assert found and not [line for line in found if "hunter2" in line]


@pytest.mark.parametrize(
    "host, given, word",
    [
        ({"distribution": "fedora", "version": "43"}, {}, "not a supported distribution"),
        ({"version": "10"}, {}, "debian 12"),
        ({"python": "3.14.0"}, {"web2py_source": {"type": "pypi"}}, "3.14"),
        ({"python": "3.8.1"}, {}, "3.9"),
        ({"users": {"web2py": "/home/web2py"}}, {}, "/home/web2py"),
        ({"units": ["shop.service"]}, {"web2py_site": "shop"}, "service of that name"),
        ({"groups": ["disk"]}, {"web2py_site": "disk"}, "group of that name"),
        (
            {"folders": {"/etc/cloud": ""}},
            {"web2py_site": "cloud"},
            "/etc/cloud is on the host and belongs to something",
        ),
        ({"folders": {"/srv/shop": "old"}}, {"web2py_site": "shop"}, "/srv/shop belongs to the site old"),
        (
            {"folders": {"/srv/b": "shop"}},
            {"web2py_site": "shop", "web2py_root": "/srv/b"},
            "/srv/b belongs to the site",
        ),
        ({"folders": {"/etc/systemd/system/shop.service": ""}}, {"web2py_site": "shop"}, "Choose another name"),
        ({"listening": [{"port": 80, "program": "apache2"}]}, {}, "port 80 is held by apache2"),
        ({"listening": [{"port": 443, "program": "haproxy"}]}, {}, "port 443 is held by haproxy"),
        ({"listening": [{"port": 80, "program": UNKNOWN}]}, {}, "ss -ltnp"),
        ({"listening": [{"port": 8002, "program": "python3"}]}, ADMIN, "port 8002 is held by python3"),
        ({"sites": [{"site": "old", "names": ["www.example.org"], "ports": []}]}, {}, "the site old"),
        ({"sites": [{"site": "old", "names": [], "ports": [8002]}]}, ADMIN, "Choose another port"),
        ({"version": "13"}, MOD_PYTHON, "has no package on debian 13. Use mod_wsgi, or a host with debian 12"),
        ({"sites": [{"site": "old", "names": [], "ports": []}]}, MOD_PYTHON, "Use mod_wsgi instead of mod_python"),
        (
            {"sites": [{"site": "old", "names": [], "ports": [], "alone": True}]},
            {},
            "Use mod_wsgi instead of mod_python for old",
        ),
    ],
)
def test_a_host_that_does_not_fit_is_refused(host: dict[str, Any], given: dict[str, Any], word: str) -> None:
    assert any(word in line for line in problems(given, host)), problems(given, host)


@pytest.mark.parametrize(
    "other, given, variable",
    [
        ({"site": "web2py", "names": ["b.example.org"], "ports": []}, {}, "web2py_site"),
        ({"site": "b", "names": ["www.example.org"], "ports": []}, {}, "web2py_domain"),
        (
            {"site": "b", "names": ["shop.example.org"], "ports": []},
            application(domains=["shop.example.org"]),
            "web2py_applications (shop).domains",
        ),
        ({"site": "b", "names": ["b.example.org"], "ports": [8002]}, ADMIN, "web2py_admin_tunnel_port"),
        ({"site": "b", "names": [], "ports": [], "alone": True}, {}, "web2py_app_server"),
        ({"site": "b", "names": [], "ports": [], "alone": False}, MOD_PYTHON, "web2py_app_server"),
        ({"site": "b", "names": [], "ports": [], "alone": True}, ALONE, "web2py_front_end = 'none': the site b"),
        ({"site": "b", "names": [], "ports": [], "alone": False}, ALONE, "web2py_front_end = 'none': the site b"),
    ],
)
def test_two_sites_on_one_machine_do_not_share(other: dict[str, Any], given: dict[str, Any], variable: str) -> None:
    found = problems(given, others=[{"inventory_host": "other", **other}])
    assert any(line.startswith(variable) for line in found), found


def test_its_own_earlier_run_is_no_obstacle() -> None:
    host = {
        "users": {"web2py": "/var/lib/web2py"},
        "groups": ["web2py"],
        "folders": {"/srv/web2py": "web2py", "/etc/web2py": "web2py", "/var/lib/web2py": "web2py"},
        "listening": [{"port": row[0], "program": row[1]} for row in ((80, "nginx"), (443, "nginx"), (8002, "python"))],
        "sites": [{"site": "web2py", "names": ["www.example.org"], "ports": [8002]}],
    }
    assert problems(ADMIN, host) == []


def test_a_name_may_move_between_sites_of_one_inventory() -> None:
    """The manifest on the host is of yesterday; what the inventory plans for that site counts."""
    host = {"sites": [{"site": "b", "names": ["www.example.org"], "ports": []}]}
    assert problems({}, host, [{"inventory_host": "b", "site": "b", "names": ["b.example.org"], "ports": []}]) == []


def test_defaults_resolve_to_a_closed_site_with_tls() -> None:
    site = resolved()
    assert site["url"] == "https://www.example.org"
    assert site["admin"]["mode"] == "disabled" and site["admin"]["ports"] == []
    assert site["secure_cookies"] is True
    assert [row["name"] for row in site["applications"]] == ["starter"]
    assert site["source"] == {"type": "git", "version": "v3.3.3", "url": "https://github.com/web2py/web2py.git"}


def test_everything_a_site_owns_carries_its_name() -> None:
    site = resolved({"web2py_site": "shop"})
    assert site["user"] == "shop"
    assert all("/shop" in path for path in site["paths"].values())
    assert site["server"]["backend"] == {
        "protocol": "uwsgi",
        "address": "unix:/run/shop/uwsgi.sock",
        "path": "/run/shop/uwsgi.sock",
        "include": "",
    }


def test_domains_lead_to_their_applications() -> None:
    site = resolved(
        {
            "web2py_aliases": ["example.org"],
            "web2py_applications": [
                {"name": "main", "source": {"type": "starter"}},
                {"name": "shop", "source": GIT, "domains": ["shop.example.org"]},
            ],
        }
    )
    assert site["hosts"] == [
        {"name": "www.example.org", "aliases": ["example.org"], "application": "main"},
        {"name": "shop.example.org", "aliases": [], "application": "shop"},
    ]
    assert site["routes"] == {"default_application": "main", "domains": {"shop.example.org": "shop"}}
    assert site["names"] == ["www.example.org", "example.org", "shop.example.org"]


@pytest.mark.parametrize("mode, port", [("tunnel", 8002), ("https", 443)])
def test_an_open_admin_brings_its_application_and_port(mode: str, port: int) -> None:
    site = resolved({**ADMIN, "web2py_admin": mode, "web2py_admin_networks": ["192.0.2.0/24"]})
    assert {"name": "admin", "source": {"type": "bundled"}}.items() <= site["applications"][-1].items()
    assert site["admin"]["ports"] == [port]


def test_without_tls_the_site_is_plain_and_cookies_are_not_secure() -> None:
    site = resolved({"web2py_tls": {"provider": "none"}})
    assert (site["url"], site["ports"]["https"], site["secure_cookies"]) == ("http://www.example.org", None, False)


def test_with_acme_the_front_end_reads_behind_a_link() -> None:
    site = resolved({"web2py_tls": {"provider": "acme", "contact": "a@example.org"}})
    assert site["tls"]["certificate"] == "/etc/web2py/tls/live/certificate.pem"
    assert site["tls"]["key"] == "/etc/web2py/tls/live/key.pem"
    assert site["tls"]["acme"]["contact"] == "a@example.org"
    assert "acme-tiny" in site["packages"]
    assert resolved()["tls"]["acme"] is None and resolved()["tls"]["former"] == []


SHARED = {"web2py_tls": {"provider": "provided", "certificate": "/c.pem", "key": "/k.pem"}}


@pytest.mark.parametrize(
    ("given", "hosts", "shared"),
    [
        (SHARED, ["web1", "web2"], True),
        (SHARED, ["web1"], False),
        ({}, ["web1", "web2"], False),
        ({**SHARED, "web2py_front_end": "apache"}, ["web1", "web2"], False),
        ({**SHARED, "web2py_front_end": "lighttpd"}, ["web1", "web2"], True),
        ({**SHARED, "web2py_front_end": "none", "web2py_app_server": "gunicorn"}, ["web1", "web2"], False),
    ],
    ids=["the same certificate", "one host", "certificates of their own", "Apache", "lighttpd", "no front end"],
)
def test_hosts_with_one_certificate_share_the_keys_of_sessions(
    given: dict[str, Any], hosts: list[str], shared: bool
) -> None:
    choices, found = examine(OPTIONS, {"web2py_domain": "www.example.org", **given}, HOST)
    assert found == []
    site = resolve(choices, HOST, site_hosts=hosts)
    sessions = site["tls"]["sessions"]
    assert (sessions and sessions["hosts"]) == (hosts if shared else None)
    # What a backup saves does not hold the keys.
    saved = tuple(f"{site['paths'][word]}/" for word in ("settings", "state"))
    assert not (sessions and sessions["folder"].startswith(saved))
    # What an earlier run has left goes where they are not shared any more.
    before = {**HOST, "folders": {"/etc/web2py": "web2py"}, "traces": {"tls_sessions": ["web2py"]}}
    assert resolve(choices, before, site_hosts=hosts)["tls"]["sessions_former"] == ([] if shared else ["tls_sessions"])


def test_the_resolved_site_holds_no_secret() -> None:
    site = resolved({**ADMIN, **application(private_files={"appconfig.ini": "password = hunter2"})})
    assert "correct horse" not in str(site) and "hunter2" not in str(site)
    assert site["applications"][0]["private_files"] == ["appconfig.ini"]


def test_no_address_of_the_resolved_site_carries_what_opens_it() -> None:
    given = {"web2py_credentials": {"git.example.org": "me:hunter2"}, **application(requirements=["git+ssh://git@x/y"])}
    assert "hunter2" not in str(resolved(given))


def test_resolving_refused_addresses_shows_nothing_either() -> None:
    source = {**GIT, "url": "https://me:hunter2@git.example.org/shop.git"}
    given = {**application(source=source, requirements=["a @ git+https://hunter2@x/a"]), "web2py_source": source}
    choices, found = examine(OPTIONS, {"web2py_domain": "www.example.org", **given}, HOST)
    site = resolve(choices, HOST)
    assert found and "hunter2" not in str(site)
    assert (site["source"], site["applications"][0]["source"]) == (GIT, GIT)
    assert "a @ git+https://x/a" in site["requirements"]


def test_requirements_of_all_applications_are_joined() -> None:
    site = resolved(
        {**application(requirements=["requests==2.32.0"]), "web2py_source": {"type": "pypi"}},
        {"python": "3.13.5", "version": "13"},
    )
    assert "requests==2.32.0" in site["requirements"]
    assert {word.split("==")[0] for word in site["requirements"]} >= {"pydal", "yatl", "zombie-imp", "legacy-cgi"}


def test_choices_from_the_command_line_are_text_and_still_right() -> None:
    assert resolved({"web2py_body_limit_mb": "25"})["limits"]["body_mb"] == 25


def test_resolving_changes_nothing_it_was_given() -> None:
    given = {"web2py_domain": "www.example.org", **application(domains=["shop.example.org"])}
    before = copy.deepcopy(given)
    choices, _none = examine(OPTIONS, given, HOST)
    resolve(choices, HOST)
    assert given == before


def test_claims_name_what_a_site_takes_for_itself() -> None:
    choices, _none = examine(OPTIONS, {"web2py_domain": "www.example.org", **ADMIN}, HOST)
    assert claims(choices) == {"site": "web2py", "names": ["www.example.org"], "ports": [8002], "alone": False}


def test_the_front_end_is_the_sites_own_where_it_runs_web2py_itself() -> None:
    site = resolved(MOD_PYTHON)
    assert site["front_end"]["user"] == site["user"]
    assert "apart" in site["front_end"]["lacks"]
    assert site["claims"]["alone"] is True


@pytest.mark.parametrize(
    "given",
    [
        {"web2py_admin": "https"},
        {"web2py_applications": []},
        {"web2py_applications": [{"name": "shop", "source": {"type": "git"}}]},
        {"web2py_tls": {"provider": "provided"}},
        {"web2py_source": {"type": "git", "version": "v2.18.5"}},
    ],
)
def test_who_looks_at_a_site_is_not_asked_for_what_building_it_takes(given: dict[str, Any]) -> None:
    choices, found = examine_names(OPTIONS, {"web2py_domain": "www.example.org", **given}, HOST)
    assert found == [] and problems(given, {"python": "3.13.5"})
    assert resolve(choices, HOST)["paths"]["root"] == "/srv/web2py"


@pytest.mark.parametrize("given", [{"web2py_site": "../etc"}, {"web2py_front_end": "ngnix"}, {"web2py_nonsense": 1}])
def test_a_site_that_cannot_be_resolved_cannot_be_looked_at(given: dict[str, Any]) -> None:
    assert examine_names(OPTIONS, {"web2py_domain": "www.example.org", **given}, HOST)[1]


def test_folders_of_somebody_else_are_no_site_to_take_away() -> None:
    host = {**HOST, "folders": {"/etc/cloud": ""}}
    found = examine_names(OPTIONS, {"web2py_domain": "www.example.org", "web2py_site": "cloud"}, host)[1]
    assert "/etc/cloud is on the host and belongs to something else" in str(found[0])


MADE = {"folders": {"/etc/web2py": "web2py"}}


def test_another_front_end_comes_in_the_place_of_the_first() -> None:
    host = {
        **MADE,
        "traces": {"nginx": ["web2py"], "uwsgi": ["web2py", "other"], "apache": []},
        "listening": [{"port": 80, "program": "nginx"}],
    }
    site = resolved({"web2py_front_end": "apache", "web2py_app_server": "mod_wsgi"}, host)
    assert (site["front_end"]["former"], site["front_end"]["instead_of"]) == (["nginx"], ["nginx.service"])
    assert site["server"]["former"] == ["uwsgi"]


def test_the_tunnel_of_before_goes_only_where_there_is_one() -> None:
    host = {**MADE, "traces": {"tunnel": ["web2py"]}}
    https = {**ADMIN, "web2py_admin": "https", "web2py_admin_networks": ["192.0.2.0/24"]}
    assert resolved({}, host)["admin"]["former"] == resolved(https, host)["admin"]["former"] == ["tunnel"]
    assert resolved(ADMIN, host)["admin"]["former"] == []
    assert resolved({}, {**MADE, "traces": {"tunnel": ["shop"]}})["admin"]["former"] == []
    assert resolved({}, {"traces": host["traces"]})["admin"]["former"] == []


def test_a_front_end_that_serves_others_is_not_replaced() -> None:
    host = {**MADE, "traces": {"nginx": ["other", "web2py"]}, "listening": [{"port": 80, "program": "nginx"}]}
    assert "port 80 is held by nginx" in problems({"web2py_front_end": "apache"}, host)[0]


def test_a_site_that_somebody_made_by_hand_is_left_alone() -> None:
    """It may well have the same name, and nothing of it is replaced, stopped or written over."""
    host = {"traces": {"apache": ["web2py"], "uwsgi": ["web2py"]}, "listening": [{"port": 80, "program": "apache2"}]}
    assert "port 80 is held by apache2" in problems({}, host)[0]
    assert "apache has a site of that name" in problems({"web2py_front_end": "apache"}, host)[0]
    site = resolved({}, {"traces": host["traces"]})
    assert (site["front_end"]["former"], site["front_end"]["instead_of"], site["server"]["former"]) == ([], [], [])


def test_without_a_web_server_the_application_server_has_its_unit_and_user() -> None:
    host = {**MADE, "traces": {"nginx": ["web2py"]}, "listening": [{"port": 443, "program": "nginx"}]}
    assert problems(ALONE, host) == []
    site = resolved(ALONE, host)
    front_end = site["front_end"]
    assert (front_end["unit"], front_end["user"]) == ("web2py.service", "web2py")
    assert (front_end["former"], front_end["instead_of"]) == (["nginx"], ["nginx.service"])
    assert site["server"]["backend"]["address"] == "unix:/run/web2py/http.sock"
    assert [row for row in site["requirements"] if row.startswith("whitenoise==")]
    assert site["claims"]["alone"] is True


def test_without_a_web_server_there_are_the_tunnel_and_acme() -> None:
    choices = {**ALONE, **ADMIN, "web2py_tls": {"provider": "acme"}}
    # Its socket, of the run before.
    held = {"listening": [{"port": 8002, "program": "python"}], "sites": [{"site": "web2py", "ports": [8002]}]}
    assert problems(choices, held) == []
    assert len(problems(choices, {"listening": held["listening"]})) == 1
    site = resolved(choices)
    assert (site["front_end"]["unit"], site["policy"]["challenge"]["folder"]) == ("web2py.service", "/run/web2py_acme")


def test_a_web_server_comes_in_the_place_of_none() -> None:
    listening = [{"port": port, "program": "python"} for port in (80, 443)]
    host = {**MADE, "traces": {"none": ["web2py"]}, "listening": listening}
    assert problems(ALONE, host) == problems({}, host) == []
    assert resolved({}, host)["front_end"]["former"] == ["none"]
    assert len(problems(ALONE, {"listening": listening})) == 2


def test_without_a_web_server_some_servers_are_refused_by_name() -> None:
    for server in ("uwsgi", "mod_wsgi", "fastcgi", "scgi"):
        words = f"web2py_app_server = '{server}': none cannot serve {server}; with none use one of rocket, gunicorn"
        assert problems({**ALONE, "web2py_app_server": server})[0].startswith(words)


def test_a_dead_server_is_refused_with_its_reason() -> None:
    found = problems({"web2py_app_server": "fapws"})
    assert found == ["web2py_app_server = 'fapws': is abandoned and does not build. Use gevent."]


def test_an_admin_of_ones_own_goes_with_the_package_of_pypi() -> None:
    own = {"web2py_source": {"type": "pypi"}, "web2py_applications": [STARTER, {"name": "admin", "source": GIT}]}
    assert problems({**ADMIN, **own}) == []
    assert [row["source"]["type"] for row in resolved({**ADMIN, **own})["applications"]] == ["starter", "git"]


def test_a_front_end_that_the_host_has_from_elsewhere() -> None:
    host = {"programs": list(PROVIDED["cherokee"])}
    package = {"path": "/c.deb", "sha256": "0" * 64}
    assert resolved({**CHEROKEE, "web2py_cherokee_package": package})["front_end"]["package"] == package
    assert resolved({"web2py_cherokee_package": package})["front_end"]["package"] is None
    assert resolved(CHEROKEE, host)["front_end"]["package"] is None
    site = resolved(CHEROKEE, host)
    assert site["server"]["backend"]["protocol"] == "fastcgi"
    assert site["front_end"]["unit"] == "cherokee_web2py.service"
    assert "logrotate" in site["packages"]
    assert resolved({**CHEROKEE, "web2py_tls": {"provider": "none"}}, host)["ports"]["https"] is None


def test_workers_of_a_scheduler_are_known_and_those_of_before_too() -> None:
    units = [row["unit"] for row in resolved(application(scheduler={}))["scheduler"]]
    assert units == ["web2py-scheduler@shop-main-1.service"]
    assert resolved()["scheduler"] == resolved()["scheduler_former"] == []
    before = {"folders": {"/etc/web2py": "web2py"}, "traces": {"scheduler": ["other", "web2py"]}}
    assert resolved(host=before)["scheduler_former"] == ["scheduler"]
    assert resolved(application(scheduler={}), before)["scheduler_former"] == []
    assert resolved(host={"traces": before["traces"]})["scheduler_former"] == []


def test_the_architecture_shows_every_part_of_the_resolved_site() -> None:
    """The first contract is written down for people, too."""
    page = (ROOT / "docs/architecture.md").read_text()
    shown = yaml.safe_load(page.partition("```yaml\n")[2].partition("```")[0])
    assert set(shown) == set(resolved())
