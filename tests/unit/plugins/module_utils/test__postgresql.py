"""The login, against a server of the tests that speaks the same protocol by its own arithmetic."""

from __future__ import annotations

import base64
import hashlib
import hmac
import socket
import struct
from contextlib import AbstractContextManager
from typing import Any

import pytest

from ansible_collections.web2py.deploy.plugins.module_utils import _login, _postgresql
from ansible_collections.web2py.deploy.plugins.module_utils._login import Refused
from ansible_collections.web2py.deploy.plugins.module_utils._postgresql import Scram
from tests.unit.plugins.module_utils.logins import PASSWORDS, Listener, data, serving

SALT, ROUNDS = b"salt of a test", 4096


def packed(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!I", 4 + len(body)) + body


def sasl(code: int, body: bytes = b"") -> bytes:
    return packed(b"R", struct.pack("!I", code) + body)


class Server(Listener):
    """PostgreSQL as far as a login goes; `trouble` names what it does wrong."""

    def __init__(self, password: str, trouble: str = "") -> None:
        self.password, self.trouble = password, trouble
        super().__init__()
        self.started: list[bytes] = []

    def received(self, source: Any) -> bytes:
        source.read(1)
        (length,) = struct.unpack("!I", source.read(4))
        return bytes(source.read(length - 4))

    def answer(self, connection: socket.socket) -> None:
        with connection.makefile("rb") as source:
            self.talk(connection, source)

    def talk(self, connection: socket.socket, source: Any) -> None:
        (length,) = struct.unpack("!I", source.read(4))
        body = source.read(length - 4)
        self.started.append(body)
        if struct.unpack("!I", body[:4])[0] == 80877103:
            connection.sendall(b"N")
            return
        if self.trouble in ("noise", "end"):
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n" if self.trouble == "noise" else b"")
            return
        if self.trouble in ("trust", "md5"):
            connection.sendall(sasl(0 if self.trouble == "trust" else 5, b"salt") + packed(b"Z", b"I"))
            return
        connection.sendall(sasl(10, b"SCRAM-SHA-1\0\0" if self.trouble == "old" else b"SCRAM-SHA-256\0\0"))
        if self.trouble == "old":
            return
        first = self.received(source).split(b"\0", 1)[1][4:].decode()
        bare = first[3:]
        nonce = "another" if self.trouble == "nonce" else bare.split("r=")[1] + "server"
        rounds = 10**9 if self.trouble == "rounds" else ROUNDS
        told = f"r={nonce},s={base64.b64encode(SALT).decode()},i={rounds}"
        connection.sendall(sasl(11, told.encode()))
        if self.trouble in ("nonce", "rounds"):
            return
        final = self.received(source).decode()
        plain, proof = final.rsplit(",p=", 1)
        salted = hashlib.pbkdf2_hmac("sha256", self.password.encode(), SALT, ROUNDS)
        key = hmac.digest(salted, b"Client Key", "sha256")
        whole = f"{bare},{told},{plain}".encode()
        signed = hmac.digest(hashlib.sha256(key).digest(), whole, "sha256")
        if bytes(a ^ b for a, b in zip(base64.b64decode(proof), signed)) != key:
            connection.sendall(packed(b"E", b'SFATAL\0C28P01\0Mpassword authentication failed for user "shop"\0\0'))
            return
        server = hmac.digest(hmac.digest(salted, b"Server Key", "sha256"), whole, "sha256")
        proof = b"v=" + base64.b64encode(b"x" * 32 if self.trouble == "impostor" else server)
        connection.sendall(sasl(12, proof) + sasl(0))
        connection.sendall(packed(b"S", b"server_version\x0017.2\0") + packed(b"K", b"12345678") + packed(b"Z", b"I"))


def served(password: str, trouble: str = "") -> AbstractContextManager[Server]:
    return serving(Server(password, trouble))


@pytest.mark.parametrize("password", PASSWORDS)
def test_who_knows_the_password_gets_in(password: str) -> None:
    with served(password) as server:
        assert _postgresql.login(data(server.port), "a", password) == "17.2"
        assert b"user\0shop\0database\0a\0" in server.started[0]
        assert _login.refusals(_postgresql.login, data(server.port), password) == []


def test_all_databases_are_asked_for_and_no_password_is_told() -> None:
    with served("right") as server:
        found = _login.refusals(_postgresql.login, data(server.port), "wrong one")
        assert len(found) == 2 and all("it says: password authentication failed" in text for text in found)
        assert not any("wrong one" in text for text in found)


@pytest.mark.parametrize(
    ("trouble", "words"),
    [
        ("trust", "without a password"),
        ("md5", "in another way than scram-sha-256"),
        ("old", "it knows no SCRAM-SHA-256"),
        ("nonce", "in no SCRAM that can be trusted"),
        ("rounds", "in no SCRAM that can be trusted"),
        ("impostor", "does not know the password itself"),
        ("noise", "it is no PostgreSQL"),
        ("end", "it ends the connection"),
    ],
)
def test_a_server_that_is_not_right_is_told(trouble: str, words: str) -> None:
    with served("a password", trouble) as server, pytest.raises(Refused, match=words):
        _postgresql.login(data(server.port), "a", "a password")


def test_a_server_without_tls_gets_no_password() -> None:
    with served("a password") as server, pytest.raises(Refused, match="it has no TLS"):
        _postgresql.login(data(server.port, ssl_mode="require"), "a", "a password")


@pytest.mark.parametrize(
    "told", [b"", b"e=other", b"r=x", b"r=x,s=%%%,i=1", b"r=n,s=c2FsdA==,i=many", b"r=n,s=c2FsdA==,i=0"]
)
def test_broken_words_are_refused(told: bytes) -> None:
    with pytest.raises(Refused):
        Scram("a password", "n").final(told)
