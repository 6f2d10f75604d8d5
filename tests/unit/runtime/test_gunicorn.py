"""gunicorn under the launcher, without systemd: who is told to end is told in time."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

import pytest
from web2py_runtime import servers

from ansible_collections.web2py.deploy.plugins.module_utils._backend import APP_SERVERS

PROGRAM = """
import os, sys, time
sys.path.insert(0, {runtime!r})
from gunicorn.workers import base
from web2py_runtime import servers

listen = base.Worker.init_signals

def late(worker):
    time.sleep({deaf})
    listen(worker)

def application(environ, start_response):
    start_response("200 OK", [])
    return [environ["wsgi.input"].read()]

base.Worker.init_signals = late
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1")
if {descriptor} != 3:
    os.dup2({descriptor}, 3)
servers.gunicorn(application, 2, 60, {mercy})
"""


def test_the_tested_version_is_the_installed_one() -> None:
    assert APP_SERVERS["gunicorn"].requirements == (f"gunicorn=={version('gunicorn')}",)


@pytest.mark.parametrize("deaf", [0, 1])
def test_a_worker_that_has_just_begun_ends_when_told(deaf: int, tmp_path: Path) -> None:
    """The more so with a machine that is busy: until a worker listens it may take a while."""
    mercy = 6
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        listener.listen(8)
        number = listener.fileno()
        os.set_inheritable(number, True)
        source = PROGRAM.format(
            runtime=str(Path(servers.__file__).parents[1]), descriptor=number, deaf=deaf, mercy=mercy
        )
        with subprocess.Popen(
            [sys.executable, "-c", source], close_fds=False, stderr=subprocess.PIPE, text=True
        ) as process:
            assert process.stderr
            begun = 0
            for line in process.stderr:
                begun += "Booting worker" in line
                if begun == 2:
                    break
            if not deaf:
                with socket.socket(socket.AF_UNIX) as visitor:
                    visitor.settimeout(20)
                    visitor.connect(listener.getsockname())
                    visitor.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody")
                    with visitor.makefile("rb") as answer:
                        assert answer.read().endswith(b"4\r\nbody\r\n0\r\n\r\n")
            told = time.monotonic()
            process.send_signal(signal.SIGTERM)
            rest = process.stderr.read()
            assert process.wait(20) == 0
            assert time.monotonic() - told < mercy, rest
            assert not re.search("SIGKILL|Traceback", rest), rest
