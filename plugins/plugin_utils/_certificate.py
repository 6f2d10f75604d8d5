# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a certificate has to be for a site: its names, what is wrong with a provided one, when an own one is due.

PRIVATE to the collection: it can change at any time.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cryptography import x509


def san(names: Sequence[str]) -> list[str]:
    """Return names and addresses as subject alternative names."""
    return [f"IP:{name}" if address(name) else f"DNS:{name}" for name in names]


def address(name: str) -> str | None:
    """Return the one way to write an address, None for a name."""
    try:
        return str(ipaddress.ip_address(name))
    except ValueError:
        return None


def constraints(names: Sequence[str]) -> dict[str, list[str]]:
    """Return what the site's own authority may sign.

    Its key lies on a web server, so a client that trusts it must not trust it for other people's sites. The parent
    domain is allowed, not only the name, so that www.example.org can be joined by shop.example.org without a new
    authority. A kind of name that is not mentioned would be unrestricted, therefore both kinds are.
    """
    domains = {name.split(".", 1)[1] if name.count(".") > 1 else name for name in names if not address(name)}
    hosts = [str(ipaddress.ip_network(name)) for name in sorted(names) if address(name)]
    return {
        "permitted": [f"DNS:{domain}" for domain in sorted(domains) or ["invalid"]] + [f"IP:{host}" for host in hosts],
        "excluded": [] if hosts else ["IP:0.0.0.0/0", "IP:::/0"],
    }


def due(files: Sequence[str], certificate: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    """Return why the site's own certificate has to be issued, nothing when it is good.

    files are lines of `stat --format "%a %U:%G %.Y %n"`, certificate is what `x509_certificate_info` said,
    wanted has names, issuer ("" for any that covers the names), certificate, and modes: the mode of every path.
    """
    found = {
        path: (f"{owner} {mode:0>4}", float(time)) for mode, owner, time, path in (line.split(" ", 3) for line in files)
    }
    reasons = []
    for path, mode in wanted["modes"].items():
        if path not in found:
            reasons.append(f"{PurePosixPath(path).name} is missing")
        elif found[path][0] != f"root:root {mode}":
            reasons.append(f"{PurePosixPath(path).name} is {found[path][0]} instead of root:root {mode}")
    if reasons:
        return reasons
    # The certificate is written last. When it is older than the rest, a run was stopped before it.
    written = found[wanted["certificate"]][1]
    reasons = [f"{PurePosixPath(path).name} is newer than it" for path in wanted["modes"] if found[path][1] > written]
    if "not_after" not in certificate:
        return [*reasons, "it cannot be read"]
    if wanted["issuer"] and certificate["issuer"].get("commonName") != wanted["issuer"]:
        reasons.append("it is not from the site's own authority")
    if not certificate["valid_at"]["renewal"]:
        reasons.append("it expires soon")
    names = {name.partition(":")[2] for name in certificate["subject_alt_name"] or []}
    names = {address(name) or name for name in names}
    needed = {address(name) or name for name in wanted["names"]}
    enough = all(any(covers(pattern, name) for pattern in names) for name in needed)
    if names != needed and (wanted["issuer"] or not enough):
        reasons.append(f"its names are {', '.join(sorted(names)) or 'none'}")
    return reasons


def problems(chain: str, key: str, names: Sequence[str], now: datetime | None = None) -> list[str]:
    """Return everything that is wrong with a provided certificate chain and key, each with its remedy."""
    # ansible-core brings it to every controller; the other functions do without.
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    now = now or datetime.now(timezone.utc)
    found = []
    certificates: list[x509.Certificate] = []
    private = None
    try:
        certificates = x509.load_pem_x509_certificates(chain.encode())
    except ValueError:
        found.append("the certificate is missing or no PEM: give the path of a file with BEGIN CERTIFICATE in it")
    try:
        private = load_pem_private_key(key.encode(), None)
    except TypeError:
        found.append("the key is encrypted with a passphrase: remove it with `openssl pkey`, keep the key in a vault")
    except ValueError:
        found.append("the key is missing or no PEM: give the path of a file with BEGIN PRIVATE KEY in it")
    if not certificates:
        return found

    own = certificates[0]
    if private and _public(private.public_key()) != _public(own.public_key()):
        found.append(
            "the key does not belong to the certificate: the site's own certificate must be the first of the file"
        )
    for earlier, later in zip(certificates, certificates[1:]):
        if earlier.issuer != later.subject:
            found.append(
                f"the chain is broken: after {earlier.subject.rfc4514_string()} comes {later.subject.rfc4514_string()},"
                f" not its issuer {earlier.issuer.rfc4514_string()}"
            )
    for certificate in certificates:
        title = certificate.subject.rfc4514_string() or "the certificate"
        if certificate.not_valid_after_utc <= now:
            found.append(
                f"{title} expired on {certificate.not_valid_after_utc:%Y-%m-%d}: get a new one from its issuer"
            )
        if certificate.not_valid_before_utc > now:
            begin = f"{certificate.not_valid_before_utc:%Y-%m-%d %H:%M} UTC"
            found.append(f"{title} is not valid before {begin}: wait or check the clock")
    covered = _names(own)
    lost = [name for name in names if not any(covers(pattern, name) for pattern in covered)]
    if lost:
        found.append(
            f"the certificate does not cover {', '.join(lost)} (it covers {', '.join(covered) or 'no name'}):"
            " get one for all names, or take the name from web2py_domain, web2py_aliases or the applications' domains"
        )
    return found


def covers(pattern: str, name: str) -> bool:
    """Tell whether a name of a certificate stands for a name of the site; a star is exactly one label."""
    if address(name) or not pattern.startswith("*."):
        return (address(pattern) or pattern.lower()) == (address(name) or name.lower())
    return name.lower().partition(".")[2] == pattern[2:].lower()


def _names(certificate: x509.Certificate) -> list[str]:
    from cryptography import x509

    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return names.get_values_for_type(x509.DNSName) + [str(ip) for ip in names.get_values_for_type(x509.IPAddress)]


def _public(key: Any) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return bytes(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))
