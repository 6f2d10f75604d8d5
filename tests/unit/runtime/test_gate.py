"""The door of a site without a web server: whole requests, one by one, and nobody waits for who is slow."""

from __future__ import annotations

import asyncio
import datetime
import os
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from jinja2 import Environment
from web2py_runtime import gate as module
from web2py_runtime.front import Front
from web2py_runtime.gate import Child, Gate, inner_socket, kept, secured

from ansible_collections.web2py.deploy.plugins.module_utils._policy import policy

CHOICES = {"web2py_tls": {"provider": "self_signed"}, "web2py_hsts_seconds": 1, "web2py_static_seconds": 1}
ROOT = Path(__file__).parents[3]
HEAD = b"GET /a HTTP/1.1\r\nHost: www.example.org\r\n\r\n"
Server = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def front(https: int | None = None) -> Front:
    return Front(
        {
            "hosts": [{"name": "www.example.org", "aliases": [], "application": "shop"}],
            "ports": {"http": 0, "https": https},
            "limits": {
                "body_mb": 1,
                "methods": ["GET", "HEAD", "POST"],
                "connections_per_address": 2,
                "login_posts_per_minute": 9,
                "admin_posts_per_minute": 9,
                "client_seconds": 0.3,
                "request_seconds": 0.2,
            },
            "admin": {"mode": "disabled", "networks": []},
            "trusted_proxies": [],
            "policy": policy({**CHOICES, "web2py_compress_pages": False}, ["shop"], False),
            "pages": {"/400.html": "refused", "/502.html": "back soon", "/504.html": "too long", "/413.html": "large"},
        }
    )


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "GRACE_SECONDS", 0.2)
    monkeypatch.setattr(module, "PATIENCE_SECONDS", 0.2)


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """An application server that tells what it got, and closes as it was told."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = next((int(line[16:]) for line in head.split(b"\r\n") if line.startswith(b"Content-Length: ")), 0)
    body = await reader.readexactly(length)
    writer.write(b"HTTP/1.1 200 OK\r\nServer: echo/1.0\r\n\r\n" + head.partition(b"\r\n")[0] + b"|" + body[:9])
    await writer.drain()
    writer.close()


def played(folder: Path, story: Callable[[Gate, int], Awaitable[Any]], server: Server | None = echo) -> Any:
    """What comes of a story with an open gate before that server."""

    async def play() -> Any:
        path = str(folder / "inner")
        inner = await asyncio.start_unix_server(server, path) if server else None
        listener = socket.create_server(("127.0.0.1", 0))
        listener.setblocking(False)
        gate = Gate(front(), None, path)
        gate.open([listener])
        try:
            return await story(gate, listener.getsockname()[1])
        finally:
            gate.shut()
            if inner:
                inner.close()

    return asyncio.run(play())


async def asked(port: int, words: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(words)
    answer = await reader.read()
    writer.close()
    return answer


def answered(folder: Path, words: bytes, server: Server | None = echo) -> bytes:
    return bytes(played(folder, lambda _gate, port: asked(port, words), server))


def test_a_request_is_handed_over_and_its_answer_given(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    head, _blank, body = answered(tmp_path, HEAD.replace(b"/a", b"/a?key=secret")).partition(b"\r\n\r\n")
    assert body == b"GET /a?key=secret HTTP/1.1|"
    assert b"echo" not in head and b"X-Content-Type-Options: nosniff" in head
    assert capsys.readouterr().out == '127.0.0.1 "GET /a" 200\n'


def test_a_line_of_the_log_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    answered(tmp_path, b'GET /a\n192.0.2.9\x1b"\xff b HTTP/1.1\r\n\r\n')
    assert capsys.readouterr().out == '127.0.0.1 "GET /a\\n192.0.2.9\\x1b\\x22\\xff" 400\n'


def test_a_body_is_handed_over_and_nothing_after_it(tmp_path: Path) -> None:
    form = HEAD.replace(b"GET", b"POST")[:-2] + b"Content-Length: 300000\r\n\r\n"
    assert answered(tmp_path, form + b"x" * 300000 + HEAD).endswith(b"POST /a HTTP/1.1|xxxxxxxxx")


@pytest.mark.parametrize(
    "words, first",
    [
        (b"nonsense\r\n\r\n", b"HTTP/1.1 400 "),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * 70000, b"HTTP/1.1 431 "),
        (HEAD.replace(b"GET", b"POST")[:-2] + b"Content-Length: 1048577\r\n\r\n", b"HTTP/1.1 413 "),
        (HEAD.replace(b"GET", b"POST")[:-2] + b"Content-Length: 5\r\n\r\nhalf", b""),
        (HEAD[:20], b""),
        (b"", b""),
    ],
    ids=["nonsense", "huge", "large", "half a body", "half a head", "silent"],
)
def test_who_is_wrong_or_slow_is_refused(words: bytes, first: bytes, tmp_path: Path) -> None:
    answer = answered(tmp_path, words)
    assert answer.startswith(first) and bool(answer) is bool(first)


def test_a_head_alone_is_answered_by_a_head(tmp_path: Path) -> None:
    answer = answered(tmp_path, b"HEAD / HTTP/1.1\r\nHost: unknown.example\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 400 ") and answer.endswith(b"\r\n\r\n")


async def gone(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


async def hung(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(2)
    writer.close()


@pytest.mark.parametrize("server, status", [(None, b"502"), (gone, b"502"), (hung, b"504")])
def test_a_server_that_does_not_answer_is_spoken_for(server: Server | None, status: bytes, tmp_path: Path) -> None:
    answer = answered(tmp_path, HEAD, server)
    assert answer.startswith(b"HTTP/1.1 " + status) and b"Retry-After: 5" in answer


def test_an_address_has_its_share(tmp_path: Path) -> None:
    async def story(_gate: Gate, port: int) -> list[bytes]:
        return sorted([answer[9:12] for answer in await asyncio.gather(*(asked(port, HEAD) for _ in range(3)))])

    assert played(tmp_path, story, hung) == [b"429", b"504", b"504"]


def test_a_shut_gate_serves_who_is_inside_and_leaves_the_others(tmp_path: Path) -> None:
    async def story(gate: Gate, port: int) -> tuple[bytes, bool, bytes]:
        spare = gate.listeners[0].dup()
        silent = asyncio.create_task(asked(port, b""))
        begun = asyncio.create_task(asked(port, HEAD))
        await asyncio.sleep(0.05)
        gate.shut()
        outside = asyncio.create_task(asked(port, HEAD))
        empty = await gate.emptied(1)
        await silent
        gate.open([spare])
        return await begun, empty, await outside

    begun, empty, outside = played(tmp_path, story)
    assert begun.endswith(b"|") and outside.endswith(b"|") and empty


@pytest.fixture
def pair(tmp_path: Path) -> tuple[str, bytes]:
    """Path of a certificate, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "www.example.org")])
    now = datetime.datetime.now(datetime.timezone.utc)
    built = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + datetime.timedelta(1))
    (tmp_path / "certificate.pem").write_bytes(
        built.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    )
    words = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return str(tmp_path / "certificate.pem"), key.private_bytes(*words)


