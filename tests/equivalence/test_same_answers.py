"""Each level of the runtime answers as upstream does. docs/performance.md tells how, and what is no difference."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.equivalence import cases, compare, release, spoilt
from tests.equivalence.compare import RULES, Answer, Seen, differences, told
from tests.equivalence.left import left
from tests.equivalence.release import Pattern, Source

SOAKED = ("first", "early", "end", "last", "several")
# How long after an edit the answer must be the new one: `fast` looks again after a second.
PATIENCE = {"exact": 0.02, "fast": 1.1}
# Upstream in a process of its own, to know what it has not in common with itself.
AGAIN = "upstream again"
LEVELS: dict[str, str | None] = {"upstream": None, AGAIN: "upstream", "exact": "exact", "fast": "fast"}
# What stands for a function of web2py's at every level: our guards, and what mends an old or a new version.
GUARDS = {
    "2.26.1": """
        gluon.fileutils.try_mkdir gluon.languages.is_writable gluon.main.url_in gluon.recfile.open
        pydal.connection.ConnectionPool.close pydal.connection.ConnectionPool.get_connection
        pydal.objects.Set.validate_and_update pydal.objects.Table._filter_fields
        pydal.objects.Table.validate_and_insert pydal.objects.Table.validate_and_update
    """.split(),
    "3.3.3": """
        gluon.globals.secure_dumps gluon.globals.secure_loads gluon.languages.is_writable gluon.main.url_in
        gluon.recfile.open pydal.connection.ConnectionPool.close pydal.connection.ConnectionPool.get_connection
    """.split(),
}
# What a process may grow by while it answers thousands, in KiB, and the entries that anything of ours may keep.
GROWTH, ENTRIES = 8 * 1024, 4096


class Run(NamedTuple):
    """What one process answered, and what it left."""

    place: Path
    answers: list[Answer]
    # What in web2py leads to functions of ours.
    replaced: frozenset[str] = frozenset()


class Bench:
    """The releases of one web2py, and what all levels answered."""

    def __init__(self, source: Source, folder: Path) -> None:
        self.source, self.folder = source, folder
        self.pattern = Pattern(source, folder)
        self.names = map("".join, itertools.product("abcdefghij", repeat=2))

    def begin(self, level: str | None, **spec: Any) -> Callable[[], Run]:
        """A process at work; called, its result."""
        place = self.folder / next(self.names)
        made, out = self.pattern.release(place, level), place / "answers"
        process = release.asked(made, out, **spec)

        def done() -> Run:
            rows = release.answers(process, out)
            ours = [name for row in rows for name in row.get("replaced", ())]
            return Run(place, [row for row in rows if "replaced" not in row], frozenset(ours))

        return done


def named(source: Source) -> str:
    return source.version


@pytest.fixture(scope="module", params=release.sources(), ids=named)
def bench(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(request.param, tmp_path_factory.mktemp("same"))


@pytest.fixture(scope="module")
def runs(bench: Bench) -> dict[str, Run]:
    which = "upstream" if bench.source.archive else "own"
    begun = {
        name: bench.begin(level, set=which, patience=PATIENCE.get(name, PATIENCE["exact"]))
        for name, level in LEVELS.items()
    }
    return {name: done() for name, done in begun.items()}


def compared(ours: Run, theirs: Run, rules: Any = tuple(RULES), most: int | None = None) -> dict[str, str]:
    both = [
        [*run.answers, *left(run.place, Seen(str(run.place), rules))]  # the same rules for what is left
        for run in (ours, theirs)
    ]
    return differences(both[0], both[1], (str(ours.place), str(theirs.place)), rules, most)


def test_requests_are_many_and_reach_what_they_name(runs: dict[str, Run]) -> None:
    answers = runs["upstream"].answers
    assert len(answers) >= 200
    statuses = {answer["status"].partition(" ")[0] for answer in answers}
    assert statuses >= {"200", "206", "303", "304", "400", "403", "404", "405", "500", "503"}


@pytest.mark.parametrize("level", [AGAIN, "exact", "fast"])
def test_level_answers_as_upstream(runs: dict[str, Run], level: str) -> None:
    found = compared(runs[level], runs["upstream"])
    assert not found, told(found)


def test_upstream_is_web2py_behind_our_guards(bench: Bench, runs: dict[str, Run]) -> None:
    """And each level has what the one before has: else it would be compared with itself."""
    upstream, again, exact, fast = (runs[name].replaced for name in LEVELS)
    assert sorted(upstream) == sorted(GUARDS[bench.source.version])
    assert upstream == again
    assert upstream < exact < fast


@pytest.mark.parametrize("rule", RULES)
def test_rule_is_needed_by_upstream_itself(runs: dict[str, Run], rule: str) -> None:
    others = [name for name in RULES if name != rule]
    assert compared(runs[AGAIN], runs["upstream"], others, most=1)


@pytest.fixture(scope="module")
def honest(package: Bench) -> Run:
    return package.begin(None, set="short")()


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """The web2py that is always there."""
    return Bench(release.sources()[0], tmp_path_factory.mktemp("spoilt"))


@pytest.mark.parametrize(("spoil", "name"), [(made.__name__, name) for made, name in spoilt.SPOILS.items()])
def test_what_is_spoilt_is_seen(package: Bench, honest: Run, spoil: str, name: str) -> None:
    found = compared(package.begin("upstream", set="short", spoil=spoil)(), honest)
    assert name in found
    assert name in told(found) or len(found) > compare.SHOWN
    assert any(line.startswith("-") for line in found[name].splitlines()[2:])


def test_soak_of_fast_answers_the_same_and_does_not_grow(package: Bench) -> None:
    run = package.begin("fast", set="mix", soak={"requests": 2000, "threads": 3})()
    rows = {name: [row for row in run.answers if row["where"] == name] for name in SOAKED}
    first, place = rows["first"][0]["answers"], (str(run.place), str(run.place))
    found = differences(rows["last"][0]["answers"], first, place)
    assert not found, told(found)
    alone = {case.name for case in cases.named("mix") if case.alone}
    shared = [answer for answer in first if answer["name"] not in alone]
    assert len(rows["several"]) == 3
    for row in rows["several"]:
        found = differences(row["answers"], shared, place)
        assert not found, told(found)
    early, end = rows["early"][0], rows["end"][0]
    assert end["requests"] >= 2000 > early["requests"] * 2
    assert end["resident"] - early["resident"] < GROWTH
    assert max(end["held"].values()) <= ENTRIES
