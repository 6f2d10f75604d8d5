# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection: Redis and memcached of a site: who uses them, where they are, and what is wrong with that.

Sessions and cached values never share an instance: when memory gets short, cached values are thrown away, sessions not.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.web2py.deploy.plugins.module_utils._settings import merged
from ansible_collections.web2py.deploy.plugins.module_utils._spec import Problem, shown

PROGRAMS = ("redis", "memcached")
# The words of an application's settings that can name one of them.
USES = ("sessions", "cache")
REDIS_PORT, MEMCACHED_PORT = 6379, 11211
# The first that wants a newer Python than the distribution's of 2022, and the last that does not.
_REDIS = (((3, 10), "redis==8.1.0"), ((0,), "redis==7.0.1"))
_MEMCACHED = "pymemcache==4.0.0"
# Of the values in one process.
_LARGEST_MB = 4096
_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")
_USER = re.compile(r"[!-~]{1,128}")
_SERVER = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+):(?P<port>[0-9]{1,5})")

Applications = Sequence[Mapping[str, Any]]


def unit(site: str, program: str, use: str) -> str:
    """What the unit, its folders and its user are called. No site is called so: its name has no underscore."""
    return f"{site}_{program}_{use}"


def uses(program: str, applications: Applications) -> list[str]:
    """What the applications keep in a program: sessions, cached values, both or nothing."""
    rows = [row.get("settings") or {} for row in applications]
    return [use for use in USES if any((row.get(use) or {}).get("store") == program for row in rows)]


def requirements(applications: Applications, python: str) -> list[str]:
    """What the environment needs for them."""
    found = []
    if uses("redis", applications):
        numbers = tuple(int(part) for part in re.findall(r"\d+", python)[:2])
        found.append(next(name for since, name in _REDIS if numbers >= since))
    if uses("memcached", applications):
        found.append(_MEMCACHED)
    return found


def words(choices: Mapping[str, Any], applications: Applications) -> list[str]:
    """Words for the list of the distribution's packages: an instance of our own needs the program."""
    return [program for program in PROGRAMS if uses(program, applications) and not elsewhere(choices, program)]


def elsewhere(choices: Mapping[str, Any], program: str) -> dict[str, Any]:
    """Where the program is, if not on the host itself; empty otherwise."""
    chosen = {key: value for key, value in (choices.get(f"web2py_{program}") or {}).items() if value is not None}
    if program == "redis":
        return {"port": REDIS_PORT, "user": "default", **chosen} if chosen.get("host") else {}
    if chosen.get("group"):
        return {"port": MEMCACHED_PORT, **chosen}
    return chosen if chosen.get("servers") else {}


def stores(
    choices: Mapping[str, Any], host: Mapping[str, Any], applications: Applications
) -> dict[str, dict[str, Any]]:
    """The parts of the resolved site for the roles redis and memcached, without secrets."""
    return {program: _part(choices, host, program, uses(program, applications)) for program in PROGRAMS}


def _part(choices: Mapping[str, Any], host: Mapping[str, Any], program: str, wanted: Sequence[str]) -> dict[str, Any]:
    site, far = choices["web2py_site"], elsewhere(choices, program)
    instances = [] if far else [instance(site, program, use) for use in wanted]
    made = {row["use"] for row in instances}
    traces = host.get("traces", {})
    return {
        "uses": list(wanted),
        # What the runtime is told, without the password.
        "places": {use: _place(far, use) for use in wanted} if far else {row["use"]: row["place"] for row in instances},
        "elsewhere": bool(far and wanted),
        # The host of the group web2py_redis or web2py_memcached that has the instances of the site.
        "group": _group(far, wanted) if far.get("group") else None,
        "instances": instances,
        # Instances that the host has and the site has no more.
        "former": [
            instance(site, program, use)
            for use in USES
            if use not in made and site in traces.get(f"{program}_{use}", [])
        ],
        "forget": not wanted and site in traces.get(program, []),
        # The distribution would start an instance of its own, which nobody has asked for.
        "settle": bool(instances) and unsettled(program, host),
    }


def _port(far: Mapping[str, Any], use: str) -> int:
    """The port of an instance on a host of the group: each use has one of its own."""
    return int(far["port"]) + USES.index(use)


def _group(far: Mapping[str, Any], wanted: Sequence[str]) -> dict[str, Any]:
    return {**far["group"], "user": far.get("user", ""), "ports": {use: _port(far, use) for use in wanted}}


def _place(far: Mapping[str, Any], use: str) -> dict[str, Any]:
    """Where a use is, as the runtime is told."""
    if not far.get("group"):
        return dict(far)
    if far.get("host"):
        return {**{key: word for key, word in far.items() if key != "group"}, "port": _port(far, use)}
    return {
        "servers": [
            f"[{one}]:{_port(far, use)}" if ":" in one else f"{one}:{_port(far, use)}" for one in far["servers"]
        ]
    }


def unsettled(program: str, host: Mapping[str, Any]) -> bool:
    """Whether the distribution would start an instance of its own, which nobody has asked for."""
    return program not in _installed(host) or program in host.get("held", [])


def _installed(host: Mapping[str, Any]) -> set[str]:
    names = {"redis-server": "redis"}
    return {names.get(name, name) for name in host.get("packages", [])}


def instance(site: str, program: str, use: str) -> dict[str, Any]:
    """An instance for one use of a site, on a socket of its own host."""
    name = unit(site, program, use)
    socket = f"/run/{name}/{program}.sock"
    return {
        "use": use,
        "unit": name,
        "socket": socket,
        "state": f"/var/lib/{name}" if (program, use) == ("redis", "sessions") else "",
        "place": {"socket": socket} if program == "redis" else {"servers": [f"unix:{socket}"]},
    }


