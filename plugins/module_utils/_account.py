# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection: a site in an account without root: what the account can do, and the resolved site."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from collections.abc import Mapping
from typing import Any

from ansible_collections.web2py.deploy.plugins.module_utils._folders import account_folders
from ansible_collections.web2py.deploy.plugins.module_utils._info import first_page
from ansible_collections.web2py.deploy.plugins.module_utils._policy import ACME_PATH
from ansible_collections.web2py.deploy.plugins.module_utils._site import resolve

PYTHON = "/usr/bin/python3"
# The web server's way to the site, by the word of `web2py_account.web`: the server that speaks it, and our script.
WEB = {
    "port": ("waitress", ""),
    "htaccess_proxy": ("waitress", ""),
    "htaccess_fastcgi": ("fastcgi", "dispatch.fcgi"),
    "htaccess_cgi": ("cgi", "index.cgi"),
}
# Nothing of ours runs between requests there: the web server starts the site.
STARTED_BY_WEB = ("htaccess_fastcgi", "htaccess_cgi")
PORT = 8080
THREADS = 8
# Folder in the document root with a link to the static files of each application.
LINKS = "static-of-web2py"
FILES = (".htaccess", *sorted(script for _server, script in WEB.values() if script))


def mark(site: str) -> str:
    """The line by which our files in a document root are known."""
    return f"# web2py.deploy: {site}"


def account(site: str, document_root: str) -> dict[str, Any]:
    """What the account that runs this can do, and what is in the way of the site."""
    user, home = pwd.getpwuid(os.geteuid()), os.path.expanduser("~")
    ensured = subprocess.run([PYTHON, "-c", "import ensurepip, venv"], capture_output=True, check=False)
    return {
        "name": user.pw_name,
        "uid": user.pw_uid,
        "home": home,
        "venv": ensured.returncode == 0,
        "git": bool(shutil.which("git")),
        "crontab": bool(shutil.which("crontab")),
        "manager": os.path.exists(f"/run/user/{user.pw_uid}/systemd/private"),
        "lingers": os.path.exists(f"/var/lib/systemd/linger/{user.pw_name}"),
        "document_root": in_the_way(site, document_root) if document_root else "",
        "ours": ours(site, document_root) if document_root else [],
        "linked": linked(account_folders(site, home)["base"], document_root) if document_root else [],
    }


def in_the_way(site: str, root: str) -> str:
    """Why the site cannot be put into a document root; "" where it can."""
    if not os.path.isdir(root):
        return "is no folder on the host"
    if not os.access(root, os.W_OK | os.X_OK):
        return "cannot be written by the account"
    own = ours(site, root)
    strange = [name for name in FILES if os.path.lexists(path := os.path.join(root, name)) and path not in own]
    return f"has a file {strange[0]} that is not this site's" if strange else ""


def ours(site: str, root: str) -> list[str]:
    """The site's own files in a document root."""
    found = []
    for name in FILES:
        path = os.path.join(root, name)
        try:
            with open(path, encoding="utf-8", errors="replace") as file:
                found += [path] if mark(site) in file.read().splitlines() else []
        except OSError:
            continue
    return found


def linked(base: str, root: str) -> list[str]:
    """The links in a document root to the site, also those of applications that it had."""
    folder = os.path.join(root, LINKS)
    try:
        paths = [os.path.join(folder, name) for name in sorted(os.listdir(folder))]
        return [path for path in paths if os.path.islink(path) and os.readlink(path).startswith(base + "/")]
    except OSError:
        return []


def started(choices: Mapping[str, Any]) -> str:
    """What starts the site: the word chosen, else what suits the way of the web server."""
    return choices["start"] or ("none" if choices["web"] in STARTED_BY_WEB else "systemd")


def port_of(choices: Mapping[str, Any]) -> int | None:
    """The port that the site listens on, if any."""
    return None if choices["web"] in STARTED_BY_WEB else choices["port"] or PORT


def root_of(choices: Mapping[str, Any]) -> str:
    """The document root, "" for none."""
    return (choices["document_root"] or "").rstrip("/")


def claimed(choices: Mapping[str, Any], own: bool) -> dict[str, Any]:
    """What a site takes on a machine; its name and its document root count in the own account only."""
    way = choices["web2py_account"]
    return {
        "port": port_of(way),
        "site": choices["web2py_site"] if own else None,
        "document_root": root_of(way) if own else "",
    }


def links(site: Mapping[str, Any], root: str) -> list[dict[str, str]]:
    """Links to static files in a document root, in the words of the module checked_files."""
    if not root:
        return []
    folder = f"{root}/{LINKS}"
    rows = [{"path": f"{folder}/{row['name']}", "target": row["static"]} for row in site["applications"]]
    return [{"path": folder, "state": "directory", "mode": "0711"}, *rows]


def resolve_account(choices: Mapping[str, Any], host: Mapping[str, Any]) -> dict[str, Any]:
    """The resolved site of an account: the usual one, with the account's folders and without what is root's."""
    account_, chosen = host["account"], choices["web2py_account"]
    name, web = choices["web2py_site"], chosen["web"]
    server, script = WEB[web]
    port = port_of(chosen)
    address = chosen["address"] if web == "port" else "127.0.0.1"
    root = root_of(chosen)
    paths = account_folders(name, account_["home"])
    base = {"web2py_front_end": "nginx", "web2py_tls": {"provider": "none"}, "web2py_admin": "disabled"}
    site = resolve({**choices, **base, "web2py_app_server": server}, host, paths)
    # Who has no web server before it is asked without TLS.
    secure = web != "port" if chosen["https"] is None else chosen["https"]
    url = f"{'https' if secure else 'http'}://{site['domain']}"
    if web == "port" and not secure:
        url += f":{port}"
    rows = links(site, root)
    headers = dict(site["policy"]["headers"])
    if secure:
        headers["Strict-Transport-Security"] = f"max-age={choices['web2py_hsts_seconds']}"
    policy = {**site["policy"], "headers": headers}
    kept = "hidden encoded_twice static_any static_versioned types packed cache cache_versioned headers".split()
    return {
        **site,
        "url": url,
        "user": account_["name"],
        "packages": [],
        "ports": {},
        "secure_cookies": secure,
        "server": {
            **site["server"],
            "name": server,
            "role": "user_site",
            "former": [],
            "backend": {"protocol": "http", "address": f"{address}:{port}"} if port else None,
        },
        "front_end": {"name": "none", "lacks": [], "trusted_proxies": []},
        "policy": policy,
        "tls": {"provider": "none"},
        "claims": {**site["claims"], "ports": [port] if port else []},
        # What a front end would see to, for the runtime.
        "facing": {
            "names": site["names"],
            "proxied": web == "htaccess_proxy" or (web == "port" and secure),
            "methods": site["limits"]["methods"],
            "body_mb": site["limits"]["body_mb"],
            "headers_unless_set": policy["headers_unless_set"],
            **{key: policy[key] for key in kept},
        },
        "account": {
            **{key: account_[key] for key in ("home", "manager", "crontab", "ours")},
            "start": started(chosen),
            "web": web,
            "address": address,
            "port": port,
            "document_root": root,
            "first_page": first_page(site),
            "static": LINKS,
            "script": script,
            "links": rows,
            # Of another way to the site, and of applications that it has no more.
            "stale": [
                *(path for path in account_["ours"] if os.path.basename(path) not in (".htaccess", script)),
                *(path for path in account_["linked"] if path not in [row["path"] for row in rows]),
            ],
            "challenges": ACME_PATH,
            "mark": mark(name),
        },
    }
