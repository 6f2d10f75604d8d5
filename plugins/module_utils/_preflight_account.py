# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection: whether an account without root can hold a site."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.web2py.deploy.plugins.module_utils._account import STARTED_BY_WEB, port_of, root_of, started
from ansible_collections.web2py.deploy.plugins.module_utils._data import words as words_of_packages
from ansible_collections.web2py.deploy.plugins.module_utils._folders import remedy, words
from ansible_collections.web2py.deploy.plugins.module_utils._preflight_host import platform_problems
from ansible_collections.web2py.deploy.plugins.module_utils._site import web2py_source
from ansible_collections.web2py.deploy.plugins.module_utils._spec import Problem, shown
from ansible_collections.web2py.deploy.plugins.module_utils._stores import account_problems as account_store_problems

# Choices that only root can carry out.
ROOTS = (
    "web2py_root web2py_aliases web2py_front_end web2py_cherokee_package web2py_app_server web2py_tls web2py_admin "
    "web2py_admin_password web2py_admin_networks web2py_admin_tunnel_port web2py_trusted_proxies "
    "web2py_connections_per_address "
    "web2py_client_timeout_seconds web2py_login_posts_per_minute web2py_admin_posts_per_minute web2py_compress_pages "
    "web2py_page_cache web2py_page_cache_cookies web2py_page_cache_mb "
    "web2py_redis web2py_redis_password web2py_memcached web2py_session_cleanup "
    "web2py_backup web2py_backup_password web2py_backup_environment web2py_backup_ssh_key"
).split()
_PATH = re.compile(r"(/[A-Za-z0-9._-]+)+/?")


def meaningless(options: Mapping[str, Any], given: Mapping[str, Any]) -> list[Problem]:
    """Choices that would promise what an account cannot keep."""
    return [
        Problem(name, "", "needs root, which an account has not", "Remove it, or use the playbook site")
        for name in ROOTS
        if given.get(name) not in (None, options[name].get("default"))
    ]


def account_problems(
    choices: Mapping[str, Any], host: Mapping[str, Any], others: Sequence[Mapping[str, Any]]
) -> list[Problem]:
    # Where the whole mapping is faulty it has been told already.
    chosen = choices["web2py_account"]
    found = platform_problems(choices, host) + list(_able(choices, host["account"]))
    found += taken_problems(choices["web2py_site"], host) + account_store_problems(choices)
    if words_of_packages(choices):
        fault = "an account without root has no server of its own"
        found.append(Problem("web2py_database.host", "", fault, "Give the host of the hoster's server"))
    if chosen is None:
        return found
    found += _shared(choices["web2py_site"], chosen, others)
    found += [*_words(chosen), *_starting(chosen, host["account"])]
    return found + list(_port(choices["web2py_site"], chosen, host, others))


def _able(choices: Mapping[str, Any], account: Mapping[str, Any]) -> Iterator[Problem]:
    if account["uid"] == 0:
        yield Problem("ansible_user", "root", "is no ordinary account", "Use the playbook site")
    if not account["venv"]:
        yield Problem(
            "host", "", "/usr/bin/python3 makes no environments", "Ask the hoster for the package python3-venv"
        )
    sources = [web2py_source(choices), *(row["source"] for row in choices["web2py_applications"])]
    if not account["git"] and "git" in [source["type"] for source in sources]:
        yield Problem(
            "web2py_source.type", "'git'", "git is not on the host", "Use pypi, archive or directory for all sources"
        )
    if not _PATH.fullmatch(account["home"]):
        yield Problem("host", shown(account["home"]), "is a home folder with odd letters", "Use another account")


def taken_problems(name: str, host: Mapping[str, Any]) -> list[Problem]:
    """Folders and units of the site's that something else has."""
    endings, unit = (".service", ".socket"), "Choose another name, or move it away if nothing needs it"
    rows = host.get("folders", {}).items()
    return [
        Problem("web2py_site", shown(name), words(path, owner), unit if path.endswith(endings) else remedy(path, name))
        for path, owner in rows
        if owner != name
    ]


