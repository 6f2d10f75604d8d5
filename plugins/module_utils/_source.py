# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection: where a site's code comes from, and what names that content."""

from __future__ import annotations

import os
from collections.abc import Mapping, MutableMapping, Sequence
from typing import Any, NamedTuple

from ansible_collections.web2py.deploy.plugins.module_utils._archive import content_root, unpack
from ansible_collections.web2py.deploy.plugins.module_utils._fetch import (
    download,
    git_commit,
    git_tree,
    verify,
    wheel,
)
from ansible_collections.web2py.deploy.plugins.module_utils._pip import Pip
from ansible_collections.web2py.deploy.plugins.module_utils._run import masked
from ansible_collections.web2py.deploy.plugins.module_utils._tree import digest

Source = Mapping[str, Any]
# What lies on the controller: by label its digest and, once transferred, its path on the host.
Local = Mapping[str, Mapping[str, str]]


class Found(NamedTuple):
    """A source pinned to content."""

    identity: list[str]
    shown: str


class Missing(Exception):
    """Content that must first be transferred from the controller."""

    def __init__(self, label: str) -> None:
        super().__init__(label)
        self.label = label


def pinned(label: str, source: Source, local: Local, commits: MutableMapping[str, str]) -> Found:
    """Pin a source to content. A branch is asked for each time; tags are kept in `commits`."""
    kind = source["type"]
    if kind == "git":
        url, version = source["url"], source["version"]
        key = digest(masked(url), version)
        commit = commits.get(key)
        if commit is None:
            commit, fixed = git_commit(url, version)
            if fixed:
                commits[key] = commit
        return Found(["git", commit], f"git {masked(url)} {version} ({commit[:12]})")
    if kind == "pypi":
        return Found(["pypi", source["version"], source.get("sha256") or ""], f"pypi web2py-gluon {source['version']}")
    if kind == "archive":
        place = source.get("url") or os.path.basename(source["path"])
        return Found(["archive", source["sha256"].lower()], f"archive {masked(place)} ({source['sha256'][:12]})")
    content = local[label]["digest"]
    # Where it lies on the controller is not noted: that differs from desk to desk.
    name = os.path.basename(source.get("path") or label)
    return Found(["directory", content], f"{kind} {name} ({content[:12]})")


def on_controller(source: Source) -> bool:
    """Whether the content lies on the controller and has to be transferred."""
    return source["type"] in ("directory", "starter") or (source["type"] == "archive" and not source.get("url"))


def fill(label: str, source: Source, found: Found, local: Local, work: str, pip: Pip, markers: Sequence[str]) -> str:
    """Bring the content into the empty folder `work`; the folder below it that holds the content."""
    target = os.path.join(work, "content")
    os.mkdir(target)
    if source["type"] == "git":
        git_tree(source["url"], source["version"], found.identity[1], target)
        return target
    if source["type"] == "pypi":
        downloads = os.path.join(work, "download")
        os.mkdir(downloads)
        archive = wheel(pip, "web2py-gluon", source["version"], source.get("sha256"), downloads)
        unpack(archive, target, os.path.basename(archive))
        return target
    if source.get("url"):
        archive = os.path.join(work, "archive")
        download(source["url"], archive, source["sha256"])
    else:
        archive = local[label].get("path", "")
        if not archive:
            raise Missing(label)
        if source["type"] == "archive":
            verify(archive, source["sha256"], source["path"])
    unpack(archive, target, masked(source.get("url") or source.get("path") or label))
    return content_root(target, markers) if source["type"] == "archive" else target
