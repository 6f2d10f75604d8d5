"""The table of choices, a host to resolve them for and a site with a database: what tests of several parts share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from ansible_collections.web2py.deploy.plugins.module_utils._preflight import examine
from ansible_collections.web2py.deploy.plugins.module_utils._site import resolve

ROOT = Path(__file__).resolve().parents[4]
OPTIONS = yaml.safe_load((ROOT / "roles/site/meta/argument_specs.yml").read_text())["argument_specs"]["main"]["options"]
HOST: dict[str, Any] = {
    "distribution": "debian",
    "version": "12",
    "python": "3.11.2",
    "cpus": 2,
    "memory_mb": 2048,
    "packages": [],
    "users": {"root": "/root"},
    "listening": [],
    "sites": [],
    "units": ["cron.service"],
}
PASSWORD = "a password of a vault"
SERVER: dict[str, Any] = {
    "web2py_domain": "www.example.org",
    "web2py_database": {"type": "postgresql"},
    "web2py_database_password": PASSWORD,
}
ELSEWHERE = {"type": "postgresql", "host": "db.example.org", "ca": "/etc/ssl/ca.pem"}


def application(**words: Any) -> dict[str, Any]:
    return {"web2py_applications": [{"name": "shop", "source": {"type": "starter"}, **words}]}


def problems(**given: Any) -> list[str]:
    return [str(problem) for problem in examine(OPTIONS, {**SERVER, **given}, HOST)[1]]


def site(**given: Any) -> dict[str, Any]:
    choices, faults = examine(OPTIONS, {**SERVER, **given}, HOST)
    assert faults == []
    return resolve(choices, HOST)
