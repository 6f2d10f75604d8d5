# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection: services of sites on hosts of their own, which the inventory names in groups.

`gather` reads the inventory, `placed` turns it into the words that a keeper would write for a server elsewhere, and
`services` is what such a host has to offer to all sites of the run. All of it is pure.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.web2py.deploy.plugins.module_utils import _data, _hosts, _replicas, _stores
from ansible_collections.web2py.deploy.plugins.module_utils._host import UNKNOWN
from ansible_collections.web2py.deploy.plugins.module_utils._packages import packages
from ansible_collections.web2py.deploy.plugins.module_utils._platforms import family, lacks
from ansible_collections.web2py.deploy.plugins.module_utils._preflight_host import platform_problems
from ansible_collections.web2py.deploy.plugins.module_utils._settings import given, merged
from ansible_collections.web2py.deploy.plugins.module_utils._spec import Problem, shown

WEB = "web2py_web"
# The group of the inventory by the service. Its first host has it; further ones of PostgreSQL stand by.
GROUPS = {"database": "web2py_database", "redis": "web2py_redis", "memcached": "web2py_memcached"}
# On a host of a service: the certificate that its servers show, and what they read.
FOLDER = "/etc/web2py_deploy"
# An authority for an address alone would forbid the common name, which OpenSSL takes for a host's where no other is.
NAME = "services.web2py-deploy.internal"
_PROGRAMS = {
    "postgresql": ("postgres", "postmaster"),
    "mariadb": ("mariadbd",),
    "redis": ("redis-server",),
    "memcached": ("memcached",),
}
# By which a host has the server that sites share.
_PACKAGES = {"postgresql": {"postgresql", "postgresql-server"}, "mariadb": {"mariadb-server"}}


def address(name: str, variables: Mapping[str, Any]) -> str:
    """The address of a host for the other hosts of the site; "" where the inventory has no address."""
    for word in (variables.get("web2py_address"), variables.get("ansible_host"), name):
        try:
            return str(ipaddress.ip_address(str(word)))
        except ValueError:
            if word and word == variables.get("web2py_address"):
                return str(word)
    return ""


def gather(task_vars: Mapping[str, Any]) -> dict[str, Any]:
    """What the inventory says of the hosts that share a site with this one, and of those that serve it.

    It is given the variables of a task. Empty where the inventory has none of the groups.
    """
    groups, variables = task_vars.get("groups", {}), task_vars["hostvars"]
    if not any(groups.get(group) for group in GROUPS.values()):
        return {}
    return {
        "clients": {other: address(other, variables[other]) for other in _hosts.of_site(task_vars, WEB)},
        "services": {
            service: [{"host": other, "address": address(other, variables[other])} for other in groups.get(group, ())]
            for service, group in GROUPS.items()
        },
    }


def chosen(choices: Mapping[str, Any], found: Mapping[str, Any] | None) -> dict[str, dict[str, Any]]:
    """The services that the site has from a group, each with its first host; what it has elsewhere is left out."""
    groups = {service: rows for service, rows in (found or {}).get("services", {}).items() if rows}
    base = given(choices["web2py_database"])
    applications = [{"settings": merged(choices, row)} for row in choices["web2py_applications"]]
    wanted = {
        "database": base.get("type") in _data.KINDS and not base.get("host"),
        **{
            program: bool(_stores.uses(program, applications)) and not _stores.elsewhere(choices, program)
            for program in _stores.PROGRAMS
        },
    }
    if "database" in groups:
        groups["database"] = _replicas.ordered(groups["database"], choices.get("web2py_database_primary"))
    return {
        service: {
            **rows[0],
            "clients": sorted(filter(None, (found or {})["clients"].values())),
            **(_replicas.standing_by(rows) if service == "database" and _replicas.known(base) else {}),
        }
        for service, rows in groups.items()
        if wanted[service]
    }


def placed(choices: Mapping[str, Any], found: Mapping[str, Any] | None) -> dict[str, Any]:
    """The choices with the hosts of groups in them, in the words of a server elsewhere."""
    result, site = dict(choices), choices["web2py_site"]
    for service, group in chosen(choices, found).items():
        variable = f"web2py_{service}"
        words = {**given(choices[variable] or {}), "group": group}
        host = group["address"] or group["host"]
        if service == "memcached":
            words["servers"] = [host]
        else:
            words |= {"host": host, "ca": f"/etc/{site}/{service}_ca.pem"}
        if service == "database":
            words["ssl_mode"] = "verify-full"
            words["replicas"] = [row["address"] for row in group.get("standbys", [])]
        if service == "redis":
            words.setdefault("user", site)
        result[variable] = words
    return result


