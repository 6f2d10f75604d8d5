# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeps a PostgreSQL from starting as a second primary: `only_primary.py DATA CONNINFO...`, run by systemd before it.

A primary that was replaced while it was down must not take changes when it comes back. What cannot be asked is no
reason to stay down: it may be down itself.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterable

SECONDS = 5


def answer(conninfo: str) -> str:
    """What another member says of itself: `off` for a primary, `on` for a standby, "" for nothing.

    The role may ask by the protocol of replication only, which knows no functions; in_hot_standby is new in 14. On a
    standby no transaction can write, and on a primary that is left to the connection.
    """
    options = "options='-c default_transaction_read_only=off'"
    words = [
        "psql",
        "-XAtw",
        "-d",
        f"{conninfo} replication=true connect_timeout={SECONDS} {options}",
        "-c",
        "SHOW transaction_read_only",
    ]
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=2 * SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def primary(data: str, others: Iterable[str], ask: Callable[[str], str] = answer) -> str:
    """The connection string of another primary; "" where there is none, or where this one is a standby."""
    if os.path.exists(f"{data}/standby.signal"):
        return ""
    return next((other for other in others if ask(other) == "off"), "")


def main() -> int:
    other = primary(sys.argv[1], sys.argv[2:])
    if other:
        where = other.split()[0]
        print(f"Another primary serves: {where}. This one was replaced, and is kept from starting.", file=sys.stderr)
        print("web2py.deploy.site with -e postgresql_rebuild=true makes it a standby of that one.", file=sys.stderr)
    return int(bool(other))


if __name__ == "__main__":
    sys.exit(main())
