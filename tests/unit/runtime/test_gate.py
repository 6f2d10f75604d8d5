"""The door of a site without a web server: whole requests, one by one, and nobody waits for who is slow."""

from __future__ import annotations

import asyncio
import datetime
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from socketserver import TCPServer
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from jinja2 import Environment
from web2py_runtime import files
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


def played(
    folder: Path,
    story: Callable[[Gate, int], Awaitable[Any]],
    server: Server | None = echo,
    pair: tuple[str, bytes] | None = None,
) -> Any:
    """What comes of a story with an open gate before that server, with TLS where a certificate and key are given."""

    async def play() -> Any:
        path = str(folder / "inner")
        inner = await asyncio.start_unix_server(server, path) if server else None
        listener = socket.create_server(("127.0.0.1", 0))
        # The megabytes of the loopback would hide who takes slowly.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 14)
        listener.setblocking(False)
        port = listener.getsockname()[1]
        site = front(port if pair else None)
        gate = Gate(site, secured(site, *pair) if pair else None, path)
        gate.open([listener])
        try:
            return await story(gate, port)
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


def visitor(port: int, secure: bool, words: bytes = HEAD) -> socket.socket:
    """Somebody who has said that, and takes nothing but what is read on purpose."""
    plain = socket.socket()
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 14)
    plain.connect(("127.0.0.1", port))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    made = context.wrap_socket(plain, server_hostname="www.example.org") if secure else plain
    made.sendall(words)
    return made


def large(size: int) -> Server:
    """An application server with an answer of that many bytes."""

    async def server(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * size)
        with suppress(OSError):
            await writer.drain()
        writer.close()

    return server


@pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])
@pytest.mark.parametrize("size, seconds", [(600_000, 1), (3_000_000, 2)])
def test_who_takes_slowly_gets_all(
    size: int, seconds: float, secure: bool, pair: tuple[str, bytes], tmp_path: Path
) -> None:
    def taken(port: int) -> int:
        got = 0
        with visitor(port, secure) as slow:
            while block := slow.recv(1 << 14):
                got += len(block.rpartition(b"\r\n\r\n")[2])
                time.sleep(seconds * len(block) / size)
        return got

    async def story(_gate: Gate, port: int) -> int:
        return await asyncio.to_thread(taken, port)

    assert played(tmp_path, story, large(size), pair if secure else None) == size


@pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])
@pytest.mark.parametrize("size", [160_000, 900_000])
def test_an_answer_counts_until_it_is_taken(size: int, secure: bool, pair: tuple[str, bytes], tmp_path: Path) -> None:
    async def story(gate: Gate, port: int) -> tuple[bytes, dict[str, int]]:
        held = []
        for _ in range(3):
            held.append(await asyncio.to_thread(visitor, port, secure))
            first = await asyncio.to_thread(held[-1].recv, 12)
            # Time for the rest of the answer to get as far as it does.
            await asyncio.sleep(0.1)
        counted = dict(gate.front.busy)
        for one in held:
            one.close()
        await asyncio.wait(set(gate.guests), timeout=5)
        assert not gate.guests and not gate.front.busy
        return first, counted

    assert played(tmp_path, story, large(size), pair if secure else None) == (b"HTTP/1.1 429", {"127.0.0.1": 2})


@pytest.mark.parametrize("words", [b"", b"nonsense\r\n\r\n"], ids=["silent", "refused"])
def test_who_never_says_goodbye_keeps_no_place(words: bytes, pair: tuple[str, bytes], tmp_path: Path) -> None:
    async def story(gate: Gate, port: int) -> bool:
        with await asyncio.to_thread(visitor, port, True, words):
            await asyncio.sleep(0.05)
            return await gate.emptied(3)

    assert played(tmp_path, story, echo, pair)


class Rude(WSGIServer):
    """A server that hangs up when it has answered, whatever it was sent."""

    address_family = socket.AF_UNIX

    def server_bind(self) -> None:
        TCPServer.server_bind(self)
        self.server_name, self.server_port = "localhost", 80
        self.setup_environ()

    def get_request(self) -> tuple[socket.socket, tuple[str, int]]:
        return self.socket.accept()[0], ("127.0.0.1", 0)


class Quiet(WSGIRequestHandler):
    def address_string(self) -> str:
        return ""

    def log_message(self, *_arguments: Any) -> None:
        pass


