"""A plain HTTP client for the suite: it connects to an address, speaks for a name, and sends what it is told to.

Browsers and the usual libraries tidy up a path or a header before they send it; attackers do not.
"""

from __future__ import annotations

import http.client
import json
import socket
import ssl
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

Headers = Mapping[str, str] | Sequence[tuple[str, str]]


class Answer(NamedTuple):
    """An answer as it came: header names in lower case, one entry for each line."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes
    source: str

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key == name.lower()]

    def get(self, name: str) -> str | None:
        """The only header of that name; two of them are a fault."""
        values = self.all(name)
        assert len(values) <= 1, f"{name} came {len(values)} times: {values}"
        return values[0] if values else None

    def json(self) -> Any:
        assert self.status == 200, f"{self.status}: {self.text[:200]}"
        return json.loads(self.body)

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace")


class _Connection(http.client.HTTPConnection):
    """A connection over a socket made elsewhere, which checks nothing of the path."""

    def __init__(self, sock: socket.socket) -> None:
        super().__init__("unused")
        self.sock = sock

    def _validate_path(self, url: str) -> None:
        pass

    def _encode_request(self, request: str) -> bytes:
        return request.encode("latin-1")


class Client:
    """Speaks to one port of one address for one name, with the trust that was given."""

    def __init__(self, address: str, port: int, name: str, trust: ssl.SSLContext | None) -> None:
        self.address, self.port, self.name, self.trust = address, port, name, trust

    def connect(self, timeout: float = 20, server_name: str | None = None) -> socket.socket:
        plain = socket.create_connection((self.address, self.port), timeout=timeout)
        if self.trust is None:
            return plain
        try:
            return self.trust.wrap_socket(plain, server_hostname=server_name or self.name)
        except BaseException:
            plain.close()
            raise

    def ask(
        self,
        path: str = "/",
        headers: Headers = (),
        *,
        method: str = "GET",
        body: bytes | None = None,
        name: str | None = None,
        timeout: float = 20,
    ) -> Answer:
        """One request on a connection of its own; `name` goes into Host in place of the client's, "" leaves it out."""
        with self.connect(timeout) as sock:
            connection = _Connection(sock)
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            if name != "":
                connection.putheader("Host", name or self.name)
            for key, value in headers.items() if isinstance(headers, Mapping) else headers:
                connection.putheader(key, value)
            if body is not None:
                connection.putheader("Content-Length", str(len(body)))
            connection.putheader("Connection", "close")
            connection.endheaders(body)
            return self._read(connection, sock)

    def send(self, raw: bytes, timeout: float = 20) -> Answer:
        """The answer to exactly these bytes."""
        with self.connect(timeout) as sock:
            sock.sendall(raw)
            return self._read(_Connection(sock), sock)

    @staticmethod
    def _read(connection: _Connection, sock: socket.socket) -> Answer:
        source = sock.getsockname()[0]
        answer = connection.response_class(sock, method=getattr(connection, "_method", None))
        answer.begin()
        headers = [(key.lower(), value) for key, value in answer.getheaders()]
        return Answer(answer.status, headers, answer.read(), source)


def resumed(
    web: Client, context: ssl.SSLContext, session: ssl.SSLSession | None
) -> tuple[bool | None, ssl.SSLSession | None]:
    """Whether a visit goes on with a session, and the one that it leaves."""
    plain = socket.create_connection((web.address, web.port), timeout=20)
    with context.wrap_socket(plain, server_hostname=web.name, session=session) as sock:
        # TLS 1.3 hands the session over after the handshake, before the answer.
        sock.sendall(f"GET /healthz HTTP/1.1\r\nHost: {web.name}\r\nConnection: close\r\n\r\n".encode())
        assert sock.recv(64).startswith(b"HTTP/1.1 200")
        return sock.session_reused, sock.session


def form(name: str, filename: str, content: bytes) -> tuple[dict[str, str], bytes]:
    """Headers and body of a form that sends one file."""
    boundary = "a-line-that-no-file-holds"
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"; filename="{filename}"\r\n'
    head += "Content-Type: application/octet-stream\r\n\r\n"
    tail = f"\r\n--{boundary}--\r\n"
    return {"Content-Type": f"multipart/form-data; boundary={boundary}"}, head.encode() + content + tail.encode()
