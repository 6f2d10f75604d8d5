"""An administrator's desk, for the tests on a live host."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))
from bed import Bed, Host  # noqa: E402, F401
from run_tests import GENTLY, WARM  # noqa: E402, F401

BIN = Path(sys.executable).parent


@dataclass
class Run:
    """What a playbook run said."""

    status: int
    output: str

    @property
    def changed(self) -> int:
        return sum(int(number) for number in re.findall(r"\bchanged=(\d+)", self.output))

    @property
    def summary(self) -> list[str]:
        """The closing summary, line by line."""
        found = re.search(r"Closing summary.*?\"msg\": \[\n(.*?)\n\s*\]", self.output, re.DOTALL)
        return [line.strip().rstrip(",").strip('"') for line in found[1].splitlines()] if found else []


@dataclass
class Desk:
    """An administrator's desk: an empty folder with an inventory, and the installed collection."""

    folder: Path
    host: Host
    environment: dict[str, str]

    @property
    def login(self) -> dict[str, str]:
        """How the administrator gets onto the host."""
        return {**self.host.inventory(), "ansible_user": "keeper"}

    def ansible(self, *words: str, timeout: int = 900) -> Run:
        done = subprocess.run(
            [*GENTLY, BIN / words[0], *words[1:]], cwd=self.folder, env=self.environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=timeout, check=False,
        )  # fmt: skip
        return Run(done.returncode, done.stdout)

    def play(self, playbook: str = "site", *words: str, **choices: Any) -> Run:
        """Run a playbook of the collection with choices over those of the inventory."""
        path = self.folder / "choices.yml"
        path.write_text(yaml.safe_dump(choices))
        return self.ansible(
            "ansible-playbook", "-i", "inventory.yml", f"web2py.deploy.{playbook}", "-e", f"@{path}", *words
        )

    def on_host(self, command: str, check: bool = True) -> str:
        return self.host.run(command, check=check)


def readme_block(mark: str) -> str:
    """The fenced block of README.md that follows a mark."""
    text = (ROOT / "README.md").read_text()
    found = re.search(rf"<!-- quick start: {re.escape(mark)}.*?-->\n```\w*\n(.*?)```", text, re.DOTALL)
    assert found, f"README.md has no block {mark!r}"
    return found[1]
