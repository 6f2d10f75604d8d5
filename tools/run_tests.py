"""All tests: lint, units, every Molecule scenario on one pair of hosts, and the demo on a bare one.

Four lanes run side by side, as much of a test is waiting: three have a part of the live tests, on a bare host each, one
of them lint and units before, one the demo; the fourth runs the core scenarios one after the other on two
distributions. Then all take from the other scenarios, each on a host of its own. What only computes stands back behind
the hosts and the tests that hold them to seconds.
Every step runs even if an earlier one failed. Without options the last line is `N passed, N failed`: all pytest tests
plus one for each other step. Hosts that the scenarios leave can be looked into with: --scenario NAME, which keeps them.

The acceptance suite gets WEB2PY_TEST_INVENTORY, the folder of a complete inventory with the ssh settings in it.
A scenario that names WEB2PY_TEST_ARCHIVE or CHEROKEE_TEST_PACKAGE is reported as not run where that variable is not
set.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import runpy
import shlex
import shutil
import subprocess
import sys
import threading
import time
import traceback
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import demo
import inventory
import yaml
from bed import SUITES, Bed, Host
from report import CACHE, ROOT, Problem, alone, is_root, log_path, say, tail

BIN = Path(sys.executable).parent
TEST = CACHE / "test"
# Takes work off each run of a playbook.
WARM = {
    "ANSIBLE_CALLBACK_PLUGINS": str(ROOT / "tools/callback"),
    "ANSIBLE_CALLBACKS_ENABLED": "warm",
    "WEB2PY_TEST_ARCHIVES": str(CACHE / "archives"),
}
# What tests want and the collection does not have: upstream's tree, and a Debian package of Cherokee.
GIVEN = ("WEB2PY_TEST_ARCHIVE", "CHEROKEE_TEST_PACKAGE")
BUSY = "Another test run is at work in this checkout. Wait for it, then run yours again."
# The first one where the scenario wants something before it.
PHASES = ("prepare", "check", "converge", "idempotence", "check again", "verify")
# Of each server that takes the place of the one before.
WALK = ("converge", "verify")
SHOWN_LINES = 100
SHOWN_REASON = 200
# These run on every distribution, the others on the first.
CORE = ("nginx_uwsgi", "apache_mod_wsgi", "tunnel", "nginx_uwsgi_postgresql", "upstream")
# These differ from another scenario in one thing: they ask the tests of that mark only.
ASKED = {"nginx_uwsgi_mariadb": "data"}
# Sites in accounts of a host that a hoster keeps: a host of its own, where no other scenario has been.
ACCOUNTS, HOSTER = "user_site", "hoster"
# The hosts of the lanes that have none of the core's, and their places among the hosts.
OTHERS = ("second", "third", "fourth")
SECOND, THIRD, FOURTH = range(len(SUITES), len(SUITES) + len(OTHERS))
# To the kernel all hosts together weigh no more than one of our programs: a site would start late under them.
GENTLY = ("nice", "-n", "10")
# The live tests by host: the way of a site from the quick start to its end, and what some sites choose, in two parts
# that take about as long, by the first letters of their names.
LIVE = {"live": "test_[!6]*.py", "live_choices": "test_6_[abmp]*.py", "live_services": "test_6_[!abmp]*.py"}


@dataclass(frozen=True)
class Result:
    passed: int = 0
    failed: int = 0
    note: str = ""
    # What failed, a line each: the end of the run repeats them, where a long log may be cut.
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Row:
    name: str
    seconds: float
    result: Result


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment of all steps: our tools first, no colours in logs."""
    return {
        **os.environ,
        "PATH": f"{BIN}:{os.environ.get('PATH', '')}:/usr/sbin:/sbin",
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        "ANSIBLE_FORCE_COLOR": "false",
        "ANSIBLE_NOCOLOR": "true",
        "NO_COLOR": "1",
        "MOLECULE_GLOB": "molecule/*/molecule.yml",
        **WARM,
        **(extra or {}),
    }


