# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection: how a host does: disk, memory, load."""

from __future__ import annotations

import os
import socket
from typing import Any


def file_system(path: str) -> dict[str, Any]:
    """How full the file system of a folder is, for those who are not root."""
    found = os.statvfs(path)
    used, free = found.f_blocks - found.f_bfree, found.f_bavail
    nodes = found.f_files - found.f_ffree
    return {
        "path": path,
        "bytes_free": free * found.f_frsize,
        "bytes_total": found.f_blocks * found.f_frsize,
        "percent": percent(used, used + free),
        "inodes_free": found.f_favail,
        # Some file systems have no fixed number of them.
        "inodes_percent": percent(nodes, nodes + found.f_favail) if found.f_files else None,
    }


def percent(used: int, total: int) -> int:
    return 100 * used // total if total else 0


def machine() -> dict[str, Any]:
    """Memory, load and age of the host."""
    with open("/proc/meminfo", encoding="ascii") as stream:
        memory = {line.split(":")[0]: int(line.split()[1]) * 1024 for line in stream}
    with open("/proc/uptime", encoding="ascii") as stream:
        up = int(float(stream.read().split()[0]))
    return {
        "name": socket.gethostname(),
        "memory_bytes": memory.get("MemTotal", 0),
        "memory_available_bytes": memory.get("MemAvailable", 0),
        "load": [round(value, 2) for value in os.getloadavg()],
        "cpus": os.cpu_count() or 1,
        "up_seconds": up,
    }
