"""What a site in an account without root must do, whichever way visitors reach it and whatever starts it."""

from __future__ import annotations

import gzip
import json
import os
import shlex
from collections.abc import Callable
from typing import Any

import brotli
import pytest
from client import form
from hosts import served_at_once, waited

late = pytest.mark.late


def test_the_first_page_comes(account: Any) -> None:
    answer = account.web.ask("/")
    assert answer.status == 200 and b"web2py" in answer.body
    assert answer.get("X-Content-Type-Options") == "nosniff" and not answer.get("X-Powered-By")


def test_the_application_runs_as_the_account(account: Any) -> None:
    assert account.web.ask("/probe/default/worker").json()["uid"] == int(account.root(f"id -u {account.name}"))


def test_a_session_counts(account: Any) -> None:
    first = account.web.ask("/probe/session/index")
    cookie = first.all("Set-Cookie")[0]
    assert "httponly" in cookie.lower()
    second = account.web.ask("/probe/session/index", {"Cookie": cookie.partition(";")[0]})
    assert (first.json()["count"], second.json()["count"]) == (1, 2)


def test_an_uploaded_file_comes_back(account: Any) -> None:
    content = os.urandom(300_000)
    headers, body = form("file", "a picture.bin", content)
    stored = account.web.ask("/probe/database/upload", headers, method="POST", body=body).json()["file"]
    assert account.web.ask(f"/probe/database/download/{stored}").body == content


@pytest.mark.parametrize("query", ["", "?", "?a=1&b=%20c", "?a=b%3fc?d%2Fe&%26=%c3%bc", "?x=%2e%2e/"])
def test_what_follows_the_question_mark_arrives_as_it_is(query: str, account: Any) -> None:
    told = account.web.ask(f"/probe/default/echo{query}").json()
    assert (told["path"], told["query"]) == ("/probe/default/echo", query[1:])


@pytest.mark.parametrize("path", ["/admin", "/admin/default/site", "/probe/appadmin", "/probe/appadmin/index",
                                  "//probe//appadmin", "/probe/%61ppadmin/index",
                                  "/admin/static/css/styles.css"])  # fmt: skip
def test_administration_is_closed(path: str, account: Any) -> None:
    assert account.web.ask(path).status == 404


@pytest.mark.parametrize("path", ["/probe/static/.hidden", "/probe/static/notes.txt~", "/probe/static/settings.ini",
                                  "/probe/static//data.sqlite", "/probe/private/appconfig.ini", "/.htaccess",
                                  "/probe/static/..%2fprivate/appconfig.ini", "/probe/databases/sql.log",
                                  "/static-of-web2py/probe/plain.txt", "/dispatch.fcgi", "/index.cgi"])  # fmt: skip
def test_nothing_else_is_served(path: str, account: Any) -> None:
    assert account.web.ask(path).status in (400, 403, 404)


@pytest.mark.parametrize(("version", "words"), [("", "max-age=3600"), ("_1.2.3/", "immutable")])
def test_static_files_come(version: str, words: str, account: Any) -> None:
    answer = account.web.ask(f"/probe/static/{version}css/probe.css")
    assert answer.status == 200 and words in str(answer.get("Cache-Control"))
    assert answer.get("X-Content-Type-Options") == "nosniff"
    served_by_apache = "Apache" in (answer.get("Server") or "") and answer.get("ETag") is not None
    assert served_by_apache or account.way["web"] == "port"


@pytest.mark.parametrize("version", ["", "_1.2.3/"])
def test_static_files_are_what_every_front_end_makes_of_them(version: str, account: Any) -> None:
    file = f"/probe/static/{version}css/probe.css"
    told = [None, "gzip", "gzip;q=0", "br, gzip", "br;q=0", "xbr"]
    answers = [account.web.ask(file, {"Accept-Encoding": words} if words else {}) for words in told]
    whole, gzipped, _refused, best = answers[:4]
    # web2py itself, which sends them where no web server does, does not know brotli.
    kind = "gzip" if account.way["web"] == "port" else "br"
    assert [each.get("Content-Encoding") for each in answers] == [None, "gzip", None, kind, None, None]
    unpack = {"gzip": gzip.decompress, "br": brotli.decompress}[kind]
    assert gzip.decompress(gzipped.body) == unpack(best.body) == whole.body
    assert {each.body for each in answers if not each.get("Content-Encoding")} == {whole.body}
    assert {each.get("Content-Type") for each in answers} == {"text/css; charset=utf-8"}
    assert all("Accept-Encoding" in str(each.get("Vary")) for each in answers)
    assert account.web.ask(file, {"Range": "bytes=0-3"}).status == 206
    beyond = account.web.ask(file, {"Range": "bytes=9999999-"})
    assert beyond.status == 416 and b"Apache" not in beyond.body


