# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values in Redis and memcached, in the few words that sessions and caches need.

A store that does not answer within a second is `Down`: nobody waits for it longer, and nobody waits twice.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

LOG = logging.getLogger("web2py.stores")
# For a connection, and for an answer.
SECONDS = 1.0
# memcached takes more seconds for a date.
_MONTH = 30 * 24 * 3600
# Others who change the same value at the same time.
_TRIES = 100


class Down(Exception):
    """The store does not answer, or refuses: it is stopped, out of reach, or full."""


def said(error: BaseException) -> str:
    """The words of an error, its name where it has none."""
    return str(error) or type(error).__name__


class Store(Protocol):
    """What sessions and caches ask of a store. `seconds` are how long a value is kept, None for ever."""

    # Whether `clear` finds keys by their beginning.
    lists: bool

    def get(self, key: str, seconds: int | None = None) -> bytes | None:
        """The value. With `seconds` it is kept for so long from now."""

    def put(self, key: str, value: bytes, seconds: int | None, there: bool | None = None) -> bool:
        """Keep a value; only where there is one already, or only where there is none. Whether it was kept."""

    def change(self, key: str, new: Callable[[bytes | None], bytes], seconds: int | None) -> bytes:
        """What `new` makes of the present value, none being lost when several do it at once."""

    def drop(self, key: str) -> bool:
        """Forget a value. Whether there was one."""

    def names(self, prefix: str) -> Iterator[str]:
        """Keys with this beginning."""

    def ask(self) -> None:
        """Raise Down where the store does not answer."""

    def stats(self) -> dict[str, Any]:
        """What the server says of itself."""


class RedisStore:
    """Values in Redis. `client` is a redis.Redis, `faults` are what it raises."""

    lists = True

    def __init__(self, client: Any, faults: tuple[type[BaseException], ...], clash: type[BaseException]) -> None:
        self.client, self.faults, self.clash = client, faults, clash

    def _do(self, work: Callable[[], Any]) -> Any:
        try:
            return work()
        except self.faults as error:
            raise Down(f"Redis: {error}") from error

    def get(self, key: str, seconds: int | None = None) -> bytes | None:
        found = self._do(lambda: self.client.getex(key, ex=seconds) if seconds else self.client.get(key))
        return None if found is None else bytes(found)

    def put(self, key: str, value: bytes, seconds: int | None, there: bool | None = None) -> bool:
        return bool(self._do(lambda: self.client.set(key, value, ex=seconds, nx=there is False, xx=there is True)))

    def change(self, key: str, new: Callable[[bytes | None], bytes], seconds: int | None) -> bytes:
        def once() -> bytes:
            with self.client.pipeline() as pipe:
                pipe.watch(key)
                value = new(pipe.get(key))
                pipe.multi()
                pipe.set(key, value, ex=seconds)
                pipe.execute()
                return value

        for _try in range(_TRIES):
            try:
                return bytes(self._do(once))
            except Down as error:
                if not isinstance(error.__cause__, self.clash):
                    raise
        raise Down("Redis: too many change the same value")

    def drop(self, key: str) -> bool:
        return bool(self._do(lambda: self.client.unlink(key)))

    def names(self, prefix: str) -> Iterator[str]:
        pattern = "".join(f"[{letter}]" if letter in "*?[]\\^-" else letter for letter in prefix) + "*"
        keys = self._do(lambda: list(self.client.scan_iter(match=pattern, count=1000)))
        return iter(sorted({key.decode("utf-8", "replace") for key in keys}))

    def ask(self) -> None:
        self._do(self.client.ping)

    def stats(self) -> dict[str, Any]:
        return dict(self._do(self.client.info))


