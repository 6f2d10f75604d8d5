# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection: how a site is doing, asked through its own front door, and the words that say so."""

from __future__ import annotations

import http.client
import json
import os
import re
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.web2py.deploy.plugins.module_utils import _backup_state, _maintenance
from ansible_collections.web2py.deploy.plugins.module_utils._finding import sentences

TIMEOUT_SECONDS = 30
# What is wrong, and the next thing to look at or to do, which may be empty.
Fault = tuple[str, str]


class _Loopback(http.client.HTTPConnection):
    """A connection to this host under the site's public name, whatever the name service says."""

    def __init__(self, name: str, port: int, context: ssl.SSLContext | None, seconds: int) -> None:
        super().__init__(name, port, timeout=seconds)
        self._context = context
        self.certificate: dict[str, Any] = {}
        self.shown: bytes | None = None

    def connect(self) -> None:
        raw = socket.create_connection(("127.0.0.1", self.port), self.timeout)
        self.sock = raw
        if self._context:
            secured = self._context.wrap_socket(raw, server_hostname=self.host)
            self.certificate = dict(secured.getpeercert() or {})
            self.shown = secured.getpeercert(True)
            self.sock = secured


def _context(site: Mapping[str, Any]) -> ssl.SSLContext:
    """Verify against the site's own authority; that of provided files this host may not know."""
    if site["tls"]["provider"] == "self_signed":
        return ssl.create_default_context(cafile=site["tls"]["ca"])
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def ask(site: Mapping[str, Any], path: str, secure: bool, seconds: int = TIMEOUT_SECONDS) -> dict[str, Any]:
    """The answer to one request under the site's canonical name."""
    port = site["ports"]["https"] if secure else site["ports"]["http"]
    return _ask(site["domain"], port, path, site if secure else None, seconds)


def _ask(
    name: str, port: int, path: str, secure: Mapping[str, Any] | None = None, seconds: int = TIMEOUT_SECONDS
) -> dict[str, Any]:
    """Status, Location and certificate of one request; `error` where no answer came."""
    try:
        connection = _Loopback(name, port, _context(secure) if secure else None, seconds)
        connection.request("GET", path, headers={"Connection": "close", "User-Agent": "web2py.deploy"})
        response = connection.getresponse()
        response.read()
        connection.close()
    except (OSError, http.client.HTTPException) as error:
        return {"error": f"{type(error).__name__}: {error}"}
    return {
        "status": response.status,
        "location": response.getheader("Location"),
        "certificate": connection.certificate,
        "present": connection.shown is None
        or secure is None
        or is_in_file(connection.shown, secure["tls"]["certificate"]),
    }


def is_in_file(certificate: bytes, path: str) -> bool:
    """Is this certificate the first of a file?"""
    try:
        with open(path, encoding="utf-8") as stream:
            text = re.search(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", stream.read(), re.DOTALL)
        return text is not None and ssl.PEM_cert_to_DER_cert(text.group()) == certificate
    except (OSError, ValueError):
        return False


def days_of_file(path: str) -> int | None:
    """Whole days until the first certificate of a file ends; None where it cannot be read."""
    command = ["openssl", "x509", "-noout", "-enddate", "-in", path]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False)
    return certificate_days({"notAfter": done.stdout.strip().partition("=")[2]}) if done.returncode == 0 else None


def renewal(site: Mapping[str, Any]) -> dict[str, Any] | None:
    """How the renewal by ACME does: its units, and whether what the authority gave is in use. None without ACME."""
    authority = site["tls"].get("acme")
    if not authority:
        return None
    timer, service = f"{authority['unit']}.timer", f"{authority['unit']}.service"
    return {
        "timer": unit_states([timer])[timer],
        "service": unit_states([service])[service],
        # At first the link leads to a certificate of the site's own.
        "got": os.path.basename(os.path.realpath(os.path.dirname(site["tls"]["certificate"]))).startswith("acme-"),
    }


def unit_states(units: Sequence[str]) -> dict[str, str]:
    done = subprocess.run(["systemctl", "is-active", *units], stdout=subprocess.PIPE, text=True, check=False)
    return dict(zip(units, done.stdout.split()))


