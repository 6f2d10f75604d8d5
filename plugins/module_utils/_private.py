# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection: private files of applications, written from the inventory and never shown."""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
from collections.abc import Iterator, Mapping

from ansible_collections.web2py.deploy.plugins.module_utils._base import Place
from ansible_collections.web2py.deploy.plugins.module_utils._run import Problem
from ansible_collections.web2py.deploy.plugins.module_utils._tree import TEMPORARY

MODE = 0o640
Files = Mapping[str, Mapping[str, str]]


def check_names(files: Files, applications: list[str]) -> None:
    """Refuse private files for no application of the site, or with a path for a name."""
    for application, names in files.items():
        if application not in applications:
            raise Problem(f"Private files are given for {application}, which is not an application of this site.")
        for name in names:
            if not name or name in (".", "..") or "/" in name or "\0" in name or name.startswith(TEMPORARY):
                raise Problem(
                    f"Application {application}: {name!r} is not a name for a private file. Give a plain file name."
                )


def fingerprint(files: Files) -> dict[str, str]:
    """What names the private files in a release: a new secret is a new release, so servers load it."""
    result = {}
    for application, names in sorted(files.items()):
        content = hashlib.sha256()
        for name, text in sorted(names.items()):
            content.update(f"{name}\0{len(text)}\0{text}".encode())
        if names:
            result[application] = content.hexdigest()[:16]
    return result


@contextlib.contextmanager
def _folder(place: Place, application: str) -> Iterator[int]:
    """A handle on the private folder: it belongs to the service, so no name in it is followed."""
    path = os.path.join(place.state, "applications", application, "private")
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        yield handle
    finally:
        os.close(handle)


def _read(folder: int, name: str) -> tuple[bytes, tuple[int, int, int]] | None:
    """Content and (owner, group, mode) of a plain file; None for anything else."""
    try:
        handle = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
    except OSError:
        return None
    with os.fdopen(handle, "rb") as file:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1:
            return None
        return file.read(), (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode))


def _write(folder: int, name: str, data: bytes, place: Place) -> None:
    temporary = f"{TEMPORARY}{os.getpid()}"
    with contextlib.suppress(FileNotFoundError):
        os.unlink(temporary, dir_fd=folder)
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600, dir_fd=folder)
    with os.fdopen(handle, "wb") as file:
        file.write(data)
        os.fchown(file.fileno(), *place.owner)
        os.fchmod(file.fileno(), MODE)
        file.flush()
        os.fsync(file.fileno())
    os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)


def changed(place: Place, files: Files, written: Mapping[str, list[str]]) -> list[str]:
    """`application/name` of each private file that is to be written or removed."""
    found = []
    right = (place.owner.uid, place.owner.gid, MODE)
    for application in sorted({*files, *written}):
        wanted = files.get(application, {})
        stale = set(written.get(application, [])) - set(wanted)
        try:
            with _folder(place, application) as folder:
                differ = [name for name, text in wanted.items() if _read(folder, name) != (text.encode(), right)]
                stale = {name for name in stale if _read(folder, name) is not None}
        except FileNotFoundError:
            differ, stale = list(wanted), set()
        found += [f"{application}/{name}" for name in sorted({*differ, *stale})]
    return found


def apply(place: Place, files: Files, names: list[str]) -> dict[str, bytes | None]:
    """Write or remove the private files named; what was there before, for `restore`."""
    before: dict[str, bytes | None] = {}
    for path in names:
        application, name = path.split("/", 1)
        with _folder(place, application) as folder:
            old = _read(folder, name)
            before[path] = old[0] if old else None
            _put(folder, name, files.get(application, {}).get(name), place)
    return before


def restore(place: Place, before: Mapping[str, bytes | None]) -> None:
    """Put private files back as they were."""
    for path, data in before.items():
        application, name = path.split("/", 1)
        with _folder(place, application) as folder:
            _put(folder, name, data, place)


def _put(folder: int, name: str, data: str | bytes | None, place: Place) -> None:
    if data is None:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name, dir_fd=folder)
    else:
        _write(folder, name, data.encode() if isinstance(data, str) else data, place)
