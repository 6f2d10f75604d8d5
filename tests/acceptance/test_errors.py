"""When something goes wrong the visitor is told so in few words, and the operator in many."""

from __future__ import annotations

import pytest
from client import Answer, Client
from hosts import Machine, Probe, Site, programs_told

testinfra_hosts = ["ansible://web2py_web"]


def tickets(machine: Machine, probe: Probe) -> set[str]:
    return set(machine.lines(f"find {probe.state}/errors -type f"))


def tells_nothing(answer: Answer, site: Site) -> None:
    """The answer says that there is an error and nothing of the inside."""
    inside = [
        "traceback",
        "words of a traceback",
        "/admin/",
        "ticket/",
        "runtimeerror",
        site["paths"]["root"],
        ".py",
        "gluon",
        "ansible",
    ]
    assert not [words for words in inside if words in answer.text.lower()]
    assert programs_told(site, answer.text) == []
    assert answer.all("web2py_error") == []


def test_an_error_is_kept_for_the_operator(probe: Probe, machine: Machine, site: Site) -> None:
    """A fault of the application gives 500 without its traceback, which lies in the application's errors."""
    before = tickets(machine, probe)
    answer = probe.ask("fail")
    assert answer.status == 500
    tells_nothing(answer, site)
    new = tickets(machine, probe) - before
    assert len(new) == 1
    assert machine.lines(f"grep -la 'words of a traceback' {new.pop()}")


def test_what_the_database_did_not_keep_is_an_error(probe: Probe, machine: Machine, site: Site) -> None:
    """Where the end of a transaction fails, nobody is told that it was done, and nothing of it is there."""
    if site["data"] and site["data"]["type"] == "mysql":
        pytest.skip("MariaDB looks at each row at once, and takes no DEFERRABLE")
    before, count = tickets(machine, probe), probe.json("database/insert")["count"]
    answer = probe.ask("database/unkept")
    assert answer.status == 500, answer.text
    tells_nothing(answer, site)
    new = tickets(machine, probe) - before
    assert len(new) == 1 and machine.lines(f"grep -lai 'foreign key' {new.pop()}")
    assert probe.json("database/insert")["count"] == count + 1


@pytest.mark.server
@pytest.mark.parametrize(
    "path", ["/none", "/none/at/all", "/probe/none", "/probe/default/none", "/starter/default/none", "/a/b/c/d"]
)
def test_what_is_missing_is_said_to_be_missing(path: str, web: Client, site: Site, probe: Probe) -> None:
    """An address that nobody serves gives 404, and no word about how the site is made."""
    answer = web.ask(path)
    assert answer.status == 404
    tells_nothing(answer, site)


def test_the_application_has_its_own_words(probe: Probe) -> None:
    """What an application says with an error of its own reaches the visitor."""
    for page, status, words in (("missing", 404, "not here"), ("forbidden", 403, "not you")):
        answer = probe.ask(page)
        assert answer.status == status
        assert words in answer.text


@pytest.mark.server
def test_a_redirect_stays_on_the_site(probe: Probe, site: Site) -> None:
    """A redirect of the application leads to the same site by the same scheme."""
    answer = probe.ask("elsewhere")
    assert answer.status in (302, 303)
    location = answer.get("location") or ""
    assert location.startswith((site["url"] + "/", "/"))


@pytest.mark.server
@pytest.mark.parametrize("words", ["%ff%fe%00", "a=%ff", "\x00"])
def test_broken_words_make_no_ticket(words: str, probe: Probe, machine: Machine) -> None:
    """Bytes that are no text are answered, and do not fill the disk with tickets."""
    before = len(tickets(machine, probe))
    for _ in range(3):
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        answer = probe.ask("body", kind, method="POST", body=words.encode("latin-1"))
        assert answer.status in (200, 400)
    assert len(tickets(machine, probe)) == before
