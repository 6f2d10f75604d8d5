# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection: name local content by its digest, and transfer it only where a host lacks it."""

from __future__ import annotations

import gzip
import hashlib
import os
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ansible import constants as C
from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ansible_collections.web2py.deploy.plugins.plugin_utils._controller import controller_path, is_there

COLLECTION = Path(__file__).resolve().parents[2]
RUNTIME = COLLECTION / "roles/web2py/files/runtime"
STARTER = COLLECTION / "roles/applications/files/starter"
_LEFT_OUT = {".git", ".hg", ".svn", ".mypy_cache", ".ruff_cache", ".pytest_cache", "__pycache__"}
# State of the machine it was developed on; only in an application's own root.
_STATE = {"cache", "errors", "sessions"}


def _entries(root: Path) -> Iterator[tuple[str, Path]]:
    """(name in the archive, path) of everything below a folder that is transferred, in order."""
    skip = _STATE if (root / "controllers").is_dir() else set()
    for folder, names, files in os.walk(root):
        names[:] = sorted(set(names) - _LEFT_OUT - (skip if Path(folder) == root else set()))
        for name in sorted([*names, *files]):
            path = Path(folder, name)
            yield str(path.relative_to(root)), path


def tree_digest(root: Path) -> str:
    """A name for the content of a folder: names, links and bytes; no owner, mode or time."""
    result = hashlib.sha256()
    for name, path in _entries(root):
        if path.is_symlink():
            kind, content = "link", os.readlink(path).encode()
        elif path.is_dir():
            kind, content = "folder", b""
        elif path.is_file():
            kind, content = "file", hashlib.sha256(path.read_bytes()).digest()
        else:
            raise AnsibleActionFail(f"{path} is neither a file nor a folder nor a link. Remove it.")
        result.update(f"{kind}\0{name}\0{len(content)}\0".encode() + content)
    return result.hexdigest()


def pack(root: Path, target: str) -> None:
    """Write a folder as an archive, the same bytes for the same content."""
    with (
        open(target, "wb") as raw,
        gzip.GzipFile(fileobj=raw, mode="wb", mtime=0, filename="", compresslevel=6) as packed,
        tarfile.open(fileobj=packed, mode="w") as tar,
    ):
        for name, path in _entries(root):
            info = tar.gettarinfo(str(path), name)
            info.uid = info.gid = info.mtime = 0
            info.uname = info.gname = ""
            if info.isreg():
                with path.open("rb") as file:
                    tar.addfile(info, file)
            else:
                tar.addfile(info)


def local_path(source: Mapping[str, Any]) -> Path | None:
    """Where a source lies on the controller; None when the host gets it by itself."""
    if source["type"] == "starter":
        return STARTER
    if source["type"] not in ("archive", "directory") or not source.get("path"):
        return None
    path = controller_path(source["path"])
    if not is_there(source["type"], path):
        kind = "file" if source["type"] == "archive" else "folder"
        raise AnsibleActionFail(f"The source {path} is not a {kind} on the controller. Correct `path`.")
    return Path(path)


def run_module(action: ActionBase, contents: Mapping[str, Path], task_vars: dict[str, Any]) -> dict[str, Any]:
    """Run the module of the task's name; transfer what it says is missing on the host and run it again."""
    name = f"web2py.deploy.{action._task.action.rpartition('.')[2]}"
    local: dict[str, dict[str, str]] = {
        label: {"digest": tree_digest(path) if path.is_dir() else hashlib.sha256(path.read_bytes()).hexdigest()}
        for label, path in contents.items()
    }
    arguments = {**action._task.args, "local": local}
    result = action._execute_module(module_name=name, module_args=arguments, task_vars=task_vars)
    if not result.get("missing"):
        return result
    remote = action._make_tmp_path()
    try:
        for label in result["missing"]:
            path = action._connection._shell.join_path(remote, f"{label}.archive")
            with tempfile.NamedTemporaryFile(dir=C.DEFAULT_LOCAL_TMP) as packed:
                if contents[label].is_dir():
                    pack(contents[label], packed.name)
                action._transfer_file(packed.name if contents[label].is_dir() else str(contents[label]), path)
            action._fixup_perms2((remote, path))
            local[label]["path"] = path
        return action._execute_module(module_name=name, module_args=arguments, task_vars=task_vars)
    finally:
        action._remove_tmp_path(remote, force=True)
