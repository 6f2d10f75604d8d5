# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection: the parts every release stands on: web2py, its Python environment, our runtime."""

from __future__ import annotations

import os
import pwd
import re
import shutil
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from typing import Any, Callable, NamedTuple

from ansible_collections.web2py.deploy.plugins.module_utils._archive import unpack
from ansible_collections.web2py.deploy.plugins.module_utils._pip import SYSTEM_PYTHON, Pip
from ansible_collections.web2py.deploy.plugins.module_utils._run import Problem, masked, run
from ansible_collections.web2py.deploy.plugins.module_utils._source import Found, Local, Missing, Source, fill
from ansible_collections.web2py.deploy.plugins.module_utils._tree import (
    FOLDER_MODE,
    TEMPORARY,
    Owner,
    digest,
    folder,
    settle,
    staged,
)
from ansible_collections.web2py.deploy.plugins.module_utils._versions import parse, problem, requirements_for, shown

_FORMAT = 1  # raise it when the same source must be staged anew
_MARKERS = ("gluon", "applications", "web2py.py")


class Place(NamedTuple):
    """Where a site lives on the host, and as whom."""

    root: str
    state: str
    settings: str
    owner: Owner
    account: tuple[int, int]

    @property
    def parts(self) -> str:
        return os.path.join(self.root, "parts")

    @property
    def releases(self) -> str:
        return os.path.join(self.root, "releases")

    def part(self, name: str) -> str:
        return os.path.join(self.parts, name)


def place_of(site: Mapping[str, Any]) -> Place | None:
    """The place of a site; None while its user does not exist."""
    try:
        user = pwd.getpwnam(site["user"])
    except KeyError:
        return None
    paths = site["paths"]
    return Place(
        paths["root"], paths["state"], paths["settings"], Owner(os.geteuid(), user.pw_gid), (user.pw_uid, user.pw_gid)
    )


def prepare(place: Place) -> bool:
    """Make the folders in the site's folder of code; True when something changed."""
    if not os.path.isdir(place.root):
        raise Problem(f"{place.root} does not exist. The role web2py makes it; run that first.")
    changed = [folder(path, place.owner, FOLDER_MODE) for path in (place.parts, place.releases)]
    return any(changed)


def host_python() -> str:
    """The host's Python as '3.11'."""
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    return run([SYSTEM_PYTHON, "-c", code], "Asking the host's Python for its version").stdout.strip()


def byte_compile(python: str, tree: str, target: str, inside: Sequence[str]) -> None:
    """Compile the modules of a staged tree as if it stood at its target.

    Nobody can do it later: the service cannot write code. Files that are not today's Python are left alone.
    """
    paths = [path for path in (os.path.join(tree, name) for name in inside) if os.path.exists(path)]
    options = ["-q", "-q", "--invalidation-mode", "unchecked-hash", "-s", tree, "-p", target]
    run([python, "-m", "compileall", *options, *paths], "Compiling modules", check=False)


def environment_name(python: str, requirements: Sequence[str]) -> str:
    """The name of the environment part."""
    return "environment-" + digest(_FORMAT, python, sorted(map(masked, requirements)))


def stage_environment(place: Place, name: str, requirements: Sequence[str], pip: Pip) -> None:
    """Make a Python environment with the requirements."""
    for requirement in requirements:
        if requirement.startswith("-") or "\n" in requirement:
            raise Problem(
                f"{masked(requirement)!r} is not a requirement. Give a name with a version, like 'requests==2.32.5'."
            )
    target = place.part(name)
    with staged(target) as tree:
        run(
            [SYSTEM_PYTHON, "-m", "venv", "--without-pip", tree],
            "Making a Python environment",
            "The package python3-venv must be installed.",
        )
        python = os.path.join(tree, "bin/python")
        if requirements:
            # A file, because a list of processes shows arguments, and a requirement may be a URL with a token.
            wanted = os.path.join(tree, "requirements.txt")
            with open(wanted, "w", encoding="utf-8") as file:
                os.fchmod(file.fileno(), 0o600)
                file.write("".join(f"{requirement}\n" for requirement in requirements))
            pip.run(
                python,
                # What comes as source is built apart, as the environment has no setuptools.
                ["install", "-q", "--no-compile", "--use-pep517", "-r", wanted],
                "pip: installing " + ", ".join(map(masked, requirements)),
                "Check names and versions, and pip's way out (pip.conf, proxy)."
                " No compiler is installed for you: choose packages with wheels, or install what they need.",
                timeout=1800,
            )
            os.unlink(wanted)
        _rename_in_scripts(tree, target)
        byte_compile(python, tree, target, ["lib"])
        # The server of a machine's site is another user than who makes this, that of an account the same.
        os.chmod(tree, 0o700 if place.owner.uid == place.account[0] else 0o755)