class Report:
    """Runs steps from several threads and keeps their rows."""

    def __init__(self) -> None:
        self.rows: list[Row] = []

    def step(self, name: str, work: Callable[[Path], Result]) -> bool:
        """Run one step with a log file of its own and say how it ended."""
        say(f"{name} ...")
        begin = time.monotonic()
        log = log_path(re.sub(r"\W+", "-", name))
        log.write_text("")
        try:
            result = work(log)
        except Exception as problem:  # a broken step must not hide the others
            words = str(problem) if isinstance(problem, Problem) else traceback.format_exc()
            with log.open("a") as handle:
                handle.write(f"\n{words}\n")
            result = Result(failed=1)
        row = Row(name, time.monotonic() - begin, result)
        self.rows.append(row)
        shown = f"\n{tail(log, SHOWN_LINES)}\nThe whole output: {log}" if result.failed else ""
        say(f"{name}: {words_of(row)}{shown}")
        return not result.failed

    def skip(self, name: str, why: str) -> None:
        self.rows.append(Row(name, 0, Result(note=f"not run: {why}")))
        say(f"{name}: not run: {why}")

    def close(self) -> int:
        """Print the table and the last line; return the exit code."""
        print("\nseconds  step")
        for row in self.rows:
            print(f"{row.seconds:7.0f}  {row.name}: {words_of(row)}")
        for row in self.rows:
            if row.result.failed:
                print(f"FAILED: {row.name}", *row.result.names, sep="\n  ")
        passed, failed = (sum(getattr(row.result, word) for row in self.rows) for word in ("passed", "failed"))
        print(f"{passed} passed, {failed} failed", flush=True)
        return 1 if failed or not passed else 0


def words_of(row: Row) -> str:
    result = row.result
    if not result.passed and not result.failed:
        return result.note
    counts = "ok" if (result.passed, result.failed) == (1, 0) else f"{result.passed} passed, {result.failed} failed"
    words = f"{counts} ({row.seconds:.0f} s)" + (f"; {result.note}" if result.note else "")
    return f"FAILED: {words}" if result.failed else words


def command(
    *words: str | Path, extra: Mapping[str, str] | None = None, cwd: Path = ROOT, at_once: bool = False
) -> Callable[[Path], Result]:
    """Make a step of a command that must end well; one that looks at the clock is run at once, the others gently."""

    def work(log: Path) -> Result:
        with log.open("ab") as output:
            done = subprocess.run(
                words if at_once else (*GENTLY, *words),
                cwd=cwd,
                env=environment(extra),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                check=False,
            )
        return Result(passed=1) if done.returncode == 0 else Result(failed=1)

    return work


def pytest(run: Callable[[Path], Result], report: Path) -> Callable[[Path], Result]:
    """Make a step of a command that runs pytest and leaves a JUnit report: each test counts."""

    def work(log: Path) -> Result:
        report.parent.mkdir(parents=True, exist_ok=True)
        report.unlink(missing_ok=True)
        ended = run(log)
        if not report.exists():
            return Result(failed=1)
        suites = ET.parse(report).getroot().findall("testsuite")  # noqa: S314  our own pytest wrote it
        words = ("tests", "failures", "errors", "skipped")
        tests, failures, errors, skipped = (sum(int(suite.get(word, 0)) for suite in suites) for word in words)
        failed = failures + errors
        passed = tests - failed - skipped
        note = f"{skipped} skipped" if skipped else ""
        return Result(passed, failed or ended.failed, note, tuple(failures_in(suites)))

    return work


def failures_in(suites: Iterable[ET.Element]) -> Iterator[str]:
    """Yield the name and the first line of the reason of each failed test."""
    for case in (case for suite in suites for case in suite.iter("testcase")):
        for found in (*case.findall("failure"), *case.findall("error")):
            reason = (found.get("message") or "").strip().partition("\n")[0]
            yield f"{case.get('classname')}::{case.get('name')}: {reason[:SHOWN_REASON]}"


# Lint and units


