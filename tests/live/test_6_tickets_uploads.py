"""What went wrong in applications, as a table and as JSON; uploads of a site that has nothing to move."""

from __future__ import annotations

import base64
import email
import email.policy
import json
import socketserver
import threading
from pathlib import Path

from desk import Desk

ERRORS = "/var/lib/web2py/applications/starter/errors"
# Three tickets as web2py leaves them, two of them alike; the words of the newest come from a visitor.
PLANT = """python3 - <<'E'
import os, pickle, pwd
folder = "/srv/web2py/current/web2py/applications/starter/"
trace = 'Traceback (most recent call last):\\n  File "' + folder + '{}", line {}, in x\\n{}\\n'
rows = [("controllers/default.py", 7, "KeyError: 'a'"), ("controllers/default.py", 7, "KeyError: '\\x1b[2Jb'"),
        ("models/db.py", 3, "ValueError: postgres://me:s3cret@h/d")]
for number, row in enumerate(rows):
    with open(NAME % number, "wb") as file:
        pickle.dump({"layer": folder + row[0], "code": "", "output": "", "traceback": trace.format(*row)}, file, 2)
    os.chown(NAME % number, pwd.getpwnam("web2py").pw_uid, -1)
open(NAME % 9, "wb").write(b"cos\\nsystem\\n(S'touch /run/executed'\\ntR.")
E""".replace("NAME", f"'{ERRORS}/127.0.0.1.2026-01-01.00-00-0%d.01234567-89ab-cdef-0123-456789abcdef'")


def test_the_newest_tickets_are_told(desk: Desk, tmp_path: Path) -> None:
    assert desk.play("site").status == 0
    desk.on_host(f"find {ERRORS} -type f -delete")
    desk.on_host(PLANT)
    before = desk.on_host(f"find {ERRORS} -type f -printf '%p %s %T@\\n' | sort")
    try:
        report = tmp_path / "tickets.json"
        run = desk.play("tickets", web2py_report=str(report))
        assert (run.status, run.changed) == (0, 1), run.output
        for word in ("starter/controllers/default.py:7", "KeyError", "starter/models/db.py:3", "unreadable"):
            assert word in run.output, run.output
        found = json.loads(report.read_text())
        assert report.stat().st_mode & 0o777 == 0o600 and found["host"] == "www.example.org"
        told = {group["place"]: group for group in found["tickets"]}
        assert told["starter/controllers/default.py:7"]["tickets"] == 2 and found["failures"] == []
        assert found["tickets"][0]["exception"] == "unreadable" and len(told) == 3

        report = tmp_path / "tickets.txt"
        run = desk.play("tickets", "--check", web2py_format="json", web2py_report=str(report))
        assert run.status == 0 and '"exception": "KeyError"' in run.output, run.output
        assert report.read_text().startswith("tickets") and "starter/models/db.py:3" in report.read_text()
        assert "s3cret" not in run.output + report.read_text() + str(found) and "\x1b[2J" not in run.output
        assert desk.on_host(f"find {ERRORS} -type f -printf '%p %s %T@\\n' | sort") == before
        assert desk.on_host("ls /run/executed 2>/dev/null", check=False) == ""
    finally:
        desk.on_host(f"find {ERRORS} -type f -delete")


class Mailbox(socketserver.ThreadingTCPServer):
    """A mail server for one password; what it was told, line by line."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Postman)
        self.lines: list[str] = []


class Postman(socketserver.StreamRequestHandler):
    """SMTP (RFC 5321) as far as one letter needs it."""

    timeout = 60

    def handle(self) -> None:
        assert isinstance(self.server, Mailbox)
        self.wfile.write(b"220 here\r\n")
        letter = False
        for line in self.rfile:
            word = line.decode().rstrip("\r\n")
            self.server.lines.append(word)
            began, letter = letter, word != "." if letter else word == "data"
            if began and letter:
                continue
            told = {
                "ehlo": b"250-here\r\n250 AUTH PLAIN",
                "AUTH": b"235 welcome",
                "data": b"354 go on",
                "quit": b"221 bye",
            }
            self.wfile.write(told.get(word.split(" ")[0], b"250 well") + b"\r\n")
            if word == "quit":
                return


def test_tickets_are_mailed_where_there_are_some(desk: Desk) -> None:
    assert desk.play("site").status == 0
    desk.on_host(f"find {ERRORS} -type f -delete")
    with Mailbox() as box:
        threading.Thread(target=box.serve_forever, daemon=True).start()
        words = {"to": ["me@example.org", "you@example.org"], "from": "web2py@example.org", "username": "web2py"}
        words |= {"host": "127.0.0.1", "port": box.server_address[1], "secure": "never"}
        run = desk.play("tickets", web2py_report_mail={"to": ["me@example.org"]})
        assert run.status != 0 and "whom it is `from`" in run.output, run.output
        said = {"web2py_report_mail": words, "web2py_report_mail_password": "pa55-word+/"}
        run = desk.play("tickets", **said)
        assert run.status == 0 and box.lines == [], run.output
        desk.on_host(PLANT)
        try:
            run = desk.play("tickets", "--check", **said)
            assert run.status == 0 and box.lines == [], run.output
            run = desk.play("tickets", **said)
        finally:
            desk.on_host(f"find {ERRORS} -type f -delete")
            box.shutdown()
    assert run.status == 0 and "pa55" not in run.output, run.output
    key = next(line for line in box.lines if line.startswith("AUTH PLAIN ")).split(" ")[2]
    assert base64.b64decode(key).decode().split("\0")[1:] == ["web2py", "pa55-word+/"]
    assert sum(line.lower().startswith("rcpt to:") for line in box.lines) == 2
    text = "\n".join(box.lines[box.lines.index("data") + 1 :])
    letter = email.message_from_string(text, policy=email.policy.default)
    assert letter["subject"] == "www.example.org: 3 kinds of tickets"
    body = next(part.get_content() for part in letter.walk() if part.get_content_type() == "text/plain")
    assert "starter/models/db.py:3" in body and "s3cret" not in body


def test_uploads_of_a_site_without_a_server_stay_in_files(desk: Desk) -> None:
    run = desk.play("uploads", web2py_uploads_applications="starter")
    assert (run.status, run.changed) == (0, 0), run.output
    assert "No application has uploads that could be elsewhere" in run.output, run.output
    run = desk.play("uploads", "--check", web2py_uploads_applications="starter,shoq", web2py_uploads_tables="a;b")
    assert run.status != 0 and "shoq is no application" in run.output and "'a;b'" in run.output, run.output
