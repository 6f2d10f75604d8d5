# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection: a login to MariaDB or MySQL with nothing but Python, for hosts with nothing installed.

It speaks as much of the protocol (version 10) as a login takes: TLS, and the two ways to prove a password that the
site's driver knows as well without further packages.
"""

from __future__ import annotations

import hashlib
import socket
import struct
from typing import Any, NamedTuple

from ansible_collections.web2py.deploy.plugins.module_utils._login import NO_TLS, Refused, context, in_words

_TLS = 0x800
_PLUGINS = 0x80000
# Long password, connect with a database, protocol 4.1, transactions, secure connection, plugins.
_CAPABILITIES = 0x1 | 0x8 | 0x200 | 0x2000 | 0x8000 | _PLUGINS
_UTF8MB4 = 45
_LONGEST = 1 << 16
NATIVE, SHA2 = "mysql_native_password", "caching_sha2_password"
_PORT = "Give the port of the server in web2py_database.port"
_WAYS = f"Ask its keeper for a user with a password by {NATIVE} or {SHA2}"
_CLOSED = "Use another web2py_database.ssl_mode than disable"
# What to do, by the server's number of an error.
_REMEDIES = {
    1040: "Raise max_connections of the server",
    1044: "Grant the user its privileges on the database",
    1045: "Give the user's own in web2py_database_password, or set that one on the server, for this host",
    1049: "Create the database on the server, and grant the user its privileges on it",
    1053: "Wait until the server is up and run again",
    1129: "Look what fails so often from this host, then let the server FLUSH HOSTS",
    1130: "Create the user on the server for this host, or for the network of the web hosts",
    1251: _WAYS,
    1524: _WAYS,
    1698: _WAYS,
    1820: "Set the user's password anew on the server",
    1862: "Set the user's password anew on the server",
    3118: "Unlock the user on the server",
    3159: _CLOSED,
    4151: "Unlock the user on the server",
}


class Greeting(NamedTuple):
    """What a server says first."""

    version: str
    nonce: bytes
    capabilities: int
    plugin: str


class Line:
    """Packets in both directions. Nothing is read ahead, so that TLS can begin in between."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.number = 0

    def _exactly(self, count: int) -> bytes:
        found = b""
        while len(found) < count:
            part = self.connection.recv(count - len(found))
            if not part:
                raise Refused("it ends the connection. Look in its log for the reason")
            found += part
        return found

    def received(self) -> bytes:
        head = self._exactly(4)
        length, self.number = int.from_bytes(head[:3], "little"), head[3] + 1
        if not 0 < length <= _LONGEST:
            raise Refused(f"it is no MariaDB or MySQL. {_PORT}")
        return self._exactly(length)

    def send(self, body: bytes) -> None:
        self.connection.sendall(len(body).to_bytes(3, "little") + bytes([self.number & 255]) + body)


def native(password: bytes, nonce: bytes) -> bytes:
    """The proof of a password for mysql_native_password: SHA-1 is the protocol's word."""

    def digest(data: bytes) -> bytes:
        return hashlib.sha1(data, usedforsecurity=False).digest()

    once = digest(password)
    return _mixed(once, digest(nonce + digest(once)))


def sha2(password: bytes, nonce: bytes) -> bytes:
    """The proof of a password for caching_sha2_password."""

    def digest(data: bytes) -> bytes:
        return hashlib.sha256(data).digest()

    once = digest(password)
    return _mixed(once, digest(digest(once) + nonce))


def _mixed(one: bytes, other: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(one, other))


PROOFS = {NATIVE: native, SHA2: sha2}


def greeting(body: bytes) -> Greeting:
    """Read what the server says first."""
    if body[0] == 0xFF:
        raise Refused(f"it says: {words_of(body)}")
    version, _zero, rest = body[1:].partition(b"\0")
    if body[0] != 10 or len(rest) < 31:
        raise Refused(f"it is no MariaDB or MySQL. {_PORT}")
    low, high = struct.unpack("<H", rest[13:15])[0], struct.unpack("<H", rest[18:20])[0]
    second, _zero, plugin = rest[31:].partition(b"\0")
    name = plugin.partition(b"\0")[0].decode(errors="replace")
    # MariaDB once hid behind a version that replicas of MySQL take.
    told = version.decode(errors="replace").removeprefix("5.5.5-")
    return Greeting(told, (rest[4:12] + second)[:20], low | high << 16, name or NATIVE)


def words_of(body: bytes) -> str:
    """The words of an error of the server, and what to do about it."""
    rest = body[3:]
    said = (rest[6:] if rest[:1] == b"#" else rest).decode(errors="replace") or "an error without words"
    remedy = _REMEDIES.get(int.from_bytes(body[1:3], "little"))
    return f"{said}. {remedy}" if remedy else said


def proof(plugin: str, password: str, nonce: bytes) -> bytes:
    """What proves the password in a server's way."""
    if plugin not in PROOFS:
        raise Refused(f"it asks for the password by {plugin}. {_WAYS}")
    return PROOFS[plugin](password.encode(), nonce)


def talk(line: Line, told: Greeting, user: str, database: str, password: str, closed: bool) -> None:
    """Log in after the greeting, in a line that TLS has closed or not."""
    plugin = told.plugin if told.plugin in PROOFS else NATIVE
    proven = proof(plugin, password, told.nonce)
    words = [user.encode() + b"\0", bytes([len(proven)]) + proven, database.encode() + b"\0", plugin.encode() + b"\0"]
    line.send(_head(closed) + b"".join(words))
    while True:
        body = line.received()
        if body[0] == 0xFF:
            raise Refused(f"it says: {words_of(body)}")
        if body[0] == 0:
            line.number = 0
            line.send(b"\x01")
            return
        if body[0] == 0xFE:
            name, _zero, nonce = body[1:].partition(b"\0")
            plugin = name.decode(errors="replace")
            line.send(proof(plugin, password, nonce[:20]))
        elif body == b"\x01\x04" and plugin == SHA2:
            if not closed:
                raise Refused(f"it wants TLS for the password. {_CLOSED}")
            line.send(password.encode() + b"\0")
        elif body != b"\x01\x03":
            raise Refused(f"it answers in no way that is known. {_WAYS}")


def _head(closed: bool) -> bytes:
    capabilities = _CAPABILITIES | (_TLS if closed else 0)
    return struct.pack("<IIB23x", capabilities, 1 << 24, _UTF8MB4)


def login(data: dict[str, Any], database: str, password: str, seconds: float = 10) -> str:
    """The version of a server that lets the site's account into a database; Refused says why it does not."""
    trust = context(data)
    with in_words(data), socket.create_connection((data["host"], data["port"]), seconds) as plain:
        line = Line(plain)
        told = greeting(line.received())
        if trust is None:
            talk(line, told, data["user"], database, password, closed=False)
            return told.version
        if not told.capabilities & _TLS:
            raise Refused(f"it has no TLS. {NO_TLS}")
        line.send(_head(closed=True))
        with trust.wrap_socket(plain, server_hostname=data["host"]) as closed:
            line.connection, line.number = closed, line.number + 1
            talk(line, told, data["user"], database, password, closed=True)
    return told.version
