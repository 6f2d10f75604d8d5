# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection: settings of database servers by the memory of their host."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.web2py.deploy.plugins.module_utils import _replicas


def tuning(memory_mb: int, serves: Mapping[str, Any] | None = None) -> dict[str, str]:
    """Settings of a PostgreSQL that shares its host with sites: half of what a host of its own would give it.

    Each process of a site may hold two connections to a database, one for the application and one for its sessions.
    `serves` is for a host of its own: the address and port for the web hosts, and the certificate that it shows them.
    """
    if serves:
        return {
            **_alone(tuning, memory_mb),
            "listen_addresses": f"'localhost,{serves['address']}'",
            "port": str(serves["port"]),
            "ssl": "on",
            "ssl_cert_file": f"'{serves['own_certificate']}'",
            "ssl_key_file": f"'{serves['own_key']}'",
            "ssl_min_protocol_version": "'TLSv1.2'",
            **(_replicas.TUNING if serves.get("standbys") else {}),
        }
    connections = max(200, min(500, memory_mb // 8))
    return {
        "autovacuum": "on",
        "effective_cache_size": f"{max(128, memory_mb // 2)}MB",
        "listen_addresses": "'localhost'",
        "maintenance_work_mem": f"{max(32, min(memory_mb // 32, 1024))}MB",
        "max_connections": str(connections),
        "password_encryption": "scram-sha-256",
        "shared_buffers": f"{max(64, min(memory_mb // 8, 4096))}MB",
        "track_counts": "on",
        # What sorts may take all together stays within a quarter of the memory.
        "work_mem": f"{max(1, min(16, memory_mb // 4 // connections))}MB",
    }


def mariadb_tuning(memory_mb: int, serves: Mapping[str, Any] | None = None) -> dict[str, str]:
    """Settings of a MariaDB that shares its host with sites. `serves` is for a host of its own, as for PostgreSQL."""
    if serves:
        return {
            **_alone(mariadb_tuning, memory_mb),
            "bind_address": f"127.0.0.1,{serves['address']}",
            "port": str(serves["port"]),
            # Accounts are let in by their addresses, and no page waits for DNS.
            "skip_name_resolve": "1",
            # Shown with the certificate: else MariaDB's own programs, from 11.4 on, refuse the server at its socket.
            "ssl_ca": str(serves["own_ca"]),
            "ssl_cert": str(serves["own_certificate"]),
            "ssl_key": str(serves["own_key"]),
            "tls_version": "TLSv1.2,TLSv1.3",
        }
    found = tuning(memory_mb)
    return {
        "bind_address": "127.0.0.1",
        "character_set_server": "utf8mb4",
        "innodb_buffer_pool_size": found["shared_buffers"].removesuffix("B"),
        "local_infile": "0",
        # A page with an upload in it.
        "max_allowed_packet": "64M",
        "max_connections": found["max_connections"],
        # As PostgreSQL does it: who waits for a row of another process, as the scheduler does, sees it come.
        "transaction_isolation": "READ-COMMITTED",
    }


def _alone(shared: Callable[[int], dict[str, str]], memory_mb: int) -> dict[str, str]:
    """Settings on a host of its own: twice the memory for as many connections."""
    return {**shared(2 * memory_mb), "max_connections": shared(memory_mb)["max_connections"]}
