"""Where the site opens admin: as far as its choice says, with the password, and no further."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from http.client import BadStatusLine
from typing import Any

import pytest
from client import Answer, Client
from hosts import Machine, Probe, Site, excused, tunnel
from test_admin import PATHS

testinfra_hosts = ["ansible://web2py_web"]

PAGES = ("/admin", "/admin/default/site", "/probe/appadmin/index")


# As wide as the client, so that it comes first.
@pytest.fixture(scope="module", autouse=True)
def opened(site: Site) -> None:
    if site["admin"]["mode"] == "disabled":
        pytest.skip("admin is closed here; test_admin.py shows how well")


@pytest.fixture(scope="module")
def door(site: Site, web: Client, variables: dict[str, Any], address: str) -> Iterator[Client]:
    """A client where admin is: the public address, or the near end of a real tunnel."""
    if site["admin"]["mode"] == "https":
        yield web
        return
    with tunnel(variables, address, site["admin"]["tunnel_port"]) as client:
        yield client


@pytest.fixture(scope="module")
def real(site: Site) -> None:
    kinds = [row["source"]["type"] for row in site["applications"] if row["name"] == "admin"]
    if kinds != ["bundled"]:
        pytest.skip("the application admin is not web2py's")


def login(door: Client, password: str) -> tuple[Answer, str]:
    """Log in as the form does: its page, its hidden fields, its cookie."""
    form = door.ask("/admin/default/index")
    assert form.status == 200 and 'type="password"' in form.text, form.text[:300]
    cookie = form.all("set-cookie")[0].split(";")[0]
    fields = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', form.text))
    body = "&".join([*(f"{name}={value}" for name, value in fields.items()), f"password={password.replace(' ', '+')}"])
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Cookie": cookie}
    return door.ask("/admin/default/index", headers, method="POST", body=body.encode()), cookie


@pytest.fixture(scope="module")
def inside(real: None, door: Client, variables: dict[str, Any]) -> dict[str, str]:
    """Who has logged in, once for all: forms are counted."""
    answer, cookie = login(door, variables["web2py_admin_password"])
    assert answer.status == 303, answer.text[:300]
    return {"Cookie": cookie}


@pytest.mark.usefixtures("real")
def test_the_password_opens_admin(door: Client, inside: dict[str, str]) -> None:
    """The real admin takes the password of the inventory and shows the applications."""
    page = door.ask("/admin/default/site", inside)
    assert page.status == 200 and "starter" in page.text


@pytest.mark.usefixtures("real")
def test_another_password_does_not(door: Client, variables: dict[str, Any]) -> None:
    answer, cookie = login(door, "another one")
    assert answer.status == 200 and "invalid password" in answer.text
    assert door.ask("/admin/default/site", {"Cookie": cookie}).status == 303


@pytest.mark.usefixtures("real")
@pytest.mark.parametrize(
    ("page", "word"),
    [
        ("site", "probe"),
        ("design/probe", "appadmin.py"),
        ("peek/probe/controllers/default.py", "largest_body_kb"),
        ("edit/probe/controllers/default.py", "controllers/default.py"),
        ("errors/probe", "error logs"),
        ("search/probe?keywords=what", "default.py"),
        ("uninstall/probe", "are you sure"),
    ],
)
def test_its_pages_open(page: str, word: str, door: Client, inside: dict[str, str]) -> None:
    answer = door.ask(f"/admin/default/{page}", inside)
    assert answer.status == 200 and word in answer.text.lower(), answer.text[:300]


@pytest.mark.usefixtures("real")
def test_it_shows_the_ticket_of_an_error(door: Client, inside: dict[str, str], probe: Probe) -> None:
    """The number that a visitor quotes leads to the traceback that he did not see."""
    found = re.search(r"probe/[\w.-]+", probe.ask("fail").text)
    assert found
    page = door.ask(f"/admin/default/ticket/{found[0]}", inside)
    assert page.status == 200 and "words of a traceback" in page.text


@pytest.mark.usefixtures("real")
def test_it_cleans_sessions_up(door: Client, inside: dict[str, str], machine: Machine, probe: Probe) -> None:
    probe.ask("session/index")
    files = f"find {probe.state}/sessions -type f"
    assert machine.lines(files)
    assert door.ask("/admin/default/cleanup/probe", inside).status == 303
    assert machine.lines(files) == []


@pytest.mark.usefixtures("real")
def test_it_changes_no_code(door: Client, inside: dict[str, str], machine: Machine, probe: Probe) -> None:
    """Code is deployed, not edited on the host: saving ends in a ticket that says so, and nothing is different."""
    file = f"{probe.folder}/controllers/small.py"
    before = machine.run(f"sha256sum {file}")
    headers = {**inside, "Content-Type": "application/x-www-form-urlencoded", "X-Requested-With": "XMLHttpRequest"}
    answer = door.ask("/admin/default/edit/probe/controllers/small.py", headers, method="POST", body=b"data=x%3D1")
    assert answer.status == 500, answer.text[:300]
    found = re.search(r"admin/[\w.-]+", answer.text)
    assert found
    assert "Read-only file system" in door.ask(f"/admin/default/ticket/{found[0]}", inside).text
    assert machine.run(f"sha256sum {file}") == before
    assert machine.try_to(f"test -e {file}.bak").rc == 1


# Raw requests from the host itself, which is in none of the networks; tells those that are not refused.
STRANGER = """
import http.client, json, ssl
name, port, asked = json.loads({asked!r})
context = ssl.create_default_context()
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
found = []
for path, header, value in asked:
    raw = http.client.HTTPSConnection("127.0.0.1", port, timeout=20, context=context)
    raw._validate_path = lambda url: None
    # The name in the handshake is the site's.
    raw.connect = lambda raw=raw: setattr(raw, "sock", context.wrap_socket(raw._create_connection(
        ("127.0.0.1", port), 20), server_hostname=name))
    try:
        raw.putrequest("GET", path, skip_host=True)
        raw.putheader("Host", value if header == "Host" else name)
        if header not in ("", "Host"):
            raw.putheader(header, value)
        raw.endheaders()
        answer = raw.getresponse()
        if answer.status not in (400, 403, 404, 421) or b"password" in answer.read().lower():
            found.append([path, header, answer.status])
    except (ConnectionError, http.client.BadStatusLine):
        pass
    raw.close()
