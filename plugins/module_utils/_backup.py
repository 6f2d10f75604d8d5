# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection: the backups of a site: its choices and its places on a host."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any

from ansible_collections.web2py.deploy.plugins.module_utils._credentials import held
from ansible_collections.web2py.deploy.plugins.module_utils._folders import folders
from ansible_collections.web2py.deploy.plugins.module_utils._spec import Problem, shown

# Units of a site's own; another site is not called so.
ENDS = ("-backup", "-drill", "-restore")
# What restic speaks without another program.
REMOTE = re.compile(r"(rest:https?://|s3:|b2:|azure:|gs:|swift:)[!#-~]+")
SFTP = re.compile(
    r"sftp:(?:(?P<who>[A-Za-z0-9_][A-Za-z0-9_.-]*@[A-Za-z0-9][A-Za-z0-9.-]*):[A-Za-z0-9._/-]+"
    r"|//(?P<also>[A-Za-z0-9_][A-Za-z0-9_.-]*@[A-Za-z0-9][A-Za-z0-9.-]*)(?::(?P<port>[0-9]{1,5}))?/[A-Za-z0-9._/-]+)"
)
LOCAL = re.compile(r"(/[A-Za-z0-9._-]+)+")
CALENDAR = re.compile(r"[A-Za-z0-9*:/,.~ -]{1,100}")
# Hidden from units, gone with the next boot, or the system's own.
CLOSED = "/bin /boot /dev /etc /home /lib /proc /root /run /sbin /sys /tmp /usr /var/tmp /var/run".split()
SPANS = ("last", "hourly", "daily", "weekly", "monthly", "yearly")
# Of the program itself.
TAKEN = re.compile(r"PATH|HOME|LANG|LD_.*|PYTHON.*|RESTIC_PASSWORD.*|RESTIC_CACHE_DIR")


def place(name: str) -> str:
    """What folders for the backups of a site are called. No site is called so: its name has no underscore."""
    return f"{name}_backup"


def backup(choices: Mapping[str, Any]) -> dict[str, Any] | None:
    """The part of the resolved site, None where the site has no backups. It holds no secret."""
    chosen, name = choices.get("web2py_backup"), choices["web2py_site"]
    if not chosen:
        return None
    own, repository = place(name), chosen["repository"]
    reached = SFTP.fullmatch(repository)
    return {
        "repository": repository,
        "local": repository.startswith("/"),
        "every": chosen["every"],
        "drill": chosen["drill"],
        "keep": {span: chosen["keep"][span] for span in SPANS if chosen["keep"].get(span)},
        "known_hosts": list(chosen.get("known_hosts") or []),
        "options": [f"sftp.command={ssh_command(reached, f'/etc/{own}')}"] if reached else [],
        "folder": f"/etc/{own}",
        "home": f"/var/lib/{own}",
        "cache": f"/var/cache/{own}",
        "unit": f"{name}-backup",
        "drill_unit": f"{name}-drill",
    }


def backup_words(choices: Mapping[str, Any]) -> list[str]:
    """What asks for packages."""
    chosen = choices.get("web2py_backup")
    if not chosen:
        return []
    kind = (choices.get("web2py_database") or {}).get("type", "sqlite")
    found = ["backup", *(["backup_ssh"] if chosen["repository"].startswith("sftp:") else [])]
    return [*found, *([f"backup_{kind}"] if kind != "sqlite" else [])]


def ssh_command(reached: re.Match[str], folder: str) -> str:
    """How restic reaches a host by sftp: with the site's own key, and to that host only."""
    port = f" -p {reached['port']}" if reached["port"] else ""
    words = f"ssh -F none -i {folder}/ssh_key -o IdentitiesOnly=yes -o BatchMode=yes -o StrictHostKeyChecking=yes"
    words += f" -o UserKnownHostsFile={folder}/known_hosts -o ServerAliveInterval=60"
    return f"{words}{port} {reached['who'] or reached['also']} -s sftp"


