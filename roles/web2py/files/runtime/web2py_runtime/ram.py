# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""web2py's cache.ram within a bound: what was not asked for longest makes room.

web2py's own keeps every value for as long as the process lives, expired or not. Values are kept as they are, as there:
a live object, not a copy of it.
"""

from __future__ import annotations

import re
import sys
import threading
import time
import types
from collections import OrderedDict, deque
from collections.abc import Callable
from functools import lru_cache
from typing import Any

# As web2py's own.
DEFAULT_SECONDS = 300
# What a kept value costs beside itself: its row in two dictionaries, the pair with its time.
ROW_BYTES = 300
# Of the process and not of a value that leads to them.
_SHARED = (
    type, types.ModuleType, types.FunctionType, types.BuiltinFunctionType, types.MethodType, types.CodeType,
    types.FrameType, type(threading.Lock()),
)  # fmt: skip
_PLAIN = frozenset({str, bytes, bytearray, int, float, complex, bool, type(None)})
# Of the database layer: rows are values, while connections, tables and fields belong to the process.
_ROWS = ("Row", "Rows", "BasicRows", "IterRows")


def size(value: Any, most: int) -> int:
    """About how many bytes a value takes with all that it leads to; not exact above `most`, where it stops to look."""
    total, seen, waiting = 0, set[int](), [value]
    while waiting and total <= most:
        each = waiting.pop()
        number, kind = id(each), type(each)
        if number in seen:
            continue
        seen.add(number)
        if kind in _PLAIN:
            total += sys.getsizeof(each)
        elif kind is dict:
            total += sys.getsizeof(each)
            waiting += each
            waiting += each.values()
        elif kind is list or kind is tuple:
            total += sys.getsizeof(each)
            waiting += each
        elif not isinstance(each, _SHARED):
            total += sys.getsizeof(each, 64)
            if isinstance(each, dict):
                waiting += dict.keys(each)
                waiting += dict.values(each)
            elif isinstance(each, (list, tuple, set, frozenset, deque)):
                waiting.extend(each)
            waiting += _own(each, kind)
    return total


def _own(value: Any, kind: type) -> list[Any]:
    """What an object holds by its attributes."""
    if kind.__module__.partition(".")[0] == "pydal" and kind.__name__ not in _ROWS:
        return []
    found = []
    try:
        found.append(object.__getattribute__(value, "__dict__"))
    except AttributeError:
        pass
    for slot in _slots(kind):
        try:
            found.append(slot.__get__(value, kind))
        except AttributeError:
            continue
    return found


@lru_cache(1000)
def _slots(kind: type) -> tuple[types.MemberDescriptorType, ...]:
    return tuple(
        word for base in kind.__mro__ for word in vars(base).values() if isinstance(word, types.MemberDescriptorType)
    )


class BoundedRam:
    """cache(key, function, time_expire), as web2py's CacheInRam, of one application in one process."""

    def __init__(self, application: str, most: int) -> None:
        self.most, self.used = most, 0
        self.counts = {"hit_total": 0, "misses": 0, "evicted": 0}
        # As web2py's own: its pages on the cache look into both.
        self.stats = {application: self.counts}
        self.storage: OrderedDict[Any, tuple[float, Any]] = OrderedDict()
        self._sizes: dict[Any, int] = {}
        self._lock = threading.RLock()

    def initialize(self) -> None:
        """web2py's pages on the cache ask for it."""

    def __call__(
        self,
        key: Any,
        f: Callable[[], Any] | None,
        time_expire: float | None = DEFAULT_SECONDS,
        destroyer: Callable[[Any], Any] | None = None,
    ) -> Any:
        now = time.time()
        with self._lock:
            self.counts["hit_total"] += 1
            found = self.storage.get(key)
            if found is not None:
                if f is None:
                    self._drop(key)
                else:
                    self.storage.move_to_end(key)
        if f is None:
            if found is not None and destroyer:
                destroyer(found[1])
            return None
        if found is not None and (time_expire is None or found[0] > now - time_expire):
            return found[1]
        if found is not None and destroyer:
            destroyer(found[1])
        # Outside of the lock: it may take long, or ask for other values.
        value = f()
        taken = self._taken(key, value)
        with self._lock:
            self.counts["misses"] += 1
            self._keep(key, now, value, taken)
        return value

    def increment(self, key: Any, value: Any = 1) -> Any:
        """The kept value with `value` added, also where several threads do it at once."""
        with self._lock:
            found = self.storage.get(key)
            if found is not None:
                value = found[1] + value
            self._keep(key, time.time(), value, self._taken(key, value))
            return value

    def clear(self, regex: str | None = None) -> None:
        """Forget the values whose keys match, all of the application's without a pattern."""
        pattern = None if regex is None else re.compile(regex)
        with self._lock:
            for key in list(self.storage):
                if pattern is None or pattern.match(str(key)):
                    self._drop(key)

    def _taken(self, key: Any, value: Any) -> int:
        return ROW_BYTES + size(key, self.most) + size(value, self.most)

    def _drop(self, key: Any) -> None:
        del self.storage[key]
        self.used -= self._sizes.pop(key)

    def _keep(self, key: Any, now: float, value: Any, taken: int) -> None:
        if key in self.storage:
            self._drop(key)
        if taken > self.most:
            # All others would have to go for it, and it would be the next to go.
            self.counts["evicted"] += 1
            return
        self.storage[key] = now, value
        self._sizes[key] = taken
        self.used += taken
        while self.used > self.most:
            self._drop(next(iter(self.storage)))
            self.counts["evicted"] += 1


_caches: dict[str, BoundedRam] = {}
_making = threading.Lock()


def bounded(application: str, most: int) -> BoundedRam:
    """The cache of an application in this process."""
    with _making:
        if application not in _caches:
            _caches[application] = BoundedRam(application, most)
        return _caches[application]
