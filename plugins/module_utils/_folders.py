# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection: the folders that a site takes on a host, and the mark in them that says whose they are.

A short name alone proves nothing: `network` is a folder in /etc of every host. A folder is a site's own because the
site made it, with the mark in it, in one step. What is there without the mark is neither used nor removed.
"""

from __future__ import annotations

import os
import re
import stat
import tempfile
from pathlib import PurePosixPath

from ansible_collections.web2py.deploy.plugins.module_utils._run import Problem
from ansible_collections.web2py.deploy.plugins.module_utils._tree import (
    FOLDER_MODE,
    IN_HOME,
    Owner,
    folder,
    remove,
    write,
)

MARK = ".web2py.deploy"
# The folders that carry the mark, in the order in which they are made and removed.
MODES = {"settings": 0o750, "root": FOLDER_MODE, "state": 0o750}
UNITS = "/etc/systemd/system"
# What holds folders of the system, of its users or of nobody for long; the sandbox hides some of them from servers.
_SYSTEM = """
/bin /boot /dev /etc /home /lib /lib32 /lib64 /libx32 /lost+found /proc /root /run /sbin /sys /tmp /usr
/var/backups /var/cache /var/lib /var/lock /var/log /var/mail /var/run /var/spool /var/tmp
""".split()


def fits(root: str) -> bool:
    """Whether sites may lie under a folder: a plain absolute path outside of the system's own folders."""
    path = root.rstrip("/")
    # Other characters have a meaning in the settings of servers and units.
    if not re.fullmatch(r"(/[A-Za-z0-9._-]+)+", path) or os.path.normpath(path) != path:
        return False
    return not any(_within(path, system) or _within(system, path) for system in _SYSTEM)


def folders(name: str, root: str) -> dict[str, str]:
    """The folders of a site. None lies in another."""
    found = {
        "root": f"{root.rstrip('/')}/{name}",
        "state": f"/var/lib/{name}",
        "settings": f"/etc/{name}",
        "sockets": f"/run/{name}",
    }
    if any(_within(one, other) for one in found.values() for other in found.values() if one is not other):
        raise ValueError(f"the folders of a site lie in one another: {', '.join(found.values())}")
    return found


def account_folders(name: str, home: str) -> dict[str, str]:
    """The folders of a site in an account: all in one, which nobody else may list or read."""
    base = f"{home.rstrip('/')}/{IN_HOME}/{name}"
    found = {"root": "code", "state": "data", "settings": "settings", "sockets": "run"}
    return {"base": base, **{key: f"{base}/{folder}" for key, folder in found.items()}}


def _within(path: str, parent: str) -> bool:
    return (path + "/").startswith(parent + "/")


def owner_of(path: str) -> str | None:
    """The site whose mark a folder carries, "" where it carries none, None where nothing is there."""
    if not os.path.lexists(path):
        return None
    mark = os.path.join(path, MARK)
    if os.path.islink(path) or os.path.islink(mark):
        return ""
    try:
        with open(mark, encoding="utf-8", errors="replace") as file:
            return file.read().strip()
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return ""


def taken(name: str, root: str, units: str = UNITS) -> dict[str, str]:
    """By path the site (or "") that has what a site of this name would take, as far as the caller may see."""
    paths = folders(name, root) if fits(root) else folders(name, "/srv")
    found = {}
    above = [str(parent) for parent in PurePosixPath(paths["root"]).parents]
    for path in [*above, paths["root"], paths["state"], paths["settings"]]:
        try:
            owner = owner_of(path)
        except OSError:
            continue
        if owner or (owner == "" and path not in above):
            found[path] = owner
    return {**found, **_strange_units(name, paths["settings"], units)}


def taken_in_account(name: str, home: str) -> dict[str, str]:
    """As `taken`, for a site in an account."""
    paths = account_folders(name, home)
    owners = {paths[key]: owner_of(paths[key]) for key in MODES}
    found = {path: owner for path, owner in owners.items() if owner is not None}
    return {**found, **_strange_units(name, paths["settings"], f"{home.rstrip('/')}/.config/systemd/user")}


def _strange_units(name: str, settings: str, units: str) -> dict[str, str]:
    """Units of the name that are not the site's, in the words of `taken`.

    They carry no mark: they are the site's where the settings are, which are made before and removed after them.
    """
    if os.path.lexists(settings):
        return {}
    files = [os.path.join(units, f"{name}.{kind}") for kind in ("service", "socket")]
    return dict.fromkeys(filter(os.path.lexists, files), "")


def differs(path: str, owner: Owner, mode: int) -> bool:
    """Whether `take` would change something."""
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return True
    return (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) != (*owner, mode)


def take(path: str, name: str, owner: Owner, mode: int) -> bool:
    """Make a folder with the mark of its site, with owner and mode; True when something changed."""
    refuse_others(path, name)
    changed = _clear(path, name)
    if os.path.lexists(path):
        return folder(path, owner, mode) or changed
    os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
    made = tempfile.mkdtemp(prefix=_prefix(name), dir=os.path.dirname(path))
    write(os.path.join(made, MARK), f"{name}\n", owner)
    folder(made, owner, mode)
    os.rename(made, path)
    return True


def give_up(path: str, name: str) -> bool:
    """Remove a folder that carries the mark of the site; True when something changed."""
    refuse_others(path, name)
    there = os.path.lexists(path)
    if there:
        # The mark must not go before the rest, or a killed run would leave what no run removes.
        made = tempfile.mkdtemp(prefix=_prefix(name), dir=os.path.dirname(path))
        os.rename(path, made)
    return _clear(path, name) or there


def refuse_others(path: str, name: str) -> None:
    """Raise a Problem for a folder that is there and not the site's."""
    owner = owner_of(path)
    if owner not in (None, name):
        raise Problem(f"{words(path, owner or '')}, not to {name}. Nothing of it was changed. {remedy(path, name)}.")


def words(path: str, owner: str) -> str:
    """Whose a path is."""
    return f"{path} belongs to the site {owner}" if owner else f"{path} is on the host and belongs to something else"


def remedy(path: str, name: str) -> str:
    """What an administrator can do about a folder that is not the site's."""
    return f"Choose another name; only where you made the folder for this site, write {name} into {path}/{MARK}"


def _prefix(name: str) -> str:
    return f"{MARK}-{name}-"


def _clear(path: str, name: str) -> bool:
    """Remove what killed runs left beside a folder; True when there was something."""
    parent = os.path.dirname(path)
    names = os.listdir(parent) if os.path.isdir(parent) else []
    # The random end of tempfile has no hyphen, so a site named like the beginning of another is safe.
    left = [entry for entry in names if re.fullmatch(re.escape(_prefix(name)) + r"[a-z0-9_]{8}", entry)]
    for entry in left:
        remove(os.path.join(parent, entry))
    return bool(left)
