"""The entry and the check, as a program over a release whose web2py is a stub."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from web2py_runtime.check import environ_for
from web2py_runtime.seed import seed

from tests.unit.runtime.conftest import RUNTIME
from tests.unit.runtime.test_facing import FACING

MAIN = """
import logging, os, sys, types
assert os.getcwd() == os.environ["web2py_path"] == sys.path[0]
assert len(sys.path) > 3 and [os.path.realpath(path) for path in sys.path] == sys.path
rwthread = HTTP = get_client = None
def url_in(request, environ): return None, None, environ
def wsgibase(environ, start_response):
    path = environ["PATH_INFO"]
    print("an application prints")
    if path == "/hosts":
        import socket
        from gluon.settings import global_settings
        assert {"127.0.0.1", "::1", socket.gethostname()} <= set(global_settings.local_hosts)
    if path == "/nobody":
        from gluon.settings import global_settings
        # An empty list makes web2py look for names.
        assert global_settings.local_hosts and not {"127.0.0.1", "::1", "-"} & set(global_settings.local_hosts)
    if path == "/endless":
        import time
        time.sleep(60)
    if path == "/raises": raise RuntimeError("out of web2py")
    if path == "/broken": logging.getLogger("web2py").error("Traceback: the model exploded")
    start_response("500 X" if path == "/broken" else "404 Y" if path == "/missing" else "200 OK", [])
    return [os.path.basename(os.path.dirname(os.getcwd())).encode()]
"""
STUBS = ("__init__", "dal", "html", "sqlhtml", "tools", "cache", "languages", "globals", "restricted")

STUB = "secure_loads = secure_dumps = None\nDEFAULT_SAFE_GLOBALS = {}\n"
# How pydal ends the connections of a request.
POOL = (
    "class ConnectionPool:\n    def close(self, action='commit', really=True): ...\n    def get_connection(self): ...\n"
)


@pytest.fixture
def release(tmp_path: Path) -> Path:
    root = tmp_path / "releases/1"
    (root / "web2py/gluon").mkdir(parents=True)
    for name in STUBS:
        (root / f"web2py/gluon/{name}.py").write_text(STUB)
    (root / "web2py/gluon/settings.py").write_text("import types\nglobal_settings = types.SimpleNamespace()\n")
    (root / "web2py/gluon/storage.py").write_text("Storage = dict\n")
    (root / "web2py/gluon/recfile.py").write_text("open = open\n")
    (root / "web2py/gluon/main.py").write_text(MAIN)
    (root / "web2py/pydal").mkdir()
    (root / "web2py/pydal/connection.py").write_text(POOL)
    settings = {
        "secure_cookies": True,
        "writes_forwarded": False,
        "admin": "disabled",
        "versions": {"web2py": "3.3.3"},
        "request_log": False,
        "profiles": {"keep": 0},
        "maintenance": str(tmp_path / "maintenance.json"),
    }
    (root / "runtime.json").write_text(json.dumps(settings))
    (root / "runtime").symlink_to(RUNTIME)
    (tmp_path / "current").symlink_to("releases/1")
    return root


def check(runtime: Path, cwd: Path, *paths: str) -> tuple[int, list[str]]:
    done = subprocess.run(
        [sys.executable, "-B", "-m", "web2py_runtime.check", "https://www.example.org", *paths],
        env={"PYTHONPATH": str(runtime)}, cwd=cwd, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.returncode, json.loads(done.stdout)["failures"]


def test_release_that_answers_passes(release: Path) -> None:
    assert check(release / "runtime", release, "/", "/missing", "/healthz") == (0, [])


def test_requests_need_not_look_up_the_host(release: Path) -> None:
    """The names and addresses of this host are known before the first of them."""
    assert check(release / "runtime", release, "/hosts") == (0, [])


def test_in_an_account_nobody_is_local(release: Path) -> None:
    settings = json.loads((release / "runtime.json").read_text())
    settings.update(facing=FACING, url="http://shop.example.org")
    (release / "runtime.json").write_text(json.dumps(settings))
    assert check(release / "runtime", release, "/nobody") == (0, [])


def test_a_page_without_end_ends_the_process_that_a_web_server_started(release: Path, tmp_path: Path) -> None:
    """No systemd would end it."""
    (tmp_path / "script").touch()
    command = [sys.executable, "-B", "-m", "web2py_runtime.serve", "wsgiref", "--workers", "1"]
    command += ["--request-seconds", "1", "--mercy-seconds", "1", "--direct", "1", "--script", str(tmp_path / "script")]
    with socket.create_server(("127.0.0.1", 0)) as door:
        environment = {"PYTHONPATH": str(release / "runtime")}
        process = subprocess.Popen(command, env=environment, cwd=release, stdin=door.fileno(), stdout=subprocess.PIPE)
        with process, socket.create_connection(door.getsockname()) as visitor:
            visitor.sendall(b"GET /endless HTTP/1.0\r\n\r\n")
            try:
                assert process.wait(20) == 1
            finally:
                process.kill()


def test_failures_carry_their_traceback(release: Path) -> None:
    status, failures = check(release / "runtime", release, "/broken", "/", "/raises")
    assert status == 1
    assert failures[0] == "/broken answered 500:\nTraceback: the model exploded"
    assert "out of web2py" in failures[1]
    assert len(failures) == 2


def test_web2py_that_cannot_be_imported_is_told(release: Path) -> None:
    (release / "web2py/gluon/main.py").write_text("import no_such_module")
    status, failures = check(release / "runtime", release, "/")
    assert status == 1
    assert "No module named 'no_such_module'" in failures[0]


@pytest.mark.parametrize(
    ("runtime", "cwd"),
    [
        ("current/runtime", "."),
        ("releases/1/runtime", "."),
        ("elsewhere", "current"),
        ("elsewhere", "current/web2py"),
    ],
)
def test_release_is_found_from_its_package_or_where_it_stands(
    release: Path, tmp_path: Path, runtime: str, cwd: str
) -> None:
    (tmp_path / "elsewhere").symlink_to(RUNTIME)
    assert check(tmp_path / runtime, tmp_path / cwd, "/") == (0, [])


def test_request_is_one_to_the_site() -> None:
    environ = environ_for("https://www.example.org:8443", "/x")
    assert (environ["HTTP_HOST"], environ["SERVER_PORT"]) == ("www.example.org:8443", "8443")
    assert environ_for("http://www.example.org", "/")["SERVER_PORT"] == "80"


def test_seed_fills_gaps_only_and_follows_no_link(tmp_path: Path) -> None:
    source, target = tmp_path / "from", tmp_path / "to"
    for path, text in {"private/a": "new", "private/b": "new", "uploads/deep/c": "new", "databases/d": "new"}.items():
        (source / path).parent.mkdir(parents=True, exist_ok=True)
        (source / path).write_text(text)
    (source / "private/link").symlink_to("/etc/passwd")
    (target / "private").mkdir(parents=True)
    (target / "private/a").write_text("old")
    (target / "private/b").symlink_to("nowhere")
    seed(source, target)
    found = {str(path.relative_to(target)): path.read_text() for path in target.rglob("*") if path.is_file()}
    assert found == {"private/a": "old", "uploads/deep/c": "new", "databases/d": "new"}
