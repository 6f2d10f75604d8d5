"""The two things that the suite looks at: the machine of a site, and the application that tells what reached it."""

from __future__ import annotations

import base64
import json
import re
import shlex
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path
from typing import Any

import pytest
from client import Answer, Client

ROOT = Path(__file__).resolve().parents[2]
Site = dict[str, Any]


class Machine:
    """The host of the site, always as root."""

    def __init__(self, host: Any) -> None:
        self.host = host
        self.prefix = "" if host.run("id -u").stdout.strip() == "0" else "sudo "

    def run(self, command: str) -> str:
        """Output of a command that must succeed."""
        result = self.try_to(command)
        assert result.rc == 0, f"{command}: {result.stderr.strip() or result.stdout.strip()}"
        return str(result.stdout)

    def try_to(self, command: str) -> Any:
        return self.host.run(f"{self.prefix}sh -c {shlex.quote(command)}")

    def python(self, source: str) -> str:
        """Output of a Python program; its text is not seen in the list of processes."""
        code = base64.b64encode(source.encode()).decode()
        return self.run(f"echo {code} | base64 -d | python3 -")

    def module(self, name: str, words: dict[str, Any], check: bool = False) -> dict[str, Any]:
        """What a module of Ansible's returns that ran on the host."""
        return dict(self.host.ansible(name, json.dumps(words), check=check, become=bool(self.prefix)))

    def lines(self, command: str) -> list[str]:
        return self.run(command).splitlines()

    def property(self, unit: str, name: str) -> str:
        return self.run(f"systemctl show -p {name} --value {unit}").strip()


class Probe:
    """The application that tells what reached it."""

    source = ROOT / "tests/applications/probe"

    def __init__(self, web: Client, folder: str, state: str) -> None:
        self.web, self.folder, self.state = web, folder, state

    def path(self, page: str) -> str:
        """Path of a page: `echo` and `slow/6` are in the controller `default`, `session/index` names its own."""
        own = (self.source / "controllers" / f"{page.split('?')[0].split('/')[0]}.py").exists()
        return f"/probe/{page}" if own else f"/probe/default/{page}"

    def ask(self, page: str, *arguments: Any, **options: Any) -> Answer:
        return self.web.ask(self.path(page), *arguments, **options)

    def json(self, page: str, *arguments: Any, **options: Any) -> Any:
        return self.ask(page, *arguments, **options).json()


@contextmanager
def tunnel(variables: dict[str, Any], address: str, port: int) -> Iterator[Client]:
    """A client at the near end of a real SSH tunnel to a port of the host's loopback address."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        near = free.getsockname()[1]
    words = ["ssh", "-N", "-L", f"127.0.0.1:{near}:127.0.0.1:{port}", "-i", variables["ansible_ssh_private_key_file"]]
    for option in ("ControlPath=none", "ExitOnForwardFailure=yes", "StrictHostKeyChecking=no", "BatchMode=yes"):
        words += ["-o", option]
    words += ["-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR"]
    process = subprocess.Popen([*words, f"root@{address}"], stdin=subprocess.DEVNULL)
    try:
        client = Client("127.0.0.1", near, f"127.0.0.1:{near}", None)
        # Connected to ssh only, which opens the far end for it: the answer of that end is what counts.
        waited(lambda: client.ask("/healthz").status == 200, 20)
        yield client
    finally:
        process.terminate()
        process.wait()


def excused(site: Site, word: str) -> None:
    """Skip what the front end, or a server inside it, cannot do; README.md's table of differences says so."""
    if word in site["front_end"]["lacks"]:
        pytest.skip(f"{site['front_end']['name']} lacks {word}; the table of differences says so")


def programs_told(site: Site, text: str) -> list[str]:
    """Programs that serve the site and stand in a text for strangers."""
    programs = {site["front_end"]["name"], site["server"]["name"]} - {"none"}
    return [name for name in sorted(programs) if re.search(rf"\b{name}\b", text, re.IGNORECASE)]


def served_at_once(ask: Callable[[], Answer], most: int) -> None:
    """Of a page that takes four seconds so many are made at once; two more wait for one of them."""
    begin = time.monotonic()

    def seconds(_number: int) -> float:
        assert ask().status == 200
        return time.monotonic() - begin

    with ThreadPoolExecutor(most + 2) as pool:
        waits = sorted(pool.map(seconds, range(most + 2)))
    assert waits[most - 1] < 7 < waits[most], waits


def waited(question: Callable[[], bool], seconds: float) -> float:
    """Seconds until the answer was yes; fails when it never was within the time."""
    begin = time.monotonic()
    trouble: object = "no"
    while time.monotonic() - begin <= seconds:
        try:
            if question():
                return time.monotonic() - begin
        except (OSError, HTTPException, AssertionError, RuntimeError) as error:  # RuntimeError: ssh does not answer
            trouble = error
        # Who has to wait for long is asked less often: most questions are whole pages of the site, and cost what they
        # are to show. Soon before the end they come at the old pace, so that nobody has less time.
        passed = time.monotonic() - begin
        time.sleep(0.05 if passed < 2 or seconds - passed < 0.5 else 0.25)
    raise AssertionError(f"not within {seconds} s: {trouble}")
