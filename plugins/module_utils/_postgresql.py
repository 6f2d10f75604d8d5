# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection: a login to PostgreSQL with nothing but Python, for hosts with nothing installed.

It speaks as much of the protocol (version 3.0) as a login takes: TLS, SCRAM-SHA-256, and the server's word on it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import socket
import struct
import unicodedata
from collections.abc import Callable
from typing import Any

from ansible_collections.web2py.deploy.plugins.module_utils._login import NO_TLS, Refused, context, in_words

_PROTOCOL = 196608
_TLS = 80877103
_LONGEST = 1 << 16
_ROUNDS = 1_000_000
_SCRAM = "Ask its keeper for scram-sha-256 in pg_hba.conf, and to set the role's password anew by it"
_WHO = "Ask its keeper who answers there in its place"


class Scram:
    """The client's side of SCRAM-SHA-256 (RFC 7677) without channel binding."""

    def __init__(self, password: str, nonce: str = "") -> None:
        # What the server does with a password in Unicode, as far as it differs from it in practice.
        self.password = unicodedata.normalize("NFKC", password).encode()
        self.nonce = nonce or secrets.token_urlsafe(18)
        self.bare = f"n=,r={self.nonce}"
        self.signature = b""

    @property
    def first(self) -> bytes:
        return f"n,,{self.bare}".encode()

    def final(self, told: bytes) -> bytes:
        """The answer to the server's first message."""
        words = dict(part.split("=", 1) for part in told.decode().split(",") if "=" in part)
        try:
            nonce, salt, rounds = words["r"], base64.b64decode(words["s"]), int(words["i"])
        except (KeyError, ValueError):
            raise Refused(f"it answers in no SCRAM that is known. {_SCRAM}") from None
        if not nonce.startswith(self.nonce) or not 0 < rounds <= _ROUNDS:
            raise Refused(f"it answers in no SCRAM that can be trusted. {_WHO}")
        salted = hashlib.pbkdf2_hmac("sha256", self.password, salt, rounds)
        key = hmac.digest(salted, b"Client Key", "sha256")
        plain = f"c=biws,r={nonce}"
        whole = f"{self.bare},{told.decode()},{plain}".encode()
        proof = hmac.digest(hashlib.sha256(key).digest(), whole, "sha256")
        mixed = bytes(one ^ other for one, other in zip(key, proof))
        self.signature = hmac.digest(hmac.digest(salted, b"Server Key", "sha256"), whole, "sha256")
        return f"{plain},p={base64.b64encode(mixed).decode()}".encode()

    def accept(self, told: bytes) -> None:
        """The server knows the password too, or it is another server."""
        if not self.signature or told != b"v=" + base64.b64encode(self.signature):
            raise Refused(f"it does not know the password itself. {_WHO}")


def message(kind: bytes, body: bytes) -> bytes:
    """A message; the first one of a connection has no kind."""
    return kind + struct.pack("!I", len(body) + 4) + body


# What to do, by the server's code of an error.
_REMEDIES = {
    "28P01": "Give the role's own in web2py_database_password, or set that one on the server",
    "28000": "Let the role in from this host, encrypted, in the server's pg_hba.conf",
    "42501": "Grant the role CONNECT on the database",
    "3D000": "Create the database on the server, with the role as its owner",
    "53300": "Raise max_connections of the server",
    "57P03": "Wait until the server is up and run again",
}


def words_of(body: bytes) -> str:
    """The words of an error of the server."""
    fields = {part[:1]: part[1:].decode(errors="replace") for part in body.split(b"\0") if part}
    said = fields.get(b"M", "an error without words")
    remedy = _REMEDIES.get(fields.get(b"C", ""))
    return f"{said}. {remedy}" if remedy else said


def _exactly(source: Any, count: int) -> bytes:
    data = source.read(count)
    if len(data) != count:
        raise Refused("it ends the connection. Look in its log for the reason")
    return bytes(data)


def _received(source: Any) -> tuple[bytes, bytes]:
    kind = _exactly(source, 1)
    (length,) = struct.unpack("!I", _exactly(source, 4))
    if not 4 <= length <= _LONGEST:
        raise Refused("it is no PostgreSQL. Give the port of PostgreSQL in web2py_database.port")
    return kind, _exactly(source, length - 4)


def talk(source: Any, send: Callable[[bytes], object], user: str, database: str, password: str) -> str:
    """Log in over a connection; the version of the server."""
    pairs = f"user\0{user}\0database\0{database}\0application_name\0web2py.deploy\0\0"
    send(message(b"", struct.pack("!I", _PROTOCOL) + pairs.encode()))
    scram = Scram(password)
    version, proven = "", False
    while True:
        kind, body = _received(source)
        if kind == b"E":
            raise Refused(f"it says: {words_of(body)}")
        if kind == b"R":
            proven = _answer(scram, body, send) or proven
        elif kind == b"S" and body.startswith(b"server_version\0"):
            version = body.split(b"\0")[1].decode(errors="replace")
        elif kind == b"Z":
            if not proven:
                raise Refused(f"it lets the role in without a password. {_SCRAM}")
            send(message(b"X", b""))
            return version


def _answer(scram: Scram, body: bytes, send: Callable[[bytes], object]) -> bool:
    """Answer one word of the server on the way to log in; True when it has proven itself."""
    (code,), rest = struct.unpack("!I", body[:4]), body[4:]
    if code == 10:
        if b"SCRAM-SHA-256" not in rest.split(b"\0"):
            raise Refused(f"it knows no SCRAM-SHA-256. {_SCRAM}")
        first = scram.first
        send(message(b"p", b"SCRAM-SHA-256\0" + struct.pack("!I", len(first)) + first))
    elif code == 11:
        send(message(b"p", scram.final(rest)))
    elif code == 12:
        scram.accept(rest)
        return True
    elif code != 0:
        raise Refused(f"it asks for the password in another way than scram-sha-256. {_SCRAM}")
    return False


def login(data: dict[str, Any], database: str, password: str, seconds: float = 10) -> str:
    """The version of a server that lets the site's role into a database; Refused says why it does not."""
    trust = context(data)
    with in_words(data), socket.create_connection((data["host"], data["port"]), seconds) as plain:
        if trust is None:
            with plain.makefile("rb") as source:
                return talk(source, plain.sendall, data["user"], database, password)
        plain.sendall(message(b"", struct.pack("!I", _TLS)))
        if plain.recv(1) != b"S":
            raise Refused(f"it has no TLS. {NO_TLS}")
        with trust.wrap_socket(plain, server_hostname=data["host"]) as closed, closed.makefile("rb") as source:
            return talk(source, closed.sendall, data["user"], database, password)
