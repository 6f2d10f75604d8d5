# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Copy what an application ships into its state, where it is missing: `python -m web2py_runtime.seed FROM TO`"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path


def seed(source: Path, target: Path) -> None:
    """Copy plain files below `source` that `target` does not have."""
    for origin in sorted(source.rglob("*")):
        copy = target / origin.relative_to(source)
        if origin.is_symlink() or copy.is_symlink():
            continue
        if origin.is_dir():
            copy.mkdir(parents=True, exist_ok=True)
        elif not copy.exists():
            # A killed run leaves the temporary name, never half a file that looks whole.
            temporary = copy.with_name(copy.name + ".part")
            shutil.copyfile(origin, temporary)
            temporary.replace(copy)


if __name__ == "__main__":
    seed(Path(sys.argv[1]), Path(sys.argv[2]))
