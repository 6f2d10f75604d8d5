"""Pages that the front end keeps: for whom, for how long, and what puts an end to them."""

from __future__ import annotations

import os
import re
import time
from concurrent.futures import ThreadPoolExecutor
from email.utils import parsedate_to_datetime
from typing import Any

import pytest
from client import Answer, Client
from hosts import Machine, Probe, Site, waited

testinfra_hosts = ["ansible://web2py_web"]


# As wide as the client, so that it comes first.
@pytest.fixture(scope="module", autouse=True)
def kept(site: Site) -> dict[str, Any]:
    if not site["page_cache"]:
        pytest.skip("the front end keeps no pages")
    return dict(site["page_cache"])


@pytest.fixture
def name() -> str:
    """A page that nobody has asked for."""
    return os.urandom(8).hex()


def asked(probe: Probe, page: str, headers: Any = (), **options: Any) -> Answer:
    answer = probe.ask(page, headers, **options)
    assert answer.status == 200, (page, answer.status)
    return answer


def counts(probe: Probe, page: str, *requests: Any) -> list[int]:
    """How often the application had made the page, with the answer to each of these headers."""
    return [asked(probe, page, headers).json()["count"] for headers in requests]


def test_a_page_is_made_once(probe: Probe, name: str) -> None:
    first, second = asked(probe, f"pages/long/{name}"), asked(probe, f"pages/long/{name}")
    assert first.body == second.body
    assert [answer.get("cache-status") for answer in (first, second)] == ["pages; fwd=uri-miss", "pages; hit"]
    other = asked(probe, "small/index")
    assert other.get("cache-status") is None and other.get("x-web2py-release") is None


def test_a_page_tells_its_age(probe: Probe, name: str) -> None:
    """By the moment at which it was made."""
    dates = []
    for _round in range(2):
        dates.append(asked(probe, f"pages/long/{name}").all("date"))
        time.sleep(1.1)
    assert dates[0] == dates[1] and len(dates[0]) == 1
    later = asked(probe, f"pages/long/{name}x").get("date") or ""
    assert 1 <= (parsedate_to_datetime(later) - parsedate_to_datetime(dates[0][0])).total_seconds() <= 60


def test_it_tells_nobody_else_to_keep_it(probe: Probe, name: str, site: Site) -> None:
    """What web2py says of its pages reaches the visitor; what the front end alone must know does not."""
    for _round in range(2):
        answer = asked(probe, f"pages/long/{name}")
        assert "no-store" in (answer.get("cache-control") or "")
        assert answer.get("x-web2py-release") is None
        for header, value in site["policy"]["headers"].items():
            assert answer.all(header.lower()) == [value]


@pytest.mark.parametrize(
    "headers",
    [
        {"Cookie": "session_id_probe=127.0.0.1-00000000-0000-0000-0000-000000000000"},
        {"Cookie": "session_data_probe=x"}, {"Cookie": "session_id_other=x"}, {"Cookie": "basket=3"}, {"Cookie": "x"},
        {"Cookie": "_ga=1; basket=3"}, {"Cookie": "basket=3; seen=1"}, {"Cookie": "seen2=1"}, {"Cookie": "xseen=1"},
        [("Cookie", "seen=1"), ("Cookie", "basket=3")], {"Authorization": "Basic eDp4"}, {"Authorization": "0"},
        {"X-Requested-With": "XMLHttpRequest"}, {"web2py-component-element": "c1"}, {"Content-Length": "0"},
    ],
)  # fmt: skip
def test_who_is_known_asks_the_application(headers: Any, probe: Probe, name: str) -> None:
    """Neither gets such a visitor a kept page, nor is his own kept for others."""
    page = f"pages/long/{name}"
    assert counts(probe, page, headers, (), headers, ()) == [1, 2, 3, 2]


@pytest.mark.parametrize("cookie", ["_ga=GA1.2.3", "_ga_AB12=x; _gat=1;seen=1", "seen=", "seen=a=b"])
def test_cookies_without_a_meaning_are_none(cookie: str, probe: Probe, name: str) -> None:
    assert counts(probe, f"pages/long/{name}", {"Cookie": cookie}, (), {"Cookie": cookie}) == [1, 1, 1]


