# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection: from checked choices to the resolved site.

`resolve` turns choices that `_preflight.examine` found right into the site that every role reads
(docs/architecture.md). It is pure: playbooks, filters and tests use the same function.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.web2py.deploy.plugins.module_utils import _data, _stores
from ansible_collections.web2py.deploy.plugins.module_utils._acme import acme
from ansible_collections.web2py.deploy.plugins.module_utils._backend import (
    APP_SERVERS,
    FRONT_ENDS,
    alone,
    backend,
    processes,
)
from ansible_collections.web2py.deploy.plugins.module_utils._backup import backup, backup_words
from ansible_collections.web2py.deploy.plugins.module_utils._credentials import bare
from ansible_collections.web2py.deploy.plugins.module_utils._folders import folders
from ansible_collections.web2py.deploy.plugins.module_utils._host import PROVIDED
from ansible_collections.web2py.deploy.plugins.module_utils._packages import packages
from ansible_collections.web2py.deploy.plugins.module_utils._page_cache import page_cache
from ansible_collections.web2py.deploy.plugins.module_utils._performance import performance
from ansible_collections.web2py.deploy.plugins.module_utils._platforms import family, front_end
from ansible_collections.web2py.deploy.plugins.module_utils._policy import policy
from ansible_collections.web2py.deploy.plugins.module_utils._scheduler import scheduler
from ansible_collections.web2py.deploy.plugins.module_utils._upkeep import upkeep
from ansible_collections.web2py.deploy.plugins.module_utils._versions import requirements_for

WEB2PY_VERSION = {"git": "v3.3.3", "pypi": "2.26.1"}
WEB2PY_URL = "https://github.com/web2py/web2py.git"
# Front ends that can be given the keys of their tickets. Apache's own way is no way: mod_ssl 2.4 points to where in
# memory the key for signatures was while it read the file (its trunk has mended that; seen in 2.4.71 of Debian 12).
TAKE_KEYS = ("nginx", "lighttpd")


def web2py_source(choices: Mapping[str, Any]) -> dict[str, Any]:
    """The source of web2py with the defaults of its type, without empty keys."""
    source = {key: value for key, value in choices["web2py_source"].items() if value is not None}
    kind = source["type"]
    if kind in WEB2PY_VERSION:
        source.setdefault("version", WEB2PY_VERSION[kind])
    if kind == "git":
        source.setdefault("url", WEB2PY_URL)
    return source


