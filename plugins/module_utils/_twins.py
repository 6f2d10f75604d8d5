# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection: compressed twins of static files.

Front ends take them for the file and compare nothing.
"""

from __future__ import annotations

import gzip
import hashlib
import importlib
import os
import zlib
from collections.abc import Callable
from typing import Any

from ansible_collections.web2py.deploy.plugins.module_utils._policy import PACKED
from ansible_collections.web2py.deploy.plugins.module_utils._tree import read_json, remove

# In a part: the .br files that were made for it, by what they hold.
MADE = ".twins.json"
_TEXT = tuple(f".{ending}" for ending in PACKED)
_SMALL = 256  # below this a compressed file saves nothing on the wire
_LARGE = 1 << 20  # above this the best of brotli takes seconds for one file


def _module() -> Any:
    try:
        return importlib.import_module("brotli")
    except ImportError:
        return None


# The distribution's package; where it is not installed there are no .br files.
BROTLI = _module()


def leave_twins(static: str, wanted: bool, former: str = "") -> dict[str, str]:
    """Leave a .gz and a .br beside a text file only if they hold the same; write them where wanted and worth it.

    The same bytes for the same content. A .br costs twenty times what a .gz does, so it is taken from the part `former`
    if that has one of the same content. Returns what the new part is to say in MADE.
    """
    known = _known(former) if former else {}
    made: dict[str, str] = {}
    for folder, _names, files in os.walk(static):
        for name in files:
            original = os.path.join(folder, name)
            if not name.lower().endswith(_TEXT) or os.path.islink(original):
                continue
            with open(original, "rb") as file:
                data = file.read()
            pays = wanted and len(data) >= _SMALL
            least = len(data)
            if not _kept(original + ".gz", data, _holds_gzip) and pays:
                _write(original, ".gz", gzip.compress(data, 9, mtime=0), least)
            if os.path.exists(original + ".gz"):
                least = min(least, os.path.getsize(original + ".gz"))
            if not _kept(original + ".br", data, _holds_brotli) and pays and BROTLI:
                key = hashlib.sha256(f"{BROTLI.__version__}\n".encode() + data).hexdigest()
                packed = _taken(former, known[key], data) if key in known else b""
                # Smaller than the .gz, or it saves nothing; nor would a tag of time and size tell the two apart.
                if _write(original, ".br", packed or _brotli(data), least):
                    made[key] = os.path.relpath(original + ".br", static)
    return made


def _kept(twin: str, data: bytes, holds: Callable[[str, bytes], bool]) -> bool:
    """Whether a compressed file is there and the author's own of these bytes; it is removed if not."""
    if not os.path.lexists(twin):
        return False
    if not os.path.islink(twin) and holds(twin, data):
        return True
    remove(twin)
    return False


def _holds_gzip(twin: str, data: bytes) -> bool:
    """One byte more than the file's is enough to tell."""
    try:
        with gzip.open(twin) as file:
            return file.read(len(data) + 1) == data
    except (OSError, EOFError, zlib.error):
        return False


def _holds_brotli(twin: str, data: bytes) -> bool:
    """Byte by byte: a few of them may stand for gigabytes, and some may follow the end."""
    if not BROTLI:
        return False
    decoder, place = BROTLI.Decompressor(), 0
    try:
        with open(twin, "rb") as file:
            for byte in file.read():
                if decoder.is_finished():
                    return False
                part = decoder.process(bytes([byte]))
                if not data.startswith(part, place):
                    return False
                place += len(part)
    except (OSError, BROTLI.error):
        return False
    return bool(decoder.is_finished()) and place == len(data)


def _brotli(data: bytes) -> bytes:
    packed: bytes = BROTLI.compress(data, quality=11 if len(data) <= _LARGE else 9)
    return packed


def _known(former: str) -> dict[str, str]:
    """What the part before says in MADE; nothing if that is damaged."""
    try:
        return dict(read_json(os.path.join(former, MADE), {}))
    except ValueError:
        return {}


def _taken(former: str, name: str, data: bytes) -> bytes:
    """A .br of the part before; b"" if it is gone or damaged."""
    try:
        with open(os.path.join(former, "static", name), "rb") as file:
            packed = file.read()
        return packed if BROTLI.decompress(packed) == data else b""
    except (OSError, BROTLI.error):
        return b""


def _write(original: str, ending: str, packed: bytes, limit: int) -> bool:
    """Write a twin that is smaller than the limit, as old as its original; whether it was."""
    if len(packed) >= limit:
        return False
    with open(original + ending, "xb") as file:
        file.write(packed)
    found = os.stat(original)
    os.utime(original + ending, ns=(found.st_atime_ns, found.st_mtime_ns))
    return True
