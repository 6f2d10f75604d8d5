# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection: one application as an immutable part, its state outside."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from typing import Any

from ansible_collections.web2py.deploy.plugins.module_utils._base import Place, byte_compile, version_of
from ansible_collections.web2py.deploy.plugins.module_utils._pip import Pip
from ansible_collections.web2py.deploy.plugins.module_utils._root_files import PROFILES
from ansible_collections.web2py.deploy.plugins.module_utils._run import Problem, run
from ansible_collections.web2py.deploy.plugins.module_utils._settings import MODEL, model
from ansible_collections.web2py.deploy.plugins.module_utils._source import Found, Local, Source, fill
from ansible_collections.web2py.deploy.plugins.module_utils._tree import (
    TEMPORARY,
    Owner,
    digest,
    folder,
    remove,
    settle,
    staged,
    write_json,
)
from ansible_collections.web2py.deploy.plugins.module_utils._twins import BROTLI, MADE, leave_twins

STATE = ("cache", "databases", "errors", "private", "sessions", "uploads")
SEEDED = ("databases", "private", "uploads")  # what an application may ship; the rest is made on the host
CODE = ("controllers", "cron", "languages", "models", "modules", "static", "views")
SEED = ".seed"
_FORMAT = 3  # raise it when the same source must be staged anew
_MARKERS = ("controllers", "models", "views", "static", "compiled", "__init__.py")
_DROPPED = (".git", ".hg", ".svn", "__pycache__", "cache", "errors", "sessions")

Application = Mapping[str, Any]


def part_name(application: Application, found: Found, place: Place, base: Mapping[str, str], python: str) -> str:
    """The name of an application's part: same name, same content."""
    values: list[Any] = [_FORMAT, found.identity, application["compress"], application["compile"], place.state]
    if BROTLI:
        values.append("br")  # without it the same source gives another part
    if application["compile"]:
        values += [base["web2py"], python]  # byte code is of one compiler and one Python
    text = model(application, place.settings)
    if text:
        values.append(text)
    return f"app-{application['name']}-{digest(values)}"


def bundled(name: str, place: Place, web2py: str) -> Found:
    """An application that comes with web2py's own source."""
    tree = os.path.join(place.part(web2py), "applications", name)
    if not os.path.isdir(os.path.join(tree, "views")):
        raise Problem(
            f"Application {name}: this web2py does not carry it whole (the package on PyPI leaves views out)."
            " Use the source type git or archive for web2py, or give the application a source of its own."
        )
    return Found(["bundled", web2py, name], f"bundled {name}")


def stage(
    place: Place,
    name: str,
    application: Application,
    found: Found,
    local: Local,
    base: Mapping[str, str],
    former: str = "",
) -> None:
    """Put an application in place as a part; `former` is the path of the one that serves."""
    target = place.part(name)
    label = f"application {application['name']}"
    source: Source = application["source"]
    with staged(target) as tree, tempfile.TemporaryDirectory(prefix=TEMPORARY, dir=place.parts) as work:
        if source["type"] == "bundled":
            content = os.path.join(work, "content")
            bundle = os.path.join(place.part(base["web2py"]), "applications", application["name"])
            shutil.copytree(bundle, content, symlinks=True)
        else:
            content = fill(application["name"], source, found, local, work, Pip(work), _MARKERS)
        os.rmdir(tree)
        os.rename(content, tree)
        shape(tree, f"Application {application['name']}: {found.shown}")
        add_model(tree, application, place)
        remove(os.path.join(tree, MADE))
        made = leave_twins(os.path.join(tree, "static"), application["compress"], former)
        if made:
            write_json(os.path.join(tree, MADE), made, place.owner)
        python = os.path.join(place.part(base["environment"]), "bin", "python")
        byte_compile(python, tree, target, ["modules"])
        settle(tree, place.owner, public="static")
        if application["compile"]:
            compile_pages(place, tree, base, python, label)
            settle(tree, place.owner, public="static")
        # Last, because these links leave the tree, which nothing else may.
        for state in STATE:
            path = os.path.join(tree, state)
            os.symlink(os.path.join(place.state, "applications", application["name"], state), path)
            os.lchown(path, *place.owner)


