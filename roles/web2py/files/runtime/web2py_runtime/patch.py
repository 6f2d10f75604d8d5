# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a patch of web2py is: a function of ours in the place of one of web2py's that we have read.

Each names the functions it replaces or relies on by a digest of their source. Where one is another, the patch is off
and web2py's own code serves: an upgrade costs speed, never an answer.
"""

from __future__ import annotations

import hashlib
import importlib
import inspect
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass

# By name: servers with green threads replace what the module holds.
from time import monotonic
from typing import Any

# How long `fast` takes a file for what it was.
SECONDS = 1.0
# The digest of a function that this version of web2py does without.
ABSENT = ""
# By type: what only descends from a text may do everything in another way.
TEXT = frozenset((str,))
# Longer texts are not remembered: some are made for one request, such as a letter.
LONGEST = 1 << 16


@dataclass(frozen=True)
class Patch:
    """`read` has, by "module:function", the digests of that function by the version it was read in."""

    name: str
    level: str
    reason: str
    read: Mapping[str, Mapping[str, str]]
    install: Callable[[], None]


def found(place: str) -> Any:
    """The function at "module:name" or "module:class.name"; None where there is none."""
    module, _colon, names = place.partition(":")
    try:
        thing = importlib.import_module(module)
        for name in names.split("."):
            thing = vars(thing)[name]
    except (ImportError, KeyError):
        return None
    return thing


def shared(*places: str) -> Any:
    """The function that is meant by all these names. RuntimeError where they have several: we have read but one."""
    first, *others = (found(place) for place in places)
    if any(other is not first for other in others):
        raise RuntimeError(f"{' and '.join(places)} are not the same")
    return first


def fingerprint(function: Any, texts: dict[str, list[str]] | None = None) -> str:
    """A digest of a function's source; that of none is empty. `texts` keeps the files that were read.

    A wrapper has its own, even where it says that it stands for another.
    """
    if function is None:
        return ABSENT
    code = getattr(function, "__code__", None)
    if code is None:
        return "no function"
    texts = {} if texts is None else texts
    name = code.co_filename
    try:
        if name not in texts:
            with open(name, encoding="utf-8") as file:
                texts[name] = file.read().splitlines(keepends=True)
        block = inspect.getblock(texts[name][code.co_firstlineno - 1 :])
    except (OSError, ValueError, SyntaxError):
        return "no source"
    return hashlib.sha256("".join(block).encode()).hexdigest()


def objection(patch: Patch, texts: dict[str, list[str]] | None = None) -> str | None:
    """Why a patch does not fit what is loaded; empty where there is nothing for it to do, None where it fits.

    The first function named is the one that is replaced. All functions of a package must be of one version.
    """
    versions: dict[str, set[str]] = {}
    for number, (place, digests) in enumerate(patch.read.items()):
        digest = fingerprint(found(place), texts)
        if digest == ABSENT and number == 0 and ABSENT in digests.values():
            return ""
        fits = {version for version, known in digests.items() if known == digest}
        package = place.partition(":")[0].partition(".")[0]
        versions[package] = versions.get(package, fits) & fits
        if not versions[package]:
            return f"{place} is not that of {' or '.join(digests)}"
    return None


def rebind(original: Any, replacement: Any) -> None:
    """Put a function in the place of another, under all the names that web2py's modules have for it."""
    for name, module in list(sys.modules.items()):
        if re.match(r"gluon(\.|$)", name) and module is not None:
            _replace(vars(module), original, replacement)
    # What models, controllers and views see.
    _replace(importlib.import_module("gluon.compileapp")._base_environment_, original, replacement)


def _replace(names: dict[str, Any], original: Any, replacement: Any) -> None:
    for name, value in list(names.items()):
        if value is original:
            names[name] = replacement


# All that is remembered, by name: each has a bound.
MEMOS: dict[str, Memo] = {}


class Memo:
    """What a function answered to one word, while it counts. For ever where no seconds are given.

    Threads may ask twice at the same time; both get a true answer. What is full is emptied: that costs one round.
    """

    def __init__(self, name: str, function: Callable[[Any], Any], seconds: float | None = None, most: int = 4096):
        self.function, self.seconds, self.most = function, seconds, most
        self.known: dict[Any, tuple[float, Any]] = {}
        MEMOS[name] = self

    def __len__(self) -> int:
        return len(self.known)

    def __call__(self, key: Any) -> Any:
        # Before the question: what is told of later counts longer, never what was true earlier.
        now = monotonic()
        kept = self.known.get(key)
        if kept is not None and (self.seconds is None or now < kept[0]):
            return kept[1]
        answer = self.function(key)
        self.keep(key, now + (self.seconds or 0), answer)
        return answer

    def keep(self, key: Any, until: float, answer: Any) -> None:
        if len(self.known) >= self.most:
            self.known.clear()
        self.known[key] = (until, answer)