def problems(choices: Mapping[str, Any], found: Mapping[str, Any] | None) -> list[Problem]:
    """What is wrong with the groups for the site of these choices, which are not placed yet."""
    rows = []
    hosts = chosen(choices, found)
    for service, group in hosts.items():
        variable = f"web2py_{service}"
        rows += list(_address_problems(group["host"], group["address"]))
        for standby in group.get("standbys", []):
            rows += list(_address_problems(standby["host"], standby["address"]))
        for key in sorted({"ssl_mode", "ca", "replicas"} & set(given(choices[variable] or {}))):
            fault = f"is for a server elsewhere, and the group {GROUPS[service]} has one"
            rows.append(Problem(f"{variable}.{key}", shown(choices[variable][key]), fault, "Remove it, or give host"))
    if hosts:
        for name, place in (found or {})["clients"].items():
            rows += list(_address_problems(name, place))
    members = (found or {}).get("services", {}).get("database", ())
    return rows + _replicas.group_problems(choices, hosts.get("database"), [row["host"] for row in members])


def _address_problems(name: str, place: str) -> Iterable[Problem]:
    variable = f"web2py_address ({name})"
    remedy = "Give its address in the private network of the site's hosts in its host_vars"
    if not place:
        yield Problem(variable, "", "missing, and the inventory has a name for the host and no address", remedy)
        return
    try:
        found = ipaddress.ip_address(place)
    except ValueError:
        yield Problem(variable, shown(place), "is not an address", remedy)
        return
    if found.is_global:
        yield Problem(variable, shown(place), "is a public address, and its services are for the site's hosts", remedy)
    elif found.is_loopback or found.is_unspecified or found.is_multicast or found.is_link_local:
        yield Problem(variable, shown(place), "is no address that other hosts reach", remedy)


def services(name: str, sites: Mapping[str, Mapping[str, Any]], host: Mapping[str, Any]) -> dict[str, Any]:
    """What a host of the groups has for the resolved sites of a run, given by the names of their web hosts."""
    words = family(host["distribution"])
    bases = [
        {**row, "databases": _databases(row["site"], sites)} for row in _asked(name, sites, "data") if row["group"]
    ]
    stores = {program: _store(name, sites, host, program) for program in _stores.PROGRAMS}
    asked = [*(row["part"]["type"] for row in bases), *(program for program, part in stores.items() if part["sites"])]
    certificates = bool(bases or stores["redis"]["sites"])
    names = packages([*asked, *(["self_signed"] if certificates else [])], words)
    found = {"name": name, "family": words, "packages": sorted(set(names) - set(packages([], words)))}
    pair = {
        "certificate": f"{FOLDER}/tls/certificate.pem",
        "key": f"{FOLDER}/tls/key.pem",
        "ca": f"{FOLDER}/tls/ca.pem",
    }
    place = next((row["group"]["address"] for row in [*bases, *stores["redis"]["sites"]]), "")
    return {
        **found,
        # The role tls reads it as a site.
        "certificate": {
            **found,
            "name": "web2py.deploy",
            "names": [NAME, place],
            "tls": {**pair, "provider": "self_signed"},
        }
        if certificates
        else None,
        # By the name of the role.
        **{
            kind.role: [
                {
                    **found,
                    "asked_by": row["asked_by"],
                    "data": {
                        **row["part"],
                        "databases": row["databases"],
                        "serves": {
                            "address": place,
                            "port": row["part"]["port"],
                            "standbys": "standbys" in row["group"],
                            **pair,
                        },
                        "replication": _replicas.replication(row["group"]),
                    },
                }
                for row in bases
                if row["part"]["type"] == word
            ]
            for word, kind in _data.KINDS.items()
        },
        # Whether the server on this host is a standby, which comes after its primary.
        "follows": any("primary" in row["group"] for row in bases),
        "redis": [_instances(row, found, pair, "redis", stores["redis"]["settle"]) for row in stores["redis"]["sites"]],
        "memcached": [
            _instances(row, found, pair, "memcached", stores["memcached"]["settle"])
            for row in stores["memcached"]["sites"]
        ],
    }


def _asked(name: str, sites: Mapping[str, Mapping[str, Any]], part: str) -> list[dict[str, Any]]:
    """The sites that have a part of theirs on the host, each once, however many web hosts it has."""
    found: dict[str, dict[str, Any]] = {}
    for web, site in sites.items():
        group = _replicas.member((site[part] or {}).get("group"), name)
        if group:
            found.setdefault(site["name"], {"asked_by": web, "site": site["name"], "part": site[part], "group": group})
    return list(found.values())


