"""What the tests of the logins share: passwords, what a site says of its server, and a server that is served."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

PASSWORDS = ["a password", ":/@%?# '\"\\", "pässwört", "密码密码", "x" * 1000]


def data(port: int, **words: Any) -> dict[str, Any]:
    return {
        "type": "postgresql",
        "host": "127.0.0.1",
        "port": port,
        "user": "shop",
        "databases": ["a", "b"],
        "ssl_mode": "disable",
        "ca": None,
        **words,
    }


class Listener:
    """Listens on a free port and answers one connection after the other."""

    def __init__(self) -> None:
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.port = self.listening.getsockname()[1]

    def run(self) -> None:
        while True:
            try:
                connection, _address = self.listening.accept()
            except OSError:
                return
            with connection:
                self.answer(connection)

    def answer(self, connection: socket.socket) -> None:
        raise NotImplementedError


Some = TypeVar("Some", bound=Listener)


@contextmanager
def serving(server: Some) -> Iterator[Some]:
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        yield server
    finally:
        server.listening.shutdown(socket.SHUT_RDWR)
        server.listening.close()
        thread.join()