def _rename_in_scripts(tree: str, target: str) -> None:
    """Scripts name the folder they were made in."""
    scripts = os.path.join(tree, "bin")
    names = [os.path.join(scripts, name) for name in os.listdir(scripts)] + [os.path.join(tree, "pyvenv.cfg")]
    for path in names:
        if os.path.islink(path):
            continue
        with open(path, "rb+") as file:
            old = file.read()
            new = old.replace(tree.encode(), target.encode())
            # Programs keep their lengths; only text is rewritten.
            if new != old and b"\0" not in old:
                file.seek(0)
                file.write(new)
                file.truncate()


def stage_runtime(place: Place, name: str, local: Local) -> None:
    """Put our runtime package in place."""
    path = local["runtime"].get("path", "")
    if not path:
        raise Missing("runtime")
    target = place.part(name)
    with staged(target) as tree:
        unpack(path, tree, "the runtime")
        byte_compile(SYSTEM_PYTHON, tree, target, ["web2py_runtime"])
        settle(tree, place.owner)


def web2py_name(found: Found) -> str:
    """The name of the web2py part."""
    return "web2py-" + digest(_FORMAT, found.identity)


def stage_web2py(
    place: Place, name: str, source: Source, found: Found, local: Local, pip: Pip, accept: Callable[[str], None]
) -> None:
    """Put web2py's own tree in place, after `accept` agreed to it."""
    target = place.part(name)
    with staged(target) as tree, tempfile.TemporaryDirectory(prefix=TEMPORARY, dir=place.parts) as work:
        content = fill("web2py", source, found, local, work, pip, _MARKERS)
        os.rmdir(tree)
        os.rename(content, tree)
        if source["type"] == "pypi":
            _complete_wheel(tree, source["version"], os.path.join(work, "download"))
        check_web2py(tree, found.shown)
        accept(tree)
        byte_compile(SYSTEM_PYTHON, tree, target, ["gluon"])
        settle(tree, place.owner)


def _complete_wheel(tree: str, version: str, downloads: str) -> None:
    """The package on PyPI leaves out the file that says its version, and brings pip's own data."""
    with zipfile.ZipFile(os.path.join(downloads, os.listdir(downloads)[0])) as bundle:
        newest = max(info.date_time for info in bundle.infolist())
    for entry in os.listdir(tree):
        if entry.endswith((".dist-info", ".data")):
            shutil.rmtree(os.path.join(tree, entry))
    stamp = ".".join(f"{number:02d}" for number in newest)
    with open(os.path.join(tree, "VERSION"), "w", encoding="utf-8") as file:
        file.write(f"Version {version}-stable+timestamp.{stamp}\n")


def check_web2py(tree: str, source: str) -> None:
    """Refuse a tree that cannot be web2py."""
    if not os.path.isfile(os.path.join(tree, "gluon", "main.py")):
        raise Problem(f"{source} is not web2py: it has no gluon/main.py. Give the root of a web2py source tree.")
    for module in ("pydal", "yatl"):
        package = os.path.join(tree, "gluon", "packages", module)
        if os.path.isdir(package) and not os.listdir(package):
            raise Problem(
                f"{source} lacks its submodules: gluon/packages/{module} is empty."
                " Use the source type git, or make the archive from a clone with --recurse-submodules."
            )
    if not parse(version_of(tree)):
        raise Problem(f"{source} does not say its version: neither VERSION nor gluon/version.py does.")


def version_of(tree: str) -> str:
    """The version a web2py tree says it has, like '3.3.3-stable+timestamp...'; '' when it does not."""
    for name, pattern in (("gluon/version.py", r'VERSION\s*=\s*["\'](\S+)["\']'), ("VERSION", r"(\d\S*)\s*$")):
        try:
            with open(os.path.join(tree, name), encoding="utf-8") as file:
                match = re.search(pattern, file.read())
        except FileNotFoundError:
            continue
        if match:
            return match.group(1)
    return ""


def refuse_impossible(version: str, python: str) -> None:
    """Raise a Problem for a web2py that cannot run on this Python."""
    trouble = problem(version, python)
    if trouble:
        raise Problem(trouble)


def requirements_of(site: Mapping[str, Any], tree: str, python: str) -> list[str]:
    """What the environment must hold: the choices, and what the real version of web2py needs beyond them."""
    kind = site["source"]["type"]
    if not os.path.isdir(os.path.join(tree, "gluon", "packages", "pydal")):
        kind = "pypi"  # whatever it came as, it is the package without its submodules
    return with_needs(site["requirements"], requirements_for({"type": kind, "version": version_of(tree)}, python))


def with_needs(chosen: Sequence[str], needed: Sequence[str]) -> list[str]:
    """Requirements together; what is chosen wins over what is needed."""
    names = {_project(requirement) for requirement in chosen}
    return sorted({*chosen, *(need for need in needed if _project(need) not in names)})


def _project(requirement: str) -> str:
    return re.sub(r"[-_.]+", "-", re.split(r"[^\w.-]", requirement.strip(), maxsplit=1)[0]).lower()


def short(version: str) -> str:
    """'3.3.3-stable+timestamp' as '3.3.3'."""
    return shown(parse(version))
