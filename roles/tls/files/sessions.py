# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The keys of a site's TLS sessions, the same on all its hosts, and other ones each day.

    sessions.py FOLDER UNIT             bring the keys in FOLDER to today; UNIT takes new ones in by a reload
    sessions.py FOLDER UNIT --watches   UNIT looks at its file by itself

Each host grows its keys from the same beginning, so nothing travels between them after the first run. FOLDER/chain
holds an id, the day of a key (since 1970, UTC) and the key, from which those of later days come and no earlier one:
who takes it reads nothing that was recorded before yesterday. FOLDER/served tells which keys UNIT has taken in.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

DAY_SECONDS = 86400


class Chain(NamedTuple):
    """The key of a day, and where it comes from."""

    name: str
    day: int
    key: bytes

    @classmethod
    def read(cls, text: str) -> Chain:
        """ValueError where the text is none."""
        name, day, key = text.split()
        return cls(name, int(day), bytes.fromhex(key))

    def __str__(self) -> str:
        return f"{self.name} {self.day} {self.key.hex()}\n"

    def at(self, day: int) -> Chain:
        """That of a later day; itself where the day is none."""
        chain = self
        while chain.day < day:
            chain = Chain(self.name, chain.day + 1, chain.derived("next"))
        return chain

    def derived(self, word: str) -> bytes:
        return hmac.new(self.key, word.encode(), hashlib.sha256).digest()

    def nginx_key(self) -> bytes:
        """A name of 16 bytes, keys for HMAC and AES of 32 each."""
        return self.derived("name")[:16] + self.derived("hmac") + self.derived("aes")

    def lighttpd_key(self) -> bytes:
        """As NGINX's, after three numbers of the machine's own order: a version, and from when until when it counts."""
        return struct.pack("=III", 0, 0, (self.day + 2) * DAY_SECONDS) + self.nginx_key()


# Which day's each is. All are written whichever front end serves, so that another one finds its own. Clocks of hosts
# may differ, and what was given yesterday still counts: NGINX is told all three, lighttpd keeps what it had.
FILES = {
    "today.key": (0, Chain.nginx_key),
    "yesterday.key": (-1, Chain.nginx_key),
    "tomorrow.key": (1, Chain.nginx_key),
    "lighttpd.key": (0, Chain.lighttpd_key),
}
# Its processes read it, too, where they may enter the folder: new files have the folder's group.
READ_BY_GROUP = ("lighttpd.key",)


def replaced(path: Path, content: bytes) -> bool:
    """Write a file at once, for root and the readers it has; False where it is so already."""
    if path.exists() and path.read_bytes() == content:
        return False
    new, mode = path.with_suffix(".new"), 0o640 if path.name in READ_BY_GROUP else 0o600
    new.unlink(missing_ok=True)
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        # Whatever the umask.
        os.fchmod(file.fileno(), mode)
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(new, path)
    return True


def renew(folder: Path, today: int) -> str:
    """Bring the keys to a day; what they are called by now."""
    path = folder / "chain"
    chain = Chain.read(path.read_text()).at(today - 1)
    # A clock that was ahead has left the earlier ones behind: they are given up.
    day = max(today, chain.day + 1)
    for name, (days, form) in FILES.items():
        replaced(folder / name, form(chain.at(day + days)))
    # Last: who is killed before begins again from the same.
    replaced(path, str(chain).encode())
    return f"{chain.name} {day}\n"


def installed(unit: str) -> bool:
    """Who is not yet reads the keys when it starts; who is masked until its settings are there, too."""
    words = ["systemctl", "show", "--property=LoadState", "--value", unit]
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout.strip() == "loaded"


def main(folder: str, unit: str, watches: str = "") -> None:
    present, path = renew(Path(folder), int(time.time()) // DAY_SECONDS), Path(folder, "served")
    served = path.read_text() if path.exists() else ""
    if served == present:
        return
    # Another chain: the former keys are to count no more.
    if (not watches or served.split()[:1] != present.split()[:1]) and installed(unit):
        subprocess.run(["systemctl", "try-reload-or-restart", unit], check=True)
    replaced(path, present.encode())
    print("The keys of TLS sessions are those of today")


if __name__ == "__main__":
    main(*sys.argv[1:])