print(json.dumps(found))
"""
FRIEND = "10.0.0.1"
CLAIMS = [
    *[
        (name, FRIEND)
        for name in "X-Forwarded-For X_Forwarded_For X-Forwarded_For X-Real-IP X_Real_IP X-Real_IP".split()
    ],
    *[(name, FRIEND) for name in "Client-IP Remote-Addr".split()],
    *[(name, "127.0.0.1") for name in "X-Forwarded-For X-Real-IP X-Forwarded-Host X-Forwarded-Server Host".split()],
    ("X-Forwarded-For", f"{FRIEND}, 127.0.0.1"),
    ("Forwarded", f"for={FRIEND};proto=https;host=localhost"),
    ("X-Forwarded-Proto", "https"),
    ("X-Original-URL", "/admin"),
    ("X-Rewrite-URL", "/admin"),
    ("Host", "localhost"),
    ("Host", FRIEND),
]


def test_a_stranger_finds_admin_closed(site: Site, web: Client, machine: Machine) -> None:
    """Who is not in the networks, or did not come through the tunnel, is refused, whatever he claims or writes."""
    asked = [(page, *claim) for page in PAGES for claim in CLAIMS]
    if site["admin"]["mode"] == "tunnel":
        for page, header, value in asked:
            # Every spelling is in test_admin.py.
            if header != "Host":
                assert web.ask(page, {header: value}).status in (403, 404)
        return
    spelled = [path.format(application="probe") for path in PATHS]
    asked += [(path, *claim) for path in spelled for claim in (("", ""), CLAIMS[0])]
    words = json.dumps([site["domain"], site["ports"]["https"], asked])
    assert json.loads(machine.python(STRANGER.format(asked=words))) == []


def test_a_friend_comes_in_by_plain_spellings(site: Site, door: Client) -> None:
    """The pages are there for whoever may see them: what is refused above is not refused for another reason."""
    for page in ("/admin", "/admin/default/index", "/probe/appadmin/index"):
        assert door.ask(page).status in (200, 303), page


def test_http_never_serves_admin(site: Site, address: str) -> None:
    """The other two of the four addresses: over http there is nothing but the way to https."""
    plain = Client(address, 80, site["domain"], None)
    for path in ("/admin", "/probe/appadmin/index", *PATHS):
        for headers in ({}, {"X-Forwarded-Proto": "https"}, {"X-Forwarded-For": "127.0.0.1"}):
            try:
                answer = plain.ask(path.format(application="probe"), headers)
            except (ConnectionError, BadStatusLine):
                continue
            assert answer.status in (301, 400, 403, 404), path
            assert answer.status != 301 or str(answer.get("location")).startswith(site["url"] + "/")


def test_the_password_file_is_for_the_service_alone(site: Site, machine: Machine) -> None:
    """The file lies in the settings, is not the service's to write, and its hash is far stronger than web2py's own."""
    for port in site["admin"]["ports"]:
        path = f"{site['paths']['settings']}/parameters_{port}.py"
        assert machine.run(f"stat -c '%a %U:%G' {path}").strip() == f"640 root:{site['user']}"
        rounds = re.search(r"pbkdf2\((\d+),", machine.run(f"cat {path}"))
        assert rounds and int(rounds[1]) >= 100_000


@pytest.mark.late
@pytest.mark.usefixtures("real")
def test_a_new_password_file_logs_everybody_out(
    door: Client, inside: dict[str, str], site: Site, machine: Machine, variables: dict[str, Any]
) -> None:
    """Who is logged in to the real admin has to log in again when the module has written the file."""
    page = "/admin/default/site"
    assert door.ask(page, inside).status == 200
    paths, ports = site["paths"], site["admin"]["ports"]
    words = {
        "directory": paths["settings"],
        "ports": ports,
        "password": variables["web2py_admin_password"],
        "group": site["user"],
        "sessions": f"{paths['state']}/applications/admin/sessions",
        "user": site["user"],
    }
    machine.run("rm " + " ".join(f"{paths['settings']}/parameters_{port}.py" for port in ports))
    told = machine.module("web2py.deploy.admin_password", words)
    assert told["changed"], told
    assert door.ask(page, inside).status == 303
    answer, cookie = login(door, variables["web2py_admin_password"])
    assert answer.status == 303 and door.ask(page, {"Cookie": cookie}).status == 200


@pytest.mark.late
def test_guessing_is_slowed_down_before_the_worker(door: Client, site: Site) -> None:
    """More than a few passwords a minute are refused before web2py looks at them."""
    if site["admin"]["mode"] == "https":
        excused(site, "counting")
    page, json_ = "/admin/default/index", {"Content-Type": "application/json"}
    # Empty passwords: admin itself counts others, and closes the login for an hour.
    statuses = []
    for _guess in range(3):
        statuses += [door.ask(page + query).status for query in ("?password=", "?send=&p%61ssword=")]
        statuses.append(door.ask(page, json_, body=b'{"password": ""}').status)
        statuses.append(door.ask(page, method="POST", body=b"").status)
    # Five a minute are taken: were one of the four ways not counted, it would be four.
    assert statuses.count(429) >= 5, statuses
    assert door.ask(page, method="PUT", body=b"password=").status in (405, 429)
    assert door.ask(page).status in (200, 303)
