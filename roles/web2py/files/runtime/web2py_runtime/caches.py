# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cached values in a store, in the words of web2py's cache.ram and cache.disk, which this takes the place of.

All processes and all hosts of a site see the same values. A cache is there for speed only: where the store is down,
every value is made anew, and what cannot be kept is given back as it is.
"""

from __future__ import annotations

import pickle
import re
import time
from collections.abc import Callable
from typing import Any

from web2py_runtime.stores import LOG, Down, Store

# As web2py's own.
DEFAULT_SECONDS = 300
# A value is kept for as long as who made it wants it, at least so long: others may take it for young enough.
LEAST_SECONDS = 3600
# A store that is down is not asked again for so long, by all requests of the process.
PAUSE_SECONDS = 2.0
_down: dict[str, float] = {}


class StoreCache:
    """cache(key, function, time_expire), as web2py's. `prefix` is the site's and the application's."""

    def __init__(self, store: Store, prefix: str) -> None:
        self.store, self.prefix = store, prefix
        self.storage: dict[str, Any] = {}
        self._generation: str | None = None

    def initialize(self) -> None:
        """web2py's pages on the cache ask for it."""

    def __call__(
        self,
        key: str,
        f: Callable[[], Any] | None,
        time_expire: float | None = DEFAULT_SECONDS,
        destroyer: Callable[[Any], Any] | None = None,
    ) -> Any:
        name = self._try(lambda: self._name(key))
        found = self._found(name) if name else None
        if f is None:
            if name:
                self._try(lambda: self.store.drop(name))
            if found and destroyer:
                destroyer(found[1])
            return None
        now = time.time()
        if found and (time_expire is None or found[0] > now - time_expire):
            return found[1]
        if found and destroyer:
            destroyer(found[1])
        value = f()
        if name:
            self._keep(name, key, value, time_expire)
        return value

    def increment(self, key: str, value: Any = 1) -> Any:
        """The kept value with `value` added, also where several do it at once. Without the store it is `value`."""

        def more(present: bytes | None) -> bytes:
            old = unpickled(present)
            return pickle.dumps((time.time(), old[1] + value if old else value), pickle.HIGHEST_PROTOCOL)

        done = self._try(lambda: unpickled(self.store.change(self._name(key), more, None)))
        return done[1] if done else value

    def clear(self, regex: str | None = None) -> None:
        """Forget the values whose keys match, all of the application's without a pattern, or where the store does not
        tell its keys."""
        if self.store.lists:
            self._try(lambda: self._clear(re.compile(regex) if regex else None))
        else:
            self._try(self._renew)

    def stats(self) -> dict[str, Any]:
        """What the server says of itself, empty where it does not answer."""
        return self._try(self.store.stats) or {}

    def _clear(self, pattern: re.Pattern[str] | None) -> None:
        begin = len(self.prefix) + 1
        for name in self.store.names(f"{self.prefix}:"):
            if pattern is None or pattern.match(name[begin:]):
                self.store.drop(name)

    def _renew(self) -> None:
        """Keys of before are asked for no more; the server forgets them by and by."""
        self._generation = str(time.time_ns())
        self.store.put(f"{self.prefix}:generation", self._generation.encode(), None)

    def _name(self, key: str) -> str:
        if self.store.lists:
            return f"{self.prefix}:{key}"
        if self._generation is None:
            kept = self.store.get(f"{self.prefix}:generation")
            if kept is None:
                # Lost with the server's memory: then all values are, and a new number cannot meet old ones.
                self._renew()
            else:
                self._generation = kept.decode()
        return f"{self.prefix}:{self._generation}:{key}"

    def _found(self, name: str) -> tuple[float, Any] | None:
        return unpickled(self._try(lambda: self.store.get(name)))

    def _keep(self, name: str, key: str, value: Any, time_expire: float | None) -> None:
        try:
            packed = pickle.dumps((time.time(), value), pickle.HIGHEST_PROTOCOL)
        except Exception as error:  # objects say it in many ways
            LOG.warning("%s cannot be cached outside of the process: %s", key, error)
            return
        seconds = None if time_expire is None else max(int(time_expire) + 1, LEAST_SECONDS)
        self._try(lambda: self.store.put(name, packed, seconds))

    def _try(self, work: Callable[[], Any]) -> Any:
        """What the work gives, None where the store is down or was a moment ago."""
        place = self.prefix
        if time.monotonic() < _down.get(place, 0):
            return None
        try:
            return work()
        except Down as error:
            LOG.error("nothing is cached for a moment: %s", error)
            _down[place] = time.monotonic() + PAUSE_SECONDS
            return None


def unpickled(value: bytes | None) -> tuple[float, Any] | None:
    """When and what was kept; None where it is nothing that this code of the application can read."""
    if value is None:
        return None
    try:
        when, what = pickle.loads(value)  # noqa: S301  only the site's own processes write there
        return float(when), what
    except Exception as error:  # a class that a new release has no more says it in many ways
        LOG.warning("a cached value cannot be read: %s", error)
        return None


def redirect(cache: Any, store: Store, prefix: str, name: str) -> StoreCache:
    """cache.ram and cache.disk are in the store from here on, and cache.redis or cache.memcache is another name."""
    shared = StoreCache(store, prefix)
    cache.ram = cache.disk = shared
    setattr(cache, {"memcached": "memcache"}.get(name, name), shared)
    return shared
