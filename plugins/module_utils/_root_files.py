# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection: the files web2py reads from its root, as text."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ansible_collections.web2py.deploy.plugins.module_utils._maintenance import path_of as maintenance_path
from ansible_collections.web2py.deploy.plugins.module_utils._settings import FILE as DATABASES
from ansible_collections.web2py.deploy.plugins.module_utils._settings import plain

# Folder of the state for profiles of requests, where the choices ask for them.
PROFILES = "profiles"
HEADER = "# Written by web2py.deploy; the next run overwrites it.\n"

# No link to a ticket in admin, no version: visitors learn only what they can quote.
_ERROR = (
    '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Error</title></head>'
    "<body><h1>Something went wrong</h1><p>The page could not be shown. Please try again later.</p>"
    "<p>If it happens again, quote this number: %(ticket)s</p></body></html>"
)
_INVALID = (
    '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Not found</title></head>'
    "<body><h1>%s</h1></body></html>"
)


def routes_py(routes: Mapping[str, Any]) -> str:
    """routes.py: which application answers at the root of which domain.

    Without domains of applications one pattern does: the router of web2py, which also shortens each address that a page
    holds, costs a quarter of the time of a page with many of them.
    """
    default = routes["default_application"]
    if routes["domains"]:
        base = {"default_application": default, "domains": dict(sorted(routes["domains"].items()))}
        rule = f"routers = {{'BASE': {base!r}}}"
    else:
        rule = f"default_application = {default!r}\nroutes_in = {[('/', f'/{default}/default/index')]!r}"
    text = "\n".join(
        [
            HEADER + rule,
            f"error_message = {_INVALID!r}",
            f"error_message_ticket = {_ERROR!r}",
            "",
        ]
    )
    compile(text, "routes.py", "exec")
    return text


def logging_conf(level: str) -> str:
    """logging.conf: everything goes to standard error, which is the journal.

    Loggers that exist when web2py reads the file are silenced unless they are named.
    """
    return f"""{HEADER}
[loggers]
keys=root,web2py,pydal

[handlers]
keys=journal

[formatters]
keys=plain

[logger_root]
level={level}
handlers=journal

[logger_web2py]
level=NOTSET
handlers=
qualname=web2py

[logger_pydal]
level=NOTSET
handlers=
qualname=pydal

[handler_journal]
class=StreamHandler
formatter=plain
args=(sys.stderr,)

[formatter_plain]
format=%(levelname)s %(name)s: %(message)s
"""


def version_file(version: str) -> str:
    """VERSION as web2py 2 reads it and tools for web2py 3 still look for it."""
    return f"Version {version}\n"


def runtime_json(site: Mapping[str, Any], versions: Mapping[str, str]) -> str:
    """What our runtime needs to know. No secret."""
    settings = {
        "name": site["name"],
        "url": site["url"],
        "secure_cookies": site["secure_cookies"],
        "admin": site["admin"]["mode"],
        "server": site["server"]["name"],
        "front_end": site["front_end"]["name"],
        "writes_forwarded": "forwarded" in site["front_end"]["lacks"],
        "versions": dict(versions),
        "request_log": site["request_log"],
        "performance": site["performance"]["level"],
        "sessionless": site["performance"]["sessionless"],
        "maintenance": maintenance_path(site),
        "profiles": {"keep": site["profiles"], "folder": f"{site['paths']['state']}/{PROFILES}"},
    }
    if any(not plain(row["settings"]) for row in site.get("applications", ()) if "settings" in row):
        settings["databases"] = f"{site['paths']['settings']}/{DATABASES}"
    if site.get("page_cache"):
        settings["page_cache"] = {"dated": site["page_cache"]["dated"]}
    if site["server"]["name"] == "mod_wsgi":
        settings["request_seconds"] = site["limits"]["request_seconds"]
    if "facing" in site:
        settings["facing"] = site["facing"]
    return json.dumps(settings, indent=2, sort_keys=True) + "\n"
