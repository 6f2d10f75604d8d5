"""Sites in accounts of a shared host: visitors, the account itself, the hoster's root and a curious neighbour."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/acceptance"))

from client import Answer, Client  # noqa: E402  found by the line above


class Visitor(Client):
    """Patient, because a CGI script loads everything for each page."""

    def ask(self, *arguments: Any, timeout: float = 120, **options: Any) -> Answer:
        return super().ask(*arguments, timeout=timeout, **options)


class Account:
    """One site in one account, as its inventory names it."""

    def __init__(self, variables: dict[str, Any]) -> None:
        self.variables = variables
        self.name = str(variables["ansible_user"])
        self.way = dict(variables["web2py_account"])
        self.base = f"/home/{self.name}/.local/share/web2py.deploy/web2py"
        self.state = f"{self.base}/data/applications/probe"
        port = self.way["port"] if self.way["web"] == "port" else 80
        self.web = Visitor(str(variables["ansible_host"]), port, f"{self.name}.example.org", None)

    @property
    def starts(self) -> str:
        """What starts the site."""
        return str(self.way.get("start") or ("systemd" if "port" in self.way else "web server"))

    def root(self, command: str, check: bool = True) -> str:
        """Output of a shell command of the hoster's root."""
        words = ["ssh", "-i", str(self.variables["ansible_ssh_private_key_file"])]
        words += shlex.split(str(self.variables["ansible_ssh_common_args"]))
        words += [f"root@{self.variables['ansible_host']}", command]
        done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        assert not check or done.returncode == 0, f"{command}: {done.stderr}{done.stdout}"
        return done.stdout

    def processes(self) -> set[str]:
        """Numbers of the processes that serve the site, or keep it."""
        return set(self.root(f"pgrep -u {self.name} -f web2py_runtime", check=False).split())

    def user(self, command: str, check: bool = True) -> str:
        """Output of a shell command of the account's own."""
        number = self.root(f"id -u {self.name}").strip()
        environment = f"XDG_RUNTIME_DIR=/run/user/{number} HOME=/home/{self.name}"
        return self.root(f"cd /; runuser -u {self.name} -- env {environment} sh -c {shlex.quote(command)}", check)


INVENTORY = Path(os.environ["WEB2PY_TEST_INVENTORY"])
ROWS = yaml.safe_load((INVENTORY / "hosts.yml").read_text())["web2py_user"]["hosts"]
ACCOUNTS = {name: Account(row) for name, row in ROWS.items()}


def play(playbook: str, *words: str) -> str:
    """Output of a playbook of the product for all accounts at once."""
    command = ["ansible-playbook", "-i", str(INVENTORY), f"playbooks/{playbook}.yml", *words]
    done = subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "late(place=1): disturbs the site, hence runs after all others, in this order")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    def place(item: pytest.Item) -> int:
        late = item.get_closest_marker("late")
        return int(late.kwargs.get("place", 1)) if late else 0

    items.sort(key=place)


@pytest.fixture(scope="session", params=ACCOUNTS.values(), ids=ACCOUNTS)
def account(request: pytest.FixtureRequest) -> Account:
    found: Account = request.param
    return found


class Renewal:
    """What visitors of all sites met while the sites took another release."""

    def __init__(self) -> None:
        self.done = dict.fromkeys(ACCOUNTS, 0)
        self.lost: dict[str, list[str]] = {name: [] for name in ACCOUNTS}
        self.before = {name: each.root(f"readlink {each.base}/code/current") for name, each in ACCOUNTS.items()}
        self.processes = {name: each.processes() for name, each in ACCOUNTS.items()}
        self.stop = threading.Event()

    def visit(self, account: Account) -> None:
        while not self.stop.is_set():
            try:
                answer = account.web.ask("/probe/small/index")
                assert answer.status == 200, answer.status
                self.done[account.name] += 1
            except Exception as error:  # each kind of failure is a lost request
                self.lost[account.name].append(repr(error))
            self.stop.wait(0.5)


@pytest.fixture(scope="session")
def renewal() -> Renewal:
    """All sites take another release by the playbook while they are visited."""
    found = Renewal()
    visitors = [threading.Thread(target=found.visit, args=(account,)) for account in ACCOUNTS.values()]
    for visitor in visitors:
        visitor.start()
    try:
        play("user_site", "-e", "web2py_log_level=INFO")
    finally:
        found.stop.set()
        for visitor in visitors:
            visitor.join()
    return found


@pytest.fixture(scope="session")
def status() -> str:
    """What the status playbook says of all sites."""
    return play("status")


@pytest.fixture(scope="session")
def rebooted() -> None:
    """The host was started anew."""
    words = os.environ["WEB2PY_TEST_REBOOT_COMMAND"].format(host="hoster")
    subprocess.run(shlex.split(words), check=True, capture_output=True)


@pytest.fixture(scope="session")
def taken_away() -> None:
    """All sites are uninstalled, and their data stay."""
    play("uninstall")


@pytest.fixture(scope="session")
def purged(taken_away: None) -> str:
    """The last line of a second run of the uninstall playbook; then the data are gone too."""
    again = play("uninstall")
    play("uninstall", "-e", "web2py_purge=web2py")
    return again


@pytest.fixture
def answers(account: Account) -> Callable[[], bool]:
    """Whether a page made by web2py comes now; by CGI it takes its time on a busy machine."""
    return lambda: account.web.ask("/probe/default/echo", timeout=30).status == 200
