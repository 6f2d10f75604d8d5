# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a deployment sees which releases are in use: their processes hold a lock on a file of the release.

The kernel lets it go with the last of them, whatever they die of. Forked workers share it, a reload that executes the
server anew drops it. (The working folder of a process would tell as well, but containers hide it even from root.)
"""

from __future__ import annotations

import fcntl
import os


def take(path: str | os.PathLike[str]) -> int:
    """Hold a file as long as this process or a child of it lives."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    return descriptor
