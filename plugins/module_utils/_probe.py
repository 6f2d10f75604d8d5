# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask a server one question in its own protocol (uwsgi or http), over a unix socket or TCP.

Private to this collection.
"""

from __future__ import annotations

import socket
import struct
from urllib.parse import urlsplit


class Unanswered(Exception):
    """There was no good answer; the words say why."""


def uwsgi_request(path: str, host: str) -> bytes:
    """A GET request as a uwsgi packet."""
    values = {
        "REQUEST_METHOD": "GET",
        "REQUEST_URI": path,
        "PATH_INFO": path,
        "QUERY_STRING": "",
        "CONTENT_TYPE": "",
        "CONTENT_LENGTH": "",
        "SERVER_PROTOCOL": "HTTP/1.0",
        "SERVER_NAME": host,
        "SERVER_PORT": "80",
        "HTTP_HOST": host,
        "REMOTE_ADDR": "127.0.0.1",
    }
    body = b""
    for key, value in values.items():
        for text in (key.encode(), value.encode()):
            body += struct.pack("<H", len(text)) + text
    return struct.pack("<BHB", 0, len(body), 0) + body


def http_request(path: str, host: str) -> bytes:
    """A GET request as HTTP/1.0, so that the end of the connection ends the answer."""
    return f"GET {path} HTTP/1.0\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode()


REQUESTS = {"uwsgi": uwsgi_request, "http": http_request}


def connect(address: str, timeout: float) -> socket.socket:
    """Connect to `unix:/path`, `host:port` or `[::1]:port`."""
    if address.startswith(("unix:", "/")):
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(timeout)
        try:
            connection.connect(address.removeprefix("unix:"))
        except OSError:
            connection.close()
            raise
        return connection
    parts = urlsplit(f"//{address}")
    if parts.hostname is None or parts.port is None:
        raise Unanswered(f"{address!r} is neither unix:/path nor host:port")
    return socket.create_connection((parts.hostname, parts.port), timeout)


def probe(protocol: str, address: str, path: str = "/healthz", host: str = "localhost", timeout: float = 5.0) -> str:
    """Body of the answer 200. Raises Unanswered with words that say what went wrong."""
    where = f"{protocol} {address} {path}"
    try:
        with connect(address, timeout) as connection:
            connection.settimeout(timeout)
            connection.sendall(REQUESTS[protocol](path, host))
            answer = b""
            while len(answer) < 65536:
                block = connection.recv(8192)
                if not block:
                    break
                answer += block
    except TimeoutError as exc:
        raise Unanswered(f"{where}: no answer within {timeout:g} s") from exc
    except OSError as exc:
        raise Unanswered(f"{where}: {exc.strerror or exc}") from exc
    head, _blank, body = answer.partition(b"\r\n\r\n")
    status = head.split(b"\r\n", 1)[0].decode("latin-1")
    text = body.decode("utf-8", "replace").strip()
    if not status:
        raise Unanswered(f"{where}: the connection was closed without an answer")
    if status.split(" ")[1:2] != ["200"]:
        raise Unanswered(f"{where}: {status}: {text[:300]}")
    return text
