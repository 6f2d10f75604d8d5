"""Certificates of the administrator's own: served as given, changed without a dropped request."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
from desk import Desk

# Asks for the page all the time on new connections, and counts what went wrong.
LOAD = """
import http.client, os, socket, ssl
context = ssl.create_default_context()
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
open("/run/load", "w").close()
asked = failed = 0
while (os.path.exists("/run/load") or asked < 300) and asked < 20000:
    asked += 1
    try:
        connection = http.client.HTTPSConnection("www.example.org")
        raw = socket.create_connection(("127.0.0.1", 443))
        connection.sock = context.wrap_socket(raw, server_hostname="www.example.org")
        connection.request("GET", "/healthz")
        failed += connection.getresponse().status != 200
        connection.close()
    except OSError:
        failed += 1
open("/run/loaded", "w").write("%d %d" % (asked, failed))
"""


def make(folder: Path, name: str) -> dict[str, Any]:
    """A certificate of its own authority for the site's name, and the choice that uses it."""
    certificate, key = folder / f"{name}.pem", folder / f"{name}.key"
    words = ["openssl", "req", "-x509", "-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
    words += ["-days", "90", "-subj", f"/CN={name}", "-addext", "subjectAltName=DNS:www.example.org"]
    subprocess.run([*words, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    return {"web2py_tls": {"provider": "provided", "certificate": str(certificate), "key": str(key)}}


def serial(desk: Desk) -> str:
    """The name of the certificate that the front end shows."""
    command = "openssl s_client -connect 127.0.0.1:443 -servername www.example.org </dev/null 2>/dev/null"
    return desk.on_host(f"{command} | openssl x509 -noout -subject").strip()


def test_a_provided_certificate_is_served(desk: Desk) -> None:
    run = desk.play(**make(desk.folder, "first"))
    assert run.status == 0, run.output
    assert serial(desk).endswith("first")
    assert desk.on_host("stat -c '%a %U' /etc/web2py/tls/key.pem").strip() == "600 root"


def test_a_changed_certificate_takes_effect_without_a_dropped_request(desk: Desk) -> None:
    desk.on_host(
        "cat > /run/load.py <<'E'\n" + LOAD + "E\nrm -f /run/loaded; systemd-run --unit load python3 /run/load.py"
    )
    run = desk.play(**make(desk.folder, "second"))
    desk.on_host("rm -f /run/load; while [ ! -e /run/loaded ]; do sleep 0.1; done")
    assert run.status == 0, run.output
    assert serial(desk).endswith("second")
    asked, failed = map(int, desk.on_host("cat /run/loaded").split())
    assert asked > 200 and failed == 0


@pytest.mark.parametrize("other", ["key", "name"])
def test_files_that_do_not_fit_are_refused_before_anything_changes(other: str, desk: Desk) -> None:
    choices = make(desk.folder, "third")
    if other == "key":
        choices["web2py_tls"]["key"] = make(desk.folder, "fourth")["web2py_tls"]["key"]
    else:
        choices["web2py_aliases"] = ["not-in-the-certificate.example.org"]
    before = desk.on_host("sha256sum /etc/web2py/tls/*")
    run = desk.play(**choices)
    assert run.status != 0 and ("key" if other == "key" else "not-in-the-certificate.example.org") in run.output, (
        run.output
    )
    assert desk.on_host("sha256sum /etc/web2py/tls/*") == before
    assert serial(desk).endswith("second")


def test_who_looks_or_leaves_is_not_asked_for_the_files(desk: Desk) -> None:
    choices = {"web2py_tls": {"provider": "provided", "certificate": "/nowhere/a.pem", "key": "/nowhere/a.key"}}
    run = desk.play("site", **choices)
    assert run.status != 0 and "cannot be read" in run.output, run.output
    for words in (["status"], ["uninstall", "--check"]):
        run = desk.play(*words, **choices)
        assert run.status == 0, run.output


def test_going_back_to_the_own_authority_is_a_word(desk: Desk) -> None:
    run = desk.play()
    assert run.status == 0, run.output
    assert not serial(desk).endswith("second")
