"""A server is asked in its own protocol, and what goes wrong is said."""

from __future__ import annotations

import socket
import struct
import threading
from pathlib import Path

import pytest

from ansible_collections.web2py.deploy.plugins.module_utils._probe import (
    Unanswered,
    fastcgi_request,
    probe,
    scgi_request,
    uwsgi_request,
)


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


def test_a_site_in_maintenance_is_a_good_answer(tmp_path: Path) -> None:
    serve(tmp_path / "s", b"HTTP/1.1 503 Service Unavailable\r\n\r\nmaintenance\n")
    assert probe("http", f"unix:{tmp_path}/s") == "maintenance"
    serve(tmp_path / "t", b"HTTP/1.1 503 Service Unavailable\r\n\r\nbusy")
    with pytest.raises(Unanswered, match="503 Service Unavailable: busy"):
        probe("http", f"unix:{tmp_path}/t")


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


def test_an_answer_as_cgi_has_it_is_read(tmp_path: Path) -> None:
    serve(tmp_path / "s", b"Status: 200 OK\r\nX: y\r\n\r\nfine")
    assert probe("scgi", f"unix:{tmp_path}/s") == "fine"
    serve(tmp_path / "t", b"Status: 404 NOT FOUND\r\n\r\nwhere")
    with pytest.raises(Unanswered, match="404 NOT FOUND: where"):
        probe("scgi", f"unix:{tmp_path}/t")


def test_the_records_of_fastcgi_are_put_together(tmp_path: Path) -> None:
    def record(kind: int, text: bytes) -> bytes:
        return struct.pack(">BBHHBx", 1, kind, 1, len(text), 3) + text + b"..."

    text = b"Status: 200 OK\r\n\r\nfine"
    serve(
        tmp_path / "s",
        record(6, text[:9]) + record(7, b"a word of warning") + record(6, text[9:]) + record(3, b"8bytes.."),
    )
    assert probe("fastcgi", f"unix:{tmp_path}/s") == "fine"


def test_requests_say_their_lengths() -> None:
    length, _colon, rest = scgi_request("/healthz", "h").partition(b":")
    assert rest[:16] == b"CONTENT_LENGTH\0" + b"0"
    assert int(length) == len(rest) - 1
    begin = fastcgi_request("/healthz", "h")
    assert begin[:16] == bytes([1, 1, 0, 1, 0, 8, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0])
    assert begin.endswith(bytes([1, 5, 0, 1, 0, 0, 0, 0]))
