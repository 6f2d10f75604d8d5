# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask a server one question in its own protocol (uwsgi, FastCGI, SCGI or HTTP), over a unix socket or TCP.

Private to this collection.
"""

from __future__ import annotations

import socket
import struct
from urllib.parse import urlsplit

# What the health page says, with 503, of a site in maintenance: the server is well.
MAINTENANCE = "maintenance"


class Unanswered(Exception):
    """There was no good answer; the words say why."""


def variables(path: str, host: str) -> dict[str, str]:
    """A GET request as CGI tells it, which uwsgi, FastCGI and SCGI wrap up differently."""
    return {
        "CONTENT_LENGTH": "0",
        "REQUEST_METHOD": "GET",
        "REQUEST_URI": path,
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": "",
        "CONTENT_TYPE": "",
        "SERVER_PROTOCOL": "HTTP/1.0",
        "SERVER_NAME": host,
        "SERVER_PORT": "80",
        "HTTP_HOST": host,
        "REMOTE_ADDR": "127.0.0.1",
    }


def uwsgi_request(path: str, host: str) -> bytes:
    """A GET request as a uwsgi packet."""
    body = b""
    for key, value in variables(path, host).items():
        for text in (key.encode(), value.encode()):
            body += struct.pack("<H", len(text)) + text
    return struct.pack("<BHB", 0, len(body), 0) + body


def scgi_request(path: str, host: str) -> bytes:
    """A GET request as SCGI: one netstring of names and values."""
    values = {**variables(path, host), "SCGI": "1"}
    body = b"".join(f"{key}\0{value}\0".encode() for key, value in values.items())
    return f"{len(body)}:".encode() + body + b","


def fastcgi_request(path: str, host: str) -> bytes:
    """A GET request as FastCGI: its begin, its variables, and an empty body."""
    body = b"".join(
        struct.pack(">II", len(key) | 1 << 31, len(value) | 1 << 31) + key.encode() + value.encode()
        for key, value in variables(path, host).items()
    )
    begin, params, stdin, responder = 1, 4, 5, 1
    records = [(begin, struct.pack(">HB5x", responder, 0)), (params, body), (params, b""), (stdin, b"")]
    return b"".join(struct.pack(">BBHHBx", 1, kind, 1, len(text), 0) + text for kind, text in records)


def fastcgi_output(answer: bytes) -> bytes:
    """What the application wrote, out of the records of an answer."""
    output, stdout = b"", 6
    while len(answer) >= 8:
        _version, kind, _request, length, padding = struct.unpack(">BBHHBx", answer[:8])
        if kind == stdout:
            output += answer[8 : 8 + length]
        answer = answer[8 + length + padding :]
    return output


def http_request(path: str, host: str) -> bytes:
    """A GET request as HTTP/1.0, so that the end of the connection ends the answer."""
    return f"GET {path} HTTP/1.0\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode()


REQUESTS = {"uwsgi": uwsgi_request, "http": http_request, "fastcgi": fastcgi_request, "scgi": scgi_request}


def status_of(head: str) -> str:
    """Status line of an answer; as CGI has it, a header, or none for 200."""
    lines = head.splitlines()
    if lines and lines[0].startswith("HTTP/"):
        return lines[0]
    told = [line.partition(":")[2].strip() for line in lines if line.lower().startswith("status:")]
    return "HTTP/1.0 " + (told[0] if told else "200 OK")


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
    """Body of a good answer: 200, or that of a site in maintenance. Raises Unanswered with words that say why not."""
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
    if protocol == "fastcgi":
        answer = fastcgi_output(answer)
    head, _blank, body = answer.partition(b"\r\n\r\n")
    status = status_of(head.decode("latin-1"))
    text = body.decode("utf-8", "replace").strip()
    if not answer:
        raise Unanswered(f"{where}: the connection was closed without an answer")
    if status.split(" ")[1:2] != ["200"] and text != MAINTENANCE:
        raise Unanswered(f"{where}: {status}: {text[:300]}")
    return text