def _words(chosen: Mapping[str, Any]) -> Iterator[Problem]:
    web, root = chosen["web"], chosen["document_root"]
    if web == "port" and root is not None:
        yield Problem("web2py_account.document_root", shown(root), "has no meaning for the web port", "Remove it")
    if web != "port" and root is None:
        remedy_ = "Give the folder on the host whose files the web server serves"
        yield Problem("web2py_account.document_root", "", f"missing for the web {web}", remedy_)
    if root is not None and (not _PATH.fullmatch(root) or ".." in root.split("/")):
        remedy_ = "Give an absolute path in letters, digits, '.', '_', '-'"
        yield Problem("web2py_account.document_root", shown(root), "is not a plain path", remedy_)
    if web in STARTED_BY_WEB:
        for key in ("port", "start"):
            if chosen[key] not in (None, "none"):
                fault = f"has no meaning for the web {web}, where the web server starts the site"
                yield Problem(f"web2py_account.{key}", shown(chosen[key]), fault, "Remove it")
    try:
        ipaddress.ip_address(chosen["address"])
    except ValueError:
        remedy_ = "Give 127.0.0.1, or 0.0.0.0 for everybody"
        yield Problem("web2py_account.address", shown(chosen["address"]), "is not an address", remedy_)
    if ":" in chosen["address"]:
        yield Problem("web2py_account.address", shown(chosen["address"]), "is of IPv6", "Give one of IPv4")
    if web != "port" and chosen["address"] != "127.0.0.1":
        fault = "has no meaning where the web server of the host stands before the site"
        yield Problem("web2py_account.address", shown(chosen["address"]), fault, "Remove it")


def _starting(chosen: Mapping[str, Any], account: Mapping[str, Any]) -> Iterator[Problem]:
    start = started(chosen)
    if chosen["web"] in STARTED_BY_WEB:
        start = "none"
    if start == "cron" and not account["crontab"]:
        remedy_ = "Use systemd, or none and start it by hand"
        yield Problem("web2py_account.start", "'cron'", "crontab is not on the host", remedy_)
    if start == "systemd" and not account["manager"]:
        fault = "the account has no user manager"
        yield Problem("web2py_account.start", "'systemd'", fault, "Use cron, or ask the hoster for lingering")
    elif start == "systemd" and not account["lingers"]:
        fault = "the account does not linger: its units end with its last login"
        remedy_ = "Run loginctl enable-linger there, ask the hoster for it, or use cron"
        yield Problem("web2py_account.start", "'systemd'", fault, remedy_)
    if chosen["document_root"] is not None and account["document_root"]:
        remedy_ = "Correct it, or move away what is there"
        root = shown(chosen["document_root"])
        yield Problem("web2py_account.document_root", root, account["document_root"], remedy_)


def _shared(name: str, chosen: Mapping[str, Any], others: Sequence[Mapping[str, Any]]) -> Iterator[Problem]:
    """What two sites of the same account cannot both have."""
    root = root_of(chosen)
    for other in others:
        fault = f"{other['inventory_host']} has the same in the same account"
        if other["site"] == name:
            yield Problem("web2py_site", shown(name), fault, "Give each site of an account its own short name")
        if root and other["document_root"] == root:
            yield Problem("web2py_account.document_root", shown(root), fault, "Give each site a folder of its own")


def _port(
    name: str, chosen: Mapping[str, Any], host: Mapping[str, Any], others: Sequence[Mapping[str, Any]]
) -> Iterator[Problem]:
    port = port_of(chosen)
    if port is None:
        return
    if not 1024 <= port <= 65535:
        yield Problem("web2py_account.port", str(port), "is out of bounds", "Give a number from 1024 to 65535")
    for other in others:
        if other["port"] == port:
            fault = f"{other['inventory_host']} has the same on the same machine"
            yield Problem("web2py_account.port", str(port), fault, "Give each site a port of its own")
    # What listens cannot be seen by an account. A site that is there listens on the port it had.
    if port in [row["port"] for row in host["listening"]] and port not in host.get("own_ports", ()):
        yield Problem("web2py_account.port", str(port), "something listens there already", "Choose another port")
