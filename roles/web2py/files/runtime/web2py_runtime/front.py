# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What holds where no web server stands before the application server: the policy of the site, for the head of a
request and of an answer.

It takes bytes and gives bytes, and knows nothing of connections (gate.py) nor of web2py.
"""

from __future__ import annotations

import ipaddress
import os
import re
import stat
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from email.utils import formatdate
from http import HTTPStatus
from typing import Any, NamedTuple
from urllib.parse import quote_from_bytes, unquote_to_bytes

# Bytes of a line and of a head, and headers. The application servers take all that passes here and what is added.
LINE, HEAD, HEADERS = 8190, 32768, 980
KEPT_ADDRESSES = 10_000

# The parts of a head, without what ends its lines.
_REQUEST = re.compile(rb"([!-~]+) (/[!-~]*) HTTP/(1\.[01])")
_TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_HOST = re.compile(rb"([A-Za-z0-9.-]+)(?::[0-9]{1,5})?")
_BROKEN = re.compile(rb"%(?![0-9A-Fa-f]{2})|\\|#")
# What the next server is not told: matters of this connection, and what a client claims about itself.
_OWN = re.compile(
    rb"connection|keep-alive|proxy.*|te|trailer|upgrade|expect|host|content-length|forwarded|x-forwarded-.*|x-real-ip"
)
# What the application server does not tell the visitor.
_INNER = ("connection", "keep-alive", "server")


class Refused(Exception):
    """The request is answered here, with this status, and with these words instead of a page if there are some."""

    def __init__(self, status: int, location: str = "", words: bytes | None = None) -> None:
        super().__init__(status)
        self.status, self.location, self.words = status, location, words


class Request(NamedTuple):
    """A request that passes: its head for the application server, and what must be known to read and count it."""

    head: bytes
    client: str
    length: int
    expects: bool
    form: str


class Forms:
    """How many forms and other passwords an address may still send: so many a minute, no more at once."""

    def __init__(self, per_minute: int) -> None:
        self.per_minute = per_minute
        self.known: dict[str, tuple[float, float]] = {}

    def over(self, client: str, now: float) -> bool:
        """Whether this one is too many."""
        left, seen = self.known.pop(client, (float(self.per_minute), now))
        left = min(self.per_minute, left + (now - seen) * self.per_minute / 60)
        self.known[client] = (max(0.0, left - 1) if left >= 1 else left, now)
        # The one that was silent for longest is forgotten.
        if len(self.known) > KEPT_ADDRESSES:
            del self.known[next(iter(self.known))]
        return left < 1


def plain(address: str) -> str:
    """An address as IPv4 where it is one."""
    return address.removeprefix("::ffff:") if "." in address else address


def written(path: str) -> bytes | None:
    """What stands in a small file; None where there is none, but a link or something else."""
    try:
        with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NOFOLLOW | os.O_NONBLOCK)) as file:
            return file.read(LINE) if stat.S_ISREG(os.fstat(file.fileno()).st_mode) else None
    except OSError:
        return None


def normal(path: bytes) -> bytes:
    """A path decoded, without empty and dotted parts; ValueError when it leads out of the site or is none."""
    if _BROKEN.search(path):
        raise ValueError("broken")
    decoded = unquote_to_bytes(path)
    if b"\0" in decoded:
        raise ValueError("NUL")
    *folders, last = decoded.split(b"/")
    parts: list[bytes] = []
    for part in [*folders, last]:
        if part == b"..":
            if not parts:
                raise ValueError("above the top")
            parts.pop()
        elif part not in (b"", b"."):
            parts.append(part)
    end = b"/" if parts and last in (b"", b".", b"..") else b""
    return b"/" + b"/".join(parts) + end


class Front:
    """The policy of a site, by the settings that the role writes (`front.json`)."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self.settings, self.limits, self.policy = settings, settings["limits"], settings["policy"]
        self.https: int | None = settings["ports"]["https"]
        self.names = {alias: row["name"] for row in settings["hosts"] for alias in [row["name"], *row["aliases"]]}
        self.applications = {row["name"]: row["application"] for row in settings["hosts"]}
        self.closed, self.hidden, self.login = (
            re.compile(self.policy[word], re.IGNORECASE) for word in ("closed", "hidden", "login")
        )
        self.encoded_twice = re.compile(self.policy["encoded_twice"])
        self.password = re.compile(self.policy["password"].encode(), re.IGNORECASE)
        self.networks = [ipaddress.ip_network(network) for network in settings["admin"]["networks"]]
        self.trusted = [ipaddress.ip_network(network) for network in settings["trusted_proxies"]]
        self.forms = {word: Forms(self.limits[f"{word}_posts_per_minute"]) for word in ("login", "admin")}
        self.busy: Counter[str] = Counter()
        self.pages = {int(path[1:4]): text.encode() for path, text in settings["pages"].items()}

    def request(self, head: bytes, peer: str, port: int) -> Request:
        """What passes of a request on one of the two ports; Refused when it does not."""
        lines = head.removesuffix(b"\r\n\r\n").split(b"\r\n")
        found = _REQUEST.fullmatch(lines[0])
        if len(lines[0]) > LINE:
            raise Refused(414)
        if not found:
            raise Refused(400)
        method, target, version = found.groups()
        headers = self._headers(lines[1:])
        host = self._host(headers, port, target.decode())
        client = self._client(headers, plain(peer))
        length = self._length(headers)
        if method.decode() not in self.limits["methods"]:
            raise Refused(405)
        raw, mark, query = target.partition(b"?")
        try:
            path = normal(raw)
        except ValueError:
            raise Refused(400) from None
        words = path.decode("latin-1")
        form = self._form(words) if self._may_hold_a_password(method, headers, query) else ""
        self._open(words, client)
        if words[1:] in self.policy["top_files"]:
            path = f"/{self.applications[host]}/static{words}".encode()
        scheme = "https" if port == self.https else "http"
        told = {
            "Host": host,
            "X-Forwarded-For": client,
            "X-Forwarded-Proto": scheme,
            "X-Forwarded-Host": host,
            "X-Forwarded-Port": str(port),
            "X-Real-IP": client,
            "Connection": "close",
            **({"Content-Length": str(length)} if length is not None else {}),
        }
        kept = [name + b": " + value for name, value in headers if not _OWN.fullmatch(name.lower())]
        # Quoted anew, so that every server reads the same path out of it.
        first = b"%s %s HTTP/%s" % (method, quote_from_bytes(path, "/:@!$&'()*+,;=~").encode() + mark + query, version)
        new = [first, *(f"{name}: {value}".encode() for name, value in told.items()), *kept]
        expects = any(name.lower() == b"expect" and value.lower() == b"100-continue" for name, value in headers)
        return Request(b"\r\n".join([*new, b"", b""]), client, length or 0, expects, form)

    def _headers(self, lines: list[bytes]) -> list[tuple[bytes, bytes]]:
        headers = []
        for line in lines:
            if len(line) > LINE:
                raise Refused(431)
            name, colon, value = line.partition(b":")
            if not colon or not _TOKEN.fullmatch(name) or _CONTROL.search(value):
                raise Refused(400)
            # For a server in Python X_Real_IP and X-Real-IP are one.
            if b"_" not in name:
                headers.append((name, value.strip(b" \t")))
        if len(headers) > HEADERS:
            raise Refused(431)
        return headers

    def _host(self, headers: list[tuple[bytes, bytes]], port: int, target: str) -> str:
        """The canonical name that is asked for; who uses another way to it is led there."""
        hosts = [value for name, value in headers if name.lower() == b"host"]
        found = _HOST.fullmatch(hosts[0]) if len(hosts) == 1 else None
        name = found.group(1).decode().lower() if found else ""
        if name not in self.names:
            raise Refused(400)
        canonical = self.names[name]
        if self.https and port != self.https:
            self._challenge(target)
            raise Refused(301, f"https://{canonical}{target}")
        if name != canonical:
            raise Refused(301, f"{'https' if self.https else 'http'}://{canonical}{target}")
        return canonical

    def _challenge(self, target: str) -> None:
        """An ACME authority gets what it looks for, by plain http under every name of the site."""
        challenge = self.policy["challenge"]
        if challenge and target.startswith(challenge["path"]):
            token = target.removeprefix(challenge["path"])
            known = re.fullmatch(challenge["token"], token)
            words = written(f"{challenge['folder']}/{token}") if known else None
            raise Refused(404 if words is None else 200, words=words)

    def _client(self, headers: list[tuple[bytes, bytes]], peer: str) -> str:
        """The address of the visitor: the nearest one that is no proxy which the site trusts."""
        ways = b",".join(value for name, value in headers if name.lower() == b"x-forwarded-for").decode("latin-1")
        client = peer
        for word in reversed(ways.split(",")):
            if not _among(client, self.trusted):
                break
            try:
                client = plain(str(ipaddress.ip_address(word.strip())))
            except ValueError:
                break
        return client

    def _length(self, headers: list[tuple[bytes, bytes]]) -> int | None:
        """The length of the body that a head announces."""
        lengths = [value for name, value in headers if name.lower() == b"content-length"]
        if any(name.lower() == b"transfer-encoding" for name, _value in headers):
            raise Refused(400 if lengths else 411)
        if not lengths:
            return None
        if len(lengths) > 1 or not re.fullmatch(rb"[0-9]{1,18}", lengths[0]):
            raise Refused(400)
        if int(lengths[0]) > self.limits["body_mb"] * 1024 * 1024:
            raise Refused(413)
        return int(lengths[0])

    def _may_hold_a_password(self, method: bytes, headers: list[tuple[bytes, bytes]], query: bytes) -> bool:
        """web2py takes it from the body of any method but these, from JSON under these too, and from the query."""
        typed = any(name.lower() == b"content-type" and value for name, value in headers)
        return method not in (b"GET", b"HEAD") or typed or bool(self.password.search(query))

    def _form(self, path: str) -> str:
        """Which limit counts what is sent there."""
        return "admin" if self.closed.search(path) else "login" if self.login.search(path) else ""

    def _open(self, path: str, client: str) -> None:
        if self.encoded_twice.search(path) or self.hidden.search(path):
            raise Refused(404)
        if self.closed.search(path):
            if self.settings["admin"]["mode"] != "https":
                raise Refused(404)
            if not _among(client, self.networks):
                raise Refused(403)

    def enter(self, request: Request, now: float) -> None:
        """One more request of this address; Refused when it has its share already. Who passes is to `leave`."""
        if self.busy[request.client] >= self.limits["connections_per_address"]:
            raise Refused(429)
        if request.form and self.forms[request.form].over(request.client, now):
            raise Refused(429)
        self.busy[request.client] += 1

    def leave(self, request: Request) -> None:
        """The answer is taken."""
        self.busy[request.client] -= 1
        if self.busy[request.client] <= 0:
            del self.busy[request.client]

    def answer(self, head: bytes) -> tuple[int, bytes]:
        """Status and head of the application server's answer as the visitor gets it; ValueError when it is none."""
        first, *lines = head.removesuffix(b"\r\n\r\n").decode("latin-1").split("\r\n")
        found = re.fullmatch(r"HTTP/1\.[01] ([1-5][0-9][0-9])(?: .*)?", first)
        if not found:
            raise ValueError(first)
        status = int(found.group(1))
        rows = [(name, value.strip()) for name, _colon, value in (line.partition(":") for line in lines)]
        return status, self._head(status, rows, first, self.https is not None)

    def page(self, status: int, location: str = "", port: int = 0, words: bytes | None = None) -> tuple[bytes, bytes]:
        """Head and body of an answer of our own."""
        body = (self.pages.get(status) or self.pages.get(400, b"")) if words is None else words
        kind = "text/html; charset=utf-8" if words is None else "text/plain"
        rows = [("Content-Type", kind), ("Content-Length", str(len(body)))]
        rows += [("Location", location)] if location else []
        reason = HTTPStatus(status).phrase
        return self._head(status, rows, f"HTTP/1.1 {status} {reason}", port == self.https), body

    def _head(self, status: int, rows: list[tuple[str, str]], first: str, secure: bool) -> bytes:
        ours = self.policy["headers"] if secure or not self.https else {}
        unless = self.policy["headers_unless_set"] if secure or not self.https else {}
        dropped = {*_INNER, *(name.lower() for name in [*self.policy["headers_dropped"], *ours])}
        once = {name.lower() for name in unless}
        kept: list[tuple[str, str]] = []
        for name, value in rows:
            lower = name.lower()
            if lower not in dropped and not (lower in once and lower in {row[0].lower() for row in kept}):
                kept.append((name, value))
        there = {name.lower() for name, _value in kept}
        added = {"Date": formatdate(usegmt=True), **unless}
        if status in (502, 503, 504):
            added["Retry-After"] = str(self.policy["retry_after_seconds"])
        kept += [(name, value) for name, value in added.items() if name.lower() not in there]
        kept += [*ours.items(), ("Connection", "close")]
        return "\r\n".join([first, *(f"{name}: {value}" for name, value in kept), "", ""]).encode("latin-1")


def _among(address: str, networks: list[Any]) -> bool:
    with suppress(ValueError):
        return any(ipaddress.ip_address(address) in network for network in networks)
    return False
