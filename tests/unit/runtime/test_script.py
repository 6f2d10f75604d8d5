"""CGI: one process for one request, and headers that do not become settings."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from web2py_runtime import script

APPLICATION = """
import os
def application(environ, start_response):
    print("noise of an application")
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"{environ['HTTP_PROXY']} {os.environ.get('HTTP_PROXY')} {environ['wsgi.input'].read(4)}".encode()]
"""


def test_a_request_is_answered_and_nothing_else(tmp_path: Path) -> None:
    folder = tmp_path / "web2py_runtime"
    shutil.copytree(Path(script.__file__).parent, folder)
    (folder / "entry.py").write_text(APPLICATION)
    words = {"REQUEST_METHOD": "POST", "HTTP_PROXY": "evil", "CONTENT_LENGTH": "4", "SERVER_PROTOCOL": "HTTP/1.1"}
    done = subprocess.run(
        [sys.executable, "-m", "web2py_runtime.script", "10"], input=b"body", capture_output=True, check=True,
        env={**words, "PYTHONPATH": str(tmp_path), "PATH": os.environ["PATH"]},
    )  # fmt: skip
    head, _blank, body = done.stdout.partition(b"\r\n\r\n")
    assert head.startswith(b"Status: 200 OK") and body == b"evil None b'body'"
    assert b"noise" in done.stderr


def test_the_request_is_taken_out_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_X", "br\u00fch")
    assert script.request()["HTTP_X"] == "br\xc3\xbch" and "HTTP_X" not in os.environ
