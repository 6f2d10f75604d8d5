# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection: get code from git, from a URL and from PyPI."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import shutil
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

from ansible_collections.web2py.deploy.plugins.module_utils._pip import SYSTEM_PYTHON, Pip
from ansible_collections.web2py.deploy.plugins.module_utils._run import Problem, masked, run
from ansible_collections.web2py.deploy.plugins.module_utils._tree import remove

COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_GIT_REMEDY = "Check the URL, the version and this host's way to it (network, proxy, key of the host for ssh)."


def split_credentials(url: str) -> tuple[str, str | None]:
    """The URL without user and password, and the HTTP header that carries them."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or parts.username is None:
        return url, None
    pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    bare = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
    return bare, "Basic " + base64.b64encode(pair.encode()).decode()


def _git(url: str, arguments: list[str], task: str, cwd: str | None = None, check: bool = True) -> Any:
    """Run git; credentials go through the environment, so that no list of processes shows them."""
    bare, header = split_credentials(url)
    settings = {"advice.detachedHead": "false", "gc.auto": "0"}
    if header:
        host = urlsplit(bare)
        settings[f"http.{host.scheme}://{host.netloc}/.extraHeader"] = f"Authorization: {header}"
    # A repository from elsewhere must not name folders of this host as its submodules.
    local = "file:" if url.startswith(("/", "file://")) else ""
    environment = {"GIT_CONFIG_COUNT": str(len(settings)), "GIT_ALLOW_PROTOCOL": f"{local}git:http:https:ssh"}
    for number, (key, value) in enumerate(settings.items()):
        environment[f"GIT_CONFIG_KEY_{number}"] = key
        environment[f"GIT_CONFIG_VALUE_{number}"] = value
    return run(["git", *arguments], task, _GIT_REMEDY, cwd=cwd, environment=environment, check=check)


def git_commit(url: str, version: str) -> tuple[str, bool]:
    """The commit a version means now, and whether it is fixed (a commit or a tag, not a branch)."""
    if COMMIT.fullmatch(version):
        return version, True
    for word in (url, version):
        if word.startswith("-"):
            raise Problem(f"git {masked(url)} at {version!r}: neither may begin with a hyphen.")
    task = f"git: asking {masked(url)} for {version}"
    listing = _git(url, ["ls-remote", "--", split_credentials(url)[0]], task).stdout
    refs = {name: commit for commit, name in (line.split("\t", 1) for line in listing.splitlines())}
    tag = f"refs/tags/{version}"
    if tag in refs:
        return refs.get(tag + "^{}", refs[tag]), True
    if f"refs/heads/{version}" in refs:
        return refs[f"refs/heads/{version}"], False
    raise Problem(f"{task} failed: it has no such tag or branch. Give a tag, a branch or a full commit id.")


def git_tree(url: str, version: str, commit: str, target: str) -> None:
    """The files of one commit with all submodules, without git's own data."""
    bare = split_credentials(url)[0]
    task = f"git: fetching {masked(url)} at {version}"
    _git(url, ["init", "-q", target], task)
    _git(url, ["remote", "add", "origin", bare], task, target)
    # One commit is enough; servers that do not hand out single commits are asked for everything.
    if _git(url, ["fetch", "-q", "--depth", "1", "origin", commit], task, target, check=False).returncode:
        _git(url, ["fetch", "-q", "--tags", "origin", "+refs/heads/*:refs/remotes/origin/*"], task, target)
    _git(url, ["checkout", "-q", commit], task, target)
    if os.path.exists(os.path.join(target, ".gitmodules")):
        update = ["submodule", "--quiet", "update", "--init", "--recursive"]
        if _git(url, [*update, "--depth", "1"], task, target, check=False).returncode:
            _git(url, update, f"{task} (submodules)", target)
    for folder, names, files in os.walk(target):
        if ".git" in [*names, *files]:
            remove(os.path.join(folder, ".git"))
            names[:] = [name for name in names if name != ".git"]


def file_sha256(path: str) -> str:
    """The SHA-256 of a file."""
    result = hashlib.sha256()
    with open(path, "rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            result.update(block)
    return result.hexdigest()


def verify(path: str, sha256: str, shown: str) -> None:
    """Refuse a file that is not the one asked for."""
    found = file_sha256(path)
    if found != sha256.lower():
        raise Problem(
            f"{shown} has the SHA-256 {found}, not {sha256.lower()}."
            " Nothing of it was used. Check where the file comes from, then correct sha256."
        )


def download(url: str, target: str, sha256: str) -> None:
    """Get a file over http or https and verify it."""
    bare, header = split_credentials(url)
    if urlsplit(bare).scheme not in ("http", "https"):
        raise Problem(f"{masked(url)} is not a http or https URL.")
    request = urllib.request.Request(bare)
    if header:
        request.add_unredirected_header("Authorization", header)
    try:
        with urllib.request.build_opener().open(request, timeout=60) as answer, open(target, "wb") as file:
            shutil.copyfileobj(answer, file)
    except (urllib.error.URLError, OSError, ValueError) as error:
        raise Problem(f"Downloading {masked(url)} failed: {error}. Check the URL and this host's way to it.") from error
    verify(target, sha256, masked(url))


def wheel(pip: Pip, name: str, version: str, sha256: str | None, target: str) -> str:
    """The path of a wheel from PyPI, or from where pip on this host is told to look."""
    pip.run(
        SYSTEM_PYTHON,
        ["download", "-q", "--no-deps", "--only-binary", ":all:", "-d", target, f"{name}=={version}"],
        f"pip: downloading {name} {version}",
        "Check the version and pip's way out (pip.conf, proxy).",
    )
    path = os.path.join(target, os.listdir(target)[0])
    if sha256:
        verify(path, sha256, os.path.basename(path))
    return path
