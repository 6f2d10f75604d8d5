# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection: unpack archives of others without trusting them."""

from __future__ import annotations

import os
import posixpath
import shutil
import stat
import tarfile
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from typing import IO, NamedTuple

from ansible_collections.web2py.deploy.plugins.module_utils._run import Problem

LIMIT_BYTES = 4 * 1024**3
LIMIT_MEMBERS = 200_000


class Member(NamedTuple):
    """One entry of an archive. `kind` is folder, file or link; other kinds are refused before."""

    name: str
    kind: str
    size: int
    target: str
    data: IO[bytes] | None


def unpack(archive: str, target: str, shown: str) -> None:
    """Unpack a tar (any compression, also .w2p) or a zip file into an empty folder.

    `shown` names the archive in messages. Absolute names, `..`, devices and links out of the folder are refused.
    """
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as bundle:
                _write(_zip_members(bundle), target, shown)
        else:
            with tarfile.open(archive) as tar:
                _write(_tar_members(tar, shown), target, shown)
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, OSError, RuntimeError, ValueError) as error:
        raise Problem(f"{shown} cannot be unpacked: {error}. Give a tar, .w2p or zip file.") from error


def _tar_members(tar: tarfile.TarFile, shown: str) -> Iterator[Member]:
    for info in tar:
        if info.isdir():
            yield Member(info.name, "folder", 0, "", None)
        elif info.issym():
            yield Member(info.name, "link", 0, info.linkname, None)
        elif info.isreg() or info.islnk():
            if info.islnk():
                safe_name(info.linkname, shown)
            data = tar.extractfile(info)
            yield Member(info.name, "file", info.size, "", data)
        else:
            raise Problem(f"{shown} holds {info.name}, a device or a pipe. Make the archive anew without it.")


def _zip_members(bundle: zipfile.ZipFile) -> Iterator[Member]:
    for info in bundle.infolist():
        if info.is_dir():
            yield Member(info.filename, "folder", 0, "", None)
        elif stat.S_ISLNK(info.external_attr >> 16):
            yield Member(info.filename, "link", 0, bundle.read(info).decode(), None)
        else:
            with bundle.open(info) as data:
                yield Member(info.filename, "file", info.file_size, "", data)


def safe_name(name: str, shown: str) -> str:
    """The relative name of a member; a Problem when it leaves the folder."""
    plain = posixpath.normpath(name)
    if name.startswith("/") or "\\" in name or "\0" in name or ".." in name.split("/"):
        raise Problem(f"{shown} holds the name {name!r}, which leads out of it. Do not use this archive.")
    return plain


def _write(members: Iterable[Member], target: str, shown: str) -> None:
    links: set[str] = set()
    size = count = 0
    for member in members:
        name = safe_name(member.name, shown)
        if name == ".":
            continue
        size += member.size
        count += 1
        if size > LIMIT_BYTES or count > LIMIT_MEMBERS:
            raise Problem(f"{shown} unpacks to more than {LIMIT_BYTES // 1024**3} GiB or {LIMIT_MEMBERS} files.")
        parents = name.split("/")
        if any("/".join(parents[:depth]) in links for depth in range(1, len(parents) + 1)):
            raise Problem(f"{shown} writes {name!r} through a link. Do not use this archive.")
        path = os.path.join(target, name)
        os.makedirs(path if member.kind == "folder" else os.path.dirname(path), exist_ok=True)
        if member.kind == "link":
            inside = posixpath.normpath(posixpath.join(posixpath.dirname(name), member.target))
            if member.target.startswith("/") or inside.split("/")[0] == "..":
                raise Problem(f"{shown} holds the link {name!r} to {member.target!r}, outside of it.")
            links.add(name)
            os.symlink(member.target, path)
        elif member.kind == "file" and member.data is not None:
            with open(path, "wb") as file:
                shutil.copyfileobj(member.data, file)


def content_root(folder: str, markers: Sequence[str]) -> str:
    """The folder with the content: the one given, or the single folder on top that archives often have."""
    names = os.listdir(folder)
    if len(names) == 1 and not set(names) & set(markers) and os.path.isdir(os.path.join(folder, names[0])):
        return os.path.join(folder, names[0])
    return folder
