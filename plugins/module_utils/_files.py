# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A set of files as it is wanted, as it is, and the way from one to the other and back.

Private to this collection.
"""

from __future__ import annotations

import grp
import os
import pwd
import secrets
import stat
import tempfile
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

HIDDEN = "(content hidden)"
_DEFAULT_MODES = {"file": "0644", "directory": "0755"}


@dataclass(frozen=True)
class Wanted:
    """One path as the caller wants it."""

    path: str
    state: str
    content: bytes | None = None
    target: str = ""
    owner: str | None = None
    group: str | None = None
    mode: int | None = None
    sensitive: bool = False


@dataclass(frozen=True)
class Found:
    """One path as it is on disk: enough to tell a difference and to put it back."""

    kind: str
    content: bytes = b""
    target: str = ""
    uid: int = -1
    gid: int = -1
    mode: int = 0
    times: tuple[int, int] = (0, 0)


class Refused(Exception):
    """The new files were not accepted; the previous ones are back."""


def wanted(entry: dict[str, Any]) -> Wanted:
    """Check one entry of the caller's list. Raises ValueError with the words the user reads."""
    path = entry["path"]
    if not os.path.isabs(path) or os.path.normpath(path) != path.rstrip("/"):
        raise ValueError(f"{path}: a path must be absolute and without '..' or '//'")
    path = path.rstrip("/")
    content, target = entry.get("content"), entry.get("target")
    state = entry.get("state") or ("link" if target is not None else "file")
    if content is None and target is None and not entry.get("state"):
        raise ValueError(f"{path}: needs 'content', 'target' or 'state'")
    if state == "link" and not target:
        raise ValueError(f"{path}: state 'link' needs 'target'")
    if state != "file" and content is not None:
        raise ValueError(f"{path}: 'content' has no meaning with state '{state}'")
    if state != "link" and target is not None:
        raise ValueError(f"{path}: 'target' has no meaning with state '{state}'")
    return Wanted(
        path=path,
        state=state,
        content=None if content is None else content.encode("utf-8"),
        target=target or "",
        owner=entry.get("owner"),
        group=entry.get("group"),
        mode=_mode(
            path, entry.get("mode") or (None if content is None and state == "file" else _DEFAULT_MODES.get(state))
        ),
        sensitive=bool(entry.get("sensitive")),
    )


def wanted_all(entries: Sequence[dict[str, Any]]) -> list[Wanted]:
    """Check the whole list; every problem is named at once."""
    problems, result, seen = [], [], set()
    for entry in entries:
        try:
            item = wanted(entry)
        except ValueError as exc:
            problems.append(str(exc))
            continue
        if item.path in seen:
            problems.append(f"{item.path}: listed twice")
        seen.add(item.path)
        result.append(item)
    if problems:
        raise ValueError("; ".join(problems))
    return result


def _mode(path: str, text: str | None) -> int | None:
    if text is None:
        return None
    if len(text) != 4 or any(digit not in "01234567" for digit in text):
        raise ValueError(f"{path}: mode must be four octal digits in quotes, such as '0640', not {text!r}")
    return int(text, 8)


def found(path: str) -> Found:
    """Read what is at a path now."""
    try:
        info = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return Found("absent")
    times = (info.st_atime_ns, info.st_mtime_ns)
    mode = stat.S_IMODE(info.st_mode)
    if stat.S_ISLNK(info.st_mode):
        return Found("link", target=os.readlink(path), uid=info.st_uid, gid=info.st_gid, times=times)
    if stat.S_ISDIR(info.st_mode):
        return Found("directory", uid=info.st_uid, gid=info.st_gid, mode=mode, times=times)
    if not stat.S_ISREG(info.st_mode):
        return Found("special", uid=info.st_uid, gid=info.st_gid, mode=mode, times=times)
    with open(path, "rb") as handle:
        return Found("file", handle.read(), "", info.st_uid, info.st_gid, mode, times)


def user_id(name: str | None) -> int | None:
    """Number of a user; None when nothing is asked; KeyError when there is no such user."""
    if name is None:
        return None
    return int(name) if name.isdigit() else pwd.getpwnam(name).pw_uid


def group_id(name: str | None) -> int | None:
    """Number of a group; None when nothing is asked; KeyError when there is no such group."""
    if name is None:
        return None
    return int(name) if name.isdigit() else grp.getgrnam(name).gr_gid


def missing_names(items: Sequence[Wanted]) -> list[str]:
    """Owners and groups that this host does not know."""
    problems = set()
    for item in items:
        for kind, look_up, name in (("user", user_id, item.owner), ("group", group_id, item.group)):
            try:
                look_up(name)
            except KeyError:
                problems.add(f"{kind} {name}")
    return sorted(problems)


def differs(item: Wanted, now: Found) -> bool:
    """Is there anything to do for this path? An owner that does not exist yet is a difference."""
    if item.state == "absent":
        return now.kind != "absent"
    if now.kind != item.state:
        return True
    if item.state == "link":
        return now.target != item.target
    if item.content not in (None, now.content) or item.mode not in (None, now.mode):
        return True
    try:
        uid, gid = user_id(item.owner), group_id(item.group)
    except KeyError:
        return True
    return uid not in (None, now.uid) or gid not in (None, now.gid)


