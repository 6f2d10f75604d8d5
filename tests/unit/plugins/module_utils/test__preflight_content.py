"""What a site serves is told well, or each trouble is named. test__site.py has the cases that need all choices."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.web2py.deploy.plugins.module_utils._preflight_content import (
    application_problems,
    source_problems,
)

HOST: dict[str, Any] = {"python": "3.11.2"}
SHOP: dict[str, Any] = {"name": "shop", "source": {"type": "starter"}}
PYPI: dict[str, Any] = {"type": "pypi", "version": "2.26.1"}


def choices(*applications: dict[str, Any], **more: Any) -> dict[str, Any]:
    default = applications[0]["name"] if applications else ""
    found = {"web2py_source": PYPI, "web2py_applications": list(applications), "web2py_default_application": default}
    return {**found, **more}


def test_what_is_told_well_has_no_trouble() -> None:
    assert source_problems(choices(SHOP), HOST) == []
    assert application_problems(choices(SHOP)) == []


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ({"type": "archive", "url": "https://a.test/x"}, "missing for the type archive"),
        ({**PYPI, "path": "/tmp/x"}, "has no meaning for the type pypi"),
        ({"type": "archive", "url": "http://a.test/x", "sha256": "0" * 64}, "is not encrypted"),
        ({"type": "git", "url": "https://me:secret@a.test/x", "version": "v2.26.1"}, "carries a user name or password"),
    ],
)
def test_a_source_that_is_not_told_well_is_named(source: dict[str, Any], words: str) -> None:
    found = [str(problem) for problem in source_problems(choices(SHOP, web2py_source=source), HOST)]
    assert len(found) == 1 and words in found[0] and "secret" not in found[0]


@pytest.mark.parametrize(
    ("applications", "words"),
    [
        ([], "serves nothing"),
        ([SHOP, SHOP], "is listed more than once"),
        ([{**SHOP, "name": "static"}], "is not a name for an application"),
        ([{**SHOP, "source": {"type": "bundled"}}], "carries no complete application"),
        ([{**SHOP, "private_files": {"../x": "text"}}], "is not a plain file name"),
    ],
)
def test_an_application_that_is_not_told_well_is_named(applications: list[dict[str, Any]], words: str) -> None:
    assert words in str(application_problems(choices(*applications))[0])
