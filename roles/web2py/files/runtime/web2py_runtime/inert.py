# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pickles read as data: sessions and tickets are pickles, and a pickle names programs that are run when it is read.

Here none is run. Whatever a pickle names becomes a mapping that does nothing, but for a few types of plain values.
"""

from __future__ import annotations

import datetime
import io
import pickle
from typing import Any

# More than any session or ticket has; a file that is larger is not read.
LARGEST = 64 << 20
# pickle's reader in Python: that in C can be told to ask for all the memory there is.
_Reader: Any = vars(pickle)["_Unpickler"]


class Unreadable(ValueError):
    """What was read is no pickle, or not all of it."""


class Inert(dict):  # type: ignore[type-arg]
    """What stands for an object of a type that is not known: it keeps what it holds as a mapping, and does nothing."""

    def __new__(cls, *_words: Any, **_options: Any) -> Inert:
        return dict.__new__(cls)

    def __init__(self, *_words: Any, **_options: Any) -> None:
        dict.__init__(self)

    def __hash__(self) -> int:  # type: ignore[override]
        return id(self)

    def __eq__(self, other: object) -> bool:
        return self is other

    def __setstate__(self, _state: Any) -> None:
        pass

    def append(self, _item: Any) -> None:
        pass

    def extend(self, _items: Any) -> None:
        pass

    add = append


def _text(text: str, _encoding: str = "latin-1") -> bytes:
    """How older protocols write bytes."""
    return text.encode("latin-1")


# By module and name. Each makes a plain value of its own type, whatever it is given.
_PLAIN: dict[tuple[str, str], Any] = {
    ("datetime", "date"): datetime.date,
    ("datetime", "datetime"): datetime.datetime,
    ("datetime", "time"): datetime.time,
    ("datetime", "timedelta"): datetime.timedelta,
    ("_codecs", "encode"): _text,
}


class _Inertly(_Reader):  # type: ignore[misc]
    def find_class(self, module: str, name: str) -> Any:
        return _PLAIN.get((module, name), Inert)

    def get_extension(self, code: int) -> None:
        # Numbers of a registry that this process does not have.
        self.append(Inert)

    def persistent_load(self, _number: Any) -> Inert:
        return Inert()


def loads(data: bytes) -> Any:
    """What a pickle holds. `Unreadable` where it is none, or was not written to its end."""
    source = io.BytesIO(data)
    try:
        found = _Inertly(source, encoding="utf-8", errors="replace").load()
    except Exception as error:  # anything may stand in a damaged file
        raise Unreadable(f"{type(error).__name__}: {error}") from None
    if source.read(1):
        raise Unreadable("more follows")
    return found