def _databases(site: str, sites: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The databases of a site on all of its web hosts."""
    parts = [row["data"] or {} for row in sites.values() if row["name"] == site]
    return sorted({name for part in parts for name in part.get("databases", ())})


def _store(name: str, sites: Mapping[str, Mapping[str, Any]], host: Mapping[str, Any], program: str) -> dict[str, Any]:
    rows = _asked(name, sites, program)
    return {"sites": rows, "settle": bool(rows) and _stores.unsettled(program, host)}


def _instances(
    row: Mapping[str, Any], found: Mapping[str, Any], pair: Mapping[str, str], program: str, settle: bool
) -> dict[str, Any]:
    """A site as the roles redis and memcached read it, on the host of the service."""
    group = row["group"]
    instances = [
        {
            **_stores.instance(row["site"], program, use),
            "socket": "",
            "address": group["address"],
            "port": group["ports"][use],
            "clients": group["clients"],
        }
        for use in row["part"]["uses"]
    ]
    part = {"uses": row["part"]["uses"], "instances": instances, "places": {}, "elsewhere": False, "settle": settle}
    return {
        **found,
        "name": row["site"],
        # The distribution's, who may read settings and key. There is no user of the site.
        "user": "redis" if program == "redis" else "root",
        "certificate": dict(pair),
        "acl_user": group.get("user", ""),
        "asked_by": row["asked_by"],
        "paths": {"settings": f"{FOLDER}/{row['site']}"},
        program: {**part, "former": [], "forget": False},
    }


def _ours(program: str, listens: str | None, host: Mapping[str, Any]) -> bool:
    """Whether what listens to a port may be the server that sites share. Whose a port is cannot always be seen."""
    if _PACKAGES[program] & set(host.get("packages", ())):
        return True
    # Another MariaDB than the distribution's has the same name.
    return program == "postgresql" and listens != UNKNOWN


def run_problems(
    name: str, sites: Mapping[str, Mapping[str, Any]], passwords: Mapping[str, Any], playing: Sequence[str]
) -> list[Problem]:
    """Why this run cannot set up the group web2py_database: hosts that it leaves out, passwords that differ.

    `passwords` are those for standbys, by the names of the web hosts.
    """
    rows = [row for row in _asked(name, sites, "data") if "standbys" in row["group"]]
    given_ = {row["site"]: passwords.get(row["asked_by"]) for row in rows}
    groups = [sites[row["asked_by"]]["data"]["group"] for row in rows]
    return _replicas.left_out_problems(groups, name, playing) + _replicas.password_problems(given_, name)


def service_problems(
    name: str, sites: Mapping[str, Mapping[str, Any]], host: Mapping[str, Any], unproven: bool = False
) -> list[Problem]:
    """Why the host cannot serve the sites: its address, its ports, and sites that are in each other's way."""
    if not any(_asked(name, sites, part) for part in ("data", *_stores.PROGRAMS)):
        return []
    found = platform_problems({"web2py_unproven_platform": unproven}, host)
    taken: dict[int, str] = {}
    listens = {row["port"]: row["program"] for row in host.get("listening", ())}
    for part in ("data", *_stores.PROGRAMS):
        variable = "web2py_database" if part == "data" else f"web2py_{part}"
        for row in _asked(name, sites, part):
            group, site = row["group"], row["site"]
            program = _data.KINDS[row["part"]["type"]].role if part == "data" else part
            has = host.get("addresses") or []
            if group["address"] not in has:
                fault = f"is not an address of the host, which has {', '.join(has) or 'none'}"
                found.append(Problem(f"web2py_address ({name})", shown(group["address"]), fault, "Give one of them"))
            others = sorted(
                web
                for web, other in sites.items()
                if other["name"] == site and other["domain"] != sites[row["asked_by"]]["domain"]
            )
            if others:
                fault = f"is the name of another site on {', '.join(others)}, and both have {program} on {name}"
                found.append(Problem("web2py_site", shown(site), fault, "Give each site a name of its own"))
            ports = {"": row["part"]["port"]} if part == "data" else group["ports"]
            for use, port in sorted(ports.items()):
                # Sites share one server of databases, and no Redis or memcached.
                mine = site in host.get("traces", {}).get(f"{program}_{use}", ())
                mine = mine or (part == "data" and _ours(program, listens.get(port), host))
                if port in listens and not (mine and listens[port] in (*_PROGRAMS[program], UNKNOWN)):
                    fault = f"is taken on {name} by {listens[port]}"
                    remedy = "Stop that there, or give another port"
                    found.append(Problem(f"{variable}.port", str(port), fault, remedy))
                me = program if part == "data" else f"{program} of {site}, {use}"
                owner = taken.setdefault(port, me)
                if owner != me:
                    fault = f"is that of {owner}, too, on {name}"
                    found.append(Problem(f"{variable}.port", str(port), fault, f"Give {site} another port"))
    bases = _asked(name, sites, "data")
    for word in _data.KINDS:
        if len({row["part"]["port"] for row in bases if row["part"]["type"] == word}) > 1:
            fault, remedy = f"differs between sites that share the server on {name}", "Give all of them the same"
            found.append(Problem("web2py_database.port", "", fault, remedy))
    old = [f"{row['part']['type']}_far" for row in bases]
    for _word, why in lacks(host["distribution"], host["version"], dict.fromkeys(old)):
        trouble, _semicolon, remedy = why.partition("; ")
        found.append(Problem("web2py_database.type", "'mysql'", f"{trouble} ({name})", remedy.capitalize()))
    if len({row["part"]["group"]["host"] for row in _asked(name, sites, "data")}) > 1:
        fault, remedy = f"differs between sites that share the server on {name}", "Give all of them the same"
        found.append(Problem("web2py_database_primary", "", fault, remedy))
    return list(dict.fromkeys(found))
