from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.web2py.deploy.plugins.module_utils import _tickets

PATHS = {
    "state": "/var/lib/x", "code": "/srv/x/current/web2py", "settings": "/etc/x", "environment": "/srv/x/env",
    "runtime": "/srv/x/runtime",
}  # fmt: skip


def ticket(number: int, **words: str) -> dict[str, str]:
    row = {
        "application": "shop", "ticket": f"t{number}", "where": "file", "when": f"2026-11-22 10:00:{number:02}",
        "exception": "KeyError", "message": f"'{number}'", "place": "shop/models/db.py:3", "layer": "shop/models/db.py",
    }  # fmt: skip
    return {**row, **words}


def test_groups_by_application_exception_and_place() -> None:
    rows = [
        ticket(1), ticket(5), ticket(3, where="database"), ticket(2, place="shop/models/db.py:4"),
        ticket(9, application="b"), ticket(4, exception="E"),
    ]  # fmt: skip
    groups = _tickets.digest(rows)
    assert [(group["application"], group["exception"], group["tickets"]) for group in groups] == [
        ("b", "KeyError", 1), ("shop", "KeyError", 3), ("shop", "E", 1), ("shop", "KeyError", 1),
    ]  # fmt: skip
    assert groups[1] == {
        "tickets": 3, "first": "2026-11-22 10:00:01", "last": "2026-11-22 10:00:05", "newest": "t5", "in_files": 2,
        "in_database": 1, "application": "shop", "exception": "KeyError", "message": "'5'",
        "place": "shop/models/db.py:3", "layer": "shop/models/db.py",
    }  # fmt: skip
    assert _tickets.digest(rows[::-1]) == groups


@pytest.mark.parametrize("text", ["\x1b[2Jgone", "a\nb", "a\tb\r", "\u202eevil", "\x00", "\x9b31m", "\u2028"])
def test_nothing_reaches_the_terminal_that_it_obeys(text: str) -> None:
    for group in _tickets.digest([ticket(1, message=text, exception=text, place=text, layer=text)]):
        assert all(letter.isprintable() for word in group.values() for letter in str(word))
        assert "\n" not in "".join(_tickets.table([group])[1:])


def test_no_password_of_an_address_is_told() -> None:
    (group,) = _tickets.digest([ticket(1, message="no postgres://me:secret@h/d")])
    assert "secret" not in str(group)


def test_the_table_is_aligned_and_not_wide() -> None:
    rows = _tickets.table(_tickets.digest([ticket(1, message="m" * 500, place="p" * 500), ticket(2, exception="E")]))
    assert rows[0].split() == list(_tickets.HEAD) and len(rows) == 3
    assert max(map(len, rows)) <= 200
    assert len({row.index(word) for row, word in zip(rows, ("application", "shop", "shop"))}) == 1
    assert _tickets.table([]) == ["No tickets"]


@pytest.mark.parametrize("upkeep", [None, {}, {"tickets": None}, {"tickets": {"applications": {"a": {}}}}])
def test_what_the_program_is_asked(upkeep: Any) -> None:
    site = {"paths": PATHS, "applications": [{"name": "a"}, {"name": "b"}], "upkeep": upkeep}
    asked = _tickets.question(site)
    stores = {name: row["store"] for name, row in asked["applications"].items()}
    assert stores == {"a": "database" if (upkeep or {}).get("tickets") else "file", "b": "file"}
    assert asked["databases"] == "/etc/x/databases.json" and asked["state"] == "/var/lib/x/applications"


@pytest.mark.parametrize(
    ("program", "told"),
    [
        ('echo \'{"tickets": [], "failures": ["a: down"]}\'', {"tickets": [], "failures": ["a: down"]}),
        ("echo no module >&2; exit 1", {"tickets": [], "failures": ["Reading the tickets failed: no module"]}),
        ("exit 3", {"tickets": [], "failures": ["Reading the tickets failed: the program ended with status 3"]}),
    ],
)
def test_the_program_is_the_sites_own(program: str, told: dict[str, Any], tmp_path: Path) -> None:
    python = tmp_path / "bin/python"
    python.parent.mkdir()
    python.write_text(f"#!/bin/sh\n{program}\n")
    python.chmod(0o755)
    tmp_path.chmod(0o755)
    site = {"paths": {**PATHS, "environment": str(tmp_path)}, "applications": [{"name": "a"}]}
    import os

    assert _tickets.asked(site, (os.getuid(), os.getgid()), 5) == told
    json.dumps(_tickets.question(site))