@pytest.mark.parametrize("page", ["pages/cookie", "pages/visit"])
def test_an_answer_that_sets_a_cookie_is_for_one(page: str, probe: Probe, name: str) -> None:
    answers = [asked(probe, f"{page}/{name}") for _round in range(3)]
    assert [answer.json()["count"] for answer in answers] == [1, 2, 3]
    cookies = [answer.get("set-cookie") for answer in answers]
    assert all(cookies) and (page == "pages/cookie" or len(set(cookies)) == 3)


@pytest.mark.parametrize(
    "words, stays",
    [
        ("Cache-Control/private", False), ("Cache-Control/no_store", False), ("Cache-Control/no_cache", False),
        ("Cache-Control/max_age.0", False), ("Vary/star", False), ("Content-Encoding/br", False),
        ("Cache-Control/max_age.5", True), ("Cache-Control/public", True), ("X-Accel-Expires/0", True),
    ],
)  # fmt: skip
def test_words_of_the_application_count(words: str, stays: bool, probe: Probe, name: str) -> None:
    """web2py's own `no-store`, on pages that say nothing, does not; what an application forbids is not kept."""
    assert counts(probe, f"pages/says/{name}/{words}", (), ()) == [1, 1 if stays else 2]


def test_what_a_page_varies_by_is_told_apart(probe: Probe, name: str) -> None:
    page = f"pages/says/{name}/Vary/User_Agent"
    agents = [{"User-Agent": agent} for agent in ("a", "b", "a", "b")]
    assert counts(probe, page, *agents) == [1, 2, 1, 2]


@pytest.mark.parametrize("status", [404, 500, 302])
def test_only_good_pages_are_kept(status: int, probe: Probe, name: str) -> None:
    answers = [probe.ask(f"pages/status/{name}/{status}") for _round in range(2)]
    assert [answer.status for answer in answers] == [status] * 2
    assert "hit" not in (answers[1].get("cache-status") or "")


def test_a_page_is_one_of_its_host_query_method_and_language(probe: Probe, name: str, site: Site, web: Client) -> None:
    page = f"pages/long/{name}"
    assert counts(probe, page, ()) == [1]
    assert asked(probe, f"{page}?a=1").json() | {"count": 0} == asked(probe, page).json() | {"count": 0, "query": "a=1"}
    languages = [asked(probe, page, {"Accept-Language": word}).json() for word in ("de", "en", "de")]
    assert [said["word"] for said in languages] == ["Guten Morgen", "Good morning", "Guten Morgen"]
    assert [said["language"] for said in languages] == ["de", "en", "de"]
    for _round in range(2):
        answer = asked(probe, page, method="HEAD")
        assert answer.body == b""
    assert counts(probe, page, ()) == [1]
    posted = asked(probe, page, {"Content-Type": "text/plain"}, method="POST", body=b"x")
    assert posted.json()["method"] == "POST" and posted.get("cache-status") in (None, "pages; fwd=request")
    for row in site["hosts"][1:]:
        assert web.ask(probe.path(page), name=row["name"]).json()["host"] == row["name"]


@pytest.mark.parametrize(
    ("header", "first", "last"),
    [
        ("Accept-Language", "", "de"),
        ("Accept-Language", "en", "de"),
        ("X-Requested-With", "", "XMLHttpRequest"),
        ("web2py-component-element", "", "c1"),
        ("web2py-component-location", "", "/x"),
    ],
)
def test_what_is_said_twice_spoils_no_page(header: str, first: str, last: str, probe: Probe, name: str) -> None:
    """Whoever says a thing twice, so that one counts for the key and the other for the page, is taken at one word."""
    page = f"pages/long/{name}"
    asked(probe, page, [(header, first), (header, last)])
    said = asked(probe, page, {header: first} if first else ()).json()
    assert (said["language"] or "", said["form"]) == (first if header == "Accept-Language" else "", False)


def test_spellings_of_a_closed_path_are_closed(web: Client) -> None:
    for path in ("/probe/pages/../../admin", "/probe/pages/long/%2e%2e/%2e%2e/appadmin/index", "/probe/pages/appadmin"):
        for _round in range(2):
            assert web.ask(path).status in (400, 404), path


def test_who_comes_at_once_waits_for_one(probe: Probe, name: str) -> None:
    """A page that takes a second is made once for many."""
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _number: asked(probe, f"pages/slow/{name}").json()["count"], range(8)))
    assert answers == [1] * 8


def test_a_page_grows_old(probe: Probe, name: str) -> None:
    """Its time over, it is made again."""
    assert counts(probe, f"pages/brief/{name}", (), ()) == [1, 1]
    waited(lambda: counts(probe, f"pages/brief/{name}", ()) == [2], 6)


