"""The certificate comes from an ACME authority, and is renewed by the host itself without anybody noticing."""

from __future__ import annotations

import hashlib
import json
import ssl
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from client import Client
from hosts import Machine, Probe, Site, excused

testinfra_hosts = ["ansible://web2py_web"]

CHALLENGES = "/.well-known/acme-challenge/"
TOKEN = "a-token_of-0ur_own"
CLIMBING = (
    "../secret", "..%2fsecret", "%2e%2e/secret", "%2e%2e%2fsecret", "..%252fsecret", "x/../../secret", "x/../secret",
    "./../secret", "..;/secret", "..\\secret", "%5c..%5csecret", "/run/secret", "%00", TOKEN + "%00", TOKEN + "/",
    TOKEN + "/.", TOKEN + ".pem", "." + TOKEN, "", ".", "..",
)  # fmt: skip


@pytest.fixture(scope="module")
def authority(site: Site) -> dict[str, Any]:
    found = site["tls"]["acme"]
    if not found:
        pytest.skip("the certificate is not by ACME")
    return dict(found)


@pytest.fixture
def challenge(authority: dict[str, Any], machine: Machine) -> Iterator[str]:
    """The path of a challenge that is there, as the client of the authority would put it; a secret lies above."""
    folder = authority["challenges"]
    machine.run(f"mkdir -m 0755 {folder} && echo -n the answer > {folder}/{TOKEN} && chmod 0644 {folder}/{TOKEN}")
    machine.run("echo -n never to be shown > /run/secret && chmod 0644 /run/secret")
    try:
        yield CHALLENGES + TOKEN
    finally:
        machine.run(f"rm -r {folder} /run/secret")


def shown(web: Client) -> bytes:
    """The certificate that a visitor sees."""
    with web.connect() as sock:
        assert isinstance(sock, ssl.SSLSocket)
        return sock.getpeercert(True) or b""


def test_the_certificate_is_the_authoritys(
    authority: dict[str, Any], site: Site, secure: Client, machine: Machine
) -> None:
    """What is shown is not of the site's own authority; its key is of the curve P-256, root's, and behind one link."""
    with secure.connect() as sock:
        assert isinstance(sock, ssl.SSLSocket)
        issuer = dict(pair for row in (sock.getpeercert() or {})["issuer"] for pair in row)  # type: ignore[misc]
    assert "own authority" not in issuer["commonName"]
    assert "NIST CURVE: P-256" in machine.run(f"openssl pkey -noout -text -in {site['tls']['key']}")
    folder = machine.run(f"readlink -f {site['tls']['key']}").strip().rpartition("/")[0]
    assert machine.run(f"stat -c '%a %U:%G' {folder} {folder}/*").split("\n")[:3] == [
        "750 root:root", "640 root:root", "600 root:root",
    ]  # fmt: skip


def test_the_account_is_nobodys_but_root(authority: dict[str, Any], machine: Machine) -> None:
    """Account and pair are unreadable for others, and the user who asks exists only meanwhile."""
    assert set(machine.lines(f"find {authority['state']}/ -type f -printf '%m\n'")) == {"600"}
    assert machine.run("stat -c %a /var/lib/private").strip() == "700"
    assert machine.try_to(f"runuser -u nobody -- ls {authority['state']}/").rc != 0
    assert machine.try_to(f"grep -E '^{authority['unit']}:' /etc/passwd").rc != 0


@pytest.mark.late
def test_challenges_are_served_by_plain_http_under_every_name(challenge: str, site: Site, plain: Client) -> None:
    for name in site["names"]:
        answer = plain.ask(challenge, name=name)
        assert (answer.status, answer.text) == (200, "the answer"), name


@pytest.mark.late
@pytest.mark.parametrize("path", CLIMBING)
def test_nothing_else_is_served_there(path: str, challenge: str, plain: Client) -> None:
    """Whatever is not a token is refused, or redirected like any other path."""
    answer = plain.ask(challenge.rpartition("/")[0] + "/" + path)
    assert answer.status in (301, 400, 404), answer.status
    assert "never" not in answer.text and "the answer" not in answer.text


@pytest.mark.late
def test_links_among_challenges_are_not_followed(
    authority: dict[str, Any], challenge: str, site: Site, plain: Client, machine: Machine
) -> None:
    excused(site, "links")
    machine.run(f"ln -s /run/secret {authority['challenges']}/link")
    assert plain.ask(CHALLENGES + "link").status in (403, 404)


