"""The encrypted side of the site is of today and its key is safe."""

from __future__ import annotations

import datetime
import socket
import ssl
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import sslyze
from client import Client, resumed
from hosts import Machine, Site
from sslyze.mozilla_tls_profile.tls_config_checker import (
    SCAN_COMMANDS_NEEDED_BY_MOZILLA_CHECKER,
    MozillaTlsConfiguration,
    TlsConfigurationEnum,
    check_server_against_tls_configuration,
)

testinfra_hosts = ["ansible://web2py_web"]

# Mozilla's intermediate guideline 6.0, by kind of key.
SUITES = {
    kind: {f"ECDHE-{kind}-{rest}" for rest in ("AES128-GCM-SHA256", "AES256-GCM-SHA384", "CHACHA20-POLY1305")}
    for kind in ("ECDSA", "RSA")
}


def trusting(client: Client) -> ssl.SSLContext:
    """A client's trust, to be changed by a test of its own."""
    assert client.trust
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.load_verify_locations(cadata="".join(map(ssl.DER_cert_to_PEM_cert, client.trust.get_ca_certs(True))))
    return context


def shaken(client: Client, version: ssl.TLSVersion, suite: str | None = None) -> tuple[str, str]:
    """Protocol and suite agreed on by a client that knows only these; ssl.SSLError when there is no agreement."""
    context = trusting(client)
    context.set_ciphers(f"{suite or 'ALL'}:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = version
    with Client(client.address, client.port, client.name, context).connect() as sock:
        assert isinstance(sock, ssl.SSLSocket)
        protocol, cipher = sock.version(), sock.cipher()
        assert protocol and cipher
        return protocol, cipher[0]


@pytest.fixture
def certificate(secure: Client) -> dict[str, Any]:
    with secure.connect() as sock:
        assert isinstance(sock, ssl.SSLSocket)
        return dict(sock.getpeercert() or {})


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_versions_of_today_are_spoken(version: ssl.TLSVersion, secure: Client) -> None:
    """TLS 1.2 and 1.3 connect."""
    assert shaken(secure, version)[0] == version.name.replace("_", ".")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_who_comes_back_goes_on_with_his_handshake(version: ssl.TLSVersion, secure: Client) -> None:
    """Whichever process answers: the expensive half of a handshake is made once."""
    context = trusting(secure)
    context.minimum_version = context.maximum_version = version
    again, session = resumed(secure, context, None)
    assert not again and session
    assert [resumed(secure, context, session)[0] for _visit in range(8)] == [True] * 8


def test_a_new_visitor_gets_one_ticket(secure: Client) -> None:
    """Each costs the handshake a tenth more. Python tells of them nowhere else."""
    context, came = trusting(secure), []
    context.minimum_version = ssl.TLSVersion.TLSv1_3

    def told(_sock: Any, _direction: str, _version: Any, _content: Any, kind: Any, _data: bytes) -> None:
        came.append(getattr(kind, "name", kind))

    context._msg_callback = told  # type: ignore[attr-defined]
    resumed(secure, context, None)
    assert came.count("NEWSESSION_TICKET") == 1


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
def test_old_versions_are_refused(version: ssl.TLSVersion, secure: Client, site: Site) -> None:
    """TLS 1.0 and 1.1 are turned down by the server itself, which says so; one that lacks the words hangs up."""
    with pytest.raises(ssl.SSLError, match="EOF" if "alerts" in site["front_end"]["lacks"] else r"(?i)alert"):
        shaken(secure, version)


def test_suites_are_those_of_the_guideline(secure: Client, site: Site) -> None:
    """Of all that a TLS 1.2 client may offer, exactly the guideline's suites for the site's key are agreed on.

    Keys that are made here are ECDSA's: theirs is the cheaper handshake.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.set_ciphers("ALL:COMPLEMENTOFALL:@SECLEVEL=0")
    agreed = set()
    for row in context.get_ciphers():
        if row["protocol"] == "TLSv1.3":
            continue
        with suppress(ssl.SSLError, ConnectionError):
            agreed.add(shaken(secure, ssl.TLSVersion.TLSv1_2, row["name"])[1])
    own = [SUITES["ECDSA"]]
    given = [*own, SUITES["RSA"], SUITES["ECDSA"] | SUITES["RSA"]]
    assert agreed in (given if site["tls"]["provider"] == "provided" else own)


@pytest.mark.filterwarnings("ignore:Parsed a serial number")  # in a list of authorities that the scanner brings along
def test_a_scanner_finds_the_guideline_kept(
    secure: Client, root: str | None, tmp_path: Path, variables: dict[str, Any]
) -> None:
    """sslyze grades the server by Mozilla's intermediate guideline, looks for known faults, and finds nothing."""
    authority = tmp_path / "authority.pem"
    authority.write_text(root or "")
    more = {sslyze.ScanCommand.SESSION_RESUMPTION, sslyze.ScanCommand.TLS_1_3_EARLY_DATA}
    request = sslyze.ServerScanRequest(
        server_location=sslyze.ServerNetworkLocation(secure.name, secure.port, ip_address=secure.address),
        scan_commands=SCAN_COMMANDS_NEEDED_BY_MOZILLA_CHECKER | more,
        scan_commands_extra_arguments=sslyze.ScanCommandsExtraArguments(
            certificate_info=sslyze.CertificateInfoExtraArgument(custom_ca_file=authority if root else None)
        ),
    )
    scanner = sslyze.Scanner(per_server_concurrent_connections_limit=4)
    scanner.queue_scans([request])
    (found,) = scanner.get_results()
    guideline = MozillaTlsConfiguration.get(TlsConfigurationEnum.MOZILLA_INTERMEDIATE)
    check_server_against_tls_configuration(found, guideline)  # it raises what it found
    result = found.scan_result
    assert not result.tls_1_3_early_data.result.supports_early_data
    rows = result.certificate_info.result.certificate_deployments[0].path_validation_results
    rows = [row for row in rows if (row.trust_store.path == authority if root else row.trust_store.name == "Mozilla")]
    assert len(rows) == 1 and rows[0].verified_certificate_chain
    # As long as the guideline wants, unless somebody has chosen otherwise.
    chosen = variables.get("web2py_hsts_seconds", guideline.hsts_min_age)
    assert secure.ask("/").get("strict-transport-security") == f"max-age={chosen}"


def test_the_certificate_holds_every_name(certificate: dict[str, Any], site: Site) -> None:
    """The certificate names each public name of the site, and nothing else."""
    assert {value for kind, value in certificate["subjectAltName"] if kind == "DNS"} == set(site["names"])


def test_every_name_verifies(site: Site, secure: Client) -> None:
    """A client that trusts the site's authority is satisfied with the certificate under every name."""
    for name in site["names"]:
        Client(secure.address, secure.port, name, secure.trust).connect().close()


def test_the_certificate_is_valid_for_a_while(certificate: dict[str, Any], site: Site) -> None:
    """The certificate does not run out within a week, and one of our own lives no longer than browsers accept."""
    begin, end = (ssl.cert_time_to_seconds(certificate[key]) for key in ("notBefore", "notAfter"))
    now = datetime.datetime.now(datetime.timezone.utc).timestamp()
    assert begin <= now and end - now > 7 * 86400
    if site["tls"]["provider"] == "self_signed":
        assert end - begin <= 398 * 86400


def test_strangers_do_not_verify(secure: Client) -> None:
    """Without the site's authority the certificate of our own is not believed: the suite really verifies."""
    with pytest.raises(ssl.SSLCertVerificationError):
        Client(secure.address, secure.port, secure.name, ssl.create_default_context()).connect()


def test_plain_words_on_the_encrypted_port_get_no_page(secure: Client) -> None:
    """Plain http on the https port is not served."""
    with socket.create_connection((secure.address, secure.port), timeout=5) as sock:
        sock.sendall(f"GET / HTTP/1.1\r\nHost: {secure.name}\r\nConnection: close\r\n\r\n".encode())
        answer = sock.recv(64)
    assert not answer or answer.split()[1].startswith(b"4")


def test_nobody_reads_the_key(secure: Client, site: Site, machine: Machine) -> None:
    """The private key belongs to root and is open to nobody else, nor is the authority's."""
    for path in [site["tls"]["key"], *machine.lines(f"find {site['paths']['settings']}/tls -name '*key*' -type f")]:
        owner, mode = machine.run(f"stat -L -c '%U %a' {path}").split()
        assert owner == "root" and mode in ("600", "400"), path