def problems(choices: Mapping[str, Any]) -> list[Problem]:
    """What is wrong with the choices."""
    applications = [{"settings": merged(choices, row)} for row in choices["web2py_applications"]]
    found = [*_redis_problems(choices), *_memcached_problems(choices), *_bound_problems(choices)]
    for program in PROGRAMS:
        if elsewhere(choices, program) and not uses(program, applications):
            fault = "is used by no application"
            remedy = f"Set web2py_sessions.store or web2py_cache.store to {program}, or remove it"
            found.append(Problem(f"web2py_{program}", "", fault, remedy))
    return found


def account_problems(choices: Mapping[str, Any]) -> list[Problem]:
    """What an account without root cannot have."""
    applications = [{"settings": merged(choices, row)} for row in choices["web2py_applications"]]
    fault, remedy = "needs root, which an account has not", "Choose another store for sessions and cached values"
    return [
        Problem("web2py_applications", program, fault, remedy) for program in PROGRAMS if uses(program, applications)
    ]


def _redis_problems(choices: Mapping[str, Any]) -> Iterable[Problem]:
    chosen = {key: value for key, value in (choices.get("web2py_redis") or {}).items() if value is not None}
    password = choices.get("web2py_redis_password")
    if not chosen.get("host"):
        for key in sorted(set(chosen) - {"host"}):
            fault = "has no meaning for the instances on the host itself"
            yield Problem(f"web2py_redis.{key}", shown(chosen[key]), fault, "Remove it, or give host too")
        if password:
            fault, remedy = "has no meaning for the instances on the host itself", "Remove it: their sockets are closed"
            yield Problem("web2py_redis_password", shown(password, True), fault, remedy)
        return
    yield from _host_problems("web2py_redis.host", chosen["host"], bool(chosen.get("ca")))
    if not 1 <= chosen.get("port", REDIS_PORT) <= 65535:
        yield Problem("web2py_redis.port", shown(chosen["port"]), "is not a port", "Give a number from 1 to 65535")
    if not _USER.fullmatch(chosen.get("user", "default")):
        yield Problem("web2py_redis.user", shown(chosen["user"]), "is not a name of an ACL user", "Use no spaces")
    if chosen.get("ca") and not re.fullmatch(r"/[ -~]+", chosen["ca"]):
        yield Problem("web2py_redis.ca", shown(chosen["ca"]), "is not a path on the host", "Give an absolute path")
    if not password:
        yield Problem("web2py_redis_password", "", "missing, and Redis is elsewhere", "Give one from a vault")
    elif not 8 <= len(password) <= 1024 or re.search(r"[\0\r\n]", password):
        fault, remedy = "is not fit for a password", "Use 8 to 1024 characters on one line"
        yield Problem("web2py_redis_password", shown(password, True), fault, remedy)


def _memcached_problems(choices: Mapping[str, Any]) -> Iterable[Problem]:
    chosen = choices.get("web2py_memcached") or {}
    if chosen.get("port") is not None and not 1 <= chosen["port"] <= 65534:
        yield Problem(
            "web2py_memcached.port", shown(chosen["port"]), "is not a port", "Give 1 to 65534: it and the next"
        )
    if chosen.get("port") is not None and not chosen.get("group"):
        fault, remedy = (
            "is for hosts of the group web2py_memcached, which has none",
            "Remove it, or give the group a host",
        )
        yield Problem("web2py_memcached.port", shown(chosen["port"]), fault, remedy)
    servers = [] if chosen.get("group") else chosen.get("servers") or []
    for server in servers:
        parts = _SERVER.fullmatch(str(server))
        if parts is None or not 1 <= int(parts["port"]) <= 65535:
            remedy = f"Give one like 10.0.0.7:{MEMCACHED_PORT}"
            yield Problem("web2py_memcached.servers", shown(server), "is not a host with a port", remedy)
            continue
        yield from _host_problems("web2py_memcached.servers", parts["host"].strip("[]"), False)
    if len(set(servers)) != len(servers):
        yield Problem("web2py_memcached.servers", shown(servers), "names a server twice", "Keep one of them")


def _bound_problems(choices: Mapping[str, Any]) -> Iterable[Problem]:
    for row in choices["web2py_applications"]:
        cache = merged(choices, row)["cache"]
        bound = cache.get("max_mb")
        if bound is None:
            continue
        variable = f"web2py_applications ({row['name']}).cache.max_mb"
        if cache["store"] != "ram":
            fault = f"bounds what is in the processes, and cache.store is {cache['store']}"
            yield Problem(variable, shown(bound), fault, "Remove it, or choose the store ram")
        elif not 1 <= bound <= _LARGEST_MB:
            remedy = f"Give 1 to {_LARGEST_MB}: each process may take so many MiB"
            yield Problem(variable, shown(bound), "is out of bounds", remedy)


def _host_problems(variable: str, name: str, secure: bool) -> Iterable[Problem]:
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        if not _NAME.fullmatch(name) or ".." in name:
            yield Problem(variable, shown(name), "is not a host", "Give a name or an address, without scheme")
        return
    if address.is_unspecified or address.is_multicast:
        yield Problem(variable, shown(name), "is no address of a host", "Give the server's")
    elif address.is_global and not secure:
        fault = "is a public address, and nothing on the way there is encrypted"
        yield Problem(variable, shown(name), fault, "Use a private network, or for Redis TLS with ca")