def test_tls_is_after_the_policy_and_for_known_names(pair: tuple[str, bytes]) -> None:
    context = secured(front(443), *pair)
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    names = {row["name"] for row in context.get_ciphers() if row["protocol"] != "TLSv1.3"}
    assert names == set(front().policy["tls"]["ciphers"])
    callback: Any = context.sni_callback
    assert callback(None, "WWW.example.org", context) is None
    for name in ("unknown.example", "", None):
        assert callback(None, name, context) == ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME


HANDSHAKE = """
import ssl, sys
server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
server.load_cert_chain(sys.argv[1])
client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
client.set_ecdh_curve(sys.argv[2])
there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
try:
    client.wrap_bio(back, there).do_handshake()
except ssl.SSLWantReadError:
    pass
try:
    server.wrap_bio(there, back, server_side=True).do_handshake()
except ssl.SSLWantReadError:
    print("agreed")
except ssl.SSLError:
    print("refused")
"""


@pytest.mark.parametrize(
    "curve, wanted",
    [
        ("X25519", "agreed"),
        ("prime256v1", "agreed"),
        ("secp384r1", "agreed"),
        ("X448", "refused"),
        ("secp521r1", "refused"),
    ],
)
def test_the_curves_are_those_of_the_policy(curve: str, wanted: str, pair: tuple[str, bytes], tmp_path: Path) -> None:
    """By the file that the role writes for the launcher."""
    template = ROOT / "roles/none/templates/etc/site/openssl.cnf.j2"
    words = {"ansible_managed": "", "none_site": {"policy": front().policy}}
    settings = Environment(autoescape=False)  # noqa: S701  no page
    settings.filters["comment"] = str
    (tmp_path / "openssl.cnf").write_text(settings.from_string(template.read_text()).render(words))
    both = tmp_path / "both.pem"
    both.write_bytes(Path(pair[0]).read_bytes() + pair[1])
    command = [sys.executable, "-c", HANDSHAKE, str(both), curve]
    environment = {**os.environ, "OPENSSL_CONF": str(tmp_path / "openssl.cnf")}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == wanted


