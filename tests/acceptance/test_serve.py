"""The site answers under its canonical name, over https, and says what runs."""

from __future__ import annotations

import re
import ssl
from contextlib import suppress
from http.client import BadStatusLine
from typing import Any

import pytest
from client import Answer, Client
from hosts import Machine, Probe, Site, excused

testinfra_hosts = ["ansible://web2py_web"]

# Answers that tell a stranger that he is wrong here.
REFUSED = range(400, 500)


@pytest.fixture
def page(web: Client, site: Site) -> Answer:
    if site["routes"]["default_application"] != "starter":
        pytest.skip("the first page is not the starter's")
    return web.ask("/")


def fact(page: Answer, name: str) -> str:
    found = re.search(rf'id="{name}">([^<]*)<', page.text)
    assert found, f"{name} is not on the page"
    return found.group(1)


def test_first_page_says_what_runs(page: Answer, site: Site, facts: dict[str, Any]) -> None:
    """The starter names the versions of web2py and Python, the application server and the kind of connection."""
    assert page.status == 200
    assert fact(page, "python") == facts["python"]
    assert fact(page, "server").lower().startswith(site["server"]["name"])
    assert fact(page, "connection") == ("https" if site["ports"]["https"] else "plain http")
    assert re.fullmatch(r"\d+\.\d+\.\d+", fact(page, "web2py"))
    if site["source"]["type"] in ("pypi", "git"):
        assert fact(page, "web2py") == site["source"]["version"].lstrip("v")


def test_first_page_keeps_nothing(page: Answer) -> None:
    """The starter sets no cookie and brings no script."""
    assert page.all("set-cookie") == []
    assert "<script" not in page.text


def test_first_page_finds_its_files(page: Answer, web: Client) -> None:
    """Every file that the first page names is there and may be kept for good."""
    paths = re.findall(r'(?:href|src)="(/[^"]*/static/[^"]+)"', page.text)
    assert len(paths) >= 3
    for path in paths:
        answer = web.ask(path)
        assert answer.status == 200, path
        assert "immutable" in (answer.get("cache-control") or ""), path


@pytest.mark.parametrize("path", ["/favicon.ico", "/robots.txt"])
def test_files_that_everybody_asks_for(path: str, page: Answer, web: Client) -> None:
    """Browsers and robots find the two files that they ask of every site."""
    answer = web.ask(path)
    assert answer.status == 200
    assert not answer.text.lstrip().startswith("<")


@pytest.mark.parametrize(
    "path", ["/", "/probe/default/echo?x=1&y=%20z", "/admin", "/starter/static/robots.txt", "//evil.example/"]
)
def test_http_only_redirects(path: str, secure: Client, plain: Client, site: Site) -> None:
    """Over http everything is sent to the canonical https address, whatever is asked, and no cookie is set."""
    if path.startswith("//"):
        excused(site, "raw")
    answer = plain.ask(path)
    assert answer.status in (301, 308)
    assert answer.get("location") == site["url"] + path
    assert answer.all("set-cookie") == []


def test_http_takes_no_form(secure: Client, plain: Client) -> None:
    """What is posted over http reaches no application."""
    answer = plain.ask("/probe/default/body", method="POST", body=b"password=x")
    assert answer.status in (301, 308, 403, 405)


def test_aliases_redirect_to_the_canonical_name(site: Site, web: Client, plain: Client) -> None:
    """A further name of a site leads to the first, on both ports, and keeps path and query."""
    rows = [(alias, host["name"]) for host in site["hosts"] for alias in host["aliases"]]
    if not rows:
        pytest.skip("the site has no aliases")
    for alias, name in rows:
        for client in {plain, web}:
            answer = Client(client.address, client.port, alias, client.trust).ask("/a/b?c=d")
            assert answer.status in (301, 308), f"{alias}:{client.port}"
            assert answer.get("location") == f"{site['url'].split(':')[0]}://{name}/a/b?c=d"


def test_every_name_serves_its_application(site: Site, web: Client) -> None:
    """Each domain answers with the application it belongs to."""
    for row in site["hosts"]:
        client = Client(web.address, web.port, row["name"], web.trust)
        assert client.ask("/").status in (200, 303), row["name"]


def refused(client: Client, name: str) -> bool:
    """Whether a name is turned away: by a closed connection, or by an answer that serves and redirects nothing."""
    try:
        answer = client.ask("/", name=name)
    except (ConnectionError, ssl.SSLError, TimeoutError, BadStatusLine):
        return True
    return answer.status in REFUSED and answer.get("location") is None


