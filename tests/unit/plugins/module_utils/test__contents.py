"""What a site holds: sessions, tickets, databases, stores."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.web2py.deploy.plugins.module_utils._contents import (
    applications,
    count,
    counters,
    databases,
    replicas,
    standbys,
    stores,
    uris,
)


def test_files_are_counted(site: dict[str, Any]) -> None:
    folder = Path(site["paths"]["state"]) / "applications/starter"
    for name in ("sessions/abc/def/1", "sessions/abc/2", "errors/new"):
        (folder / name).write_text("")
    (folder / "errors/old").write_text("")
    os.utime(folder / "errors/old", (1, 1))
    # A link to elsewhere is one file, not what lies behind it.
    (folder / "sessions/link").symlink_to("/usr")
    found = applications(site)[0]
    assert found["sessions"] == {"total": 3, "today": None, "whole": True}
    assert found["tickets"] == {"total": 2, "today": 1, "whole": True}
    assert (found["session_store"], found["ticket_store"]) == ("file", "file")
    assert count("/nowhere/at/all", 1.0, time.monotonic() + 1) == {"total": 0, "today": 0, "whole": True}


def test_counting_ends_in_time(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("")
    assert count(str(tmp_path), None, time.monotonic() - 1) == {"total": 0, "today": None, "whole": False}


def test_stores_are_those_of_the_choices(site: dict[str, Any]) -> None:
    site["applications"][0]["settings"] = {"sessions": {"store": "redis"}, "tickets": {"store": "database"}}
    found = applications(site)[0]
    assert (found["session_store"], found["ticket_store"]) == ("redis", "database")


def test_databases_are_those_of_the_file_and_the_folder(site: dict[str, Any]) -> None:
    assert uris(site) == []
    folder = Path(site["paths"]["state"]) / "applications/starter/databases"
    folder.mkdir()
    (folder / "storage.sqlite").write_text("")
    (folder / "x_storage.table").write_text("")
    assert [row["uri"] for row in uris(site)] == [f"sqlite://{folder}/storage.sqlite"]
    settings = Path(site["paths"]["settings"]) / "databases.json"
    row = {"uri": "postgres://u@/d", "driver_args": {"password": "p"}}
    settings.write_text(json.dumps({"applications": {"starter": row, "gone": row}}))
    assert [row["uri"] for row in uris(site)] == ["postgres://u@/d", f"sqlite://{folder}/storage.sqlite"]
    assert uris(site)[0]["driver_args"] == {"password": "p"}
    settings.write_text(json.dumps({"applications": {"starter": {"uri": None}}}))
    assert [row["uri"] for row in uris(site)] == [f"sqlite://{folder}/storage.sqlite"]


def test_each_standby_is_asked_once_and_alone(site: dict[str, Any]) -> None:
    rows = site["applications"] = [
        {"name": name, "settings": {"database": {"port": 6432, "replicas": ["10.0.0.3", "10.0.0.4"]}}}
        for name in ("shop", "blog")
    ]
    uri, args = "postgres://u@10.0.0.2,10.0.0.3,10.0.0.4:6432/shop?sslmode=verify-full", {"password": "p@/"}
    told = {"uri": uri, "driver_args": {**args, "target_session_attrs": "read-write"}}
    settings = Path(site["paths"]["settings"]) / "databases.json"
    settings.write_text(json.dumps({"applications": {"shop": told, "blog": told}}))
    found = standbys(site)
    assert [row["uri"] for row in found] == [
        f"postgres://u@{host}:6432/shop?sslmode=verify-full" for host in ("10.0.0.3", "10.0.0.4")
    ]
    assert [row["driver_args"] for row in found] == [args, args]
    del rows[0]["settings"]["database"]["replicas"], rows[1]["settings"]
    assert standbys(site) == []


def test_without_databases_nobody_is_asked(site: dict[str, Any]) -> None:
    assert databases(site) == []
    assert replicas(site) == []


REDIS = ":12\r\n$99\r\n# Memory\r\nused_memory:1048576\r\nused_memory_human:1.00M\r\nmaxmemory:67108864\r\n\r\n"
REDIS += "$9\r\n# Stats\r\nevicted_keys:3\r\n+OK\r\n"
MEMCACHED = "STAT pid 5\r\nSTAT curr_items 7\r\nSTAT bytes 99\r\nSTAT limit_maxbytes 64\r\nSTAT evictions 1\r\nEND\r\n"


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (REDIS, (12, 1048576, 67108864, 3)),
        (MEMCACHED, (7, 99, 64, 1)),
        ("-NOAUTH Authentication required.\r\n", (None, None, None, None)),
        ("", (None, None, None, None)),
    ],
)
def test_what_stores_say_is_read(said: str, expected: tuple[Any, ...]) -> None:
    assert tuple(counters(said).values()) == expected


def test_stores_are_asked_on_their_sockets(site: dict[str, Any], tmp_path: Path) -> None:
    assert stores(site) == []
    path = str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        server.listen()

        def serve() -> None:
            line, _address = server.accept()
            with line:
                assert line.recv(99).startswith(b"DBSIZE")
                line.sendall(REDIS.encode())

        thread = threading.Thread(target=serve)
        thread.start()
        redis = {"use": "sessions", "unit": "shop_redis_sessions", "socket": path}
        memcached = {"use": "cache", "unit": "shop_memcached_cache", "socket": str(tmp_path / "none")}
        found = stores({**site, "redis": {"instances": [redis]}, "memcached": {"instances": [memcached]}})
        thread.join()
    assert (found[0]["program"], found[0]["keys"], found[0]["evicted"]) == ("redis", 12, 3)
    assert found[1]["unit"] == "shop_memcached_cache" and "FileNotFoundError" in found[1]["error"]