def obstacle(item: Wanted, now: Found, leaving: Collection[str] = ()) -> str | None:
    """Why this path cannot be brought to what is wanted without losing something. leaving: paths that go as well."""
    if now.kind == "special":
        return f"{item.path}: is a device, pipe or socket and is left alone"
    if now.kind == "directory" and item.state in ("file", "link"):
        return f"{item.path}: is a directory; remove it first if nothing in it is needed"
    if now.kind == "directory" and item.state == "absent" and _stays(item.path, leaving):
        return f"{item.path}: the directory is not empty; its contents are left alone"
    if now.kind in ("file", "link") and item.state == "directory":
        return f"{item.path}: is a {now.kind}, not a directory; remove it first"
    return None


def _stays(path: str, leaving: Collection[str]) -> bool:
    return any(os.path.join(path, name) not in leaving for name in os.listdir(path))


def put(item: Wanted) -> None:
    """Bring one path to what is wanted; a file or link is replaced by rename, never half written."""
    if item.state == "absent":
        _remove(item.path)
    elif item.state == "link":
        _replace_link(item.path, item.target)
    elif item.state == "file" and item.content is not None:
        _replace_file(item.path, item.content, user_id(item.owner), group_id(item.group), item.mode)
    else:
        if item.state == "directory":
            _make_directory(item.path)
        _own(item.path, user_id(item.owner), group_id(item.group), item.mode)


def put_back(path: str, before: Found) -> None:
    """Undo put(): the previous content, owner, mode and time."""
    if before.kind == "absent":
        _remove(path)
    elif before.kind == "directory":
        _make_directory(path)
        _own(path, before.uid, before.gid, before.mode)
    elif before.kind == "link":
        _replace_link(path, before.target)
    elif before.kind == "file":
        _replace_file(path, before.content, before.uid, before.gid, before.mode)
        os.utime(path, ns=before.times)


def apply(items: Sequence[Wanted], before: dict[str, Found], check: Callable[[], str | None]) -> None:
    """Put every item in order and ask the checker; when anything objects, everything is as it was.

    Raises Refused with the words of the checker or of the system. An interruption (any exception) undoes as well.
    """
    done: list[Wanted] = []
    try:
        for item in items:
            done.append(item)
            put(item)
        words = check()
    except BaseException as exc:
        _undo(done, before)
        if isinstance(exc, OSError):
            raise Refused(f"cannot write: {exc}") from exc
        raise
    if words is not None:
        _undo(done, before)
        raise Refused(words)


def refusal(changed: Sequence[Wanted]) -> str:
    """What a checker's objection means for the files that were to change."""
    if changed:
        return "the previous files are back, because the new ones were refused"
    return "nothing had to be changed, but the checker objects to what is there already"


def _undo(done: Sequence[Wanted], before: dict[str, Found]) -> None:
    for item in reversed(done):
        put_back(item.path, before[item.path])


def _make_directory(path: str) -> None:
    try:
        os.mkdir(path, mode=0o700)
    except FileExistsError:
        pass


def _remove(path: str) -> None:
    try:
        if os.path.isdir(path) and not os.path.islink(path):
            os.rmdir(path)
        else:
            os.unlink(path)
    except FileNotFoundError:
        pass


def _own(path: str, uid: int | None, gid: int | None, mode: int | None) -> None:
    os.chown(path, -1 if uid is None else uid, -1 if gid is None else gid)
    if mode is not None:
        os.chmod(path, mode)


def _replace_file(path: str, content: bytes, uid: int | None, gid: int | None, mode: int | None) -> None:
    handle, name = tempfile.mkstemp(dir=os.path.dirname(path), prefix=".checked_files-")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        _own(name, uid, gid, mode)
        os.rename(name, path)
    except BaseException:
        _remove(name)
        raise


def _replace_link(path: str, target: str) -> None:
    name = os.path.join(os.path.dirname(path), f".checked_files-{secrets.token_hex(6)}")
    os.symlink(target, name)
    try:
        os.rename(name, path)
    except BaseException:
        _remove(name)
        raise


def diff(item: Wanted, now: Found) -> dict[str, str]:
    """Before and after in words; sensitive content never shows."""
    after_owner, content = (item.owner, item.group), now.content if item.content is None else item.content
    before = _words(item, now.kind, now.content, now.target, (_user(now.uid), _group(now.gid)), now.mode)
    after = _words(item, item.state, content, item.target, after_owner, item.mode)
    if item.sensitive and item.content not in (None, now.content):
        after = after.replace(HIDDEN, HIDDEN[:-1] + ", different)")
    return {"before_header": item.path, "after_header": item.path, "before": before, "after": after}


def _words(
    item: Wanted, kind: str, content: bytes, target: str, owner: tuple[str | None, str | None], mode: int | None
) -> str:
    if kind == "absent":
        return ""
    if kind == "link":
        return f"# link to {target}\n"
    user, group = (name if asked else "-" for name, asked in zip(owner, (item.owner, item.group)))
    head = f"# {kind} {user}:{group} {'-' if item.mode is None else format(mode or 0, '04o')}\n"
    if kind != "file":
        return head
    # What only its owner may read is no reading for a terminal either.
    if item.sensitive or (mode is not None and not mode & 0o077):
        return f"{head}{HIDDEN}\n"
    try:
        return head + content.decode("utf-8")
    except UnicodeDecodeError:
        return f"{head}(binary, {len(content)} bytes)\n"


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except (KeyError, OverflowError):
        return str(uid)


def _group(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except (KeyError, OverflowError):
        return str(gid)
