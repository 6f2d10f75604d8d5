"""What differs between the answers of two processes, once what is never equal is taken away.

Each rule of `RULES` names what two upstreams do not have in common either; no other difference is forgiven.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Collection, Iterable
from datetime import datetime, timedelta, timezone
from typing import Any

Answer = dict[str, Any]
NEAR = timedelta(minutes=5)
LONGEST, SHOWN = 1000, 20
_UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
# A number of web2py's own, what follows a stored file's name and a signature, the id of a part that is loaded later.
_NUMBERS = rf"{_UUID}|(?<=\.)[0-9a-f]{{16}}(?=\.)|(?<=_signature=)[0-9a-f]{{40,}}|\bc\d{{9,20}}\b"


class Seen:
    """One process: where it stands, and the numbers it has given out, in their order."""

    def __init__(self, place: str, rules: Collection[str]) -> None:
        self.place = place
        self.rules = [RULES[name] for name in RULES if name in rules]
        self.numbers: dict[str, str] = {}
        self.now = datetime.now(timezone.utc).replace(tzinfo=None)

    def plain(self, text: str) -> str:
        for rule in self.rules:
            text = rule(self, text)
        return text


def _place(seen: Seen, text: str) -> str:
    """The folder of the release."""
    return text.replace(seen.place, "<place>")


def _numbers(seen: Seen, text: str) -> str:
    """What is made by chance to be like nothing else: keys of forms, sessions, tickets, stored files, ids of parts of a
    page, and signatures made with such a key. The same number is the same word wherever it stands, so that a session
    that is kept cannot be taken for a new one.
    """

    def word(match: re.Match[str]) -> str:
        return seen.numbers.setdefault(match[0], f"<number {len(seen.numbers) + 1}>")

    return re.sub(_NUMBERS, word, text)


_TIMES = {
    r"[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT": "%a, %d %b %Y %H:%M:%S GMT",
    r"[A-Z][a-z]{2}, \d\d-[A-Z][a-z]{2}-\d{4} \d\d:\d\d:\d\d GMT": "%a, %d-%b-%Y %H:%M:%S GMT",
    r"[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4}": "%a %b %d %H:%M:%S %Y",
    r"\d{4}-\d\d-\d\d\.\d\d-\d\d-\d\d": "%Y-%m-%d.%H-%M-%S",
    r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:\.\d+)?": "iso",
}


def _now(seen: Seen, text: str) -> str:
    """A time of these minutes; any other one stays as it is."""

    def word(match: re.Match[str], form: str) -> str:
        try:
            found = datetime.fromisoformat(match[0]) if form == "iso" else datetime.strptime(match[0], form)
        except ValueError:
            return match[0]
        return "<now>" if abs(found - seen.now) < NEAR else match[0]

    for pattern, form in _TIMES.items():
        text = re.sub(pattern, lambda match, form=form: word(match, form), text)
    return text


def _sealed(_seen: Seen, text: str) -> str:
    """A session in a cookie: it is encrypted from a start made by chance."""
    return re.sub(r"(session_data_\w+=)[^;\s]+", r"\1<sealed>", text)


def _addresses(_seen: Seen, text: str) -> str:
    """Where an object lies in memory, as Python shows those without a text of their own.

    Of a Python that is not loaded to just anywhere these are low, from behind its own code.
    """
    return re.sub(r"0x[0-9a-f]{6,}\b", "<address>", text)


RULES: dict[str, Callable[[Seen, str], str]] = {
    "place": _place,
    "sealed": _sealed,
    "now": _now,
    "numbers": _numbers,
    "addresses": _addresses,
}


def readable(answer: Answer, seen: Seen) -> list[str]:
    """An answer in lines, without noise."""
    if "at" in answer:
        seen.now = datetime.fromtimestamp(answer["at"], timezone.utc).replace(tzinfo=None)
    lines = [f"raised {answer['raised']}"] if answer["raised"] else []
    lines += [f"status {answer['status']}"]
    lines += [f"{name}: {text}" for name, text in answer["headers"]]
    return [*seen.plain("\n".join([*lines, "", answer["body"]])).split("\n")]


def differences(
    ours: Iterable[Answer],
    theirs: Iterable[Answer],
    places: tuple[str, str],
    rules: Collection[str] = tuple(RULES),
    most: int | None = None,
) -> dict[str, str]:
    """What differs, no more than `most`: the request's name, and a diff of `theirs`, which is upstream, and `ours`."""
    one, other = Seen(places[0], rules), Seen(places[1], rules)
    ours, theirs = list(ours), list(theirs)
    names = [[answer["name"] for answer in each] for each in (ours, theirs)]
    if names[0] != names[1]:
        return {"the requests": _diff(names[1], names[0])}
    found: dict[str, str] = {}
    for our, their in zip(ours, theirs, strict=True):
        mine, upstream = readable(our, one), readable(their, other)
        if mine != upstream:
            found[our["name"]] = _diff(upstream, mine)
        if len(found) == most:
            break
    return found


def _diff(upstream: list[str], ours: list[str]) -> str:
    # Pages are often one line: each element on its own shows what it is about.
    pages = [re.sub(r"(?<=>)(?=<)", "\n", "\n".join(lines)).split("\n") for lines in (upstream, ours)]
    lines = difflib.unified_diff(*pages, "upstream", "this level", lineterm="", n=1)
    return "\n".join(
        line if len(line) <= LONGEST else f"{line[:LONGEST]}... ({len(line)} characters)" for line in lines
    )


def told(found: dict[str, str]) -> str:
    """All differences, for a person."""
    shown = [f"{name}:\n{text}" for name, text in found.items()]
    return "\n\n".join([f"{len(found)} answers differ", *shown[:SHOWN], *(["..."] if len(shown) > SHOWN else [])])
