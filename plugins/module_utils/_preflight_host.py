# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection: whether a host has room for a site: its folders, ports and names, and its neighbours'."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.web2py.deploy.plugins.module_utils._backend import (
    APP_SERVERS,
    FRONT_ENDS,
)
from ansible_collections.web2py.deploy.plugins.module_utils._folders import fits, folders, remedy, words
from ansible_collections.web2py.deploy.plugins.module_utils._host import PROVIDED, UNKNOWN
from ansible_collections.web2py.deploy.plugins.module_utils._platforms import RED_HAT, SHOWN, WRITTEN, lacks
from ansible_collections.web2py.deploy.plugins.module_utils._platforms import front_end as named
from ansible_collections.web2py.deploy.plugins.module_utils._site import claims, domains, known
from ansible_collections.web2py.deploy.plugins.module_utils._spec import Problem, shown


def folder_problems(choices: Mapping[str, Any], host: Mapping[str, Any]) -> list[Problem]:
    found = []
    name, root = choices["web2py_site"], choices["web2py_root"]
    own = folders(name, root).values() if fits(root) else ()
    for path, owner in host.get("folders", {}).items():
        if path not in own or owner != name:
            way_out = remedy(path, name) if path in own else "Choose another name or another web2py_root"
            found.append(Problem("web2py_site", shown(name), words(path, owner), way_out))
    return found


def platform_problems(choices: Mapping[str, Any], host: Mapping[str, Any]) -> list[Problem]:
    """Whether a site may lie on this distribution, wherever it lies there."""
    place = (host["distribution"], host["version"])
    shown_place, known = " ".join(place), ", ".join(map(" ".join, SHOWN))
    found = []
    if place not in SHOWN + WRITTEN:
        found.append(Problem("host", shown_place, "is not a supported distribution", f"Use one of {known}"))
    elif place in WRITTEN and not choices["web2py_unproven_platform"]:
        way_out = f"Use one of {known}, or try it with web2py_unproven_platform: true and tell us"
        found.append(
            Problem("host", shown_place, "has its names written down, but nothing was ever run on it", way_out)
        )
    # What it must let through is the policy's of one family, and for root to write down.
    if host.get("selinux") == "enforcing" and ("account" in host or place[0] not in RED_HAT):
        way_out = "Make it permissive for a trial: setenforce 0"
        found.append(Problem("host", "SELinux", "enforces its policy, and none is written for a site there", way_out))
    return found


def program_problems(choices: Mapping[str, Any], host: Mapping[str, Any]) -> list[Problem]:
    """What the distribution's own programs cannot do."""
    place = (host["distribution"], host["version"])
    words = {name: choices[name] for name in ("web2py_front_end", "web2py_app_server")}
    # Plain http asks for nothing; by the same word the front end asks for much.
    if choices["web2py_tls"]["provider"] != "none":
        words["web2py_tls.provider"] = choices["web2py_tls"]["provider"]
    return [
        Problem(variable, shown(word), f"does not work on {' '.join(place)}", why)
        for variable, chosen in words.items()
        for word, why in lacks(*place, [chosen] if place in WRITTEN else [])
    ]