def test_a_client_does_not_say_who_it_is(account: Any) -> None:
    claims = {"X-Forwarded-For": "127.0.0.1", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "evil.example.com"}
    told = account.web.ask("/probe/default/echo", claims).json()
    assert (told["is_local"], told["is_https"]) == (False, False)
    assert told["client"] == told["remote_addr"] != "127.0.0.1"
    assert told["host"].partition(":")[0] == f"{account.name}.example.org"
    assert told["url"].startswith(f"http://{account.name}.example.org")


def test_nobody_is_local_not_even_on_the_host(account: Any) -> None:
    port = account.way.get("port", 80)
    program = "import sys, urllib.request as u; r = u.Request(sys.argv[1], headers={'Host': sys.argv[2], "
    program += "'X-Forwarded-For': '127.0.0.1'}); print(u.urlopen(r, timeout=120).read().decode())"
    for each in {port, 80} if account.way["web"] == "htaccess_proxy" else {port}:
        words = [f"http://127.0.0.1:{each}/probe/default/echo", f"{account.name}.example.org"]
        told = json.loads(account.root(shlex.join(["/usr/bin/python3", "-c", program, *words])))
        assert (told["remote_addr"], told["is_local"]) == ("127.0.0.1", False)


def test_a_refused_head_has_no_body(account: Any) -> None:
    """It would pass for the next answer of the connection."""
    requests = [("HEAD", "/probe/static/.hidden", "keep-alive"), ("GET", "/probe/default/echo", "close")]
    with account.web.connect(timeout=120) as connection:
        for method, path, then in requests:
            words = f"{method} {path} HTTP/1.1\r\nHost: {account.name}.example.org\r\nConnection: {then}\r\n\r\n"
            connection.sendall(words.encode())
        with connection.makefile("rb") as told:
            first, _end, rest = told.read().partition(b"\r\n\r\n")
    assert first.startswith(b"HTTP/1.1 40") and rest[:12] in (b"HTTP/1.1 200", b"")


@pytest.mark.parametrize(("method", "path", "size", "status"),
                         [("DELETE", "/probe/default/echo", 0, 405), ("GET", "/probe/%2e%2e/x", 0, 400),
                          ("POST", "/probe/static/css/probe.css", 100_000, 405), ("POST", "/admin", 1_000_000, 404),
                          ("POST", "/probe/default/body", (10 << 20) + 1, 413)])  # fmt: skip
def test_limits_hold(method: str, path: str, size: int, status: int, account: Any) -> None:
    kind = {"Content-Type": "application/octet-stream"}
    try:
        found = account.web.ask(path, kind, method=method, body=b"x" * size if size else None).status
    except (BrokenPipeError, ConnectionResetError):
        # Refused while it was still being sent.
        found = 413
    assert found == status


def test_the_largest_body_is_taken(account: Any) -> None:
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = account.web.ask("/probe/default/body", kind, method="POST", body=b"text=".ljust(10 << 20, b"x"))
    assert answer.json()["length"] == 10 << 20


def test_a_page_tells_no_secret_when_it_fails(account: Any) -> None:
    answer = account.web.ask("/probe/default/fail")
    assert answer.status == 500 and b"words of a traceback" not in answer.body


def test_no_other_user_reads_anything(account: Any) -> None:
    """A neighbour who knows all paths finds no file to read but static ones, nor does the web server's own user."""
    tried = 'for path; do [ -r "$path" ] && printf \'%s\\n\' "$path"; done; :'
    for name in ("nobody", "www-data"):
        program = f"find {account.base} -print0 | runuser -u {name} -- xargs -0 sh -c {shlex.quote(tried)} sh"
        listed = account.root(program).splitlines()
        assert [path for path in listed if "/static/" not in f"{path}/"] == []
        assert bool(listed) == ("document_root" in account.way)
    known = [f"{account.base}/{path}" for path in ("settings/site.json", "code/current/release.json", "server",
             "data/applications/probe/private/appconfig.ini", "data/applications/probe/sessions",
             "data/applications/probe/databases", "code/current/web2py/gluon/main.py")]  # fmt: skip
    for path in known:
        assert (
            account.root(f"runuser -u nobody -- ls {path}/ 2>/dev/null; runuser -u nobody -- head -c1 {path}", False)
            == ""
        )
    private = account.root(f"find {account.base}/data -perm /007 -not -type l").split()
    assert private == []


