# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The parameters_PORT.py files of a site on disk: what is there, what has to change, the change itself.

PRIVATE to the collection: it can change at any time.
"""

from __future__ import annotations

import contextlib
import grp
import os
import pwd
import re
import tempfile
from dataclasses import dataclass, field

from ._password import check_password, file_line, hash_password, is_current
from ._run import run

MODE = 0o640


@dataclass
class Plan:
    directory: str
    owner: str
    group: str
    line: str = ""
    write: list[str] = field(default_factory=list)
    remove: list[str] = field(default_factory=list)
    before: str = ""
    after: str = ""


def plan_changes(directory: str, ports: list[int], password: str | None, owner: str, group: str) -> Plan:
    """Compare the directory with the wish. A password of None means that no file shall be there."""
    if password is not None:
        check_password(password)
        if not ports:
            raise ValueError("ports is empty: name the port admin is asked on, or use state absent")
    wrong = [port for port in ports if not 0 <= port <= 65535]
    if wrong:
        raise ValueError(f"not a port: {', '.join(map(str, wrong))}")

    plan = Plan(directory, owner, group)
    current: set[str] = set()
    texts: dict[str, str | None] = {}
    present = sorted(filter(_is_parameters, os.listdir(directory))) if os.path.isdir(directory) else []
    wanted = sorted({f"parameters_{port}.py" for port in ports})
    plan.remove = [name for name in present if name not in wanted]
    if password is not None:
        texts = {name: _read(directory, name) for name in wanted}
        # All ports share one line, so one verification (0.1 s) serves every port.
        current = {text for text in set(texts.values()) if text is not None and is_current(password, text)}
        plan.line = min(current) if current else file_line(hash_password(password))
        facts = f"{owner}:{group} {MODE:04o}"
        plan.write = [name for name in wanted if texts[name] not in current or _facts(directory, name) != facts]
        plan.after = "".join(f"{name} {facts} verifies\n" for name in wanted)
    plan.before = "".join(
        f"{name} {_facts(directory, name)} {'verifies' if texts.get(name) in current else 'goes'}\n" for name in present
    )
    return plan


def apply_changes(plan: Plan, sessions: str | None = None, user: str | None = None) -> None:
    """Without its files admin is closed: so nobody goes on in a session of before while those are removed."""
    if not plan.write and not plan.remove:
        return
    for name in [*plan.write, *plan.remove]:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(os.path.join(plan.directory, name))
    if sessions and user and os.path.isdir(sessions):
        _clear(sessions, user)
    for name in plan.write:
        _write(plan, name)


def _clear(folder: str, user: str) -> None:
    """Remove the files of a user as that user: what he may have put there leads nobody with more rights astray."""
    try:
        entry = pwd.getpwnam(user)
    except KeyError as error:
        raise ValueError(f"no such user: {user}") from error
    account = None if entry.pw_uid == os.geteuid() else (entry.pw_uid, entry.pw_gid)
    run(["find", folder, "-xdev", "-type", "f", "-delete"], "Removing the sessions of admin", account=account)


def _is_parameters(name: str) -> bool:
    return re.fullmatch(r"parameters_[0-9]+\.py", name) is not None


def _read(directory: str, name: str) -> str | None:
    path = os.path.join(directory, name)
    if os.path.islink(path) or not os.path.isfile(path):
        return None
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()


def _facts(directory: str, name: str) -> str:
    try:
        status = os.lstat(os.path.join(directory, name))
    except FileNotFoundError:
        return "absent"
    try:
        owner = pwd.getpwuid(status.st_uid).pw_name
    except KeyError:
        owner = str(status.st_uid)
    try:
        group = grp.getgrgid(status.st_gid).gr_name
    except KeyError:
        group = str(status.st_gid)
    return f"{owner}:{group} {status.st_mode & 0o7777:04o}"


def _write(plan: Plan, name: str) -> None:
    """Put the file in place in one step; until then nobody but root can read it."""
    try:
        owner, group = pwd.getpwnam(plan.owner).pw_uid, grp.getgrnam(plan.group).gr_gid
    except KeyError as error:
        raise ValueError(f"no such user or group: {error.args[0]}") from error
    handle, temporary = tempfile.mkstemp(dir=plan.directory, prefix=".parameters_")
    try:
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(plan.line)
            file.flush()
            os.fchown(file.fileno(), owner, group)
            os.fchmod(file.fileno(), MODE)
            os.fsync(file.fileno())
        os.rename(temporary, os.path.join(plan.directory, name))
    except BaseException:
        os.unlink(temporary)
        raise
