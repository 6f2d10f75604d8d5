# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection: the preflight of web2py's administration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.web2py.deploy.plugins.module_utils._spec import Problem, shown


def admin_problems(choices: Mapping[str, Any]) -> list[Problem]:
    """What is wrong with the ways to the administration."""
    mode = choices["web2py_admin"]
    found = []
    if mode == "disabled":
        for application in choices["web2py_applications"]:
            if application["name"] == "admin":
                found.append(
                    Problem(
                        "web2py_applications (admin)",
                        "",
                        "admin is an application but web2py_admin is disabled",
                        "Set web2py_admin to tunnel or https, or remove the application",
                    )
                )
        return found
    password = choices.get("web2py_admin_password")
    if not password:
        found.append(
            Problem("web2py_admin_password", "", f"missing, and web2py_admin is {mode}", "Give one from a vault")
        )
    elif not 8 <= len(password) <= 1024 or "\n" in password:
        found.append(
            Problem(
                "web2py_admin_password",
                shown(password, True),
                "is not fit for a password",
                "Use 8 to 1024 characters on one line",
            )
        )
    listed = [application["name"] for application in choices["web2py_applications"]]
    if choices["web2py_source"]["type"] == "pypi" and "admin" not in listed:
        found.append(
            Problem(
                "web2py_admin",
                mode,
                "the package on PyPI carries no complete admin",
                "Choose web2py_source of type git, archive or directory, or list an application admin of your own",
            )
        )
    default = choices["web2py_default_application"] or next(iter(listed), "")
    for application in choices["web2py_applications"]:
        if application["name"] == "admin" and (application.get("domains") or default == "admin"):
            found.append(
                Problem(
                    "web2py_applications (admin)",
                    "",
                    "admin would be the first page of a public name",
                    "Leave its domains out, and make another application the default one",
                )
            )
    if mode == "https" and choices["web2py_tls"]["provider"] == "none":
        found.append(
            Problem(
                "web2py_admin",
                mode,
                "web2py_tls.provider is none, so there is no https",
                "Use web2py_admin: tunnel, or another TLS provider",
            )
        )
    if mode == "https" and not choices["web2py_admin_networks"]:
        found.append(
            Problem(
                "web2py_admin_networks",
                "[]",
                "admin over https needs the networks that may reach it",
                "List them; 0.0.0.0/0 and ::/0 stand for everybody",
            )
        )
    return found
