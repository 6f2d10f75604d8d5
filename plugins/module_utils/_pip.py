# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection: the pip that comes with the host's Python, run from outside what it fills."""

from __future__ import annotations

import glob
import os
import shutil
import tempfile
from collections.abc import Sequence

from ansible_collections.web2py.deploy.plugins.module_utils._archive import unpack
from ansible_collections.web2py.deploy.plugins.module_utils._run import Problem, run
from ansible_collections.web2py.deploy.plugins.module_utils._tree import TEMPORARY

SYSTEM_PYTHON = "/usr/bin/python3"
# What makes environments has it as a wheel; distributions keep it in a folder of their own.
_FIND = """
import ensurepip, glob, os, sysconfig
own = os.path.join(os.path.dirname(ensurepip.__file__), "_bundled")
for folder in (sysconfig.get_config_var("WHEEL_PKG_DIR"), "/usr/share/python-wheels", own):
    for path in glob.glob(os.path.join(folder or own, "pip-" + ensurepip.version() + "-*.whl")):
        print(path)
"""
_REMEDY = "The package python3-venv must be installed."


class Pip:
    """pip for one run: unpacked when it is first asked for, gone at the end.

    No environment gets a pip of its own: to install and compile it takes longer than all that a site needs, and nobody
    would use it afterwards.
    """

    def __init__(self, parent: str) -> None:
        self._parent = parent
        self._folder = ""

    def __enter__(self) -> Pip:
        return self

    def __exit__(self, *_: object) -> None:
        if self._folder:
            shutil.rmtree(self._folder, ignore_errors=True)

    def run(self, python: str, words: Sequence[str], task: str, remedy: str, timeout: int = 600) -> None:
        """Run pip with a Python; what it installs belongs to that Python's environment."""
        # What is compiled of it once serves the next call, too; it lies in the folder that goes.
        compiled = {"PYTHONDONTWRITEBYTECODE": ""}
        run([python, self._program(), *words], task, remedy, timeout=timeout, environment=compiled)

    def _program(self) -> str:
        if not self._folder:
            found = run([SYSTEM_PYTHON, "-c", _FIND], "Looking for the pip that comes with Python", _REMEDY)
            wheels = found.stdout.splitlines()
            if not wheels:
                raise Problem(f"{SYSTEM_PYTHON} comes without pip. {_REMEDY}")
            self._folder = tempfile.mkdtemp(prefix=f"{TEMPORARY}pip-", dir=self._parent)
            unpack(wheels[0], self._folder, os.path.basename(wheels[0]))
            # Else it takes itself for installed, where an environment requires it.
            for about in glob.glob(os.path.join(self._folder, "*.dist-info")):
                shutil.rmtree(about)
        return os.path.join(self._folder, "pip")
