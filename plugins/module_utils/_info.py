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
from collections.abc import Mapping, Sequence
from typing import Any

TIMEOUT_SECONDS = 30


class _Loopback(http.client.HTTPConnection):
    """A connection to this host under the site's public name, whatever the name service says."""

    def __init__(self, name: str, port: int, context: ssl.SSLContext | None) -> None:
        super().__init__(name, port, timeout=TIMEOUT_SECONDS)
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


def ask(site: Mapping[str, Any], path: str, secure: bool) -> dict[str, Any]:
    """The answer to one request under the site's canonical name."""
    port = site["ports"]["https"] if secure else site["ports"]["http"]
    return _ask(site["domain"], port, path, site if secure else None)


def _ask(name: str, port: int, path: str, secure: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Status, Location and certificate of one request; `error` where no answer came."""
    try:
        connection = _Loopback(name, port, _context(secure) if secure else None)
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
        "timer": _unit_states([timer])[timer],
        "service": _unit_states([service])[service],
        # At first the link leads to a certificate of the site's own.
        "got": os.path.basename(os.path.realpath(os.path.dirname(site["tls"]["certificate"]))).startswith("acme-"),
    }


def _unit_states(units: Sequence[str]) -> dict[str, str]:
    done = subprocess.run(["systemctl", "is-active", *units], stdout=subprocess.PIPE, text=True, check=False)
    return dict(zip(units, done.stdout.split()))


def _release(path: str) -> dict[str, Any]:
    try:
        with open(os.path.join(path, "release.json"), encoding="utf-8") as stream:
            found = json.load(stream)
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def info(site: Mapping[str, Any]) -> dict[str, Any]:
    """What runs and how it answers. Changes nothing."""
    secure = site["ports"]["https"] is not None
    release = _release(site["paths"]["current"])
    authority = renewal(site)
    page = ask(site, first_page(site), secure)
    tunnel = site["admin"]["tunnel_port"]
    return {
        "url": site["url"],
        "release": release.get("id"),
        "versions": release.get("versions") or {},
        "units": _unit_states(_units(site)),
        "page": page,
        "redirect": ask(site, "/", False) if secure else None,
        "admin": ask(site, "/admin", secure),
        "tunnel": _ask("localhost", tunnel, "/admin") if site["admin"]["mode"] == "tunnel" else None,
        "health": ask(site, "/healthz", secure),
        "certificate_days": days_of_file(site["tls"]["certificate"])
        if authority
        else certificate_days(page.get("certificate") or {}),
        "renewal": authority,
    }


def _units(site: Mapping[str, Any]) -> list[str]:
    """Of the tunnel the socket: its service runs when it is asked."""
    tunnel = [f"{site['name']}-admin.socket"] if site["admin"]["mode"] == "tunnel" else []
    # Without a web server the first and the last are one.
    return list(dict.fromkeys([f"{site['name']}.service", *tunnel, site["front_end"]["unit"]]))


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
    look = f"Look at: journalctl -u {name} -n 50"
    wrong = [
        f"{unit} is {state}. Look at: systemctl status {unit}"
        for unit, state in found["units"].items()
        if state != "active"
    ]
    for what, answer, good in (
        ("the first page", found["page"], _is_page),
        ("the health page", found["health"], lambda status: status == 200),
    ):
        if "error" in answer:
            wrong.append(f"{what} of {found['url']} gave no answer ({answer['error']}). {look}")
        elif not good(answer["status"]):
            wrong.append(f"{what} of {found['url']} answered {answer['status']}. {look}")
    if not found["page"].get("present", True):
        wrong.append(
            f"{found['url']} shows another certificate than {site['tls']['certificate']}. "
            f"Reload or restart {site['front_end']['unit']}"
        )
    wrong += _renewal_problems(site, found)
    tunnel = found["tunnel"]
    if tunnel is not None and tunnel.get("status", 500) >= 400:
        answer = tunnel.get("error") or tunnel["status"]
        address = f"http://127.0.0.1:{site['admin']['tunnel_port']}/admin"
        wrong.append(f"admin at {address} answered {answer}. Look at: journalctl -u {name}-admin -n 50")
    if found["redirect"] is not None and not str(found["redirect"].get("location") or "").startswith(found["url"]):
        wrong.append(f"http is not redirected to {found['url']} but answered {found['redirect']}")
    if site["admin"]["mode"] != "https" and found["admin"].get("status", 404) < 400:
        wrong.append(f"/admin answered {found['admin']['status']} although web2py_admin is {site['admin']['mode']}")
    return wrong


def _renewal_problems(site: Mapping[str, Any], found: Mapping[str, Any]) -> list[str]:
    """What keeps the certificate from being renewed."""
    how = found.get("renewal")
    if not how:
        return []
    unit = site["tls"]["acme"]["unit"]
    wrong = []
    if how["timer"] != "active":
        wrong.append(f"{unit}.timer is {how['timer']}, so the certificate is not renewed. Run the playbook again")
    if not how["got"]:
        wrong.append(f"the certificate is not from its authority yet. Look at: journalctl -u {unit} -n 30")
    elif how["service"] == "failed":
        days = f"{found['certificate_days']} days are left"
        wrong.append(f"the certificate was not renewed, {days}. Look at: journalctl -u {unit} -n 30")
    return wrong


def _is_page(status: int) -> bool:
    """A page, a redirection, or a question who asks."""
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
    if site["tls"]["provider"] == "self_signed":
        days = f"{found['certificate_days']} days left"
        lines.append(f"Certificate of the site's own authority, {days}; clients verify with {site['tls']['ca']}")
    if site["tls"].get("acme"):
        place = site["tls"]["acme"]["directory"].split("/")[2]
        days = f"{found['certificate_days']} days left"
        lines.append(f"Certificate by ACME from {place}, {days}; {site['tls']['acme']['unit']}.timer renews it")
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
