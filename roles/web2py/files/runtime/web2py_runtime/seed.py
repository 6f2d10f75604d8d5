# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Copy what an application ships into its state, where it is missing: `python -m web2py_runtime.seed FROM TO`"""

from __future__ import annotations

import os
import shutil
import sys


def seed(source: str, target: str) -> None:
    """Copy plain files below `source` that `target` does not have."""
    for path, _names, files in os.walk(source):
        folder = os.path.join(target, os.path.relpath(path, source))
        os.makedirs(folder, exist_ok=True)
        for name in files:
            origin, copy = os.path.join(path, name), os.path.join(folder, name)
            if not os.path.islink(origin) and not os.path.lexists(copy):
                # A killed run leaves the temporary name, never half a file that looks whole.
                shutil.copyfile(origin, copy + ".part")
                os.replace(copy + ".part", copy)


if __name__ == "__main__":
    seed(sys.argv[1], sys.argv[2])
