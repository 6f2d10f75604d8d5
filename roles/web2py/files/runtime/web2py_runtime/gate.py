# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The public door of a site that has no web server: TLS, patience and limits before the application server.

It takes systemd's sockets of the public ports, starts the launcher (serve.py) as its child on a socket of its own, and
hands over requests one by one when they are whole, each on a connection of its own; so nobody who sends or takes slowly
holds a thread of the server. What may pass is front.py's to say. The key of the certificate comes by standard input
from systemd, and stays in this process: the child, in which the applications run, cannot read it.

python -m web2py_runtime.gate /etc/SITE/front.json rocket --workers 20 --request-seconds 60 --mercy-seconds 8
"""

from __future__ import annotations

import asyncio
import ctypes
import errno
import json
import os
import signal
import socket
import ssl
import sys
import tempfile
from contextlib import ExitStack, suppress
from pathlib import Path
from time import monotonic
from typing import Any, BinaryIO

from web2py_runtime.door import FIRST, handed
from web2py_runtime.front import HEAD, Front, Refused, Request
from web2py_runtime.serve import tell

BLOCK, BODY_IN_MEMORY, ANSWER_IN_MEMORY = 1 << 16, 1 << 18, 1 << 17
# Guests at a time; the others wait in systemd's socket. Each needs two descriptors, or three.
ROOM = 2000
# Bytes a second of the slowest visitor that is worth waiting for.
SLOWEST = 4096
# Beyond the time that a request may take, after which the server ends it itself.
PATIENCE_SECONDS = 8
# For guests that have come but said nothing yet, when the process ends.
GRACE_SECONDS = 2
# A child that ends sooner has never served.
STEADY_SECONDS = 5
PR_SET_DUMPABLE = 4


def sockets() -> list[socket.socket]:
    """The public sockets, from systemd."""
    found = [socket.socket(fileno=descriptor) for descriptor in handed()]
    for listener in found:
        listener.setblocking(False)
        # The public's is not for the child.
        listener.set_inheritable(False)
    return found


def secured(front: Front, certificate: str, key: bytes) -> ssl.SSLContext:
    """TLS after the site's policy. Who asks for a name that is not the site's gets no certificate."""
    tls = front.policy["tls"]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion[tls["protocols"][0].replace(".", "_")]
    context.set_ciphers(":".join(tls["ciphers"]))
    context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(["http/1.1"])
    # The library wants a file. This one is in memory, without a name, and gone at once.
    with open(os.memfd_create("key", os.MFD_CLOEXEC), "wb") as file:
        file.write(key)
        file.flush()
        context.load_cert_chain(certificate, f"/proc/self/fd/{file.fileno()}")

    def named(_connection: Any, name: str | None, _context: ssl.SSLContext) -> int | None:
        return None if name and name.lower() in front.names else ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME

    context.sni_callback = named
    return context


def inner_socket(path: str) -> socket.socket:
    """Where the application server hears the gate. What waits in it outlives the server."""
    with suppress(FileNotFoundError):
        os.unlink(path)
    inner = socket.socket(socket.AF_UNIX)
    inner.bind(path)
    os.chmod(path, 0o660)
    inner.listen(4096)
    return inner


class Child:
    """The application server, started anew when it ends."""

    def __init__(self, inner: socket.socket, arguments: list[str]) -> None:
        self.inner, self.arguments, self.number, self.begun = inner, arguments, 0, 0.0

    def launch(self) -> None:
        """Start it."""
        self.begun = monotonic()
        self.number = os.fork()
        if not self.number:
            os.dup2(self.inner.fileno(), FIRST)
            signal.pthread_sigmask(signal.SIG_SETMASK, ())
            os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()))
            os.execv(sys.executable, [sys.executable, "-m", "web2py_runtime.serve", *self.arguments])  # noqa: S606  our own words

    def ended(self) -> bool:
        """Whether it has ended."""
        return os.waitpid(self.number, os.WNOHANG)[0] != 0

    def steady(self) -> bool:
        """Whether it has run for a while. If not, starting it again is systemd's to do, and to give up."""
        return monotonic() - self.begun > STEADY_SECONDS

    def kill(self, number: signal.Signals) -> None:
        """End it."""
        with suppress(ProcessLookupError):
            os.kill(self.number, number)