@pytest.mark.parametrize("path, status", [("/shop/static/shop.css", b"405"), ("/closed", b"403")])
def test_an_answer_comes_though_the_application_reads_no_body(path: str, status: bytes, tmp_path: Path) -> None:
    """Whoever hangs up with something unread takes the answer along."""
    page = b"no" * 1500

    def application(_environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("403 Forbidden", [("Content-Type", "text/html"), ("Content-Length", str(len(page)))])
        return [page]

    static = tmp_path / "applications/shop/static"
    static.mkdir(parents=True)
    (static / "shop.css").write_text("p {}")
    settings = {"policy": front().policy, "applications": ["shop"], "pages": {"/405.html": page.decode()}}
    form = HEAD.replace(b"GET /a", b"POST " + path.encode())[:-2] + b"Content-Length: 1048576\r\n\r\n"

    async def story(_gate: Gate, port: int) -> set[tuple[bytes, bool]]:
        answers = [await asked(port, form + b"x" * 1048576) for _ in range(20)]
        return {(answer[9:12], answer.endswith(b"\r\n\r\n" + page)) for answer in answers}

    with Rude(str(tmp_path / "inner"), Quiet) as server:  # type: ignore[arg-type]
        server.set_app(files.fronted(application, settings, str(tmp_path)))
        threading.Thread(target=server.serve_forever, args=(0.05,)).start()
        try:
            assert played(tmp_path, story, None) == {(status, True)}
        finally:
            server.shutdown()


def test_tls_is_after_the_policy_and_for_known_names(pair: tuple[str, bytes]) -> None:
    context = secured(front(443), *pair)
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    names = {row["name"] for row in context.get_ciphers() if row["protocol"] != "TLSv1.3"}
    assert names == set(front().policy["tls"]["ciphers"])
    callback: Any = context.sni_callback
    assert callback(None, "WWW.example.org", context) is None
    for name in ("unknown.example", "", None):
        assert callback(None, name, context) == ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME


STARTED = """
import os, runpy, sys
os.dup2(int(sys.argv.pop(1)), 3)
os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()))
runpy.run_module("web2py_runtime.gate", run_name="__main__")
"""


def test_without_its_key_the_gate_does_not_open(pair: tuple[str, bytes], tmp_path: Path) -> None:
    """Rather than speak plain http on the port of https."""
    settings = {**front(443).settings, "certificate": pair[0], "inner": str(tmp_path / "inner")}
    (tmp_path / "front.json").write_text(json.dumps(settings))
    with socket.create_server(("127.0.0.1", 0)) as public:
        words = [str(public.fileno()), str(tmp_path / "front.json"), "rocket", "--mercy-seconds", "1"]
        done = subprocess.run(
            [sys.executable, "-c", STARTED, *words],
            env={**os.environ, "PYTHONPATH": str(ROOT / "roles/web2py/files/runtime")},
            pass_fds=[public.fileno()],
            input=b"",
            capture_output=True,
            timeout=20,
            check=False,
        )
    assert done.returncode == 1 and b"ssl.SSLError" in done.stderr


HELLO = """
import ssl
client, there = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), ssl.MemoryBIO()
client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
try:
    client.wrap_bio(ssl.MemoryBIO(), there).do_handshake()
except ssl.SSLWantReadError:
    print(there.read().hex())
"""
ANSWER = """
import ssl, sys
server, there = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.MemoryBIO()
server.load_cert_chain(sys.argv[1])
there.write(bytes.fromhex(sys.argv[2]))
try:
    server.wrap_bio(there, ssl.MemoryBIO(), server_side=True).do_handshake()
except ssl.SSLWantReadError:
    print("agreed")
except ssl.SSLError:
    print("refused")
"""
# A client that knows one curve: not every Python can be told so by itself.
KNOWS = "openssl_conf = main\n[main]\nssl_conf = ssl\n[ssl]\nsystem_default = client\n[client]\nGroups = {}\n"


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
    (tmp_path / "client.cnf").write_text(KNOWS.format(curve))

    def said(settings: str, *words: str) -> str:
        command = [sys.executable, "-c", *words]
        environment = {**os.environ, "OPENSSL_CONF": str(tmp_path / settings)}
        return subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()

    assert said("openssl.cnf", ANSWER, str(both), said("client.cnf", HELLO)) == wanted


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
