"""A request that is late ends its process under mod_wsgi, and no other one does."""

from __future__ import annotations

import io
import os
import signal
import threading
from typing import Any

import pytest
from web2py_runtime import late


def test_a_late_request_ends_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[int, int]] = []
    ended, free = threading.Event(), threading.Event()

    def kill(number: int, word: int) -> None:
        told.append((number, word))
        ended.set()

    def application(environ: dict[str, Any], _start: Any) -> list[bytes]:
        if environ["PATH_INFO"] == "/hung":
            free.wait(20)
        return [b"page"]

    monkeypatch.setattr(late.os, "kill", kill)
    monkeypatch.setattr(late, "LOOK_SECONDS", 0.01)
    watched = late.ended(application, 0.3)
    for _round in range(50):
        assert watched({"PATH_INFO": "/", "wsgi.input": None}, None) == [b"page"]
    assert not ended.wait(0.4)
    threading.Thread(target=watched, args=({"PATH_INFO": "/hung", "wsgi.input": None}, None)).start()
    try:
        assert ended.wait(10)
    finally:
        free.set()
    assert told == [(os.getpid(), signal.SIGUSR1)]


def test_the_oldest_request_counts(monkeypatch: Any) -> None:
    now = [100.0]
    monkeypatch.setattr(late, "monotonic", lambda: now[0])
    ages = []

    def application(_environ: Any, _start: Any) -> list[bytes]:
        now[0] += 7
        ages.append(clock.longest())
        return []

    clock = late.Clock(application)
    assert clock.longest() == 0
    clock({}, None)
    assert ages == [7]
    assert clock.longest() == 0


def test_a_slow_sender_is_nobodys_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(late, "monotonic", lambda: now[0])
    ages: list[float] = []

    class Slow(io.BytesIO):
        """Each line takes its time."""

        def readline(self, size: int | None = -1, /) -> bytes:
            now[0] += 50
            ages.append(clock.longest())
            return super().readline(size)

    def application(environ: dict[str, Any], _start: Any) -> list[bytes]:
        now[0] += 3
        lines = list(environ["wsgi.input"])
        now[0] += 4
        ages.append(clock.longest())
        assert environ["wsgi.input"].closed is False
        return lines

    clock = late.Clock(application, patient=True)
    assert clock({"wsgi.input": Slow(b"one\ntwo\n")}, None) == [b"one\n", b"two\n"]
    # While it waits, it is not late; what the page takes by itself counts.
    assert ages[-1] == 7 and max(ages[:-1]) < 0 and clock.begun == {}
