"""What both logins do before they speak their protocol."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.web2py.deploy.plugins.module_utils import _login, _mysql, _postgresql
from ansible_collections.web2py.deploy.plugins.module_utils._login import Refused, Unreached
from tests.unit.plugins.module_utils.logins import Listener, data, serving

LOGINS = pytest.mark.parametrize("login", [_mysql.login, _postgresql.login])


@LOGINS
def test_nobody_at_home_is_told(login: Callable[..., Any]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(Refused, match="it cannot be reached"):
        login(data(port), "a", "a password")


@LOGINS
def test_a_certificate_that_cannot_be_read_is_told(tmp_path: Path, login: Callable[..., Any]) -> None:
    with pytest.raises(Refused, match="cannot be read on the host"):
        login(data(1, ssl_mode="verify-full", ca=str(tmp_path / "none.pem")), "a", "a password")


class Deaf(Listener):
    """Promises TLS as PostgreSQL does, and then talks of something else."""

    def answer(self, connection: socket.socket) -> None:
        connection.recv(8)
        connection.sendall(b"S")
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")


def test_tls_that_fails_is_not_called_a_server_that_is_away() -> None:
    with serving(Deaf()) as server, pytest.raises(Refused, match="by TLS: .*Ask its keeper for TLS 1.2") as told:
        _postgresql.login(data(server.port, ssl_mode="require"), "a", "a password")
    assert not isinstance(told.value, Unreached)


@pytest.mark.parametrize(
    ("words", "told", "way_out"),
    [
        (
            {},
            ssl.SSLCertVerificationError(1, "x"),
            "web2py_database.ca, and the name it is for in web2py_database.host",
        ),
        ({"replica": True}, ssl.SSLCertVerificationError(1, "x"), "is for in web2py_database.replicas"),
        ({"group": {"host": "db"}}, ssl.SSLCertVerificationError(1, "x"), "Run web2py.deploy.site without --limit"),
        (
            {},
            socket.gaierror(-2, "Name or service not known"),
            "leads nowhere: Name or service .* web2py_database.host",
        ),
        ({"group": {"host": "db"}}, socket.gaierror(-2, "x"), "web2py_address of the hosts"),
        ({}, TimeoutError("timed out"), "cannot be reached: timed out. Start the server there"),
    ],
)
def test_what_to_do_is_what_can_be_done(words: dict[str, Any], told: OSError, way_out: str) -> None:
    """A group forbids what a server elsewhere is given."""
    if isinstance(told, ssl.SSLCertVerificationError):
        told.verify_message = "self-signed certificate"
    with pytest.raises(Refused, match=way_out), _login.in_words(data(1, **words)):
        raise told


@pytest.mark.parametrize(("group", "way_out"), [(None, "in web2py_database.ca"), ({"host": "db"}, "without --limit")])
def test_a_file_without_a_certificate_is_told(tmp_path: Path, group: Any, way_out: str) -> None:
    (tmp_path / "ca.pem").write_text("nothing of the kind\n")
    words = data(1, ssl_mode="verify-full", ca=str(tmp_path / "ca.pem"), group=group)
    with pytest.raises(Refused, match=f"there is no certificate in .*{way_out}"):
        _login.context(words)


def test_replicas_let_the_site_in_too_and_one_that_is_away_is_a_warning() -> None:
    asked = []

    def login(data: dict[str, Any], database: str, password: str) -> None:
        asked.append((data["host"], database))
        if data["host"] == "away":
            raise Unreached("it cannot be reached")
        if data["host"] == "wrong":
            raise Refused("it says: no")

    words = data(5432, replicas=["good", "away", "wrong"])
    found, away = _login.replicas(login, words, "a password")
    assert away == ["replica away:5432, database a, role shop: it cannot be reached"]
    assert found == [f"replica wrong:5432, database {name}, role shop: it says: no" for name in ("a", "b")]
    # Who is away is asked once.
    assert [row for row in asked if row[0] == "away"] == [("away", "a")] and ("good", "b") in asked
    assert _login.refusals(login, words, "a password") == []
    assert _login.replicas(login, {**words, "group": {"host": "db"}}, "a password") == ([], [])


def test_how_a_server_is_trusted() -> None:
    assert _login.context({"ssl_mode": "disable"}) is None
    found = _login.context({"ssl_mode": "require", "ca": None})
    assert found and found.verify_mode == ssl.CERT_NONE and not found.check_hostname
