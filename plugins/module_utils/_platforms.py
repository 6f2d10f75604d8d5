# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection: the distributions that are known, and the names that differ between them.

What only one role needs to know of a platform is in its vars/<family>.yml.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from ansible_collections.web2py.deploy.plugins.module_utils._backend import FRONT_ENDS, FrontEnd

# Every test runs on these.
SHOWN = (("debian", "12"), ("debian", "13"))
# Names and paths of these are written down, nothing was ever run on them.
WRITTEN = (
    ("almalinux", "9"),
    ("centos", "9"),
    ("rhel", "9"),
    ("rocky", "9"),
    ("ubuntu", "22"),
    ("ubuntu", "24"),
)
RED_HAT = frozenset({"almalinux", "centos", "rhel", "rocky"})
# What a platform cannot do, by the word of the choices that asks for it.
LACKS: dict[tuple[str, str], dict[str, str]] = {
    ("ubuntu", "22"): {
        "nginx": "its NGINX 1.18 shows a certificate to whoever asks for an unknown name; use apache",
        "none": "its Python is older than 3.11; use apache",
        "mysql_far": "its MariaDB 10.6 listens at one address only; use postgresql",
    },
}
RED_HAT_LACKS = {
    "acme": "no client is written down for it there; use self_signed or provided",
    "cherokee": "no settings are written for it there; use nginx or apache",
    "lighttpd": "no settings are written for it there; use nginx or apache",
    "mysql_far": "its MariaDB 10.5 listens at one address only; use postgresql",
    "none": "its Python is older than 3.11; use nginx or apache",
}


class Names(NamedTuple):
    """What a family calls a front end's program, units and user."""

    program: str
    units: tuple[str, ...]
    user: str


_RED_HAT_NAMES = {
    "nginx": Names("nginx", ("nginx.service",), "nginx"),
    "apache": Names("httpd", ("httpd.service",), "apache"),
}


def family(distribution: str) -> str:
    """The name of the files in vars/ that hold the words of a distribution."""
    return "RedHat" if distribution in RED_HAT else "Debian"


def lacks(distribution: str, version: str, words: Iterable[str]) -> list[tuple[str, str]]:
    """(word, why) of the choices that a platform cannot fulfil."""
    known = {**LACKS.get((distribution, version), {}), **(RED_HAT_LACKS if distribution in RED_HAT else {})}
    return [(word, known[word]) for word in words if word in known]


def front_end(name: str, distribution: str) -> FrontEnd:
    """A front end under the names that it has there."""
    row = FRONT_ENDS[name]
    names = _RED_HAT_NAMES.get(name) if distribution in RED_HAT else None
    return row._replace(**names._asdict()) if names else row
