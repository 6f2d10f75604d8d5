# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection: whether choices are right for a site and its host.

`examine` reports every problem at once, each with variable, value and remedy, before anything changes. It is pure.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.web2py.deploy.plugins.module_utils._acme import problems as acme_problems
from ansible_collections.web2py.deploy.plugins.module_utils._backend import (
    DEAD,
    FRONT_ENDS,
    protocol,
)
from ansible_collections.web2py.deploy.plugins.module_utils._backup import problems as backup_problems
from ansible_collections.web2py.deploy.plugins.module_utils._data import problems as data_problems
from ansible_collections.web2py.deploy.plugins.module_utils._far import placed
from ansible_collections.web2py.deploy.plugins.module_utils._far import problems as far_problems
from ansible_collections.web2py.deploy.plugins.module_utils._folders import fits
from ansible_collections.web2py.deploy.plugins.module_utils._hosts import missing_key
from ansible_collections.web2py.deploy.plugins.module_utils._hosts import problems as key_problems
from ansible_collections.web2py.deploy.plugins.module_utils._page_cache import problems as page_cache_problems
from ansible_collections.web2py.deploy.plugins.module_utils._performance import problems as performance_problems
from ansible_collections.web2py.deploy.plugins.module_utils._preflight_account import (
    account_problems,
    meaningless,
    taken_problems,
)
from ansible_collections.web2py.deploy.plugins.module_utils._preflight_admin import admin_problems
from ansible_collections.web2py.deploy.plugins.module_utils._preflight_content import (
    application_problems,
    package_problems,
    source_problems,
)
from ansible_collections.web2py.deploy.plugins.module_utils._preflight_host import (
    folder_problems,
    host_problems,
    shared_problems,
)
from ansible_collections.web2py.deploy.plugins.module_utils._scheduler import problems as scheduler_problems
from ansible_collections.web2py.deploy.plugins.module_utils._site import domains
from ansible_collections.web2py.deploy.plugins.module_utils._spec import Problem, shown, validate
from ansible_collections.web2py.deploy.plugins.module_utils._stores import problems as store_problems
from ansible_collections.web2py.deploy.plugins.module_utils._upkeep import problems as upkeep_problems

PREFIX = "web2py_"
# Facts and inputs that share the prefix without being choices.
NOT_CHOICES = frozenset(
    """
    web2py_resolved web2py_host web2py_services web2py_purge web2py_format web2py_report
    web2py_report_mail web2py_report_mail_password
    web2py_restore web2py_restore_to
    web2py_install web2py_install_host web2py_install_admin_password web2py_install_credentials
    web2py_install_remove_data
    web2py_maintenance web2py_maintenance_applications web2py_maintenance_message web2py_maintenance_retry_seconds
    web2py_migrate_applications web2py_uploads_applications web2py_uploads_tables web2py_promote web2py_promote_fenced
    web2py_rows_applications web2py_rows_replace
    """.split()
)
# Names of programs, users and folders that a site on the same host must not take.
RESERVED = frozenset(
    """
    root daemon www-data nobody nginx apache2 httpd lighttpd cherokee uwsgi gunicorn haproxy pound postgresql postgres
    redis memcached mysql mariadb ssh sshd ssl systemd apt cron sudo git python3 default admin log lib run
    """.split()
)
_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_DOMAIN = re.compile(rf"{_LABEL}(\.{_LABEL})*")
_PLACE = re.compile(rf"({_DOMAIN.pattern})(:[0-9]+)?")


def examine(
    options: Mapping[str, Any],
    given: Mapping[str, Any],
    host: Mapping[str, Any],
    others: Sequence[Mapping[str, Any]] = (),
    peers: Sequence[str] = (),
    far: Mapping[str, Any] | None = None,
) -> tuple[dict[str, Any], list[Problem]]:
    """The choices in their types with defaults, and every problem found in them.

    `options` is the argument specification, `given` the variables that begin with web2py_, `host` what host_info
    returned, `others` the names of the other sites that the inventory puts on the same machine (see `claims`), `peers`
    the other hosts of this site, `far` the hosts of the groups for services (see `gather`).
    """
    choices, sound, problems = _validated(options, given)
    problems += far_problems(sound, far)
    choices, sound = choices if problems else placed(choices, far), placed(sound, far)
    if sound["web2py_account"] is not None:
        word = shown(sound["web2py_account"])
        fault = "is for a site in an account without root"
        problems.append(Problem("web2py_account", word, fault, "Run the playbook user_site, or remove it"))
    problems += _content_problems(sound, host) + _front_end_problems(sound)
    problems += _tls_problems(sound) + host_problems(sound, host)
    problems += shared_problems(sound, host, others)
    problems += scheduler_problems(sound) + upkeep_problems(sound) + backup_problems(sound)
    problems += missing_key(sound, peers)
    return choices, list(dict.fromkeys(problems))


