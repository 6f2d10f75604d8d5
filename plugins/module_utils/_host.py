# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection: what must be known of a host before a site is resolved, read in one pass."""

from __future__ import annotations

import glob
import ipaddress
import json
import os
import platform
import re
import subprocess
from collections.abc import Sequence
from typing import Any

# The program of a port whose owner cannot be seen.
UNKNOWN = "a program out of sight"
# Front ends that no distribution has, and the programs that a host must have already.
PROVIDED = {"cherokee": ("/usr/sbin/cherokee", "/usr/sbin/cherokee-worker")}


def os_release(text: str) -> tuple[str, str]:
    """(distribution, major version) of the text of /etc/os-release, e.g. ("debian", "12")."""
    fields = dict(re.findall(r'^([A-Z_]+)="?([^"\n]*)"?$', text, re.MULTILINE))
    return fields.get("ID", "unknown"), fields.get("VERSION_ID", "").split(".")[0] or "unknown"


def installed_packages(text: str) -> list[str]:
    """Names of the installed packages in the text of dpkg's status file."""
    return sorted(re.findall(r"^Package: (\S+)\nStatus: install ok installed$", text, re.MULTILINE))


def _rpm_packages() -> list[str]:
    """Names of the installed packages where rpm keeps them; its database is no text."""
    try:
        done = subprocess.run(["rpm", "-qa", "--qf", "%{NAME}\\n"], stdout=subprocess.PIPE, text=True, check=False)
    except OSError:
        return []
    return sorted(set(done.stdout.split()))


def groups(text: str) -> list[str]:
    """Names of the groups in the text of /etc/group."""
    return sorted(line.split(":")[0] for line in text.splitlines() if ":" in line)


def unfinished(text: str, journal: Sequence[str]) -> bool:
    """Was an installation killed? dpkg's status file and the names in its folder `updates` tell."""
    return any(name.isdigit() for name in journal) or bool(
        re.search(r"^Status: \w+ (\w+ (half-|unpacked|triggers-)|reinstreq )", text, re.MULTILINE)
    )


def users(text: str) -> dict[str, str]:
    """Home folder by user name, from the text of /etc/passwd."""
    rows = (line.split(":") for line in text.splitlines())
    return {row[0]: row[5] for row in rows if len(row) > 5}


def listening(text: str) -> dict[str, int]:
    """Port by socket inode of the listening sockets in the text of /proc/net/tcp or tcp6."""
    rows = (line.split() for line in text.splitlines()[1:])
    return {row[9]: int(row[1].rsplit(":", 1)[1], 16) for row in rows if len(row) > 9 and row[3] == "0A"}


def memory_mb(text: str) -> int:
    """Memory in MiB from the text of /proc/meminfo."""
    found = re.search(r"^MemTotal:\s+(\d+) kB", text, re.MULTILINE)
    return int(found.group(1)) // 1024 if found else 0


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            return stream.read()
    except OSError:
        return ""


