from __future__ import annotations

import ipaddress
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from ansible_collections.web2py.deploy.plugins.plugin_utils._certificate import constraints, covers, due, problems, san

NOW = datetime(2026, 11, 21, tzinfo=timezone.utc)
KEY, OTHER_KEY, CA_KEY = (ec.generate_private_key(ec.SECP256R1()) for _key in range(3))
NAMES = ["www.example.org", "192.0.2.7"]


def certificate(
    names: list[str], *, subject: str = "site", issuer: str = "CA", days: tuple[int, int] = (-1, 90), own: Any = KEY
) -> str:
    kinds = [x509.IPAddress(ipaddress.ip_address(n)) if n[0].isdigit() else x509.DNSName(n) for n in names]
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(own.public_key())
        .serial_number(1)
        .not_valid_before(NOW + timedelta(days=days[0]))
        .not_valid_after(NOW + timedelta(days=days[1]))
    )
    if kinds:
        builder = builder.add_extension(x509.SubjectAlternativeName(kinds), critical=False)
    return builder.sign(CA_KEY, hashes.SHA256()).public_bytes(Encoding.PEM).decode()


def pem(key: ec.EllipticCurvePrivateKey, passphrase: bytes | None = None) -> str:
    encryption = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption).decode()


ISSUER = certificate([], subject="CA", issuer="Root", own=CA_KEY)


@pytest.mark.parametrize(
    "names", [NAMES, ["*.example.org", "192.0.2.7"], ["WWW.Example.ORG", "192.0.2.7", "more.test"]]
)
def test_fitting_certificate_has_no_problem(names: list[str]) -> None:
    assert problems(certificate(names) + ISSUER, pem(KEY), NAMES, NOW) == []


@pytest.mark.parametrize(
    ("chain", "key", "words"),
    [
        ("", pem(KEY), "certificate is missing or no PEM"),
        (
            "-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----",
            pem(KEY),
            "certificate is missing or no PEM",
        ),
        (certificate(NAMES), "", "key is missing or no PEM"),
        (certificate(NAMES), "-----BEGIN PRIVATE KEY-----\nx\n-----END PRIVATE KEY-----", "key is missing or no PEM"),
        (certificate(NAMES), pem(KEY, b"secret"), "encrypted with a passphrase"),
        (certificate(NAMES), pem(OTHER_KEY), "does not belong to the certificate"),
        (ISSUER + certificate(NAMES), pem(KEY), "does not belong to the certificate"),
        (certificate(NAMES) + certificate(NAMES), pem(KEY), "the chain is broken: after CN=site comes CN=site"),
        (certificate(NAMES, days=(-90, -1)), pem(KEY), "CN=site expired on 2026-11-20"),
        (certificate(NAMES, days=(1, 90)), pem(KEY), "not valid before 2026-11-22"),
        (certificate(NAMES[:1]), pem(KEY), "does not cover 192.0.2.7 (it covers www.example.org)"),
        (certificate([]), pem(KEY), "does not cover www.example.org, 192.0.2.7 (it covers no name)"),
        (certificate(["*.www.example.org", "192.0.2.7"]), pem(KEY), "does not cover www.example.org"),
    ],
)
def test_each_problem_is_named(chain: str, key: str, words: str) -> None:
    found = problems(chain, key, NAMES, NOW)
    assert any(words in problem for problem in found), found
    assert "PRIVATE KEY--" not in str(found)


def test_all_problems_come_at_once() -> None:
    assert len(problems("", "", NAMES, NOW)) == 2
    assert len(problems(certificate(["a.test"], days=(-9, -1)) + certificate([]), pem(OTHER_KEY), NAMES, NOW)) == 4


@pytest.mark.parametrize(
    ("pattern", "name", "answer"),
    [
        ("example.org", "example.org", True),
        ("*.example.org", "a.example.org", True),
        ("*.example.org", "a.b.example.org", False),
        ("*.example.org", "example.org", False),
        ("2001:db8::1", "2001:db8:0::1", True),
        ("*.0.2.7", "192.0.2.7", False),
    ],
)
def test_star_is_exactly_one_label(pattern: str, name: str, answer: bool) -> None:
    assert covers(pattern, name) is answer


def test_names_and_addresses_are_told_apart() -> None:
    assert san(["a.test", "192.0.2.7", "2001:db8::1"]) == ["DNS:a.test", "IP:192.0.2.7", "IP:2001:db8::1"]


def test_authority_is_held_to_the_parent_domains() -> None:
    names = ["www.example.org", "example.org", "shop.example.org", "localhost"]
    assert constraints(names) == {
        "permitted": ["DNS:example.org", "DNS:localhost"],
        "excluded": ["IP:0.0.0.0/0", "IP:::/0"],
    }
    assert constraints(["192.0.2.7"]) == {"permitted": ["DNS:invalid", "IP:192.0.2.7/32"], "excluded": []}


WANTED = {
    "names": ["a.test", "2001:db8::1"],
    "issuer": "own",
    "certificate": "/t/certificate.pem",
    "modes": {"/t/ca.pem": "0644", "/t/key.pem": "0600", "/t/certificate.pem": "0644"},
}
FILES = ["644 root:root 1.5 /t/ca.pem", "600 root:root 2 /t/key.pem", "644 root:root 3 /t/certificate.pem"]
INFO = {
    "not_after": "20270101000000Z",
    "issuer": {"commonName": "own"},
    "valid_at": {"renewal": True},
    "subject_alt_name": ["IP:2001:db8:0:0:0:0:0:1", "DNS:a.test"],
}


def test_good_certificate_is_not_due() -> None:
    assert due(FILES, INFO, WANTED) == []


@pytest.mark.parametrize(
    ("files", "info", "reason"),
    [
        ([], INFO, "key.pem is missing"),
        (FILES[:2], {}, "certificate.pem is missing"),
        (
            [FILES[0], "644 root:root 2 /t/key.pem", FILES[2]],
            INFO,
            "key.pem is root:root 0644 instead of root:root 0600",
        ),
        ([FILES[0], "600 www-data:root 2 /t/key.pem", FILES[2]], INFO, "key.pem is www-data:root 0600"),
        ([FILES[0], "600 root:root 3.1 /t/key.pem", FILES[2]], INFO, "key.pem is newer"),
        (FILES, {"failed": True}, "cannot be read"),
        (FILES, {**INFO, "issuer": {}}, "not from the site's own authority"),
        (FILES, {**INFO, "valid_at": {"renewal": False}}, "expires soon"),
        (FILES, {**INFO, "subject_alt_name": ["DNS:a.test"]}, "its names are a.test"),
        (FILES, {**INFO, "subject_alt_name": None}, "its names are none"),
    ],
)
def test_each_reason_is_named(files: list[str], info: dict[str, Any], reason: str) -> None:
    assert any(reason in given for given in due(files, info, WANTED))


@pytest.mark.parametrize(
    ("names", "reason"), [(["DNS:*.test", "IP:2001:db8::1"], ""), (["DNS:a.test"], "its names are a.test")]
)
def test_where_any_issuer_will_do_names_must_be_covered(names: list[str], reason: str) -> None:
    info = {**INFO, "issuer": {"commonName": "another"}, "subject_alt_name": names}
    found = due(FILES, info, {**WANTED, "issuer": ""})
    assert bool(found) == bool(reason) and reason in "".join(found)
