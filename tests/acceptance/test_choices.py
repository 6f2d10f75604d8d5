"""Choices that no other test asks after do what the table says, with their defaults and with other values."""

from __future__ import annotations

import gzip
from typing import Any

import pytest
from client import Client
from hosts import Machine, Probe, Site

testinfra_hosts = ["ansible://web2py_web"]
pytestmark = pytest.mark.server

# What a proxy on the host itself says of the client: the last word is the one before it has seen.
TOLD = "203.0.113.9, 198.51.100.7"
ASK = """
import http.client, json, ssl
context = ssl.create_default_context()
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
kind = {kind}
connection = http.client.HTTPConnection("127.0.0.1", {port}, timeout=20)
connection.connect()
if kind:
    connection.sock = context.wrap_socket(connection.sock, server_hostname={name!r})
connection.request("GET", "/probe/default/echo", headers={{"Host": {name!r}, "X-Forwarded-For": {told!r}}})
print(connection.getresponse().read().decode())
"""


def test_the_default_application_answers_first(site: Site, probe: Probe, web: Client) -> None:
    """The first page of the site is that of its default application, and of no other."""
    assert (web.ask("/").text == "probe") is (site["routes"]["default_application"] == "probe")


def test_pages_are_compressed_where_asked_for(site: Site, probe: Probe) -> None:
    """A page goes compressed to who can read it where that was chosen, to nobody otherwise, and says the same."""
    plain = probe.ask("template/index")
    packed = probe.ask("template/index", {"Accept-Encoding": "gzip"})
    assert plain.get("content-encoding") is None
    assert packed.get("content-encoding") == ("gzip" if site["policy"]["compress_pages"] else None)
    body = gzip.decompress(packed.body) if packed.get("content-encoding") else packed.body
    assert body == plain.body and len(body) > 5000


def test_browsers_are_told_how_long(site: Site, web: Client) -> None:
    """They keep a file without a version for as long as was chosen."""
    assert web.ask("/probe/static/js/probe.js").get("cache-control") == site["policy"]["cache"]


def test_only_a_trusted_proxy_tells_the_client(
    site: Site, probe: Probe, machine: Machine, variables: dict[str, Any]
) -> None:
    """The last address before the trusted ones is the client's; where nobody is trusted, it is the connection's."""
    secure = bool(site["ports"]["https"])
    port = site["ports"]["https"] or site["ports"]["http"]
    text = machine.python(ASK.format(kind=secure, port=port, name=site["domain"], told=TOLD))
    client = "198.51.100.7" if "127.0.0.1" in site["front_end"]["trusted_proxies"] else "127.0.0.1"
    assert f'"client": "{client}"' in text, text
    assert f'"remote_addr": "{client}"' in text