def sanity(log: Path) -> Result:
    """Run ansible-test on a copy of what we ship, at the path it insists on."""
    base = CACHE / "sanity"
    target = base / "ansible_collections" / "web2py" / "deploy"
    shutil.rmtree(target, ignore_errors=True)
    listing = ["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listing, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    workshop = tuple(f"{name}/" for name in yaml.safe_load((ROOT / "galaxy.yml").read_text())["build_ignore"])
    for name in names:
        shipped = not name.startswith((".", *workshop)) or name.startswith("tests/sanity/")
        if shipped and (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name, follow_symlinks=False)
    # Its list of files is git's, and to the checkout's git this copy is an ignored folder.
    subprocess.run(["git", "init", "-q", target], check=True)
    # Its virtual environments live in the home folder and want a bootstrap script from a server; pip comes with Python.
    home = base / "home"
    requirements = next(BIN.parent.glob("lib/python3*/site-packages/ansible_test/_internal/python_requirements.py"))
    for version in re.findall(r"\bpip='([\d.]+)'", requirements.read_text()):
        script = home / ".ansible" / "test" / "cache" / f"get_pip_{version.replace('.', '_')}.py"
        script.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(Path(__file__).with_name("get_pip.py"), script)
    users = Path.home() / ".config" / "pip"
    if users.is_dir() and not (home / ".config" / "pip").exists():
        (home / ".config").mkdir(exist_ok=True)
        (home / ".config" / "pip").symlink_to(users)
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    extra = {"HOME": str(home), "ANSIBLE_CONFIG": os.devnull}
    result = command("ansible-test", "sanity", "--color", "no", "--python", version, extra=extra, cwd=target)(log)
    errors = [line for line in log.read_text().splitlines() if line.startswith(("ERROR", "FATAL"))]
    with log.open("a") as handle:
        handle.write("\n".join(["", "In short:", *errors, ""]))
    return result


def lint(report: Report) -> None:
    report.step("yamllint", command("yamllint", "--strict", "."))
    report.step("ruff", command("ruff", "check", "."))
    report.step("mypy", command("mypy"))
    report.step("mypy tools", command("mypy", "tools", extra={"MYPYPATH": str(ROOT / "tools")}))
    report.step("ansible-lint", command("ansible-lint", "--offline"))
    report.step("codespell", command("codespell"))
    report.step("changelog", command("antsibull-changelog", "lint"))
    report.step("sanity", sanity)


def units(report: Report) -> None:
    junit = TEST / "units.xml"
    report.step("units", pytest(command("pytest", "-q", f"--junitxml={junit}", at_once=True), junit))


# Scenarios


def bed() -> Bed:
    return Bed("test")


def places() -> list[Host]:
    """One of each distribution, and others of the first for the other lanes."""
    return [Host(suite, suite, "warm") for suite in SUITES] + [Host(name, SUITES[0], "warm") for name in OTHERS]


def hosts_of(name: str, place: int = 0) -> list[Host]:
    """Bring up the hosts of a scenario: one of each distribution for the core, else one of the first.

    No others: the other lane's may be in the middle of a reboot.
    """
    found = places()
    return bed().up(found[: len(SUITES)] if name in CORE else [found[place]])


def hosts_step(log: Path) -> Result:
    log.write_text("\n".join(str(host) for host in bed().up(places())))
    return Result(passed=1)


def scenarios() -> list[str]:
    names = {path.parent.name for path in (ROOT / "molecule").glob("*/molecule.yml")}
    return sorted(names - {"default"})


def without_changes(run: Callable[[Path], Result]) -> Callable[[Path], Result]:
    """Make a step fail that reports changes."""

    def work(log: Path) -> Result:
        result = run(log)
        changed = demo.recap(log.read_text()).get("changed")
        if not result.failed and changed != 0:
            raise Problem(f"{changed} changes reported where there must be none")
        return result

    return work


def scenario(report: Report, name: str, place: int = 0) -> None:
    """Run a scenario; one of many servers runs on them in turn, and asks each but what differs between servers."""
    wanted = (ROOT / "molecule" / name / "molecule.yml").read_text()
    missing = [word for word in GIVEN if word in wanted and not os.environ.get(word)]
    if missing:
        report.skip(f"scenario {name}", f"{missing[0]} is not set")
        return
    if not name.endswith("_anyservers"):
        prepared = "prepare" in yaml.safe_load(wanted)["provisioner"].get("playbooks", {})
        steps = PHASES if prepared else PHASES[1:]
        phases(report, name, name, place, steps, {}, *(["-m", ASKED[name]] if name in ASKED else []))
        return
    servers = runpy.run_path(str(ROOT / "plugins/module_utils/_backend.py"))["APP_SERVERS"]
    own = name.removesuffix("anyservers")  # some pairs have a scenario of their own
    for server in [word for word, row in servers.items() if row.role == "anyserver" and own + word not in scenarios()]:
        choice = {"web2py_app_server": server}
        phases(report, name, f"{name}: {server}", place, WALK, choice, "-m", "server")


def phases(
    report: Report, name: str, title: str, place: int, steps: Iterable[str], choices: Mapping[str, Any], *only: str
) -> None:
    """Run phases of a scenario with choices over its own; after a failed converge the rest says nothing."""
    chosen = {**inventory.scenario_choices(name), **choices}

    def ready(_log: Path) -> Result:
        if name == ACCOUNTS:
            inventory.write_accounts(TEST / name, bed().up([Host(HOSTER, SUITES[0], "warm")])[0], name, chosen)
        else:
            each = inventory.scenario_inventory(f"molecule/{name}/molecule.yml").get("host_vars")
            inventory.write(TEST / name, hosts_of(name, place), choices=chosen, host_choices=each)
        return Result(passed=1)

    # Molecule names its own folder by the last part of the checkout's path: two checkouts would meet there.
    working = CACHE / "molecule" / name
    shutil.rmtree(working, ignore_errors=True)
    own = {"MOLECULE_EPHEMERAL_DIRECTORY": str(working)}
    broken = not report.step(f"scenario {title}: hosts", ready)
    for phase in steps:
        step = f"scenario {title}: {phase}"
        if broken:
            report.skip(step, "the phases before it failed")
            continue
        words = ["molecule", "-c", str(ROOT / ".config/molecule/config.yml"), phase.split()[0], "-s", name]
        if phase == "check again":
            report.step(step, without_changes(command(*words, extra=own)))
        elif phase != "verify":
            broken = not report.step(step, command(*words, extra=own)) and phase in ("prepare", "converge")
        elif not (ROOT / "tests" / "acceptance").is_dir():
            report.skip(step, "there is no tests/acceptance")
        else:
            junit = TEST / f"{re.sub(r'[^a-z0-9_]+', '-', title)}.xml"
            extra = {
                **own,
                "PYTEST_ADDOPTS": shlex.join([f"--junitxml={junit}", *only]),
                "WEB2PY_TEST_REBOOT_COMMAND": f"podman restart -t 5 {bed().name}-{{host}}",
            }
            report.step(step, pytest(command(*words, extra=extra, at_once=True), junit))


# The demo, as a newcomer meets it


def trial(report: Report) -> None:
    """Run the demo beside the user's own: on a bare host, twice."""
    own = demo.Demo("trial")
    demo.down(own)

    def check(log: Path) -> Result:
        demo.prepare(own)
        demo.converge(own, "--check", "--diff", log=log)
        return Result(passed=1)

    def run(log: Path) -> Result:
        say(demo.up(own, log=log))
        return Result(passed=1)

    def down(_log: Path) -> Result:
        demo.down(own)
        return Result(passed=1)

    try:
        report.step("demo: check on a bare host", check)
        if not report.step("demo: first run", run):
            report.skip("demo: second run", "the first one failed")
            return
        report.step("demo: second run changes nothing", without_changes(run))
    finally:
        report.step("demo: taken away", down)


def live(report: Report, part: str) -> None:
    """The quick start from the built collection on a bare host, and what may go wrong there, in parts."""
    junit = TEST / f"{part}.xml"
    files = [str(path) for path in sorted((ROOT / "tests" / "live").glob(LIVE[part]))]
    run = command("pytest", "-q", *files, f"--junitxml={junit}", extra={"WEB2PY_TEST_LIVE": part}, at_once=True)
    report.step(part, pytest(run, junit))


def everything() -> int:
    report = Report()
    if not is_root():
        raise Problem("All tests need root for their hosts. Without root there are: make lint, make unit.")
    set_checksums()
    bed().down()

    # Shared by the lanes: each takes the next.
    waiting = iter([name for name in scenarios() if name not in CORE])
    ready = threading.Event()

    def pairs(place: int) -> None:
        """Take scenarios until none is left. Each finds on its host what the one before left there."""
        for name in waiting:
            scenario(report, name, place)

    def first_lane() -> None:
        lint(report)
        units(report)
        live(report, "live")
        ready.wait()
        pairs(SECOND)

    def second_lane() -> None:
        trial(report)
        live(report, "live_choices")
        ready.wait()
        pairs(THIRD)

    def fourth_lane() -> None:
        live(report, "live_services")
        ready.wait()
        pairs(FOURTH)

    lanes = [threading.Thread(target=lane, daemon=True) for lane in (first_lane, second_lane, fourth_lane)]
    for lane in lanes:
        lane.start()
    try:
        up = report.step("hosts of the scenarios", hosts_step)
        if not up:
            report.skip("scenarios", f"they have no hosts: {', '.join(waiting)}")
        ready.set()
        for name in CORE if up else ():
            scenario(report, name)
        pairs(0)
        for lane in lanes:
            lane.join()
    finally:
        bed().down()
    return report.close()


def set_checksums() -> None:
    """Give scenarios that install such a file its checksum, too."""
    for word in GIVEN:
        file = os.environ.get(word)
        if file:
            os.environ[f"{word}_SHA256"] = hashlib.sha256(Path(file).read_bytes()).hexdigest()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    only = parser.add_mutually_exclusive_group()
    only.add_argument("--lint", action="store_true", help="only lint")
    only.add_argument("--unit", action="store_true", help="only the tests that need no host")
    only.add_argument("--scenario", metavar="NAME", help="only this scenario; its hosts stay for the next time")
    only.add_argument("--live", action="store_true", help="only the tests from the built collection on a bare host")
    only.add_argument("--hosts", choices=("up", "down"), help="only the scenarios' hosts")
    options = parser.parse_args()
    try:
        if options.hosts:
            bed().up(places()) if options.hosts == "up" else bed().down()
            return 0
        report = Report()
        with alone(CACHE / "test.lock", BUSY):
            if options.lint:
                lint(report)
            elif options.unit:
                units(report)
            elif options.live:
                for part in LIVE:
                    live(report, part)
            elif options.scenario:
                set_checksums()
                scenario(report, options.scenario)
            else:
                return everything()
            return report.close()
    except Problem as problem:
        print(f"\n{problem}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