class Gate:
    """Lets guests in, one task each, until it is told to stop."""

    def __init__(self, front: Front, context: ssl.SSLContext | None, path: str) -> None:
        self.front, self.context, self.path = front, context, path
        self.client_seconds = front.limits["client_seconds"]
        self.request_seconds = front.limits["request_seconds"]
        # For a guest to take what is in memory. With TLS as much again waits behind it, where only time can be asked.
        self.taking_seconds = self.client_seconds + (ANSWER_IN_MEMORY + BLOCK) / SLOWEST
        self.listeners: list[socket.socket] = []
        self.guests: set[asyncio.Task[None]] = set()
        self.silent: set[asyncio.Task[None]] = set()

    def open(self, listeners: list[socket.socket]) -> None:
        """Let guests in."""
        self.listeners = listeners
        loop = asyncio.get_running_loop()
        for listener in listeners:
            loop.add_reader(listener, self.enter, listener)

    def shut(self) -> None:
        """Let nobody in any more; who waits outside is left for the next process."""
        loop = asyncio.get_running_loop()
        for listener in self.listeners:
            loop.remove_reader(listener)
            listener.close()
        self.listeners = []

    async def emptied(self, seconds: float) -> bool:
        """Whether all guests have left within that time."""
        end = monotonic() + seconds
        if self.silent:
            await asyncio.wait(set(self.silent), timeout=GRACE_SECONDS)
            for guest in self.silent:
                guest.cancel()
        if self.guests:
            await asyncio.wait(set(self.guests), timeout=max(0.1, end - monotonic()))
        return not self.guests

    def enter(self, listener: socket.socket) -> None:
        """Take in who waits outside, as long as there is room."""
        while len(self.guests) < ROOM:
            try:
                connection, address = listener.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS):
                    break
                continue
            guest = asyncio.create_task(self.guest(connection, address[0], listener.getsockname()[1]))
            self.guests.add(guest)
            self.silent.add(guest)
            guest.add_done_callback(self.left)
        loop = asyncio.get_running_loop()
        for full in self.listeners:
            loop.remove_reader(full)
        loop.call_later(0.1, self.again)

    def again(self) -> None:
        """There may be room."""
        for listener in self.listeners:
            asyncio.get_running_loop().add_reader(listener, self.enter, listener)

    def left(self, guest: asyncio.Task[None]) -> None:
        """A guest has left."""
        self.guests.discard(guest)
        self.silent.discard(guest)
        if not guest.cancelled() and guest.exception():
            print(f"{type(guest.exception()).__name__}: {guest.exception()}", file=sys.stderr, flush=True)

    async def guest(self, connection: socket.socket, peer: str, port: int) -> None:
        """One connection, one request."""
        loop = asyncio.get_running_loop()
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        reader = asyncio.StreamReader(limit=HEAD)
        protocol = asyncio.StreamReaderProtocol(reader)
        options: dict[str, Any] = {}
        if self.context and port == self.front.https:
            options = {"ssl_handshake_timeout": self.client_seconds, "ssl_shutdown_timeout": self.taking_seconds}
            options["ssl"] = self.context
        try:
            transport, _protocol = await loop.connect_accepted_socket(lambda: protocol, connection, **options)
        except OSError:  # no TLS, none of today, or a name that is not the site's
            connection.close()
            return
        writer = asyncio.StreamWriter(transport, protocol, reader, loop)
        writer.transport.set_write_buffer_limits(ANSWER_IN_MEMORY, ANSWER_IN_MEMORY - BLOCK)
        # A guest is counted until all is taken, has left, is too slow, or has said nothing when the process ends.
        with ExitStack() as stay, suppress(OSError, EOFError, asyncio.CancelledError):
            try:
                ours = await self.served(reader, writer, peer, port, stay)
                if not writer.transport.is_closing():
                    writer.close()
                await asyncio.wait_for(writer.wait_closed(), GRACE_SECONDS if ours else self.taking_seconds)
            finally:
                writer.transport.abort()

    async def served(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, peer: str, port: int, stay: ExitStack
    ) -> bool:
        """Read a request, and give the answer to it: whether it was one of our own."""
        head, request, status, refused = b"", None, 0, None
        try:
            try:
                head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), self.client_seconds)
            except asyncio.LimitOverrunError:
                raise Refused(431) from None
            self.silent.discard(asyncio.current_task())
            request = self.front.request(head, peer, port)
            self.front.enter(request, asyncio.get_running_loop().time())
            stay.callback(self.front.leave, request)
            with tempfile.SpooledTemporaryFile(BODY_IN_MEMORY) as body:
                await self.read(reader, writer, request, body)
                status = await self.handed(writer, request, body)
        except Refused as refusal:
            refused, status = refusal, refusal.status
        if refused:
            top, page = self.front.page(refused.status, refused.location, port, refused.words)
            writer.write(top + (b"" if head.startswith(b"HEAD ") else page))
        # What follows the question mark may be a secret.
        asked = b" ".join(head.partition(b"\r\n")[0].split(b" ")[:2]).partition(b"?")[0]
        # One line, whatever came.
        words = asked[:1000].decode("latin-1").encode("unicode_escape").decode().replace('"', "\\x22")
        print(f'{request.client if request else peer} "{words}" {status}', flush=True)
        await self.flushed(writer)
        if refused and not reader.at_eof():
            await self.lingered(reader, writer)
        return refused is not None

    async def read(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: Request, body: Any
    ) -> None:
        """Take in the body of a request."""
        if request.expects and request.length:
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        left = request.length
        async with asyncio.timeout(self.client_seconds + left / SLOWEST):
            while left:
                block = await asyncio.wait_for(reader.read(min(left, BLOCK)), self.client_seconds)
                if not block:
                    raise EOFError
                body.write(block)
                left -= len(block)
        body.seek(0)

    async def handed(self, writer: asyncio.StreamWriter, request: Request, body: Any) -> int:
        """Hand a request to the application server and its answer to the guest; the status of it."""
        try:
            inner_reader, inner = await asyncio.open_unix_connection(self.path, limit=BLOCK)
        except OSError:
            raise Refused(502) from None
        sender = asyncio.create_task(_sent(inner, request, body))
        try:
            async with asyncio.timeout(self.request_seconds + PATIENCE_SECONDS):
                status, top = self.front.answer(await inner_reader.readuntil(b"\r\n\r\n"))
            writer.write(top)
        except TimeoutError:
            raise Refused(504) from None
        except (OSError, EOFError, ValueError, asyncio.LimitOverrunError):
            raise Refused(502) from None
        else:
            while True:
                limit = self.request_seconds + PATIENCE_SECONDS
                block = await asyncio.wait_for(inner_reader.read(BLOCK), limit)
                if not block:
                    return status
                writer.write(block)
                await asyncio.wait_for(writer.drain(), self.taking_seconds)
        finally:
            sender.cancel()
            inner.transport.abort()
            await asyncio.wait([sender])

    async def flushed(self, writer: asyncio.StreamWriter) -> None:
        """Wait until the guest has taken all."""
        if writer.transport.is_closing():  # has taken all and left
            return
        # TLS takes a bound of nothing for reached when nothing is left.
        writer.transport.set_write_buffer_limits(high=1, low=0)
        await asyncio.wait_for(writer.drain(), self.taking_seconds)

    async def lingered(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take what a guest still sends for a moment: closed too early, the answer would be lost with it."""
        if writer.can_write_eof():
            writer.write_eof()
        with suppress(TimeoutError):
            async with asyncio.timeout(GRACE_SECONDS):
                while await reader.read(BLOCK):
                    pass


async def _sent(inner: asyncio.StreamWriter, request: Request, body: BinaryIO) -> None:
    """Send a request to the application server, which may answer and leave before it has read all."""
    with suppress(OSError):
        inner.write(request.head)
        while block := body.read(BLOCK):
            inner.write(block)
            await inner.drain()


async def kept(gate: Gate, child: Child, listeners: list[socket.socket], mercy: float) -> int:
    """Serve until systemd ends the service, or until the child does not live; the status to leave with."""
    loop = asyncio.get_running_loop()
    words: asyncio.Queue[str] = asyncio.Queue()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, words.put_nowait, "told")
    # The child said nothing for a while, and the watchdog barks.
    loop.add_signal_handler(signal.SIGABRT, words.put_nowait, "hung")
    loop.add_signal_handler(signal.SIGCHLD, words.put_nowait, "child")
    # It may have ended before that was set.
    words.put_nowait("child")
    gate.open(listeners)
    while (word := await words.get()) == "child":
        if child.ended():
            if not child.steady():
                break
            print("The application server has ended and is started anew", flush=True)
            child.launch()
            # It says nothing itself until it is ready.
            tell("WATCHDOG=1")
    tell("STOPPING=1")
    gate.shut()
    if word == "told" and await gate.emptied(mercy):
        child.kill(signal.SIGTERM)
    elif word == "told":
        print(f"{len(gate.guests)} requests did not end within {mercy:g} s", flush=True)
        # It would have as much mercy again.
        child.kill(signal.SIGKILL)
    else:
        child.kill(signal.SIGKILL)
        # Guests whose request was inside are told so.
        await gate.emptied(GRACE_SECONDS)
    with suppress(ChildProcessError):
        await asyncio.to_thread(os.waitpid, child.number, 0)
    return 0 if word == "told" else 1


def main() -> None:
    # From here on no other process of the same user looks into this one.
    ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
    path, *arguments = sys.argv[1:]
    settings = json.loads(Path(path).read_text(encoding="utf-8"))
    # For this process only: the application has the curves of its host.
    os.environ.pop("OPENSSL_CONF", None)
    listeners = sockets()
    key = sys.stdin.buffer.read() if settings["ports"]["https"] else b""
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    child = Child(inner_socket(settings["inner"]), [*arguments, "--front", path])
    # It takes longest to get ready.
    child.launch()
    front = Front(settings)
    context = secured(front, settings["certificate"], key) if front.https else None
    mercy = float(arguments[arguments.index("--mercy-seconds") + 1])
    sys.exit(asyncio.run(kept(Gate(front, context, settings["inner"]), child, listeners, mercy)))


if __name__ == "__main__":
    main()
