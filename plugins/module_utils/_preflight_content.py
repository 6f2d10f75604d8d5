# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection: whether what a site serves is told well: where web2py comes from, and each application."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.web2py.deploy.plugins.module_utils._credentials import held
from ansible_collections.web2py.deploy.plugins.module_utils._site import web2py_source
from ansible_collections.web2py.deploy.plugins.module_utils._spec import Problem, nearest, shown
from ansible_collections.web2py.deploy.plugins.module_utils._versions import problem as version_problem

_NEEDED = {
    "git": ("url", "version"),
    "archive": ("sha256",),
    "directory": ("path",),
    "pypi": ("version",),
    "starter": (),
    "bundled": (),
}
_TAKEN = {
    "git": ("url", "version"),
    "archive": ("url", "path", "sha256", "version"),
    "directory": ("path", "version"),
    "pypi": ("version", "sha256"),
    "starter": (),
    "bundled": (),
}


def _one_source(variable: str, source: Mapping[str, Any]) -> list[Problem]:
    kind = source["type"]
    found = []
    for key in sorted(key for key, value in source.items() if value is not None and key not in ("type", *_TAKEN[kind])):
        takes = ", ".join(_TAKEN[kind]) or "nothing"
        found.append(
            Problem(
                f"{variable}.{key}",
                shown(source[key]),
                f"has no meaning for the type {kind}",
                f"Remove it; {kind} takes {takes}",
            )
        )
    for key in _NEEDED[kind]:
        if not source.get(key):
            found.append(Problem(f"{variable}.{key}", "", f"missing for the type {kind}", f"Give {key}"))
    if kind == "archive" and bool(source.get("url")) == bool(source.get("path")):
        found.append(
            Problem(variable, shown(dict(source)), "an archive comes from one place", "Give either url or path")
        )
    found += _checksum_problems(variable, source)
    if str(source.get("version") or "").startswith("-") or str(source.get("url") or "").startswith("-"):
        found.append(Problem(variable, shown(dict(source)), "begins with a hyphen", "Give a plain version and URL"))
    if kind == "archive" and str(source.get("url") or "https://").startswith("http://"):
        found.append(Problem(f"{variable}.url", shown(source["url"]), "is not encrypted", "Use https"))
    return found + _secrets_in(f"{variable}.url", [str(source.get("url") or "")])


def _checksum_problems(variable: str, source: Mapping[str, Any]) -> list[Problem]:
    if not source.get("sha256") or re.fullmatch(r"[0-9a-f]{64}", source["sha256"]):
        return []
    return [
        Problem(
            f"{variable}.sha256",
            shown(source["sha256"]),
            "is not a SHA-256 in hexadecimal",
            "Take it from the publisher, or from sha256sum of a file you trust",
        )
    ]


def _secrets_in(variable: str, addresses: Sequence[str]) -> list[Problem]:
    """Addresses are shown, logged and kept; what opens them has a place of its own."""
    return [
        Problem(
            variable,
            shown(address),
            "carries a user name or password",
            "Keep user:password by its host in web2py_credentials, from a vault",
        )
        for address in addresses
        if held(address)
    ]


def package_problems(choices: Mapping[str, Any]) -> list[Problem]:
    """What is wrong with the package of a front end that no distribution has."""
    variable, package = "web2py_cherokee_package", choices["web2py_cherokee_package"]
    if package is None:
        return []
    url, path = str(package.get("url") or ""), str(package.get("path") or "")
    found = _checksum_problems(variable, package)
    if bool(url) == bool(path):
        found.append(Problem(variable, "", "a package comes from one place", "Give either url or path"))
    for key, place in (("url", url), ("path", path)):
        if place and not place.endswith(".deb"):
            found.append(Problem(f"{variable}.{key}", shown(place), "is no Debian package", "Give a file *.deb"))
    if held(url):
        words = "carries a user name or password"
        found.append(Problem(f"{variable}.url", shown(url), words, "Get the package yourself and give path"))
    elif url and not url.startswith("https://"):
        found.append(Problem(f"{variable}.url", shown(url), "is not encrypted", "Use https"))
    return found


def source_problems(choices: Mapping[str, Any], host: Mapping[str, Any]) -> list[Problem]:
    source = web2py_source(choices)
    found = _one_source("web2py_source", source)
    trouble = version_problem(str(source.get("version") or ""), host["python"])
    if trouble:
        found.append(
            Problem(
                "web2py_source.version",
                shown(source.get("version")),
                trouble.rstrip("."),
                "Choose another version of web2py or another host",
            )
        )
    return found


def application_problems(choices: Mapping[str, Any]) -> list[Problem]:
    found = []
    applications = choices["web2py_applications"]
    names = [application["name"] for application in applications]
    if not applications:
        found.append(
            Problem(
                "web2py_applications",
                "[]",
                "a site without an application serves nothing",
                "List one, for instance {name: starter, source: {type: starter}}",
            )
        )
    for application in applications:
        name = application["name"]
        variable = f"web2py_applications ({name})"
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{0,60}", name) or name in ("static", "appadmin", "healthz"):
            found.append(
                Problem(
                    variable,
                    shown(name),
                    "is not a name for an application",
                    "Use letters, digits and underscores, beginning with a letter",
                )
            )
        if names.count(name) > 1:
            found.append(Problem(variable, shown(name), "is listed more than once", "Keep one"))
        found += _one_source(variable + ".source", application["source"])
        found += _secrets_in(variable + ".requirements", application.get("requirements") or [])
        if application["source"]["type"] == "bundled" and choices["web2py_source"]["type"] == "pypi":
            found.append(
                Problem(
                    variable + ".source",
                    "bundled",
                    "the package on PyPI carries no complete application",
                    "Choose web2py_source of type git, archive or directory",
                )
            )
        for file, content in (application.get("private_files") or {}).items():
            if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", str(file)):
                found.append(
                    Problem(
                        variable + ".private_files",
                        shown(file),
                        "is not a plain file name",
                        "Give a name without folders, such as appconfig.ini",
                    )
                )
            if not isinstance(content, str):
                found.append(
                    Problem(
                        f"{variable}.private_files.{file}", "(not shown)", "must be text", "Give the content as text"
                    )
                )
    default = choices["web2py_default_application"]
    if default and default not in names:
        found.append(
            Problem(
                "web2py_default_application",
                shown(default),
                "is not among web2py_applications",
                nearest(default, names),
            )
        )
    return found