def _names(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


def _owners(inodes: set[str]) -> dict[str, str]:
    """Program name by socket inode."""
    names: dict[str, str] = {}
    for link in glob.iglob("/proc/[0-9]*/fd/*") if inodes else ():
        try:
            target = os.readlink(link)
        except OSError:
            continue
        inode = target[8:-1] if target.startswith("socket:[") else ""
        if inode in inodes and names.get(inode) in (None, "systemd"):
            names[inode] = _read(link.split("/fd/")[0] + "/comm").strip()
    return names


def _manifests() -> list[dict[str, Any]]:
    """What the sites that this collection has built on the host claim, from their manifests."""
    found = []
    for path in sorted(glob.glob("/etc/*/site.json")):
        try:
            manifest = json.loads(_read(path))
        except ValueError:
            continue
        if isinstance(manifest, dict) and manifest.get("managed_by") == "web2py.deploy":
            found.append(manifest.get("claims") or {})
    return found


SELINUX = {"1": "enforcing", "0": "permissive"}
# What tells that a front end publishes a site, an application server or a store has settings, or one has other units.
TRACES = {
    "nginx": "/etc/nginx/sites-enabled/*",
    "apache": "/etc/apache2/sites-enabled/*.conf",
    "lighttpd": "/etc/lighttpd/conf-enabled/60-*.conf",
    "cherokee": "/etc/cherokee_web2py/sites/*.conf",
    "none": "/etc/*/front.json",
    "uwsgi": "/etc/*/uwsgi.ini",
    "mod_wsgi": "/etc/*/mod_wsgi.conf",
    "acme": "/etc/systemd/system/*_acme.timer",
    "tls_sessions": "/etc/systemd/system/*_tls.timer",
    "tunnel": "/etc/systemd/system/*-admin.service",
    "mod_python": "/etc/*/mod_python.conf",
    "scheduler": "/etc/systemd/system/*-scheduler@.service",
    "redis": "/etc/*/redis.json",
    "memcached": "/etc/*/memcached.json",
    "redis_sessions": "/etc/systemd/system/*_redis_sessions.service",
    "redis_cache": "/etc/systemd/system/*_redis_cache.service",
    "memcached_sessions": "/etc/systemd/system/*_memcached_sessions.service",
    "memcached_cache": "/etc/systemd/system/*_memcached_cache.service",
    "sessions": "/etc/systemd/system/*-sessions.timer",
    "tickets": "/etc/systemd/system/*-tickets.timer",
    "pages": "/var/lib/nginx/*_pages",
    "backup": "/etc/systemd/system/*-backup.timer",
}


# Further ones of the same programs.
MORE_TRACES = {"apache": "/etc/httpd/sites-enabled/*.conf", "tunnel": "/etc/systemd/system/*-admin.socket"}


def traces() -> dict[str, list[str]]:
    """Names of sites by the program that has settings of theirs, whoever wrote them."""
    found: dict[str, list[str]] = {}
    for program, pattern in [*TRACES.items(), *MORE_TRACES.items()]:
        before, _star, after = pattern.partition("*")
        names = {path.removeprefix(before).removesuffix(after).removesuffix(".conf") for path in glob.glob(pattern)}
        # What a distribution's package publishes by itself.
        known = found.setdefault(program, [])
        known += sorted(names - {"default", "000-default", "default-ssl", *known})
    return found


# Servers whose package would start an instance of its own; the role `packages` holds it back until the next boot.
HELD = {"redis": "redis-server.service", "memcached": "memcached.service"}


def held(masks: str = "/run/systemd/system", units: str = "/etc/systemd/system") -> list[str]:
    """Programs that a run has installed and not settled, as it was killed in between: the next boot starts them."""
    found = []
    for program, unit in HELD.items():
        path = os.path.join(masks, unit)
        masked = os.path.islink(path) and os.readlink(path) == "/dev/null"
        if masked and glob.glob(f"{units}/*.wants/{unit}"):
            found.append(program)
    return sorted(found)


def addresses(routes: str, six: str) -> list[str]:
    """The host's own addresses, from the texts of /proc/net/fib_trie and /proc/net/if_inet6."""
    found = set(re.findall(r"\|-- ([0-9.]+)\n +/32 host LOCAL", routes))
    found |= {str(ipaddress.IPv6Address(int(line.split()[0], 16))) for line in six.splitlines() if line.strip()}
    return sorted(one for one in found if not ipaddress.ip_address(one).is_loopback)


def host() -> dict[str, Any]:
    """What the preflight and the sizing rules need to know of this host."""
    distribution, version = os_release(_read("/etc/os-release"))
    ports: dict[str, int] = {}
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        ports.update(listening(_read(table)))
    owners = _owners(set(ports))
    dpkg = _read("/var/lib/dpkg/status")
    programs = sorted({(port, owners.get(inode, UNKNOWN)) for inode, port in ports.items()})
    return {
        "distribution": distribution,
        "version": version,
        "architecture": platform.machine(),
        "python": platform.python_version(),
        "selinux": SELINUX.get(_read("/sys/fs/selinux/enforce").strip(), "disabled"),
        "ipv6": bool(_read("/proc/net/if_inet6")),
        "addresses": addresses(_read("/proc/net/fib_trie"), _read("/proc/net/if_inet6")),
        "cpus": len(os.sched_getaffinity(0)),
        "memory_mb": memory_mb(_read("/proc/meminfo")),
        "packages": installed_packages(dpkg) if dpkg else _rpm_packages(),
        "programs": [path for paths in PROVIDED.values() for path in paths if os.access(path, os.X_OK)],
        "packages_unfinished": unfinished(dpkg, _names("/var/lib/dpkg/updates")),
        "users": users(_read("/etc/passwd")),
        "groups": groups(_read("/etc/group")),
        "listening": [{"port": port, "program": program} for port, program in programs],
        "sites": _manifests(),
        "traces": traces(),
        "held": held(),
        "units": sorted(os.path.basename(path) for path in glob.glob("/usr/lib/systemd/system/*.service")),
    }