def test_the_status_tells_of_it_and_changes_nothing(account: Any, status: str) -> None:
    port = f":{account.way['port']}" if account.way["web"] == "port" else ""
    assert f"http://{account.name}.example.org{port} answers 200" in status
    assert status.count("changed=0 ") == status.count("changed=") > 0


def test_requests_are_in_the_log(account: Any) -> None:
    """A line tells who asked for which page, without what follows the question mark."""
    number = account.root(f"id -u {account.name}").strip()
    read = f"journalctl --sync; journalctl _UID={number} -o cat --no-pager; "
    read += f"cat {account.base}/run/server.log /var/log/apache2/*error.log 2>/dev/null; :"
    before = account.root(read).count("GET /probe/small/index 200 ")
    assert account.web.ask("/probe/small/index?word=not-for-the-log").status == 200
    waited(lambda: account.root(read).count("GET /probe/small/index 200 ") == before + 1, 10)
    assert "not-for-the-log" not in account.root(read)


def test_the_newest_requests_have_a_profile(account: Any) -> None:
    for _ in range(3):
        assert account.web.ask("/probe/small/index").status == 200
    files = account.root(f"ls {account.base}/data/profiles").split()
    assert len(files) == 2 and files[-1].endswith("-probe_small_index.prof")


@late
def test_so_many_pages_at_a_time(account: Any) -> None:
    """As many slow pages as were chosen are made at once; others wait for one of them."""
    if "port" not in account.way:
        pytest.skip("the hoster's web server has its own number")
    served_at_once(lambda: account.web.ask("/probe/default/slow/4"), 5)


@late
def test_a_killed_server_comes_back(account: Any, answers: Callable[[], bool]) -> None:
    number = account.web.ask("/probe/default/worker").json()["pid"]
    account.root(f"kill -9 {number}", check=False)
    waited(answers, 20)


@late
def test_a_new_release_loses_no_request(account: Any, renewal: Any) -> None:
    release = account.root(f"readlink {account.base}/code/current")
    assert release != renewal.before[account.name]
    assert renewal.done[account.name] > 1 and renewal.lost[account.name] == []
    if account.starts == "cron":
        assert release.strip() in account.root(f"cat {account.base}/run/server.lock")
    else:
        waited(lambda: not renewal.processes[account.name] & account.processes(), 30)


@late(place=2)
def test_it_comes_back_with_the_host(account: Any, rebooted: None, answers: Callable[[], bool]) -> None:
    waited(answers, 120)


@late(place=3)
def test_cron_brings_back_a_keeper_that_was_killed(account: Any, answers: Callable[[], bool]) -> None:
    if account.starts != "cron":
        pytest.skip("cron starts another one only")
    command = account.user("crontab -l | grep '^\\*/5' | cut -d' ' -f6-").strip()
    # The server ends with its keeper.
    account.root(f"kill -9 $(pgrep -u {account.name} -f web2py_runtime.keep)")
    account.user(command)
    assert "same" in account.user(f"{account.base}/server start")
    waited(answers, 60)


@late(place=4)
def test_it_is_taken_away_and_its_data_stay(account: Any, taken_away: None) -> None:
    assert account.root(f"ls -A {account.base}").split() == ["data"]
    assert account.root(f"ls -A {account.state}/uploads")


@late(place=5)
def test_a_purge_leaves_nothing(account: Any, purged: str) -> None:
    assert purged.count("changed=0 ") == purged.count("changed=") > 0
    assert account.root(f"ls -d {account.base}", check=False) == ""
    assert account.root(f"ls -A /home/{account.name}/html") == ""
    assert account.root(f"ls -A /home/{account.name}/.config/systemd/user", check=False) == ""
    assert "web2py" not in account.user("crontab -l", check=False)
    waited(lambda: not account.processes(), 30)