def domains(choices: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(variable, name) of every public name of the site."""
    found = [("web2py_domain", choices["web2py_domain"])]
    found += [("web2py_aliases", alias) for alias in choices["web2py_aliases"]]
    for application in choices["web2py_applications"]:
        found += [
            (f"web2py_applications ({application['name']}).domains", domain)
            for domain in application.get("domains") or []
        ]
    return found


def claims(choices: Mapping[str, Any]) -> dict[str, Any]:
    """What a site takes for itself on a machine: its short name, its public names, its own ports, or all of it."""
    ports = [choices["web2py_admin_tunnel_port"]] if choices["web2py_admin"] == "tunnel" else []
    return {
        "site": choices["web2py_site"],
        "names": [name for _variable, name in domains(choices)],
        "ports": ports,
        "alone": alone(choices["web2py_front_end"], choices["web2py_app_server"]),
    }


def resolve(
    choices: Mapping[str, Any],
    host: Mapping[str, Any],
    paths: Mapping[str, str] | None = None,
    site_hosts: Sequence[str] = (),
) -> dict[str, Any]:
    """The site that every role reads, from checked choices (see `examine`). It holds no secret.

    `paths` are its folders where they are not the usual ones. `site_hosts` are the web hosts of the site, this one too.
    """
    name = choices["web2py_site"]
    paths = paths or folders(name, choices["web2py_root"])
    settings = paths["settings"]
    current = f"{paths['root']}/current"
    secure = choices["web2py_tls"]["provider"] != "none"
    source = web2py_source(choices)
    applications = [_application(choices, row, current) for row in choices["web2py_applications"]]
    if choices["web2py_admin"] != "disabled" and "admin" not in [row["name"] for row in applications]:
        applications.append(_application(choices, {"name": "admin", "source": {"type": "bundled"}}, current))
    default = choices["web2py_default_application"] or next((row["name"] for row in applications), "")
    hosts = [{"name": choices["web2py_domain"], "aliases": list(choices["web2py_aliases"]), "application": default}]
    hosts += [
        {"name": domain, "aliases": [], "application": row["name"]}
        for row in choices["web2py_applications"]
        for domain in row.get("domains") or []
    ]
    requirements = set(requirements_for(source, host["python"]))
    for row in choices["web2py_applications"]:
        requirements.update(row.get("requirements") or [])
    requirements.update(APP_SERVERS[choices["web2py_app_server"]].requirements)
    web_server = front_end(choices["web2py_front_end"], host["distribution"])
    requirements.update([*web_server.requirements, *_data.requirements(choices)])
    requirements.update(_stores.requirements(applications, host["python"]))
    package = choices["web2py_cherokee_package"]
    authority = acme(choices)
    # A link leads to the pair of key and certificate that the authority gave last.
    pair = f"{settings}/tls/live" if authority else f"{settings}/tls"
    former = _former(name, host, FRONT_ENDS, choices["web2py_front_end"])
    words = [row["source"]["type"] for row in [{"source": source}, *applications]]
    words += [choices["web2py_tls"]["provider"], choices["web2py_app_server"], choices["web2py_front_end"]]
    words += _data.words(choices) + _stores.words(choices, applications) + backup_words(choices)
    return {
        "name": name,
        "domain": choices["web2py_domain"],
        "url": f"{'https' if secure else 'http'}://{choices['web2py_domain']}",
        "hosts": hosts,
        "names": [domain for _variable, domain in domains(choices)],
        "ports": {"http": 80, "https": 443 if secure else None},
        "user": name,
        "paths": {
            **paths,
            "current": current,
            "code": f"{current}/web2py",
            "environment": f"{current}/environment",
            "runtime": f"{current}/runtime",
        },
        "source": _bare(source),
        "requirements": sorted(map(bare, requirements)),
        "family": family(host["distribution"]),
        "packages": packages(words, family(host["distribution"])),
        "keep_releases": choices["web2py_keep_releases"],
        "routes": {
            "default_application": default,
            "domains": {row["name"]: row["application"] for row in hosts[1:]},
        },
        "log_level": choices["web2py_log_level"],
        "request_log": choices["web2py_request_log"],
        "profiles": choices["web2py_profiles"],
        "performance": performance(choices),
        "admin": {
            "mode": choices["web2py_admin"],
            "ports": _admin_ports(choices),
            "networks": list(choices["web2py_admin_networks"]),
            "tunnel_port": choices["web2py_admin_tunnel_port"],
            "former": _former(name, host, ["tunnel"], choices["web2py_admin"]),
        },
        "applications": applications,
        "data": _data.data(choices, host, applications),
        **_stores.stores(choices, host if known(name, host) else {**host, "traces": {}}, applications),
        "limits": {
            "body_mb": choices["web2py_body_limit_mb"],
            "request_seconds": choices["web2py_request_timeout_seconds"],
            "connections_per_address": choices["web2py_connections_per_address"],
            "methods": list(choices["web2py_methods"]),
            "client_seconds": choices["web2py_client_timeout_seconds"],
            "login_posts_per_minute": choices["web2py_login_posts_per_minute"],
            "admin_posts_per_minute": choices["web2py_admin_posts_per_minute"],
        },
        "secure_cookies": secure,
        "server": {
            "name": choices["web2py_app_server"],
            "role": APP_SERVERS[choices["web2py_app_server"]].role,
            "former": _former(
                name,
                host,
                [server.role for server in APP_SERVERS.values()],
                APP_SERVERS[choices["web2py_app_server"]].role,
            ),
            "backend": backend(name, choices["web2py_front_end"], choices["web2py_app_server"]),
            "processes": processes(host["cpus"], host["memory_mb"]),
            "cpus": host["cpus"],
            "memory_mb": host["memory_mb"],
        },
        "front_end": {
            "name": choices["web2py_front_end"],
            "user": name if alone(choices["web2py_front_end"], choices["web2py_app_server"]) else web_server.user,
            "unit": [f"{name}.service", *web_server.units][-1],
            "former": former,
            "instead_of": [unit for row in former for unit in front_end(row, host["distribution"]).units],
            "lacks": [*web_server.lacks, *APP_SERVERS[choices["web2py_app_server"]].lacks],
            "trusted_proxies": list(choices["web2py_trusted_proxies"]),
            # None where the distribution has the front end, or the host.
            "package": _bare(package) if package and choices["web2py_front_end"] in PROVIDED else None,
        },
        "policy": policy(
            choices,
            [row["name"] for row in applications],
            host["distribution"] == "debian" and host["version"] >= "13",
        ),
        "page_cache": page_cache(choices, paths["root"]),
        "tls": {
            "provider": choices["web2py_tls"]["provider"],
            "certificate": f"{pair}/certificate.pem",
            "key": f"{pair}/key.pem",
            "ca": f"{settings}/tls/ca.pem",
            "source_certificate": choices["web2py_tls"].get("certificate"),
            "source_key": choices["web2py_tls"].get("key"),
            "acme": authority,
            "sessions": (sessions := sessions_between(choices, site_hosts)),
            "sessions_former": _former(name, host, ["tls_sessions"], "tls_sessions" if sessions else ""),
            "former": _former(name, host, ["acme"], choices["web2py_tls"]["provider"]),
        },
        "scheduler": (workers := scheduler(choices)),
        "scheduler_former": _former(name, host, ["scheduler"], "scheduler" if workers else ""),
        "maintenance": {"operators": list(choices["web2py_operators"])},
        "upkeep": upkeep(choices, applications, host, known(name, host)),
        "backup": backup(choices),
        "backup_former": _former(name, host, ["backup"], "backup" if choices["web2py_backup"] else ""),
        "claims": claims(choices),
    }


def sessions_between(choices: Mapping[str, Any], site_hosts: Sequence[str]) -> dict[str, Any] | None:
    """How TLS sessions go on at another host of the site: where each shows the same certificate."""
    if len(site_hosts) < 2 or choices["web2py_tls"]["provider"] != "provided":
        return None
    if choices["web2py_front_end"] not in TAKE_KEYS:
        return None
    return {"hosts": list(site_hosts), "folder": f"/var/lib/{choices['web2py_site']}_tls"}


def known(name: str, host: Mapping[str, Any]) -> bool:
    """Whether the site is on the host. Settings of its name alone may be of a site that somebody made by hand."""
    return bool(host.get("folders", {}).get(f"/etc/{name}") == name)


def _former(name: str, host: Mapping[str, Any], programs: Iterable[str], chosen: str) -> list[str]:
    """Programs of a kind, other than the chosen one, that have settings of the site on the host."""
    traces = host.get("traces", {}) if known(name, host) else {}
    return sorted({program for program in programs if program != chosen and name in traces.get(program, [])})


def _admin_ports(choices: Mapping[str, Any]) -> list[int]:
    """The ports for which admin looks up a password file: SERVER_PORT of the requests that reach it."""
    return {"disabled": [], "https": [443], "tunnel": [choices["web2py_admin_tunnel_port"]]}[choices["web2py_admin"]]


def _bare(source: Mapping[str, Any]) -> dict[str, Any]:
    """Given keys only. Looking at a site resolves what a build refuses: that shows nothing either."""
    return {key: bare(value) if key == "url" else value for key, value in source.items() if value is not None}


def _application(choices: Mapping[str, Any], row: Mapping[str, Any], current: str) -> dict[str, Any]:
    return {
        "name": row["name"],
        "source": _bare(row["source"]),
        "compile": bool(row.get("compile")),
        "compress": row.get("compress") is not False,
        "check_path": row.get("check_path") or f"/{row['name']}/default/index",
        "private_files": sorted(row.get("private_files") or {}),
        "static": f"{current}/web2py/applications/{row['name']}/static",
        "settings": _data.settings(choices, row),
    }