def host_problems(choices: Mapping[str, Any], host: Mapping[str, Any]) -> list[Problem]:
    found = []
    name = choices["web2py_site"]
    found += platform_problems(choices, host) + program_problems(choices, host)
    front_end = choices["web2py_front_end"]
    if name in host.get("traces", {}).get(front_end, []) and not known(name, host):
        words = f"{front_end} has a site of that name on the host, which this collection did not make"
        found.append(Problem("web2py_site", shown(name), words, "Disable that site there, or choose another name"))
    server = choices["web2py_app_server"]
    having = APP_SERVERS[server].hosts
    if having and (host["distribution"], host["version"]) not in having:
        found.append(
            Problem(
                "web2py_app_server",
                shown(server),
                f"has no package on {host['distribution']} {host['version']}",
                f"Use mod_wsgi, or a host with {' or '.join(map(' '.join, having))}",
            )
        )
    home = host.get("users", {}).get(name)
    if home is not None and home != f"/var/lib/{name}":
        found.append(
            Problem(
                "web2py_site",
                shown(name),
                f"a user of that name exists on the host (home {home})",
                "Choose another name",
            )
        )
    if home is None and name in host.get("groups", ()):
        found.append(
            Problem("web2py_site", shown(name), "a group of that name exists on the host", "Choose another name")
        )
    found += folder_problems(choices, host)
    if {f"{name}.service", f"{name}-admin.service"} & set(host.get("units", ())):
        found.append(
            Problem("web2py_site", shown(name), "the distribution has a service of that name", "Choose another name")
        )
    front_end = choices["web2py_front_end"]
    missing = [path for path in PROVIDED.get(front_end, ()) if path not in host.get("programs", ())]
    if missing and not choices["web2py_cherokee_package"]:
        found.append(
            Problem(
                "web2py_front_end",
                shown(front_end),
                f"no distribution has it, and the host has no {' and no '.join(missing)}",
                "Name a package of it in web2py_cherokee_package, or use another web2py_front_end",
            )
        )
    ports = {80: "web2py_front_end"}
    if choices["web2py_tls"]["provider"] != "none":
        ports[443] = "web2py_front_end"
    if choices["web2py_admin"] == "tunnel":
        ports[choices["web2py_admin_tunnel_port"]] = "web2py_admin_tunnel_port"
    for row in host.get("sites", ()):
        if row.get("site") == name:
            # Held by the site's own unit.
            ports = {port: variable for port, variable in ports.items() if port not in row.get("ports", ())}
    # A web server may serve others already; a launcher on these ports is this site's or none of ours.
    chosen = named(front_end, host["distribution"])
    # Of a program that no distribution has, ours is an instance of its own beside that of others.
    alone = front_end in PROVIDED and not host.get("traces", {}).get(front_end)
    shared = {chosen.program} if chosen.units and not alone else set()
    free = {"systemd"} | shared | _making_way(name, host)
    for row in host.get("listening", ()):
        if row["port"] in ports and row["program"] not in free:
            variable = ports[row["port"]]
            found.append(
                Problem(
                    variable,
                    shown(choices[variable]),
                    f"port {row['port']} is held by {row['program']} on the host",
                    _let_go(row["program"]) if row["port"] in (80, 443) else "Choose another port",
                )
            )
    return found


def _making_way(name: str, host: Mapping[str, Any]) -> set[str]:
    """Programs of front ends that serve this site and no other: another front end comes in their place."""
    traces = host.get("traces", {}) if known(name, host) else {}
    found = {
        named(front_end, host["distribution"]).program for front_end in FRONT_ENDS if traces.get(front_end) == [name]
    }
    # A server that has only the rights of its user hides what it holds from a root without all capabilities.
    published = any(name in traces.get(front_end, []) for front_end in FRONT_ENDS)
    return found | ({UNKNOWN} if published else set())


def _let_go(program: str) -> str:
    if program == UNKNOWN:
        return "Find it there with: ss -ltnp. If that names none either, log in as root or as a user with sudo"
    return f"Stop {program} there, or choose it as the front end where it is one; all sites of a host have the same"


def shared_problems(
    choices: Mapping[str, Any], host: Mapping[str, Any], others: Sequence[Mapping[str, Any]]
) -> list[Problem]:
    mine = claims(choices)
    found = []
    for other in others:
        if other["site"] == mine["site"]:
            found.append(
                Problem(
                    "web2py_site",
                    shown(mine["site"]),
                    f"{other['inventory_host']} has the same on the same machine",
                    "Give each site of a machine its own short name",
                )
            )
    planned = {other["site"] for other in others}
    neighbours = list(others) + [
        row for row in host.get("sites", ()) if row.get("site") != mine["site"] and row.get("site") not in planned
    ]
    for other in neighbours:
        if mine["alone"] or other.get("alone"):
            itself = choices["web2py_front_end"] == "none"
            variable = "web2py_front_end" if itself else "web2py_app_server"
            found.append(
                Problem(
                    variable,
                    shown(choices[variable]),
                    f"the site {other['site']} is on the same machine, and one of the two has it for itself alone",
                    f"Use mod_wsgi instead of mod_python for {mine['site'] if mine['alone'] else other['site']}, or a "
                    "web server where it has none",
                )
            )
        for variable, name in domains(choices):
            if name in other.get("names", ()):
                found.append(
                    Problem(
                        variable,
                        shown(name),
                        f"the site {other['site']} on the same machine answers to it",
                        "A name belongs to one site",
                    )
                )
        for port in set(mine["ports"]) & set(other.get("ports", ())):
            found.append(
                Problem(
                    "web2py_admin_tunnel_port",
                    str(port),
                    f"the site {other['site']} on the same machine uses it",
                    "Choose another port",
                )
            )
    return found
