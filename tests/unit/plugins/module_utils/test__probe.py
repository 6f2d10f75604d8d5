"""A server is asked in its own protocol, and what goes wrong is said."""

from __future__ import annotations

import socket
import threading
from pathlib import Path

import pytest

from ansible_collections.web2py.deploy.plugins.module_utils._probe import Unanswered, probe, uwsgi_request


def serve(path: Path, answer: bytes | None) -> None:
    """Answer one connection on a unix socket; None keeps it waiting."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(path))
    listener.listen()

    def talk() -> None:
        connection, _peer = listener.accept()
        connection.recv(4096)
        if answer is None:
            threading.Event().wait(1)
        else:
            connection.sendall(answer)
        connection.close()
        listener.close()

    threading.Thread(target=talk, daemon=True).start()


def test_a_good_answer_gives_its_body(tmp_path: Path) -> None:
    for protocol in ("uwsgi", "http"):
        serve(tmp_path / protocol, b"HTTP/1.1 200 OK\r\nX: y\r\n\r\nfine")
        assert probe(protocol, f"unix:{tmp_path}/{protocol}") == "fine"


@pytest.mark.parametrize(
    ("answer", "words"),
    [(b"HTTP/1.1 500 NO\r\n\r\nwhy", "500 NO: why"), (b"", "without an answer"), (None, "within 0.2 s")],
)
def test_a_bad_answer_is_told(tmp_path: Path, answer: bytes | None, words: str) -> None:
    serve(tmp_path / "s", answer)
    with pytest.raises(Unanswered, match=words):
        probe("uwsgi", f"unix:{tmp_path}/s", timeout=0.2)


def test_nobody_there_and_nowhere(tmp_path: Path) -> None:
    with pytest.raises(Unanswered, match="No such file"):
        probe("http", f"unix:{tmp_path}/none")
    with pytest.raises(Unanswered, match="neither unix"):
        probe("http", "localhost")


def test_a_uwsgi_packet_says_its_length() -> None:
    packet = uwsgi_request("/healthz", "h")
    assert packet[0] == packet[3] == 0
    assert int.from_bytes(packet[1:3], "little") == len(packet) - 4
