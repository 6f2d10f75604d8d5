# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection: what a site has to do with an ACME authority: its choices, and its places on a host."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.web2py.deploy.plugins.module_utils._credentials import held
from ansible_collections.web2py.deploy.plugins.module_utils._spec import Problem, shown

# Let's Encrypt, and its authority for trials, which no browser trusts.
PRODUCTION = "https://acme-v02.api.letsencrypt.org/directory"
STAGING = "https://acme-staging-v02.api.letsencrypt.org/directory"
KEYS = ("directory", "staging", "contact", "ca_bundle")


def unit(name: str) -> str:
    """What units and folders for ACME of a site are called. No site is called so: its name has no underscore."""
    return f"{name}_acme"


def acme(choices: Mapping[str, Any]) -> dict[str, Any] | None:
    """The part of the resolved site, None where the certificate comes from elsewhere."""
    tls = choices["web2py_tls"]
    if tls["provider"] != "acme":
        return None
    own = unit(choices["web2py_site"])
    return {
        "unit": own,
        "directory": tls.get("directory") or (STAGING if tls.get("staging") else PRODUCTION),
        "contact": tls.get("contact") or "",
        "source_ca_bundle": tls.get("ca_bundle"),
        "state": f"/var/lib/{own}",
        "challenges": f"/run/{own}",
    }


def problems(tls: Mapping[str, Any], names: Sequence[tuple[str, str]]) -> list[Problem]:
    """What is wrong with the choices; `names` are (variable, name) of every public name of the site."""
    found = []
    if tls["provider"] != "acme":
        for key in KEYS:
            if tls.get(key) is not None:
                found.append(
                    Problem(
                        f"web2py_tls.{key}",
                        shown(tls[key]),
                        f"has no meaning for the provider {tls['provider']}",
                        "Remove it, or use the provider acme",
                    )
                )
        return found
    directory = tls.get("directory")
    if directory is not None:
        found += _directory_problems(directory)
        if tls.get("staging") is not None:
            found.append(
                Problem(
                    "web2py_tls.staging",
                    shown(tls["staging"]),
                    "is a switch of Let's Encrypt, and directory names an authority",
                    "Keep one of the two",
                )
            )
    elif tls.get("ca_bundle"):
        found.append(
            Problem(
                "web2py_tls.ca_bundle",
                shown(tls["ca_bundle"]),
                "is for a private authority, and none is named",
                "Give directory too, or remove it: every host knows who certifies Let's Encrypt",
            )
        )
    contact = tls.get("contact")
    if contact is not None and not re.fullmatch(r"[A-Za-z0-9._+-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+", contact):
        found.append(
            Problem("web2py_tls.contact", shown(contact), "is not an address of mail", "Give one like a@example.org")
        )
    for variable, name in names:
        if "." not in name:
            found.append(
                Problem(
                    variable,
                    shown(name),
                    "is not a name that an authority gives a certificate for",
                    "Give a public DNS name like www.example.org, or use web2py_tls.provider: self_signed",
                )
            )
    return found


def _directory_problems(directory: str) -> list[Problem]:
    variable = "web2py_tls.directory"
    if held(directory):
        return [Problem(variable, shown(directory), "carries a user name or password", "Give the plain address")]
    if not re.fullmatch(r"https://[A-Za-z0-9.-]+(:[0-9]+)?(/[!#-~]*)?", directory):
        return [Problem(variable, shown(directory), "is not an address with https", "Give the directory's URL")]
    return []