def release_of(path: str) -> dict[str, Any]:
    try:
        with open(os.path.join(path, "release.json"), encoding="utf-8") as stream:
            found = json.load(stream)
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def questions(site: Mapping[str, Any], seconds: int = TIMEOUT_SECONDS) -> dict[str, Callable[[], dict[str, Any]]]:
    """What a site is asked, by name; each question is a call."""
    secure = site["ports"]["https"] is not None
    asked: dict[str, Callable[[], dict[str, Any]]] = {
        "page": lambda: ask(site, first_page(site), secure, seconds),
        "admin": lambda: ask(site, "/admin", secure, seconds),
        "health": lambda: ask(site, "/healthz", secure, seconds),
    }
    if secure:
        asked["redirect"] = lambda: ask(site, "/", False, seconds)
    if site["admin"]["mode"] == "tunnel":
        asked["tunnel"] = lambda: _ask("localhost", site["admin"]["tunnel_port"], "/admin", None, seconds)
    return asked


def info(site: Mapping[str, Any]) -> dict[str, Any]:
    """What runs and how it answers. Changes nothing."""
    units = unit_states(units_of(site))
    return {
        **told(site, {name: question() for name, question in questions(site).items()}),
        "units": units,
        "maintenance": _maintenance.read(_maintenance.path_of(site)),
        "backup": _backup_state.read(site.get("backup")),
    }


def told(site: Mapping[str, Any], answers: Mapping[str, Any]) -> dict[str, Any]:
    """The answers with what the host's files say of what serves."""
    release = release_of(site["paths"]["current"])
    authority = renewal(site)
    return {
        "url": site["url"],
        "release": release.get("id"),
        "versions": release.get("versions") or {},
        "page": answers["page"],
        "redirect": answers.get("redirect"),
        "admin": answers["admin"],
        "tunnel": answers.get("tunnel"),
        "health": answers["health"],
        "certificate_days": days_of_file(site["tls"]["certificate"])
        if authority
        else certificate_days(answers["page"].get("certificate") or {}),
        "renewal": authority,
    }


def units_of(site: Mapping[str, Any]) -> list[str]:
    """Of the tunnel the socket: its service runs when it is asked."""
    tunnel = [f"{site['name']}-admin.socket"] if site["admin"]["mode"] == "tunnel" else []
    # Without a web server the first and the last are one.
    workers = [row["unit"] for row in site.get("scheduler") or []]
    backup = site.get("backup")
    timers = [f"{backup[unit]}.timer" for unit in ("unit", "drill_unit")] if backup else []
    return list(dict.fromkeys([f"{site['name']}.service", *tunnel, *workers, site["front_end"]["unit"], *timers]))


def first_page(site: Mapping[str, Any]) -> str:
    """What must answer: "/", or what the choices name for an application that has nothing there."""
    name = site["routes"]["default_application"]
    paths = {str(row["check_path"]) for row in site["applications"] if row["name"] == name}
    return next(iter(paths - {f"/{name}/default/index"}), "/")