def shape(tree: str, shown: str) -> None:
    """Give a source tree the folders web2py expects, and keep what seeds the state apart."""
    if not any(os.path.isdir(os.path.join(tree, name)) for name in ("controllers", "compiled")):
        raise Problem(
            f"{shown} is not a web2py application: it has no folder `controllers`. Give the application's own root."
        )
    for path, names, _files in os.walk(tree):
        for name in [*names]:
            if name in (".git", ".hg", ".svn", "__pycache__"):
                names.remove(name)
                remove(os.path.join(path, name))
    for name in _DROPPED:
        remove(os.path.join(tree, name))
    remove(os.path.join(tree, SEED))
    for name in SEEDED:
        path = os.path.join(tree, name)
        if os.path.isdir(path) and not os.path.islink(path):
            os.makedirs(os.path.join(tree, SEED), exist_ok=True)
            os.rename(path, os.path.join(tree, SEED, name))
        remove(path)
    for name in CODE:
        os.makedirs(os.path.join(tree, name), exist_ok=True)
    # Admin shows no application without one: it wants to write this itself, and cannot.
    crontab = os.path.join(tree, "cron", "crontab")
    if not os.path.lexists(crontab):
        with open(crontab, "x", encoding="ascii") as file:
            file.write("#crontab")
    # Byte code beside its source may be older than it, or of another Python; alone it is the application.
    if any(name.endswith(".py") for name in os.listdir(os.path.join(tree, "controllers"))):
        remove(os.path.join(tree, "compiled"))


def add_model(tree: str, application: Application, place: Place) -> None:
    """Put our model before those of the application, where its settings need one."""
    text = model(application, place.settings)
    if not text:
        return
    if os.path.isdir(os.path.join(tree, "compiled")):
        raise Problem(
            f"Application {application['name']} comes as byte code alone, so it cannot be given sessions, cache,"
            " tickets or a database. Give its source, or choose web2py's own ways for it."
        )
    path = os.path.join(tree, MODEL)
    remove(path)
    with open(path, "x", encoding="ascii") as file:
        file.write(text)


def compile_pages(place: Place, tree: str, base: Mapping[str, str], python: str, label: str) -> None:
    """Add web2py's own byte code, made as the site's user: the compiler reads what others wrote."""
    web2py = place.part(base["web2py"])
    with tempfile.TemporaryDirectory(prefix=TEMPORARY, dir=place.parts) as work:
        os.chown(work, *place.account)
        for name in ("controllers", "models", "views"):
            os.symlink(os.path.join(tree, name), os.path.join(work, name))
        run(
            [python, "-s", "-B", "-m", "web2py_runtime.compile", web2py, work, version_of(web2py)],
            f"Compiling {label}",
            "Correct the application, or set `compile: false` for it.",
            environment={"PYTHONPATH": place.part(base["runtime"])},
            account=place.account,
            cwd=web2py,
        )
        compiled = os.path.join(tree, "compiled")
        remove(compiled)
        os.mkdir(compiled)
        for entry in os.scandir(os.path.join(work, "compiled")):
            if entry.is_file(follow_symlinks=False):
                shutil.copyfile(entry.path, os.path.join(compiled, entry.name), follow_symlinks=False)


def state_folders(place: Place, names: list[str], profiles: bool) -> bool:
    """Make the folders of state; True when something changed. That of profiles goes when there are to be none.

    The folders above belong to root: the service cannot exchange a folder of its own for a link to another place.
    """
    root = place.owner
    own = Owner(*place.account)
    above = os.path.join(place.state, "applications")
    changed = [folder(place.state, root, 0o750), folder(above, root, 0o750)]
    for name in names:
        path = os.path.join(above, name)
        changed.append(folder(path, root, 0o750))
        changed += [folder(os.path.join(path, state), own, 0o750) for state in STATE]
    kept = os.path.join(place.state, PROFILES)
    if profiles:
        changed.append(folder(kept, own, 0o700))
    elif os.path.lexists(kept):
        remove(kept)
        changed.append(True)
    return any(changed)


def seed(place: Place, name: str, part: str, base: Mapping[str, str]) -> None:
    """Copy what an application ships into its state, where it is missing.

    Done as the site's user, because the state is its own: no link laid there leads root astray.
    """
    source = os.path.join(place.part(part), SEED)
    target = os.path.join(place.state, "applications", name)
    if os.path.isdir(source):
        run(
            [os.path.join(place.part(base["environment"]), "bin/python"), "-m", "web2py_runtime.seed", source, target],
            f"Copying what application {name} ships into {target}",
            environment={"PYTHONPATH": place.part(base["runtime"])},
            account=place.account,
        )
