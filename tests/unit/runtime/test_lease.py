"""A release is in use as long as one of its processes lives."""

from __future__ import annotations

import fcntl
import os
import subprocess
from pathlib import Path

from web2py_runtime import lease


def is_free(path: Path) -> bool:
    with path.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


def test_it_lasts_until_the_last_holder_lets_go(tmp_path: Path) -> None:
    path = tmp_path / "runtime.json"
    path.touch(0o440)
    held = [lease.take(path), lease.take(path)]
    os.close(held[0])
    assert not is_free(path)
    os.close(held[1])
    assert is_free(path)


def test_a_worker_shares_it(tmp_path: Path) -> None:
    path = tmp_path / "runtime.json"
    path.touch()
    held = lease.take(path)
    reading, writing = os.pipe()
    worker = os.fork()
    if not worker:
        os.close(writing)
        os.read(reading, 1)
        os._exit(0)
    os.close(held)
    assert not is_free(path)
    os.close(writing)
    os.waitpid(worker, 0)
    os.close(reading)
    assert is_free(path)


def test_a_program_started_anew_does_not(tmp_path: Path) -> None:
    path = tmp_path / "runtime.json"
    path.touch()
    held = lease.take(path)
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, close_fds=False):
        os.close(held)
        assert is_free(path)
