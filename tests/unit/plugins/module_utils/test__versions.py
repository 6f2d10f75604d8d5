# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which web2py runs on which Python, and what it needs there."""

from __future__ import annotations

import pytest

from ansible_collections.web2py.deploy.plugins.module_utils import _versions


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("2.26.1", (2, 26, 1)),
        ("v3.3.3", (3, 3, 3)),
        ("2.26.1-stable+timestamp.2023.11.16.08.02.01", (2, 26, 1)),
        ("master", ()),
        ("3ab4e0c9d1f2", ()),
        ("", ()),
    ],
)
def test_version_numbers_are_read(text: str, numbers: tuple[int, ...]) -> None:
    assert _versions.parse(text) == numbers


@pytest.mark.parametrize(
    ("version", "python", "words"),
    [
        ("2.26.1", "3.8.10", "needs Python 3.9"),
        ("2.26.1", "3.14.0", "FancyURLopener"),
        ("v3.3.3", "3.8.10", "needs Python 3.9"),
        ("2.14.6", "3.11.2", "not known"),
        ("4.0.0", "3.13.5", "not known"),
    ],
)
def test_impossible_pairs_are_refused(version: str, python: str, words: str) -> None:
    assert words in str(_versions.problem(version, python))


@pytest.mark.parametrize(
    ("version", "python"),
    [
        ("2.26.1", "3.9.2"),
        ("2.26.1", "3.11.2"),
        ("2.26.1", "3.13.5"),
        ("v3.3.3", "3.11.2"),
        ("v3.3.3", "3.13.5"),
        ("master", "3.13.5"),
    ],
)
def test_possible_pairs_pass(version: str, python: str) -> None:
    assert _versions.problem(version, python) is None


@pytest.mark.parametrize(
    ("source", "python", "names"),
    [
        ({"type": "pypi", "version": "2.26.1"}, "3.11.2", ["pydal", "yatl"]),
        ({"type": "pypi", "version": "2.26.1"}, "3.12.1", ["pydal", "yatl", "zombie-imp"]),
        ({"type": "pypi", "version": "2.26.1"}, "3.13.5", ["legacy-cgi", "pydal", "yatl", "zombie-imp"]),
        ({"type": "git", "version": "v3.3.3"}, "3.13.5", []),
        ({"type": "git", "version": "v2.27.1"}, "3.13.5", ["legacy-cgi", "zombie-imp"]),
        ({"type": "directory", "path": "/src/web2py"}, "3.13.5", []),
    ],
)
def test_requirements_follow_the_pair(source: dict[str, str], python: str, names: list[str]) -> None:
    wanted = _versions.requirements_for(source, python)
    assert [pin.split("==")[0] for pin in wanted] == names
    assert all("==" in pin for pin in wanted)
