"""The login, against a server of the tests that speaks the same protocol by its own arithmetic."""

from __future__ import annotations

import hashlib
import socket
import ssl
import struct
from contextlib import AbstractContextManager, suppress
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from ansible_collections.web2py.deploy.plugins.module_utils import _login, _mysql
from ansible_collections.web2py.deploy.plugins.module_utils._login import Refused
from tests.unit.plugins.module_utils.logins import PASSWORDS, Listener, data, serving

NONCE = b"12345678abcdefghijkl"
OTHER = b"another nonce, of 20"


def error(code: int, words: str, state: str = "#28000") -> bytes:
    return b"\xff" + struct.pack("<H", code) + (state + words).encode()


def sha1(password: bytes, nonce: bytes) -> bytes:
    """By numbers instead of bytes."""
    one = hashlib.sha1(password, usedforsecurity=False).digest()
    two = hashlib.sha1(nonce + hashlib.sha1(one, usedforsecurity=False).digest(), usedforsecurity=False).digest()
    return (int.from_bytes(one, "big") ^ int.from_bytes(two, "big")).to_bytes(20, "big")


def sha256(password: bytes, nonce: bytes) -> bytes:
    one = hashlib.sha256(password).digest()
    two = hashlib.sha256(hashlib.sha256(one).digest() + nonce).digest()
    return (int.from_bytes(one, "big") ^ int.from_bytes(two, "big")).to_bytes(32, "big")


class Server(Listener):
    """MariaDB as far as a login goes; `way` names what it does."""

    def __init__(self, password: str, way: str, certificate: Path | None) -> None:
        self.password, self.way, self.certificate = password.encode(), way, certificate
        super().__init__()
        self.seen: list[tuple[str, str]] = []
        self.ended: list[bytes] = []

    def send(self, connection: socket.socket, number: int, body: bytes) -> None:
        connection.sendall(struct.pack("<I", len(body))[:3] + bytes([number]) + body)

    def received(self, connection: socket.socket, number: int) -> bytes:
        head = (
            connection.recv(4, socket.MSG_WAITALL) if not isinstance(connection, ssl.SSLSocket) else connection.recv(4)
        )
        if len(head) < 4:
            raise EOFError
        assert head[3] == number, "packets are counted"
        return connection.recv(head[0] | head[1] << 8)

    def greet(self, connection: socket.socket) -> None:
        capabilities = 0x1 | 0x8 | 0x200 | 0x2000 | 0x8000 | 0x80000 | (0x800 if self.certificate else 0)
        plugin = {"sha2": "caching_sha2_password", "sha2 full": "caching_sha2_password", "old": "ed25519"}.get(self.way)
        body = b"\x0a5.5.5-10.11.6-MariaDB\0" + struct.pack("<I", 7) + NONCE[:8] + b"\0"
        body += struct.pack("<HBHHB", capabilities & 0xFFFF, 45, 2, capabilities >> 16, 21) + b"\0" * 10
        body += NONCE[8:] + b"\0" + (plugin or "mysql_native_password").encode() + b"\0"
        self.send(connection, 0, body)

    def answer(self, connection: socket.socket) -> None:
        with suppress(OSError, EOFError):
            self.talk(connection)

    def talk(self, connection: socket.socket) -> None:
        if self.way == "noise":
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            return
        if self.way == "end":
            return
        if self.way == "closed":
            self.send(connection, 0, error(1130, "Host '10.0.0.1' is not allowed to connect", ""))
            return
        if self.way == "postgres":
            self.send(connection, 0, b"\x09" + b"x" * 60)
            return
        self.greet(connection)
        number, closed = 1, False
        if self.certificate:
            assert struct.unpack("<I", self.received(connection, 1)[:4])[0] & 0x800
            trust = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            trust.load_cert_chain(self.certificate)
            connection, number, closed = trust.wrap_socket(connection, server_side=True), 2, True
        self.log_in(connection, number, closed)

    def log_in(self, connection: socket.socket, number: int, closed: bool) -> None:
        body = self.received(connection, number)
        user, _zero, rest = body[32:].partition(b"\0")
        proof, rest = rest[1 : 1 + rest[0]], rest[1 + rest[0] :]
        database, plugin = rest.split(b"\0")[:2]
        self.seen.append((user.decode(), database.decode()))
        nonce, right = NONCE, sha1(self.password, NONCE)
        if self.way in ("switch", "old", "clear"):
            name = {"switch": b"caching_sha2_password", "old": b"client_ed25519", "clear": b"mysql_clear_password"}
            self.send(connection, number + 1, b"\xfe" + name[self.way] + b"\0" + OTHER + b"\0")
            proof, nonce, number = self.received(connection, number + 2), OTHER, number + 2
            right = sha256(self.password, nonce)
        elif self.way.startswith("sha2"):
            assert plugin == b"caching_sha2_password"
            right = sha256(self.password, nonce)
        if self.way == "sha2 full":
            self.send(connection, number + 1, b"\x01\x04")
            right, proof = self.password + b"\0", self.received(connection, number + 2)
            assert closed
            number += 2
        elif self.way in ("sha2", "switch"):
            self.send(connection, number + 1, b"\x01\x03")
            number += 1
        if self.way == "odd":
            self.send(connection, number + 1, b"\x07")
            return
        if proof != right:
            self.send(connection, number + 1, error(1045, "Access denied for user 'shop'"))
            return
        self.send(connection, number + 1, b"\0\0\0\2\0\0\0")
        self.ended.append(self.received(connection, 0))


