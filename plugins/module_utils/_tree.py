# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection: folders that appear whole or not at all, and files the service cannot write."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

from ansible_collections.web2py.deploy.plugins.module_utils._run import Problem

TEMPORARY = ".tmp-"
RUN = "/run/web2py.deploy"  # ours, root's only
IN_HOME = ".local/share/web2py.deploy"  # the same of an account
FOLDER_MODE = 0o751  # everybody passes through to static/, nobody but the site lists it
_LOCK_SECONDS = 60


class Owner(NamedTuple):
    """Who owns what we write: root and the group of the site. None where the test is not root."""

    uid: int
    gid: int


def digest(*values: Any) -> str:
    """A short name for content: the same values give the same name on every host."""
    text = json.dumps(values, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@contextlib.contextmanager
def staged(target: str) -> Iterator[str]:
    """A temporary folder beside the target that becomes the target when all went well."""
    parent, name = os.path.split(target)
    folder = tempfile.mkdtemp(prefix=f"{TEMPORARY}{name}-", dir=parent)
    try:
        yield folder
        # Renaming over a folder that exists and is not empty fails: content-addressed, it is the same.
        try:
            os.rename(folder, target)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def leftovers(folder: str) -> list[str]:
    """What killed runs left in a folder."""
    try:
        return sorted(os.path.join(folder, name) for name in os.listdir(folder) if name.startswith(TEMPORARY))
    except FileNotFoundError:
        return []


def remove(path: str) -> None:
    """Remove a file, a link or a whole folder."""
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    else:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)


def folder(path: str, owner: Owner, mode: int) -> bool:
    """Make a folder with owner and mode; True when something changed."""
    changed = False
    try:
        os.mkdir(path, 0o700)
        changed = True
    except FileExistsError:
        pass
    found = os.lstat(path)
    if not stat.S_ISDIR(found.st_mode):
        raise Problem(f"{path} is not a folder. Move it away and run again.")
    if (found.st_uid, found.st_gid) != owner:
        os.chown(path, *owner, follow_symlinks=False)
        changed = True
    if stat.S_IMODE(found.st_mode) != mode:
        os.chmod(path, mode)
        changed = True
    return changed


def write(path: str, content: str | bytes, owner: Owner, mode: int = 0o640) -> None:
    """Write a file in one step: readers see the old one or the new one."""
    data = content.encode() if isinstance(content, str) else content
    handle, temporary = tempfile.mkstemp(prefix=TEMPORARY, dir=os.path.dirname(path))
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            os.fchown(file.fileno(), *owner)
            os.fchmod(file.fileno(), mode)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        remove(temporary)
        raise


def link(path: str, target: str) -> None:
    """Point a link to a target in one step."""
    temporary = os.path.join(os.path.dirname(path), f"{TEMPORARY}{os.path.basename(path)}-{os.getpid()}")
    remove(temporary)
    os.symlink(target, temporary)
    os.replace(temporary, path)


def read_json(path: str, default: Any) -> Any:
    """The content of a JSON file of ours; the default when there is none."""
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    except FileNotFoundError:
        return default


def write_json(path: str, value: Any, owner: Owner) -> None:
    """Write a JSON file of ours."""
    write(path, json.dumps(value, indent=2, sort_keys=True) + "\n", owner)


def settle(root: str, owner: Owner, public: str | None = None) -> None:
    """Give a staged tree its owner and modes, and refuse what must not be in one.

    Folders 0751 and files 0640; below the folder `public` 0755 and 0644, because the web server reads there.
    Links may point inside the tree; inside `public` they may not leave it.
    """
    real_root = os.path.realpath(root)
    real_public = os.path.join(real_root, public) if public else None
    for path, names, files in os.walk(real_root):
        shown = real_public is not None and (path + os.sep).startswith(real_public + os.sep)
        os.chown(path, *owner)
        os.chmod(path, 0o755 if shown else FOLDER_MODE)
        for name in [*names, *files]:
            entry = os.path.join(path, name)
            mode = os.lstat(entry).st_mode
            if stat.S_ISLNK(mode):
                bound = real_public if shown and real_public else real_root
                if not (os.path.realpath(entry) + os.sep).startswith(bound + os.sep):
                    raise Problem(
                        f"{os.path.relpath(entry, real_root)} is a link to {os.readlink(entry)},"
                        " outside of where it may point. Remove it from the source."
                    )
                os.lchown(entry, *owner)
            elif stat.S_ISREG(mode):
                os.chown(entry, *owner)
                os.chmod(entry, 0o644 if shown else 0o640)
            elif not stat.S_ISDIR(mode):
                raise Problem(
                    f"{os.path.relpath(entry, real_root)} is a device or a socket. Remove it from the source."
                )


def run_lock(name: str, folder: str = RUN) -> contextlib.AbstractContextManager[None]:
    """A lock that ends with the host's run, in a folder where nobody else can hold it; an account has one for all."""
    if folder == RUN and os.geteuid() != 0:
        # A file, because NFS locks only what is open for writing.
        return locked(os.path.join(os.path.expanduser("~"), IN_HOME, ".lock"))
    return locked(os.path.join(folder, name + ".lock"))


@contextlib.contextmanager
def locked(path: str) -> Iterator[None]:
    """Only one run at a time changes a site."""
    try:
        os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise Problem(f"{path} cannot be locked: {error.strerror}. Remove it if somebody else made it.") from None
    with _held(handle, path):
        yield


@contextlib.contextmanager
def _held(handle: int, name: str) -> Iterator[None]:
    try:
        deadline = time.monotonic() + _LOCK_SECONDS
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise Problem(f"Another run holds {name}. Wait for its end and run again.") from None
                time.sleep(0.2)
            except OSError as error:
                raise Problem(f"{name} cannot be locked: {error.strerror}. Its file system must have locks.") from None
        yield
    finally:
        os.close(handle)