@pytest.mark.parametrize(
    "word, steady, wanted", [("told", 99, 0), ("stuck", 99, 0), ("child", 99, 1), ("child", -1, 0), ("hung", 99, 1)]
)
def test_the_gate_and_its_child_end_together(
    word: str, steady: int, wanted: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A child that has served for a while is started anew; one that does not live takes the gate along.

    One with requests that do not end is not told so, but killed.
    """
    monkeypatch.setattr(module, "STEADY_SECONDS", steady)
    # What the child runs does not matter: a process that waits.
    execute = os.execv
    waiting = ('trap "" TERM; ' if word == "stuck" else "") + "exec sleep 60"
    monkeypatch.setattr(os, "execv", lambda *_words: execute("/bin/sh", ["sh", "-c", waiting]))

    async def emptied(_gate: Gate, _seconds: float) -> bool:
        return word != "stuck"

    monkeypatch.setattr(Gate, "emptied", emptied)

    async def story() -> tuple[int, int]:
        child = Child(inner_socket(str(tmp_path / "s")), [])
        child.launch()
        first, loop = child.number, asyncio.get_running_loop()
        if word == "child":
            loop.call_later(0.2, os.kill, first, signal.SIGKILL)
            loop.call_later(0.6, os.kill, os.getpid(), signal.SIGTERM)
        else:
            loop.call_later(0.2, os.kill, os.getpid(), signal.SIGABRT if word == "hung" else signal.SIGTERM)
        status = await kept(Gate(front(), None, str(tmp_path / "s")), child, [], 1)
        child.inner.close()
        return status, len({first, child.number})

    status, children = asyncio.run(story())
    assert (status, children) == (wanted, 2 if steady < 0 else 1)
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_without_systemd_there_is_no_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LISTEN_PID", "1")
    monkeypatch.setenv("LISTEN_FDS", "2")
    with pytest.raises(RuntimeError, match="No socket from systemd"):
        module.sockets()


def test_the_child_does_not_inherit_the_public_sockets(monkeypatch: pytest.MonkeyPatch) -> None:
    public = socket.create_server(("127.0.0.1", 0))
    public.set_inheritable(True)
    monkeypatch.setattr(module, "handed", lambda: [public.detach()])
    (found,) = module.sockets()
    with found:
        assert not found.get_inheritable() and found.gettimeout() == 0
