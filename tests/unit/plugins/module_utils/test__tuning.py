"""Settings of database servers: what they leave to the sites, and what a host of its own has."""

from __future__ import annotations

import pytest

from ansible_collections.web2py.deploy.plugins.module_utils import _tuning


@pytest.mark.parametrize(
    ("memory", "shared", "connections", "work"),
    [(0, 64, 200, 1), (512, 64, 200, 1), (2048, 256, 256, 2), (65536, 4096, 500, 16)],
)
def test_the_server_leaves_memory_to_the_site(memory: int, shared: int, connections: int, work: int) -> None:
    found = _tuning.tuning(memory)
    assert (found["shared_buffers"], found["max_connections"]) == (f"{shared}MB", str(connections))
    assert found["work_mem"] == f"{work}MB" and found["listen_addresses"] == "'localhost'"
    assert found["autovacuum"] == found["track_counts"] == "on" and found["password_encryption"] == "scram-sha-256"


@pytest.mark.parametrize(("memory", "pool", "connections"), [(0, 64, 200), (2048, 256, 256), (65536, 4096, 500)])
def test_mariadb_leaves_memory_to_the_site(memory: int, pool: int, connections: int) -> None:
    found = _tuning.mariadb_tuning(memory)
    assert (found["innodb_buffer_pool_size"], found["max_connections"]) == (f"{pool}M", str(connections))
    assert (found["bind_address"], found["local_infile"]) == ("127.0.0.1", "0")


def test_a_server_of_its_own_has_the_memory_and_tls() -> None:
    serves = {"address": "10.0.0.9", "port": 5433, "own_certificate": "/etc/c.pem", "own_key": "/etc/c.key"}
    settings = _tuning.tuning(2048, serves)
    assert settings["listen_addresses"] == "'localhost,10.0.0.9'" and settings["port"] == "5433"
    assert settings["ssl"] == "on" and settings["ssl_min_protocol_version"] == "'TLSv1.2'"
    assert settings["shared_buffers"] == "512MB" and _tuning.tuning(2048)["shared_buffers"] == "256MB"
    assert "ssl" not in _tuning.tuning(2048, {})


def test_a_mariadb_of_its_own_has_the_memory_and_tls() -> None:
    files = {"own_certificate": "/etc/c.pem", "own_key": "/etc/c.key", "own_ca": "/etc/ca.pem"}
    serves = {"address": "10.0.0.9", "port": 3307, **files}
    settings = _tuning.mariadb_tuning(2048, serves)
    assert settings["bind_address"] == "127.0.0.1,10.0.0.9" and settings["port"] == "3307"
    assert [settings[f"ssl_{word}"] for word in ("cert", "key", "ca")] == list(files.values())
    assert (settings["tls_version"], settings["skip_name_resolve"]) == ("TLSv1.2,TLSv1.3", "1")
    assert settings["innodb_buffer_pool_size"] == "512M"
    alone = _tuning.mariadb_tuning(2048, {})
    assert settings["max_connections"] == alone["max_connections"] and "ssl_cert" not in alone