@pytest.mark.parametrize("name", ["unknown.example", "localhost", "127.0.0.1", "www.example.org.evil.example", "_"])
def test_unknown_names_are_refused(name: str, web: Client, plain: Client) -> None:
    """A Host that is not the site's gets nothing, on either port."""
    assert refused(plain, name), "http"
    assert refused(web, name), "https"


def test_the_bare_address_is_refused(web: Client, plain: Client, address: str) -> None:
    """Who asks for the address instead of a name gets nothing."""
    assert refused(plain, address)
    assert refused(web, address)


def test_unknown_names_get_no_certificate(secure: Client, site: Site) -> None:
    """A TLS client that asks for another name learns nothing of the site, not even its certificate."""
    excused(site, "unknown")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # to see whatever is offered
    stranger = Client(secure.address, secure.port, "unknown.example", context)
    with pytest.raises((ssl.SSLError, ConnectionError)):
        stranger.connect(timeout=5).close()


@pytest.mark.parametrize(
    "head",
    [b"", b"Host: {name}\r\nHost: {name}\r\n", b"Host: {name}\r\nHost: evil.example\r\n", b"Host: \r\n"],
    ids=["none", "twice", "two", "empty"],
)
def test_doubtful_host_headers_are_refused(head: bytes, web: Client, site: Site) -> None:
    """A request without exactly one good Host header is not served."""
    if head.count(b"{name}") == 2:
        excused(site, "hosts")
    raw = b"GET / HTTP/1.1\r\n" + head.replace(b"{name}", web.name.encode()) + b"Connection: close\r\n\r\n"
    with suppress(ConnectionError, BadStatusLine):
        assert web.send(raw).status in REFUSED


def test_http2_is_spoken(secure: Client, site: Site) -> None:
    """The site offers HTTP/2 and means it: it greets with a SETTINGS frame."""
    excused(site, "http2")
    assert secure.trust
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(
        cadata="".join(ssl.DER_cert_to_PEM_cert(der) for der in secure.trust.get_ca_certs(True))
    )
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.set_alpn_protocols(["h2", "http/1.1"])
    with Client(secure.address, secure.port, secure.name, context).connect() as sock:
        assert isinstance(sock, ssl.SSLSocket) and sock.selected_alpn_protocol() == "h2"
        sock.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0]))
        assert sock.recv(9)[3] == 4


@pytest.mark.parametrize("path", ["/", "/nothing/here/at/all", "/starter/static/robots.txt", "/starter/static/none"])
def test_answers_carry_the_security_headers(path: str, secure: Client) -> None:
    """Every https answer, also an error and a file, carries each security header exactly once."""
    answer = secure.ask(path)
    strict = answer.get("strict-transport-security") or ""
    assert int((re.search(r"max-age=(\d+)", strict) or ["", "0"])[1]) >= 31536000
    assert answer.get("x-content-type-options") == "nosniff"
    assert answer.get("x-frame-options") in ("SAMEORIGIN", "DENY")
    assert answer.get("referrer-policy")


@pytest.mark.server
@pytest.mark.parametrize(
    "path", ["/", "/nothing/here/at/all", "/starter/static/robots.txt", "/%00", "/probe/default/fail"]
)
def test_answers_name_no_version(path: str, web: Client, plain: Client) -> None:
    """No header and no error page tells which program or version answers."""
    for client in (web, plain):
        answer = client.ask(path)
        assert not re.search(r"\d", answer.get("server") or ""), answer.get("server")
        assert answer.all("x-powered-by") == []
        if answer.status >= 400:
            assert not re.search(
                r"(nginx|apache|lighttpd|cherokee|uwsgi|web2py|python)[/ ]\d", answer.text, re.IGNORECASE
            )


@pytest.mark.server
def test_pages_come_whole(probe: Probe) -> None:
    """A page made by helpers and a large answer arrive to the last byte."""
    page = probe.ask("template/index")
    assert page.status == 200 and page.text.rstrip().endswith("</html>") and page.text.count("<tr>") == 120
    assert probe.ask("big/3000").body == b"0123456789abcdef" * 64 * 3000


def test_translations_are_served_and_never_written(probe: Probe, machine: Machine) -> None:
    """A page speaks the visitor's language; a text that no language file holds is not added to one."""
    assert probe.ask("translated", {"Accept-Language": "de"}).text == "Guten Morgen"
    before = machine.run(f"cat {probe.folder}/languages/de.py")
    assert probe.ask("untranslated/acceptance", {"Accept-Language": "de"}).text == "A text from acceptance"
    assert machine.run(f"cat {probe.folder}/languages/de.py") == before