def examine_account(
    options: Mapping[str, Any],
    given: Mapping[str, Any],
    host: Mapping[str, Any],
    others: Sequence[Mapping[str, Any]] = (),
) -> tuple[dict[str, Any], list[Problem]]:
    """As `examine`, for a site in an account without root. `others` are claims of sites on the same machine."""
    choices, sound, problems = _validated(options, in_account(given))
    problems += meaningless(options, given)
    problems += _content_problems({**sound, "web2py_admin": "disabled"}, host) + account_problems(sound, host, others)
    problems += scheduler_problems(sound, account=True)
    return choices, list(dict.fromkeys(problems))


def in_account(given: Mapping[str, Any]) -> dict[str, Any]:
    """The choices of a site in an account, also where they say nothing of the account."""
    return {**given, "web2py_account": given.get("web2py_account") or {}}


def _validated(
    options: Mapping[str, Any], given: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any], list[Problem]]:
    """The choices in their types, the same with defaults instead of those that are wrong, and what is wrong."""
    choices, problems = validate(options, {name: value for name, value in given.items() if name not in NOT_CHOICES})
    problems = [_dead(problem, given) for problem in problems]
    if not problems:
        return choices, choices, problems
    # Deeper checks read values in their types; those that are right are still checked.
    sound, _again = validate(
        options, {name: given[name] for name in options if name in given and not _faulty(name, problems)}
    )
    return choices, sound, problems


def _content_problems(choices: Mapping[str, Any], host: Mapping[str, Any]) -> list[Problem]:
    """What is wrong with a site wherever it lies."""
    found = _site_problems(choices) + source_problems(choices, host) + application_problems(choices)
    found += data_problems(choices) + store_problems(choices) + key_problems(choices)
    return found + performance_problems(choices) + admin_problems(choices)


def _dead(problem: Problem, given: Mapping[str, Any]) -> Problem:
    """More words about a server that upstream still names."""
    word = given.get("web2py_app_server")
    if problem.variable != "web2py_app_server" or word not in DEAD:
        return problem
    trouble, _semicolon, remedy = DEAD[word].partition("; ")
    return Problem(problem.variable, shown(word), trouble, remedy.capitalize())


def examine_names(
    options: Mapping[str, Any],
    given: Mapping[str, Any],
    host: Mapping[str, Any],
    far: Mapping[str, Any] | None = None,
) -> tuple[dict[str, Any], list[Problem]]:
    """As `examine`, for those who look at a site or take it away: only what keeps it from being resolved, or from being
    this site."""
    choices, problems = validate(options, {name: value for name, value in given.items() if name not in NOT_CHOICES})
    if problems:
        return choices, problems
    if choices["web2py_account"] is not None:
        return choices, _site_problems(choices) + taken_problems(choices["web2py_site"], host)
    return placed(choices, far), _site_problems(choices) + folder_problems(choices, host)


def _faulty(name: str, problems: Sequence[Problem]) -> bool:
    return any(re.split(r"[.\[]", problem.variable)[0] == name for problem in problems)


