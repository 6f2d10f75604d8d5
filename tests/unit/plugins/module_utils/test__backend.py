"""The backend: the contract between an application server and a front end."""

from __future__ import annotations

import pytest

from ansible_collections.web2py.deploy.plugins.module_utils import _backend


def test_the_socket_carries_the_name_of_the_site() -> None:
    assert _backend.backend("shop", "nginx", "uwsgi") == {
        "protocol": "uwsgi",
        "address": "unix:/run/shop/uwsgi.sock",
        "path": "/run/shop/uwsgi.sock",
        "include": "",
    }


def test_a_pair_that_cannot_work_names_those_that_can(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(_backend.APP_SERVERS, "inside", _backend.Server("inside", ("in-process",)))
    with pytest.raises(ValueError, match="nginx cannot serve inside; with nginx use one of uwsgi, rocket"):
        _backend.backend("shop", "nginx", "inside")


def test_every_dead_server_names_a_living_one() -> None:
    for name, words in _backend.DEAD.items():
        assert name not in _backend.APP_SERVERS
        assert words.rpartition("use ")[2] in _backend.APP_SERVERS


def test_servers_of_a_front_end_speak_its_language() -> None:
    for front_end, row in _backend.FRONT_ENDS.items():
        for server in _backend.servers_of(front_end):
            assert _backend.protocol(front_end, server) in row.speaks


@pytest.mark.parametrize("cpus, memory, wanted", [(1, 8192, 16), (8, 8192, 32), (2, 512, 8), (2, 64, 2)])
def test_processes_fit_processors_and_memory(cpus: int, memory: int, wanted: int) -> None:
    assert _backend.processes(cpus, memory) == wanted


def test_a_server_inside_the_front_end_has_settings_and_no_address() -> None:
    found = _backend.backend("shop", "apache", "mod_wsgi")
    assert (found["address"], found["path"], found["include"]) == ("", "", "/etc/shop/mod_wsgi.conf")
