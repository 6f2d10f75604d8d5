"""Each front end's own checker, and a linter where there is one, find nothing in the settings of a live host."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hosts import Machine, Site

testinfra_hosts = ["ansible://web2py_web"]

# The checker, and what it says when all is well.
CHECKERS = {
    "nginx": ("nginx -t", "nginx: configuration file /etc/nginx/nginx.conf test is successful"),
    "apache": ("apachectl configtest", "Syntax OK"),
    "lighttpd": ("lighttpd -tt -f /etc/lighttpd/lighttpd.conf", ""),
    "cherokee": (
        "/usr/sbin/cherokee -t -C /etc/cherokee_web2py/cherokee.conf",
        "Test on /etc/cherokee_web2py/cherokee.conf: OK",
    ),
}
# What gixy says that is not so, or not ours: (check, a part of the settings it names), and why.
EXCUSED = {
    (
        "alias_traversal",
        "/static/(?:",
    ): "a slash stands before the file in both forms; test_static.py tries some 150 spellings",
    ("add_header_redefinition", "/416.html"): "meant: this answer has its headers already",
    ("if_is_evil", "_twin"): "a variable and gzip are set there, the rest is inherited; test_static.py sees all of it",
    ("http2_misdirected_request", "server_name _;"): "the handshake is refused before any request comes",
    ("ssl_ecdh_curve", "X25519MLKEM768"): "given only where OpenSSL is new enough; nginx -t accepts it there",
    ("weak_ssl_tls", "ssl_protocols TLSv1 "): "the distribution's nginx.conf; each of our servers says its own",
    ("weak_ssl_tls", "ssl_prefer_server_ciphers on;"): "the same",
    ("worker_rlimit_nofile_vs_connections", "worker_connections 768;"): "the distribution's; the unit sets the limit",
}


def test_the_checker_finds_nothing(site: Site, machine: Machine) -> None:
    """The program itself accepts its settings, without a warning."""
    name = site["front_end"]["name"]
    if name not in CHECKERS:
        pytest.skip(f"{name} has no checker of its own")
    command, well = CHECKERS[name]
    result = machine.try_to(f"{command} 2>&1")
    lines = result.stdout.strip().splitlines()
    assert result.rc == 0, result.stdout
    assert [line for line in lines if line != well and not line.endswith("syntax is ok")] == []


def test_the_linter_finds_nothing(site: Site, machine: Machine, tmp_path: Path) -> None:
    """gixy, which knows the usual mistakes of nginx's settings, finds none in ours."""
    if site["front_end"]["name"] != "nginx":
        pytest.skip("gixy reads the settings of nginx only")
    dump = tmp_path / "nginx.conf"
    dump.write_text(machine.run("nginx -T 2>/dev/null"))
    gixy = Path(sys.executable).with_name("gixy")
    done = subprocess.run([gixy, "--format", "json", dump], capture_output=True, text=True, check=False)
    found = json.loads(done.stdout)
    assert found, "gixy saw nothing, not even the distribution's own"
    left = [row for row in found if not any(row["plugin"] == c and part in row["config"] for c, part in EXCUSED)]
    assert [f"{row['plugin']}: {row['reason']}\n{row['config']}" for row in left] == []