def problems(choices: Mapping[str, Any]) -> list[Problem]:
    """What is wrong with the choices."""
    chosen, name = choices.get("web2py_backup"), choices["web2py_site"]
    found = []
    if name.endswith(ENDS):
        words = "ends like a unit of another site's backups"
        found.append(Problem("web2py_site", shown(name), words, f"Choose another end than {', '.join(ENDS)}"))
    secrets = [word for word in ("password", "environment", "ssh_key") if choices.get(f"web2py_backup_{word}")]
    if not chosen:
        words = "has no meaning without web2py_backup"
        found += [Problem(f"web2py_backup_{word}", "", words, "Give both, or none") for word in secrets]
        return found
    found += _repository_problems(choices) + _keep_problems(chosen["keep"])
    for word in ("every", "drill"):
        if not CALENDAR.fullmatch(chosen[word]):
            what = "is no time of systemd's"
            remedy = "Give daily, weekly or the like, or one like *-*-* 02:30:00"
            found.append(Problem(f"web2py_backup.{word}", shown(chosen[word]), what, remedy))
    password = choices.get("web2py_backup_password") or ""
    if not 8 <= len(password) <= 1024 or not password.isprintable():
        what = "is not fit for a password" if password else "missing: restic encrypts every repository"
        remedy = "Give 8 to 1024 characters on one line from a vault, and keep them where the backups are not"
        found.append(Problem("web2py_backup_password", shown(password, True) if password else "", what, remedy))
    return found + _environment_problems(choices.get("web2py_backup_environment") or {})


def _repository_problems(choices: Mapping[str, Any]) -> list[Problem]:
    chosen, variable = choices["web2py_backup"], "web2py_backup.repository"
    repository, found = chosen["repository"], []
    reached = SFTP.fullmatch(repository)
    if held(repository):
        # Not shown: what opens it is in it.
        remedy = "Take it out, and give web2py_backup_environment, with RESTIC_REPOSITORY if nothing else will do"
        found.append(Problem(variable, "", "carries a user name or password", remedy))
    elif repository.startswith("/"):
        found += _folder_problems(choices)
    elif not reached and not REMOTE.fullmatch(repository):
        kinds = "sftp:user@host:/folder, rest:https://..., s3:..., b2:..., azure:..., gs:..., swift:..."
        remedy = f"Give a folder like /srv/backups/shop, or one of {kinds}"
        found.append(Problem(variable, shown(repository), "is no repository that restic reaches by itself", remedy))
    ssh = {"web2py_backup_ssh_key": choices.get("web2py_backup_ssh_key")}
    ssh["web2py_backup.known_hosts"] = chosen.get("known_hosts")
    for variable, value in ssh.items():
        if reached and not value:
            found.append(Problem(variable, "", "missing for sftp", "Give it: the host logs in there by itself"))
        if value and not reached:
            found.append(Problem(variable, "", "is for sftp only", "Remove it, or use a repository by sftp"))
    key = ssh["web2py_backup_ssh_key"]
    if reached and key and "PRIVATE KEY-----" not in key:
        remedy = "Give the text of a key without passphrase, from a vault"
        found.append(Problem("web2py_backup_ssh_key", shown(key, True), "is no private key", remedy))
    return found


def _folder_problems(choices: Mapping[str, Any]) -> list[Problem]:
    path, name = choices["web2py_backup"]["repository"], choices["web2py_site"]
    own = [f"/var/lib/{place(name)}", f"/var/cache/{place(name)}"]
    try:
        own += folders(name, choices["web2py_root"]).values()
    except ValueError:
        pass  # told of web2py_root
    closed = [top for top in [*CLOSED, *own] if (path + "/").startswith(top + "/")]
    what = ""
    if not LOCAL.fullmatch(path) or os.path.normpath(path) != path:
        what = "is no plain absolute path"
    elif closed:
        what = f"lies in {closed[0]}"
    elif any((top + "/").startswith(path + "/") for top in own):
        what = "holds folders of the site itself"
    remedy = "Give a folder of its own, such as one of another disk or share: /srv/backups/shop"
    return [Problem("web2py_backup.repository", shown(path), what, remedy)] if what else []


def _keep_problems(keep: Mapping[str, Any]) -> list[Problem]:
    wrong = {span: keep[span] for span in SPANS if keep.get(span) is not None and not 0 <= keep[span] <= 10000}
    found = [
        Problem(f"web2py_backup.keep.{span}", shown(number), "is out of bounds", "Give a number from 0 to 10000")
        for span, number in wrong.items()
    ]
    if not wrong and not any(keep.get(span) for span in SPANS):
        found.append(Problem("web2py_backup.keep", shown(dict(keep)), "keeps nothing", "Give at least last: 1"))
    return found


def _environment_problems(environment: Mapping[str, Any]) -> list[Problem]:
    found = []
    for name, value in environment.items():
        variable = f"web2py_backup_environment.{name}"
        if not re.fullmatch(r"[A-Z][A-Z0-9_]*", str(name)) or TAKEN.fullmatch(str(name)):
            remedy = "Use names that restic documents for the kind of repository, such as AWS_ACCESS_KEY_ID"
            found.append(Problem("web2py_backup_environment", "", "a key is no variable for a repository", remedy))
        elif not isinstance(value, str) or not value or not value.isprintable():
            found.append(Problem(variable, "(not shown)", "is not text on one line", "Give text, quoted if a number"))
    return found
