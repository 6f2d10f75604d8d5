"""Admin is opened by a choice, gets another password and is closed by playbooks of their own, which restart nothing."""

from __future__ import annotations

from typing import Any

import pytest
from desk import ROOT, Desk

PASSWORD = "correct horse"
ANOTHER = "battery staple"
ADMIN = {"name": "admin", "source": {"type": "directory", "path": str(ROOT / "tests/applications/probe")}}
OPEN: dict[str, Any] = {
    "web2py_admin": "tunnel",
    "web2py_admin_password": PASSWORD,
    "web2py_applications": [{"name": "starter", "source": {"type": "starter"}}, ADMIN],
}
HTTPS = {**OPEN, "web2py_admin": "https", "web2py_admin_networks": ["127.0.0.0/8"]}
SESSIONS = "/var/lib/web2py/applications/admin/sessions"
# Prints the status of /admin, 000 where nobody is.
ASK = """python3 - {port} {name} <<'E'
import socket, ssl, sys
port, name = int(sys.argv[1]), sys.argv[2]
context = ssl.create_default_context()
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
try:
    line = socket.create_connection(("127.0.0.1", port), 30)
except ConnectionRefusedError:
    sys.exit(print("000"))
line = context.wrap_socket(line, server_hostname=name) if port == 443 else line
line.sendall(f"GET /admin HTTP/1.1\\r\\nHost: {{name}}\\r\\nConnection: close\\r\\n\\r\\n".encode())
print(line.makefile().readline().split()[1])
E
"""


def near(desk: Desk) -> str:
    return desk.on_host(ASK.format(port=8002, name="127.0.0.1")).strip()


def public(desk: Desk) -> str:
    return desk.on_host(ASK.format(port=443, name="www.example.org")).strip()


def log_in(desk: Desk) -> None:
    """A file such as a session leaves."""
    desk.on_host(f"runuser -u web2py -- touch {SESSIONS}/of-before")


def sessions(desk: Desk) -> list[str]:
    return [name for name in desk.on_host(f"ls -A {SESSIONS}").split() if name == "of-before"]


def lives(desk: Desk) -> str:
    return desk.on_host("systemctl show -p InvocationID web2py.service nginx.service")


def test_a_closed_admin_has_no_password(desk: Desk) -> None:
    run = desk.play("admin_password", web2py_admin_password=PASSWORD)
    assert run.status != 0 and "there is no admin that could have a password" in run.output
    run = desk.play("close_admin")
    assert (run.status, run.changed) == (0, 0), run.output
    assert "It stays so" in run.output


def test_the_tunnel_opens_admin(desk: Desk) -> None:
    run = desk.play("site", **OPEN)
    assert run.status == 0, run.output
    assert any("ssh -L 8002:127.0.0.1:8002" in line for line in run.summary)
    assert (near(desk), public(desk)) == ("200", "404")


def test_another_password_ends_the_sessions_of_before(desk: Desk) -> None:
    log_in(desk)
    before = lives(desk)
    assert desk.play("admin_password", **OPEN).changed == 0
    dry = desk.play("admin_password", "--check", "--diff", **{**OPEN, "web2py_admin_password": ANOTHER})
    assert (dry.status, dry.changed, sessions(desk)) == (0, 1, ["of-before"]), dry.output
    run = desk.play("admin_password", "--diff", **{**OPEN, "web2py_admin_password": ANOTHER})
    assert (run.status, run.changed, sessions(desk)) == (0, 1, []), run.output
    assert ANOTHER not in run.output and "pbkdf2" not in run.output
    assert desk.play("admin_password", **{**OPEN, "web2py_admin_password": ANOTHER}).changed == 0
    assert (near(desk), lives(desk)) == ("200", before)


def test_without_a_password_nothing_is_done(desk: Desk) -> None:
    """No terminal, nobody to ask."""
    run = desk.play("admin_password", **{**OPEN, "web2py_admin_password": None})
    assert run.status != 0 and "password" in run.output and "8" in run.output, run.output
    assert near(desk) == "200"


@pytest.mark.parametrize("choices", [OPEN, HTTPS], ids=["tunnel", "https"])
def test_one_playbook_closes_admin(desk: Desk, choices: dict[str, Any]) -> None:
    """At once and for all ways, without a restart; the next run of the site follows the inventory again."""
    asked = near if choices is OPEN else public
    assert desk.play("site", **choices).status == 0
    assert asked(desk) == "200"
    log_in(desk)
    before = lives(desk)
    dry = desk.play("close_admin", "--check", "--diff", **choices)
    assert dry.status == 0 and dry.changed > 0, dry.output
    assert asked(desk) == "200" and sessions(desk)
    run = desk.play("close_admin", **choices)
    assert run.status == 0 and run.changed > 0, run.output
    assert "Set it to disabled" in run.output
    assert (near(desk), public(desk), sessions(desk), lives(desk)) == ("000", "404", [], before)
    assert desk.on_host("ls /etc/web2py/parameters_* /etc/systemd/system/web2py-admin.*", check=False).split() == []
    assert desk.play("close_admin", **choices).changed == 0


def test_the_inventory_has_the_last_word(desk: Desk) -> None:
    assert desk.play("site", **OPEN).status == 0
    assert near(desk) == "200"
    assert desk.play("site").status == 0
    assert (near(desk), public(desk)) == ("000", "404")
    assert desk.play("site").changed == 0
