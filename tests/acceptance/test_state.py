"""What an application keeps is kept: sessions, cache, rows and files."""

from __future__ import annotations

import os
from http.cookies import SimpleCookie

import pytest
from client import Answer, Client, form
from hosts import Machine, Probe, Site, waited

testinfra_hosts = ["ansible://web2py_web"]


def cookies(answer: Answer) -> SimpleCookie:
    jar = SimpleCookie()
    for line in answer.all("set-cookie"):
        jar.load(line)
    return jar


def carried(answer: Answer) -> dict[str, str]:
    """The header that brings the cookies of an answer back."""
    return {"Cookie": "; ".join(f"{name}={morsel.value}" for name, morsel in cookies(answer).items())}


@pytest.fixture
def session(probe: Probe) -> dict[str, str]:
    first = probe.ask("session/index")
    assert first.json() == {"count": 1}
    return carried(first)


def test_a_session_counts(session: dict[str, str], probe: Probe) -> None:
    """A visitor's counter goes on, request by request, whichever worker answers."""
    assert [probe.json("session/index", session)["count"] for _ in range(8)] == list(range(2, 10))


def test_sessions_are_apart(session: dict[str, str], probe: Probe) -> None:
    """Another visitor begins at one."""
    assert probe.json("session/index", session)["count"] == 2
    assert probe.json("session/index")["count"] == 1


def test_a_made_up_session_is_not_taken(probe: Probe) -> None:
    """A session that nobody was given is not begun under the name that a visitor made up."""
    name = next(iter(cookies(probe.ask("session/index"))))
    answer = probe.ask("session/index", {"Cookie": f"{name}=127.0.0.1-00000000-0000-0000-0000-000000000000"})
    assert answer.json() == {"count": 1}
    assert cookies(answer)[name].value != "127.0.0.1-00000000-0000-0000-0000-000000000000"


@pytest.mark.parametrize("page", ["session/index", "session_new/index"])
def test_the_session_cookie_is_guarded(page: str, probe: Probe, site: Site) -> None:
    """The session's cookie is hidden from scripts, from other sites, and from http."""
    jar = cookies(probe.ask(page))
    assert len(jar) == 1
    for morsel in jar.values():
        assert morsel["httponly"] is True
        assert morsel["samesite"].lower() in ("lax", "strict")
        assert bool(morsel["secure"]) is site["secure_cookies"]
        assert morsel["domain"] == ""


def test_a_page_without_session_sets_no_cookie(probe: Probe) -> None:
    """A page that forgets the session leaves none behind."""
    assert probe.ask("small/index").all("set-cookie") == []


def test_an_application_sets_its_own_cookie(probe: Probe) -> None:
    """A cookie of the application's own arrives."""
    assert cookies(probe.ask("cookie"))["probe"].value == "1"


@pytest.mark.late
@pytest.mark.parametrize("verb", ["reload-or-restart", "restart"])
def test_a_session_outlives(
    verb: str, session: dict[str, str], probe: Probe, machine: Machine, unit: str, site: Site
) -> None:
    """The counter goes on after the application server was reloaded or started anew."""
    before = probe.json("session/index", session)["count"]
    machine.run(f"systemctl {verb} {unit}")
    waited(lambda: probe.ask("small/index", timeout=5).status == 200, 20)
    assert probe.json("session/index", session)["count"] == before + 1


def test_the_disk_cache_is_shared(probe: Probe) -> None:
    """What one worker put into the cache on disk, all workers find."""
    key = os.urandom(8).hex()
    assert len({probe.json(f"cache_disk/{key}")["value"] for _ in range(8)}) == 1


def test_the_memory_cache_keeps(probe: Probe) -> None:
    """What a worker put into its memory, it finds there."""
    key, values = os.urandom(8).hex(), {}
    for _ in range(12):
        answer = probe.json(f"cache_ram/{key}")
        assert values.setdefault(answer["pid"], answer["value"]) == answer["value"]


def test_rows_are_stored(probe: Probe) -> None:
    """A row that was inserted is read back as it was, also with odd letters."""
    first = probe.json(
        "database/insert", {"Content-Type": "application/x-www-form-urlencoded"}, method="POST", body=b"name=1"
    )
    row = probe.json(
        "database/insert",
        {"Content-Type": "application/x-www-form-urlencoded"},
        method="POST",
        body="name=Žluťoučký 'kůň' \"%25; --".encode(),
    )
    assert row["count"] == first["count"] + 1
    assert probe.json(f"database/read/{row['id']}")["name"] == "Žluťoučký 'kůň' \"%; --"


def test_a_page_of_rows_is_made(probe: Probe) -> None:
    """A page shows twenty rows of the database."""
    assert probe.ask("database/index").text.count("<tr>") == 20


def test_authentication_is_at_hand(probe: Probe) -> None:
    """An application that uses web2py's own authentication runs, and shows its form."""
    assert probe.json("auth/index")["user"] is None
    assert 'type="password"' in probe.ask("auth/user/login").text


def test_json_and_forms_arrive(probe: Probe) -> None:
    """The application reads what was posted, in either form."""
    sent = probe.json("body", {"Content-Type": "application/json"}, method="POST", body=b'{"a": [1, 2]}')
    assert sent["vars"] == {"a": [1, 2]} and sent["length"] == 13
    sent = probe.json("body", {"Content-Type": "application/x-www-form-urlencoded"}, method="POST", body=b"a=%C3%A9")
    assert sent["vars"] == {"a": "é"}


@pytest.mark.parametrize("name, size", [("empty.bin", 0), ("a photo.jpg", 300_000), ("úvod & co.tar.gz", 3_000_000)])
def test_an_uploaded_file_comes_back(name: str, size: int, probe: Probe, site: Site, machine: Machine) -> None:
    """A file is stored in the state of the site, or in its database, and given back byte for byte under its name."""
    content = os.urandom(size)
    headers, body = form("file", name, content)
    stored = probe.json("database/upload", headers, method="POST", body=body)["file"]
    answer = probe.ask(f"database/download/{stored}")
    assert answer.status == 200 and answer.body == content
    assert "attachment" in (answer.get("content-disposition") or "")
    row = next(row for row in site["applications"] if row["name"] == "probe")
    if row["settings"]["uploads"]["store"] == "database":
        assert machine.try_to(f"test -e {probe.state}/uploads/{stored}").rc == 1
    else:
        assert machine.run(f"stat -c '%U %a' {probe.state}/uploads/{stored}").split()[0] == site["user"]


def test_a_made_up_download_is_missing(probe: Probe) -> None:
    """A name that was never given out, and one that leads elsewhere, are not found."""
    for name in ("document.file.0123456789abcdef.YQ==.txt", "..%2f..%2f..%2fetc%2fpasswd", "../databases/probe.sqlite"):
        assert probe.ask(f"database/download/{name}").status in (400, 403, 404)


def test_private_settings_are_read_by_the_application_alone(probe: Probe, site: Site, web: Client) -> None:
    """The application reads its private settings; nobody else does."""
    row = next(row for row in site["applications"] if row["name"] == "probe")
    if not row["private_files"]:
        pytest.skip("the probe has no private files here")
    assert len(probe.json("settings")["sha256"]) == 64
    for name in row["private_files"]:
        assert web.ask(f"/probe/private/{name}").status in (403, 404)