def test_without_a_challenge_there_is_nothing(authority: dict[str, Any], plain: Client, machine: Machine) -> None:
    """When nobody asks the authority, the folder of challenges does not even exist."""
    assert machine.try_to(f"test -e {authority['challenges']}").rc != 0
    assert plain.ask(CHALLENGES + TOKEN).status == 404


@pytest.mark.late
def test_nobody_is_asked_without_a_reason(authority: dict[str, Any], machine: Machine, secure: Client) -> None:
    """The timer is set; what it starts leaves a good certificate alone."""
    unit = authority["unit"]
    assert machine.run(f"systemctl is-active {unit}.timer").strip() == "active"
    assert machine.run(f"systemctl is-enabled {unit}.timer").strip() == "enabled"
    before, pair = shown(secure), machine.run(f"stat -c %Y.%i {authority['state']}/pair.json")
    machine.run(f"systemctl start {unit}")
    assert machine.run(f"stat -c %Y.%i {authority['state']}/pair.json") == pair
    assert shown(secure) == before
    assert "nobody was asked" in machine.run(f"journalctl -u {unit} -n 8 -o cat --no-pager")


@pytest.mark.late
def test_a_renewal_loses_no_request(
    authority: dict[str, Any], machine: Machine, site: Site, secure: Client, probe: Probe
) -> None:
    """Readers and an upload go on meanwhile; afterwards certificate and key are new, and the playbook knows."""
    before = shown(secure)
    key = machine.run(f"openssl pkey -pubout -in {site['tls']['key']}")
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    form = b"text=" + b"x" * 200_000
    done, lost, stop = [0], [], threading.Event()

    def visit(uploads: bool) -> None:
        while not stop.is_set():
            try:
                answer = probe.ask("body", kind, method="POST", body=form) if uploads else probe.ask("small/index")
                assert answer.status == 200, answer.status
                done[0] += 1
            except Exception as error:  # each kind of failure is a lost request
                lost.append(repr(error))
            stop.wait(0.01)

    clients = [threading.Thread(target=visit, args=(uploads,)) for uploads in (False, True, False)]
    for client in clients:
        client.start()
    try:
        for _ in range(3):
            machine.run(f"rm {authority['state']}/pair.json && systemctl start {authority['unit']}")
    finally:
        stop.set()
        for client in clients:
            client.join()
    assert lost == [] and done[0] > 20
    assert shown(secure) != before
    assert machine.run(f"openssl pkey -pubout -in {site['tls']['key']}") != key
    unit = site["front_end"]["unit"]
    stamp = json.loads(machine.run(f"cat /run/web2py.deploy/{unit}.json"))
    # A front end that was restarted has another life, and read them when it began.
    for path in (site["tls"]["certificate"], site["tls"]["key"]):
        known = stamp["files"][path] == hashlib.sha256(machine.run(f"cat {path}").encode()).hexdigest()
        assert known or stamp["life"] != machine.property(unit, "InvocationID")


@pytest.mark.late
def test_a_name_that_is_not_validated_is_named_and_harms_nothing(
    authority: dict[str, Any], machine: Machine, secure: Client, answers: Any
) -> None:
    """The unit fails for all to see, with the name in its journal; the site goes on with what it has."""
    unit, settings = authority["unit"], f"/etc/{authority['unit']}/settings.json"
    kept = machine.run(f"cat {settings}")
    before = shown(secure)
    wrong = json.loads(kept)
    wrong["names"].append("lost.example.org")
    try:
        machine.run(f"cp -p {settings} /run/kept && cat > {settings} <<'E'\n{json.dumps(wrong)}\nE")
        assert machine.try_to(f"systemctl start {unit}").rc != 0
        assert machine.run(f"systemctl is-failed {unit}").strip() == "failed"
        words = machine.run(f"journalctl -u {unit} -n 30 -o cat --no-pager")
        assert "lost.example.org was not validated, so no certificate for" in words
        assert shown(secure) == before and answers()
    finally:
        machine.run(f"mv /run/kept {settings}")
        # The tests before have started it often.
        machine.run(f"systemctl reset-failed {unit} && systemctl start {unit}")
    assert machine.try_to(f"systemctl is-failed {unit}").rc != 0
    assert shown(secure) == before


# The last of the module: web2py is stopped until its end.
@pytest.mark.late
@pytest.mark.usefixtures("stopped_server")
def test_challenges_do_not_need_web2py(challenge: str, plain: Client) -> None:
    assert plain.ask(challenge).text == "the answer"
    assert plain.ask(CHALLENGES + "unknown").status == 404