def served(password: str, way: str = "", certificate: Path | None = None) -> AbstractContextManager[Server]:
    return serving(Server(password, way, certificate))


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key and its certificate for localhost."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(timezone.utc)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return path


@pytest.mark.parametrize("way", ["", "switch", "sha2"])
@pytest.mark.parametrize("password", PASSWORDS)
def test_who_knows_the_password_gets_in(password: str, way: str) -> None:
    with served(password, way) as server:
        assert _mysql.login(data(server.port), "a", password) == "10.11.6-MariaDB"
        assert _login.refusals(_mysql.login, data(server.port), password) == []
    assert server.seen == [("shop", "a"), ("shop", "a"), ("shop", "b")] and set(server.ended) == {b"\x01"}


@pytest.mark.parametrize("way", ["", "switch", "sha2"])
def test_all_databases_are_asked_for_and_no_password_is_told(way: str) -> None:
    with served("right", way) as server:
        found = _login.refusals(_mysql.login, data(server.port, type="mysql"), "wrong one")
    assert len(found) == 2 and all("user shop: it says: Access denied for user" in text for text in found)
    assert all("web2py_database_password" in text for text in found)
    assert not any("wrong one" in text for text in found)


@pytest.mark.parametrize(
    ("way", "words"),
    [
        ("old", "asks for the password by client_ed25519"),
        ("clear", "asks for the password by mysql_clear_password"),
        ("closed", "it says: Host '10.0.0.1' is not allowed"),
        ("noise", "it is no MariaDB or MySQL"),
        ("postgres", "it is no MariaDB or MySQL"),
        ("odd", "in no way that is known"),
        ("sha2 full", "it wants TLS for the password"),
        ("end", "it ends the connection"),
    ],
)
def test_a_server_that_is_not_right_is_told(way: str, words: str) -> None:
    with served("a password", way) as server, pytest.raises(Refused, match=words):
        _mysql.login(data(server.port), "a", "a password")


@pytest.mark.parametrize("way", ["", "sha2 full", "switch"])
def test_a_server_is_verified(certificate: Path, way: str) -> None:
    given = {"ssl_mode": "verify-full", "ca": str(certificate)}
    with served("a password", way, certificate) as server:
        assert _mysql.login(data(server.port, host="localhost", **given), "a", "a password")
        with pytest.raises(Refused, match="certificate is not trusted"):
            _mysql.login(data(server.port, **given), "a", "a password")
        assert _mysql.login(data(server.port, ssl_mode="require"), "a", "a password")
    assert len(server.seen) == 2


def test_a_server_without_tls_gets_no_password() -> None:
    with served("a password") as server, pytest.raises(Refused, match="it has no TLS"):
        _mysql.login(data(server.port, ssl_mode="require"), "a", "a password")
    assert server.seen == []


@pytest.mark.parametrize("body", [b"\x0a", b"\x0a8.0\0", b"\x0a8.0\0" + b"x" * 30, b"\x0b8.0\0" + b"x" * 60, b"\0"])
def test_broken_greetings_are_refused(body: bytes) -> None:
    with pytest.raises(Refused, match="it is no MariaDB"):
        _mysql.greeting(body)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"\xff", "an error without words"),
        (error(1, "é"), "é"),
        (error(1, "plain", ""), "plain"),
        (
            error(1049, "Unknown database 'a'", "#42000"),
            "Unknown database 'a'. Create the database on the server, and grant the user its privileges on it",
        ),
        (error(1040, "Too many connections", ""), "Too many connections. Raise max_connections of the server"),
    ],
)
def test_errors_are_told(body: bytes, words: str) -> None:
    assert _mysql.words_of(body) == words
