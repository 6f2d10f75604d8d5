from __future__ import annotations

import configparser
import json
from typing import Any

import pytest

from ansible_collections.web2py.deploy.plugins.module_utils import _root_files


def executed(routes: dict[str, Any]) -> dict[str, Any]:
    names: dict[str, Any] = {}
    exec(_root_files.routes_py(routes), names)
    return names


@pytest.mark.parametrize("domains", [{"shop.example.org": "shop", "a.example.org": "a"}])
def test_routes_send_domains_to_applications(domains: dict[str, str]) -> None:
    base = executed({"default_application": "starter", "domains": domains})["routers"]["BASE"]
    assert base["default_application"] == "starter"
    assert base.get("domains", {}) == domains


def test_routes_are_the_same_text_for_the_same_choices() -> None:
    one = {"default_application": "x", "domains": {"a.org": "a", "b.org": "b"}}
    two = {"default_application": "x", "domains": {"b.org": "b", "a.org": "a"}}
    assert _root_files.routes_py(one) == _root_files.routes_py(two)


def test_error_pages_take_what_web2py_puts_in_and_link_nowhere() -> None:
    names = executed({"default_application": "x", "domains": {}})
    page = names["error_message_ticket"] % {"ticket": "shop/127"}
    assert "shop/127" in page
    assert "href" not in page
    assert "admin" not in page
    assert "invalid request" in names["error_message"] % "invalid request"


def test_names_cannot_break_out_of_routes() -> None:
    name = "x'}; import os #"
    found = executed({"default_application": name, "domains": {}})
    assert found["default_application"] == name
    assert found["routes_in"] == [("/", f"/{name}/default/index")]


def test_logging_names_the_loggers_that_exist_before_it_is_read() -> None:
    parser = configparser.RawConfigParser()
    parser.read_string(_root_files.logging_conf("WARNING"))
    assert parser["loggers"]["keys"].split(",") == ["root", "web2py", "pydal"]
    assert parser["logger_root"]["level"] == "WARNING"


def test_version_file_is_as_web2py_reads_it() -> None:
    assert _root_files.version_file("2.26.1-stable").split()[-1] == "2.26.1-stable"


def test_runtime_learns_what_it_needs() -> None:
    site = {
        "name": "shop",
        "url": "https://www.example.org",
        "secure_cookies": True,
        "admin": {"mode": "tunnel", "tunnel_port": 8002, "ports": [8002], "networks": []},
        "server": {"name": "uwsgi"},
        "front_end": {"name": "nginx", "lacks": []},
        "paths": {"state": "/var/lib/shop", "settings": "/etc/shop"},
        "request_log": True,
        "profiles": 5,
        "performance": {"level": "fast", "sessionless": ["shop/api"]},
    }
    settings = json.loads(_root_files.runtime_json(site, {"web2py": "3.3.3", "python": "3.13"}))
    assert settings["admin"] == "tunnel"
    assert settings["writes_forwarded"] is False
    site["front_end"] = {"name": "cherokee", "lacks": ["forwarded"]}
    assert json.loads(_root_files.runtime_json(site, {}))["writes_forwarded"] is True
    assert settings["versions"]["web2py"] == "3.3.3"
    assert settings["request_log"] is True
    assert (settings["performance"], settings["sessionless"]) == ("fast", ["shop/api"])
    assert settings["profiles"] == {"keep": 5, "folder": "/var/lib/shop/profiles"}
    assert "request_seconds" not in settings
    site |= {"server": {"name": "mod_wsgi"}, "limits": {"request_seconds": 60}}
    assert json.loads(_root_files.runtime_json(site, {}))["request_seconds"] == 60
