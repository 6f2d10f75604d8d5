"""One line of progress per step, with the seconds it took."""

from __future__ import annotations

import contextlib
import fcntl
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CACHE = ROOT / ".cache"
_START = time.monotonic()
_LOCK = threading.Lock()


class Problem(Exception):
    """What went wrong and what to do about it, in words for the reader of the terminal."""


def say(text: str) -> None:
    """Print a line with the seconds since the start; standard output stays free for results."""
    with _LOCK:
        sys.stderr.write(f"[{time.monotonic() - _START:5.0f} s] {text}\n")
        sys.stderr.flush()


@contextlib.contextmanager
def step(title: str) -> Iterator[None]:
    """Say that a step begins and how long it took."""
    begin = time.monotonic()
    say(f"{title} ...")
    yield
    say(f"{title}: done ({time.monotonic() - begin:.0f} s)")


def log_path(name: str) -> Path:
    path = CACHE / "log" / f"{name}.log"
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def logged(name: str, command: Sequence[str | Path], *, remedy: str = "", env: dict[str, str] | None = None) -> None:
    """Run a command with its output in a log file; on failure show the end of that file and the remedy."""
    path = log_path(name)
    with path.open("wb") as log:
        result = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=env, cwd=ROOT, check=False
        )
    if result.returncode:
        words = " ".join(str(word) for word in command)
        raise Problem(f"{tail(path, 30)}\nFailed: {words}\nThe whole output: {path}\n{remedy}".rstrip())


def tail(path: Path, lines: int) -> str:
    return "\n".join(path.read_text(errors="replace").splitlines()[-lines:])


@contextlib.contextmanager
def alone(lock: str | Path, message: str = "") -> Iterator[None]:
    """Hold a lock that dies with the process. With a message do not wait: somebody else is at work."""
    path = Path(lock)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | (fcntl.LOCK_NB if message else 0))
        except BlockingIOError:
            raise Problem(message) from None
        yield


def is_root() -> bool:
    return os.geteuid() == 0