def _site_problems(choices: Mapping[str, Any]) -> list[Problem]:
    found = []
    name = choices["web2py_site"]
    if not re.fullmatch(r"[a-z][a-z0-9-]{0,30}", name):
        found.append(
            Problem(
                "web2py_site",
                shown(name),
                "is not a short name",
                "Use a letter, then letters, digits or hyphens, at most 31, in lower case",
            )
        )
    if name.endswith("-admin"):
        found.append(
            Problem(
                "web2py_site",
                shown(name),
                "ends like the unit of another site's admin",
                "Choose a name with another end than -admin",
            )
        )
    if name in RESERVED:
        found.append(
            Problem("web2py_site", shown(name), "is the name of a program or user", "Choose a name of your own")
        )
    for variable, domain in domains(choices):
        if not _DOMAIN.fullmatch(domain) or len(domain) > 253 or _is_address(domain):
            found.append(
                Problem(
                    variable,
                    shown(domain),
                    "is not a host name",
                    "Give a name like www.example.org: lower case, no scheme, port, path or wildcard",
                )
            )
    names = [domain for _variable, domain in domains(choices)]
    for variable, domain in domains(choices):
        if names.count(domain) > 1:
            found.append(
                Problem(variable, shown(domain), "is given more than once in this site", "Keep it in one place")
            )
    for variable in ("web2py_admin_networks", "web2py_trusted_proxies", "web2py_operators"):
        for network in choices[variable]:
            try:
                ipaddress.ip_network(network)
            except ValueError as error:
                found.append(
                    Problem(
                        variable,
                        shown(network),
                        f"is not a network ({error})",
                        "Give addresses or networks like 192.0.2.7 or 192.0.2.0/24",
                    )
                )
    for place, pair in (choices.get("web2py_credentials") or {}).items():
        if not _PLACE.fullmatch(str(place)):
            found.append(
                Problem("web2py_credentials", "", "a key is not a host", "Give git.example.org or git.example.org:8443")
            )
        elif not isinstance(pair, str) or not re.fullmatch(r"[!-~]+", pair):
            found.append(
                Problem(f"web2py_credentials.{place}", "(not shown)", "is not user:password or a token", "Give text")
            )
    for variable, low, high in _BOUNDS:
        if not low <= choices[variable] <= high:
            found.append(
                Problem(variable, shown(choices[variable]), "is out of bounds", f"Give a number from {low} to {high}")
            )
    for method in choices["web2py_methods"]:
        if method not in _METHODS:
            found.append(
                Problem(
                    "web2py_methods",
                    shown(method),
                    "is not an HTTP method that web2py serves",
                    "Use some of " + ", ".join(_METHODS),
                )
            )
    for method in {"GET", "HEAD"} - set(choices["web2py_methods"]):
        found.append(
            Problem("web2py_methods", method, "is missing", "Add it: browsers and the closing check ask with it")
        )
    if not fits(choices["web2py_root"]):
        found.append(
            Problem(
                "web2py_root",
                shown(choices["web2py_root"]),
                "is not a folder for sites",
                "Give an absolute path outside of the system's folders, like /srv, in letters, digits, '.', '_', '-'",
            )
        )
    try:
        protocol(choices["web2py_front_end"], choices["web2py_app_server"])
    except ValueError as error:
        found.append(
            Problem("web2py_app_server", shown(choices["web2py_app_server"]), str(error), "Change one of the two")
        )
    return found


_METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS")
_BOUNDS = (
    ("web2py_keep_releases", 2, 100),
    ("web2py_body_limit_mb", 1, 10240),
    ("web2py_request_timeout_seconds", 1, 3600),
    ("web2py_connections_per_address", 1, 10000),
    ("web2py_admin_tunnel_port", 1024, 65535),
    ("web2py_client_timeout_seconds", 1, 3600),
    ("web2py_login_posts_per_minute", 1, 10000),
    ("web2py_admin_posts_per_minute", 1, 10000),
    ("web2py_hsts_seconds", 0, 63072000),
    ("web2py_static_seconds", 0, 31536000),
    ("web2py_profiles", 0, 1000),
)


def _is_address(word: str) -> bool:
    try:
        ipaddress.ip_address(word)
    except ValueError:
        return False
    return True


def _front_end_problems(choices: Mapping[str, Any]) -> list[Problem]:
    name, proxies = choices["web2py_front_end"], choices["web2py_trusted_proxies"]
    found = package_problems(choices) + page_cache_problems(choices)
    if not proxies or "forwarded" not in FRONT_ENDS[name].lacks:
        return found
    trouble = f"{name} cannot tell whose word on the client's address to take"
    remedy = "Remove them, or use another web2py_front_end"
    return [*found, Problem("web2py_trusted_proxies", shown(proxies), trouble, remedy)]


def _tls_problems(choices: Mapping[str, Any]) -> list[Problem]:
    tls = choices["web2py_tls"]
    found = acme_problems(tls, domains(choices))
    for key in ("certificate", "key"):
        if tls["provider"] == "provided" and not tls.get(key):
            found.append(
                Problem(
                    f"web2py_tls.{key}",
                    "",
                    "missing for the provider provided",
                    "Give the path of the file on the machine that runs Ansible",
                )
            )
        if tls["provider"] != "provided" and tls.get(key):
            found.append(
                Problem(
                    f"web2py_tls.{key}",
                    shown(tls[key]),
                    f"has no meaning for the provider {tls['provider']}",
                    "Remove it, or use the provider provided",
                )
            )
    return found
