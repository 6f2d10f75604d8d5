# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Byte-compile one application with web2py's own compiler: `python -m web2py_runtime.compile WEB2PY FOLDER VERSION`

A view that cannot be compiled alone (`{{include variable}}`) stays source: web2py reads it at run time.
"""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path

from web2py_runtime import compat


def main() -> int:
    """Write FOLDER/compiled. Prints the views that stay source, one a line."""
    root, folder = (str(Path(path).resolve()) for path in sys.argv[1:3])
    version = sys.argv[3]
    os.environ["web2py_path"] = root
    os.chdir(root)
    sys.path.insert(0, root)
    compat.before_import(version)
    compiler = importlib.import_module("gluon.compileapp")
    for view in compiler.compile_application(folder, skip_failed_views=True) or ():
        print(view)
    return 0


if __name__ == "__main__":
    sys.exit(main())