def certificate_days(certificate: Mapping[str, Any]) -> int | None:
    """Whole days until a verified certificate ends; None where it was not verified."""
    if not certificate.get("notAfter"):
        return None
    return int((ssl.cert_time_to_seconds(certificate["notAfter"]) - time.time()) // 86400)


def problems(site: Mapping[str, Any], found: Mapping[str, Any], planned: bool = False) -> list[str]:
    """What keeps the site from being called up, one sentence each with the next thing to look at.

    A dry run (`planned`) has changed nothing: it can judge whether what was built before is up, not how what it would
    build answers.
    """
    name = site["name"]
    if planned:
        state = found["units"].get(f"{name}.service")
        dead = found["release"] is not None and state != "active"
        return [f"{name}.service is {state}. Look at: journalctl -u {name} -n 50"] if dead else []
    down = [
        (f"{unit} is {state}", f"Look at: systemctl status {unit}")
        for unit, state in found["units"].items()
        if state != "active"
    ]
    faults = [*down, *answer_faults(site, found), *renewal_faults(site, found)]
    wrong = [". ".join(filter(None, fault)) for fault in faults]
    return wrong + sentences(_backup_state.findings(name, found.get("backup")))


def answer_faults(site: Mapping[str, Any], found: Mapping[str, Any]) -> list[Fault]:
    """What the site answered wrong, where it was asked."""
    name, notice = site["name"], found.get("maintenance")
    look = f"Look at: journalctl -u {name} -n 50"
    closed = _maintenance.closed(notice, site["routes"]["default_application"])
    health = 503 if notice is not None and notice["site"] else 200
    wrong: list[Fault] = []
    for what, answer, good in (
        ("the first page", found["page"], _is_page(found["page"]) or (closed and found["page"].get("status") == 503)),
        ("the health page", found["health"], found["health"].get("status") == health),
    ):
        if "error" in answer:
            wrong.append((f"{what} of {found['url']} gave no answer ({answer['error']})", look))
        elif not good:
            wrong.append((f"{what} of {found['url']} answered {answer['status']}", look))
    if not found["page"].get("present", True):
        words = f"{found['url']} shows another certificate than {site['tls']['certificate']}"
        wrong.append((words, f"Reload or restart {site['front_end']['unit']}"))
    tunnel = found["tunnel"]
    if tunnel is not None and tunnel.get("status", 500) >= 400:
        answer = tunnel.get("error") or tunnel["status"]
        address = f"http://127.0.0.1:{site['admin']['tunnel_port']}/admin"
        wrong.append((f"admin at {address} answered {answer}", f"Look at: journalctl -u {name}-admin -n 50"))
    if found["redirect"] is not None and not str(found["redirect"].get("location") or "").startswith(found["url"]):
        wrong.append((f"http is not redirected to {found['url']} but answered {found['redirect']}", ""))
    if site["admin"]["mode"] != "https" and found["admin"].get("status", 404) < 400:
        words = f"/admin answered {found['admin']['status']} although web2py_admin is {site['admin']['mode']}"
        wrong.append((words, ""))
    return wrong


def renewal_faults(site: Mapping[str, Any], found: Mapping[str, Any]) -> list[Fault]:
    """What keeps the certificate from being renewed."""
    how = found.get("renewal")
    if not how:
        return []
    unit = site["tls"]["acme"]["unit"]
    look = f"Look at: journalctl -u {unit} -n 30"
    wrong: list[Fault] = []
    if how["timer"] != "active":
        words = f"{unit}.timer is {how['timer']}, so the certificate is not renewed"
        wrong.append((words, "Run the playbook again"))
    if not how["got"]:
        wrong.append(("the certificate is not from its authority yet", look))
    elif how["service"] == "failed":
        wrong.append((f"the certificate was not renewed, {found['certificate_days']} days are left", look))
    return wrong


def _is_page(answer: Mapping[str, Any]) -> bool:
    """A page, a redirection, or a question who asks."""
    status = answer.get("status", 500)
    return status < 400 or status in (401, 403)


def summary(site: Mapping[str, Any], found: Mapping[str, Any], planned: bool = False) -> list[str]:
    """The closing lines of a run, from what the running site answered."""
    if planned and found["release"] is None:
        return [f"No site {site['name']} was built on this host yet; this run would build it"]
    versions = found["versions"]
    page = f"{found['url']} answers {found['page'].get('status', 'nothing')}"
    if found["redirect"]:
        page += f", http redirects to it ({found['redirect'].get('status', 'no answer')})"
    number = str(versions.get("web2py", "unknown")).partition("-")[0]
    runs = f"web2py {number} on Python {versions.get('python', 'unknown')}"
    lines = [
        page,
        f"{runs}, release {found['release']}",
        ", ".join(f"{unit} {state}" for unit, state in found["units"].items()),
        _admin_line(site, found),
    ]
    closed = _maintenance.described(found.get("maintenance"))
    if closed:
        lines.insert(0, f"In maintenance: {closed}. web2py.deploy.maintenance -e web2py_maintenance=off ends it")
    if site["tls"]["provider"] == "self_signed":
        days = f"{found['certificate_days']} days left"
        lines.append(f"Certificate of the site's own authority, {days}; clients verify with {site['tls']['ca']}")
    if site["tls"].get("acme"):
        place = site["tls"]["acme"]["directory"].split("/")[2]
        days = f"{found['certificate_days']} days left"
        lines.append(f"Certificate by ACME from {place}, {days}; {site['tls']['acme']['unit']}.timer renews it")
    lines += _backup_state.lines(site.get("backup"), found.get("backup"))
    applications = ", ".join(row["name"] for row in site["applications"])
    lines.append(f"Applications: {applications}. Put yours into web2py_applications and run the playbook again")
    lines.append(
        "Next: web2py.deploy.status asks again; web2py.deploy.uninstall takes the site away and keeps its data"
    )
    return lines


def _admin_line(site: Mapping[str, Any], found: Mapping[str, Any]) -> str:
    answer = found["admin"].get("status", "nothing")
    mode = site["admin"]["mode"]
    if mode == "tunnel":
        port = site["admin"]["tunnel_port"]
        return f"admin is closed to the public ({answer}); through ssh -L {port}:127.0.0.1:{port} it is at http://127.0.0.1:{port}/admin"
    if mode == "https":
        return f"admin is open at {found['url']}/admin to {', '.join(site['admin']['networks'])}"
    return f"admin and database pages are closed ({answer}), because nobody asked for them (web2py_admin: disabled)"