class MemcachedStore:
    """Values in memcached. `clients` are pymemcache clients, one for each server; a key belongs to one of them."""

    lists = False

    def __init__(self, clients: list[Any], faults: tuple[type[BaseException], ...]) -> None:
        self.clients, self.faults = clients, faults

    def _do(self, key: str, work: Callable[[Any, str], Any]) -> Any:
        # Keys may not be long, nor hold spaces.
        digest = hashlib.sha256(key.encode()).hexdigest()
        client = self.clients[int(digest[:8], 16) % len(self.clients)]
        try:
            try:
                return work(client, digest)
            except (EOFError, ConnectionError):
                # A connection of before the server was started anew.
                return work(client, digest)
        except self.faults as error:
            raise Down(f"memcached: {said(error)}") from error

    @staticmethod
    def _until(seconds: int | None) -> int:
        # Its clock ticks in seconds: one more, so that no value goes too early.
        seconds = seconds + 1 if seconds else 0
        return int(time.time()) + seconds if seconds > _MONTH else seconds

    def get(self, key: str, seconds: int | None = None) -> bytes | None:
        def work(client: Any, digest: str) -> Any:
            found = client.get(digest)
            if found is not None and seconds:
                client.touch(digest, self._until(seconds), noreply=False)
            return found

        found = self._do(key, work)
        return None if found is None else bytes(found)

    def put(self, key: str, value: bytes, seconds: int | None, there: bool | None = None) -> bool:
        verb = {None: "set", True: "replace", False: "add"}[there]
        until = self._until(seconds)
        return bool(
            self._do(key, lambda client, digest: getattr(client, verb)(digest, value, expire=until, noreply=False))
        )

    def change(self, key: str, new: Callable[[bytes | None], bytes], seconds: int | None) -> bytes:
        until = self._until(seconds)

        def once(client: Any, digest: str) -> bytes | None:
            present, ticket = client.gets(digest)
            value = new(present)
            if present is None:
                done = client.add(digest, value, expire=until, noreply=False)
            else:
                done = client.cas(digest, value, ticket, expire=until, noreply=False)
            return value if done else None

        for _try in range(_TRIES):
            value = self._do(key, once)
            if value is not None:
                return bytes(value)
        raise Down("memcached: too many change the same value")

    def drop(self, key: str) -> bool:
        return bool(self._do(key, lambda client, digest: client.delete(digest, noreply=False)))

    def names(self, prefix: str) -> Iterator[str]:
        raise NotImplementedError("memcached does not tell its keys")

    def ask(self) -> None:
        for client in self.clients:
            self._ask(client)

    def _ask(self, client: Any) -> None:
        try:
            try:
                client.version()
            except (EOFError, ConnectionError):
                client.version()
        except self.faults as error:
            raise Down(f"memcached: {said(error)}") from error

    def stats(self) -> dict[str, Any]:
        told: dict[str, Any] = {}
        for client, number in zip(self.clients, itertools.count()):
            try:
                rows = client.stats()
            except self.faults as error:
                raise Down(f"memcached: {said(error)}") from error
            prefix = f"{number}." if len(self.clients) > 1 else ""
            told.update({prefix + (key.decode() if isinstance(key, bytes) else str(key)): rows[key] for key in rows})
        return told


def redis(place: Mapping[str, Any]) -> RedisStore:
    """The store at a place: {"socket": path}, or {"host", "port", "user", "password", "ca"}."""
    from redis import Redis
    from redis.backoff import NoBackoff
    from redis.exceptions import RedisError, WatchError
    from redis.retry import Retry

    words: dict[str, Any] = {"unix_socket_path": place["socket"]} if place.get("socket") else {}
    if not words:
        words = {"host": place["host"], "port": place["port"]}
        words.update({"ssl": True, "ssl_ca_certs": place["ca"]} if place.get("ca") else {})
    if place.get("password"):
        words.update(username=place.get("user") or None, password=place["password"])
    # Tried twice: a connection of before the server was started anew is no fault.
    words.update(socket_timeout=SECONDS, socket_connect_timeout=SECONDS, retry=Retry(NoBackoff(), 1), protocol=2)
    return RedisStore(Redis(**words), (RedisError, OSError), WatchError)


def memcached(place: Mapping[str, Any]) -> MemcachedStore:
    """The store at a place: {"servers": ["unix:/path" or "host:port", ...]}."""
    from pymemcache.client.base import PooledClient
    from pymemcache.exceptions import MemcacheError

    words = {"connect_timeout": SECONDS, "timeout": SECONDS, "no_delay": True}
    clients = [PooledClient(server, **words) for server in place["servers"]]
    return MemcachedStore(clients, (MemcacheError, OSError, EOFError))


KINDS: dict[str, Callable[[Mapping[str, Any]], Store]] = {"redis": redis, "memcached": memcached}
_made: dict[tuple[int, str, str], Store] = {}
_lock = threading.Lock()


def store(kind: str, place: Mapping[str, Any]) -> Store:
    """The store of this process at a place; connections are kept from request to request."""
    key = (os.getpid(), kind, repr(sorted(place.items())))
    with _lock:
        if key not in _made:
            _made[key] = KINDS[kind](place)
        return _made[key]


_read: dict[str, tuple[float, Any]] = {}


def at(beside: str, kind: str, use: str) -> tuple[Store, str]:
    """The store for a use and the short name of the site, as the settings in the folder of the file `beside` say.

    They are read anew when they have changed.
    """
    path = os.path.join(os.path.dirname(beside), f"{kind}.json")
    changed = os.stat(path).st_mtime
    if _read.get(path, (None,))[0] != changed:
        with open(path, encoding="utf-8") as stream:
            _read[path] = (changed, json.load(stream))
    told = _read[path][1]
    return store(kind, told["places"][use]), told["site"]