def test_nobody_else_reads_them(probe: Probe, name: str, machine: Machine, site: Site, kept: dict[str, Any]) -> None:
    asked(probe, f"pages/long/{name}")
    user = site["front_end"]["user"]
    waited(lambda: bool(machine.lines(f"grep -rl {name} {kept['folder']}")), 5)
    assert machine.run(f"stat -c '%U %a' {kept['folder']}").split() == [user, "700"]
    assert set(machine.lines(f"find {kept['folder']} -type f -printf '%u %m\\n'")) == {f"{user} 600"}
    assert machine.try_to(f"runuser -u {site['user']} -- ls {kept['folder']}").rc != 0


@pytest.mark.late
def test_another_release_has_other_pages(probe: Probe, name: str, machine: Machine, site: Site, unit: str) -> None:
    """From the moment of the switch no page of before is shown, and none of the processes of before is kept."""
    page, current = f"pages/long/{name}", site["paths"]["current"]
    former = machine.run(f"readlink {current}").strip()
    folder = machine.run(f"readlink -f {current}").strip()
    other = f"{folder}-other"
    assert counts(probe, page, (), ()) == [1, 1]
    machine.run(f"cp -a {folder} {other}")
    try:
        machine.run(
            f"ln -s {re.sub('[^/]*$', '', former)}{other.rsplit('/', 1)[1]} {current}.x && mv -T {current}.x {current}"
        )
        # Of the release before: shown, not kept.
        assert counts(probe, page, (), ()) == [2, 3]
        machine.run(f"systemctl reload-or-restart {unit}")
        waited(lambda: probe.ask(page, timeout=5).get("cache-status") == "pages; hit", 20)
        new = asked(probe, page).json()["count"]
        assert new > 3 and counts(probe, page, (), ()) == [new, new]
    finally:
        machine.run(f"ln -s {former} {current}.x && mv -T {current}.x {current}")
        before = {probe.json("worker")["pid"] for _ in range(12)}
        machine.run(f"systemctl reload-or-restart {unit}")
        # Those of before serve the other one until they end.
        waited(lambda: not before & {probe.json("worker")["pid"] for _ in range(6)}, 20)
        machine.run(f"rm -r {other}")
    waited(lambda: probe.ask(page, timeout=5).get("cache-status") == "pages; hit", 20)


@pytest.mark.late
def test_maintenance_closes_kept_pages_too(
    probe: Probe, name: str, machine: Machine, site: Site, kept: dict[str, Any]
) -> None:
    """Visitors get the page of maintenance at once; afterwards the page is made anew."""
    page = f"pages/long/{name}"
    assert counts(probe, page, (), ()) == [1, 1]
    words = {"site": site, "applications": ["probe"]}
    switched = machine.module("web2py.deploy.maintenance", {**words, "state": "on"})
    assert switched.get("closed") == "probe", switched
    try:
        assert [probe.ask(page).status for _round in range(10)] == [503] * 10
    finally:
        machine.module("web2py.deploy.maintenance", {**words, "state": "off"})
    # Every process of the front end has seen the mark.
    assert counts(probe, page, *[()] * 10) == [2] * 10


@pytest.mark.late
def test_a_restart_forgets_them(probe: Probe, name: str, machine: Machine, unit: str) -> None:
    page = f"pages/long/{name}"
    assert counts(probe, page, (), ()) == [1, 1]
    machine.run(f"systemctl restart {unit}")
    waited(lambda: probe.ask(page, timeout=5).status == 200, 20)
    assert asked(probe, page).json()["count"] == 2


@pytest.fixture(scope="module")
def beforehand(kept: dict[str, Any], probe: Probe) -> str:
    """A page that is kept when the application server is stopped."""
    page = f"pages/long/{os.urandom(8).hex()}"
    assert counts(probe, page, (), ()) == [1, 1]
    return page


@pytest.mark.late(last=True)
def test_kept_pages_need_no_application(beforehand: str, stopped_server: None, probe: Probe, name: str) -> None:
    """While it is stopped, what was kept is shown to those whom it does not know, and nothing else."""
    assert asked(probe, beforehand).get("cache-status") == "pages; hit"
    assert probe.ask(beforehand, {"Cookie": "session_id_probe=x"}).status in (502, 504)
    assert probe.ask(f"pages/long/{name}").status in (502, 504)
