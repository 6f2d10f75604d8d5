"""Certificates by ACME for two sites of one machine: one that fails does not stop the other; it leaves nothing."""

from __future__ import annotations

import json
import shlex
from typing import Any

import pytest
import yaml
from desk import ROOT, Desk

LEFT = "ls -d /etc/*_acme /var/lib/*_acme /var/lib/private/*_acme /etc/systemd/system/*_acme.* /etc/web2py/tls/live"


@pytest.fixture(scope="module")
def authority(desk: Desk) -> dict[str, Any]:
    """An authority on the host, and the choice of it."""
    tls = {
        "provider": "acme",
        "directory": "https://localhost:14000/dir",
        "ca_bundle": str(desk.folder / "authority/server.pem"),
    }
    (desk.folder / "choices.yml").write_text(yaml.safe_dump({"web2py_tls": tls}))
    playbook = str(ROOT / "molecule/shared/authority.yml")
    run = desk.ansible("ansible-playbook", "-i", "inventory.yml", playbook, "-e", f"@{desk.folder}/choices.yml")
    assert run.status == 0, run.output
    first = {"web2py_source": {"type": "pypi"}, "web2py_tls": tls}
    second = {**desk.login, **first, "web2py_site": "second", "web2py_domain": "second.example.org"}
    hosts = {"www.example.org": first, "second": second}
    (desk.folder / "acme.yml").write_text(yaml.safe_dump({"web2py_web": {"hosts": hosts}}))
    return tls


def play(desk: Desk, playbook: str = "site", *words: str) -> Any:
    return desk.ansible("ansible-playbook", "-i", "acme.yml", f"web2py.deploy.{playbook}", *words)


def issuer(desk: Desk, name: str) -> str:
    """Who gave the certificate that the front end shows."""
    command = f"openssl s_client -connect 127.0.0.1:443 -servername {name} </dev/null 2>/dev/null"
    return desk.on_host(f"{command} | openssl x509 -noout -issuer").strip()


def resolves(desk: Desk, name: str, well: bool) -> None:
    """Whether the authority's name server knows a name."""
    address = f"http://127.0.0.1:8055/{'clear' if well else 'set'}-servfail"
    program = f"import urllib.request; urllib.request.urlopen({address!r}, {json.dumps({'host': name}).encode()!r})"
    desk.on_host(f"python3 -c {shlex.quote(program)}")


def test_a_name_that_fails_does_not_stop_the_other_site(desk: Desk, authority: dict[str, Any]) -> None:
    resolves(desk, "second.example.org", False)
    run = play(desk)
    assert run.status != 0 and "second.example.org was not validated" in run.output, run.output
    assert "https://www.example.org answers 200" in run.output
    assert "Pebble" in issuer(desk, "www.example.org")
    # It serves all the same, and status says what is missing.
    assert "second: the site's own authority" in issuer(desk, "second.example.org")
    status = play(desk, "status")
    assert status.status != 0 and "the certificate is not from its authority yet" in status.output, status.output
    assert "days left; web2py_acme.timer renews it" in status.output


def test_the_next_run_mends_it_and_the_one_after_changes_nothing(desk: Desk, authority: dict[str, Any]) -> None:
    resolves(desk, "second.example.org", True)
    run = play(desk)
    assert run.status == 0, run.output
    assert "Pebble" in issuer(desk, "second.example.org")
    again = play(desk)
    assert (again.status, again.changed) == (0, 0), again.output


def test_a_run_does_not_notice_a_renewal(desk: Desk, authority: dict[str, Any]) -> None:
    """The timer's service got a new pair meanwhile: nothing is changed, least of all back."""
    show = "openssl x509 -noout -serial -in /etc/web2py/tls/live/certificate.pem"
    before = desk.on_host(show)
    desk.on_host("rm /var/lib/private/web2py_acme/pair.json && systemctl start web2py_acme")
    renewed = desk.on_host(show)
    assert renewed != before
    # Nobody reads the site's own any more, so it may run out.
    desk.on_host("rm /etc/web2py/tls/certificate.pem")
    run = play(desk)
    assert (run.status, run.changed) == (0, 0), run.output
    assert desk.on_host(show) == renewed


def test_another_name_brings_another_certificate(desk: Desk, authority: dict[str, Any]) -> None:
    inventory = yaml.safe_load((desk.folder / "acme.yml").read_text())
    inventory["web2py_web"]["hosts"]["www.example.org"]["web2py_aliases"] = ["example.org"]
    (desk.folder / "acme.yml").write_text(yaml.safe_dump(inventory))
    run = play(desk, "site", "--limit", "www.example.org")
    assert run.status == 0, run.output
    assert "DNS:example.org" in desk.on_host(
        "openssl x509 -noout -ext subjectAltName -in /etc/web2py/tls/live/certificate.pem"
    )


def test_another_provider_is_a_word_and_leaves_nothing(desk: Desk, authority: dict[str, Any]) -> None:
    gone = desk.ansible("ansible-playbook", "-i", "acme.yml", "web2py.deploy.uninstall", "--limit", "second")
    assert gone.status == 0, gone.output
    assert desk.on_host("ls -d /etc/second* /etc/systemd/system/second*", check=False) == ""
    run = desk.play()
    assert run.status == 0, run.output
    assert "web2py: the site's own authority" in issuer(desk, "www.example.org")
    assert desk.on_host(LEFT, check=False) == ""
    again = desk.play()
    assert (again.status, again.changed) == (0, 0), again.output
