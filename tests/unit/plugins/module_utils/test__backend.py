"""The backend: the contract between an application server and a front end."""

from __future__ import annotations

import pytest

from ansible_collections.web2py.deploy.plugins.module_utils import _backend


def test_the_socket_carries_the_name_of_the_site() -> None:
    assert _backend.backend("shop", "nginx", "uwsgi") == {
        "protocol": "uwsgi",
        "address": "unix:/run/shop/app.sock",
        "path": "/run/shop/app.sock",
    }


def test_a_pair_that_cannot_work_names_those_that_can(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(_backend.APP_SERVERS, "inside", ("in-process",))
    with pytest.raises(ValueError, match="nginx cannot serve inside; with nginx use one of uwsgi"):
        _backend.backend("shop", "nginx", "inside")
