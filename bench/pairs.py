"""A host for each front end, with a site for each application server and level beside one another: what is measured."""

from __future__ import annotations

import sys
from itertools import zip_longest
from typing import Any, NamedTuple

from common import ROOT, host, inventory, play, source, ssh

sys.path.insert(0, str(ROOT / ".collections"))
from ansible_collections.web2py.deploy.plugins.module_utils import _performance as performance
from ansible_collections.web2py.deploy.plugins.module_utils._backend import servers_of

PROBE = {"name": "probe", "source": {"type": "directory", "path": str(ROOT / "tests/applications/probe")}}
# Those that are packages of the distribution.
ALL = [f"{front_end}/{server}" for front_end in ("nginx", "apache", "lighttpd") for server in servers_of(front_end)]
# Servers whose processes use all processors, at each level of web2py_performance.
LEVELS = [
    f"{pair}/{level}" for pair in ("nginx/uwsgi", "nginx/gunicorn", "apache/mod_wsgi") for level in performance.LEVELS
]
# In one Apache with mod_wsgi it does not start.
ALONE = "mod_python"
WRK = "apt-get update -q && apt-get install -yq --no-install-recommends wrk"


class Pair(NamedTuple):
    """A site of ours: its name in the inventory and the host it is on."""

    front_end: str
    server: str
    machine: dict[str, Any]
    # Of web2py_performance; what the site gets by itself where there is none.
    level: str = ""

    @property
    def name(self) -> str:
        return f"{self.front_end}-{self.site}"

    @property
    def title(self) -> str:
        return "/".join(filter(None, (self.front_end, self.server, self.level)))

    @property
    def site(self) -> str:
        return "by" + self.server.replace("_", "") + self.level

    @property
    def url(self) -> str:
        return f"http://{self.site}.test:80/"

    def choices(self) -> dict[str, Any]:
        return {
            "web2py_site": self.site, "web2py_domain": f"{self.site}.test", "web2py_tls": {"provider": "none"},
            "web2py_front_end": self.front_end, "web2py_app_server": self.server,
            "web2py_source": source(), "web2py_applications": [PROBE], "web2py_connections_per_address": 1000,
            "web2py_performance": self.level or None,
        }  # fmt: skip


def build(words: list[str], suite: str) -> list[Pair]:
    """The sites of these pairs."""
    columns: dict[str, list[Pair]] = {}
    for front_end, server, *level in (word.split("/") for word in words):
        place = front_end if server != ALONE else f"{front_end}-{ALONE}"
        machine = columns[place][0].machine if place in columns else host(place, suite, "warm")
        columns.setdefault(place, []).append(Pair(front_end, server, machine, *level))
    pairs = [pair for column in columns.values() for pair in column]
    path = inventory("pairs", {pair.name: (pair.machine, pair.choices()) for pair in pairs})
    # One after the other on a host, the hosts side by side.
    for row in zip_longest(*columns.values()):
        names = [pair.name for pair in row if pair]
        print(f"Built: {', '.join(names)} ...", flush=True)
        play(path, "site.yml", "--limit", ",".join(names))
    for column in columns.values():
        hosts = " ".join(f"{pair.site}.test" for pair in column)
        ssh(column[0].machine, f"grep -q '{hosts}' /etc/hosts || echo '127.0.0.1 {hosts}' >> /etc/hosts")
        ssh(column[0].machine, f"command -v wrk >/dev/null || {{ {WRK}; }} >&2")
    return pairs
