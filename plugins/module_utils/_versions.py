# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to the collection: it can change at any time.
"""What each web2py needs from Python, in one table."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

Version = tuple[int, ...]


class Generation(NamedTuple):
    """One row: versions of web2py that share their needs. Bounds are inclusive below, exclusive above."""

    since: Version
    before: Version
    python_since: Version
    python_before: Version
    why_not_newer: str
    backports: tuple[tuple[Version, str], ...]  # (from this Python on, this package brings back what it dropped)
    unbundled: tuple[str, ...]  # what the package on PyPI leaves out and a source tree carries


GENERATIONS = (
    Generation(
        since=(2, 26),
        before=(3,),
        python_since=(3, 9),
        python_before=(3, 14),
        why_not_newer="web2py 2 needs urllib.request.FancyURLopener, which Python 3.14 removed",
        backports=(((3, 12), "zombie-imp==0.0.4"), ((3, 13), "legacy-cgi==2.6.4")),
        unbundled=("pydal==20260520.0", "yatl==20260805.1"),
    ),
    Generation(
        since=(3,),
        before=(4,),
        python_since=(3, 9),
        python_before=(4,),
        why_not_newer="web2py 3 is written for Python 3",
        backports=(),
        unbundled=("pydal==20260520.0", "yatl==20260805.1"),
    ),
)


def parse(version: str) -> Version:
    """The leading numbers of a version: 'v3.3.3-stable+timestamp' is (3, 3, 3); a branch or a commit is ()."""
    found = re.match(r"\s*[vV]?(\d+(?:\.\d+)*)(?![\w.])", version)
    return tuple(int(part) for part in found.group(1).split(".")) if found else ()


def generation(version: str) -> Generation | None:
    """The row of a web2py version, or None when the table does not know it."""
    numbers = parse(version)
    return next((row for row in GENERATIONS if numbers and row.since <= numbers < row.before), None)


def problem(version: str, python: str) -> str | None:
    """Why this web2py cannot run on this Python, with the remedy; None when it can.

    A branch or a commit does not say its number: None, the staged tree is asked later.
    """
    if not parse(version):
        return None
    row = generation(version)
    if row is None:
        known = ", ".join(f"{shown(each.since)} to below {shown(each.before)}" for each in GENERATIONS)
        return f"web2py {version} is not known here; known are {known}."
    have = parse(python)
    if have < row.python_since:
        return f"web2py {version} needs Python {shown(row.python_since)} or newer, the host has {python}."
    if have >= row.python_before:
        return (
            f"web2py {version} does not run on Python {python}: {row.why_not_newer}."
            " Choose web2py 3, or a host with an older Python."
        )
    return None


def requirements_for(source: dict[str, Any], python: str) -> list[str]:
    """What web2py itself needs from PyPI, as pinned requirements.

    A source whose version is not a number (a branch, a commit, an archive, a directory) gets no backports here:
    its version is known only after staging, and an impossible pair is refused then.
    """
    row = generation(str(source.get("version") or ""))
    needed: list[str] = []
    if source.get("type") == "pypi":
        needed += (row or GENERATIONS[-1]).unbundled
    if row is not None:
        needed += [package for since, package in row.backports if parse(python) >= since]
    return sorted(needed)


def shown(version: Version) -> str:
    """(3, 9) as '3.9'."""
    return ".".join(str(part) for part in version)
