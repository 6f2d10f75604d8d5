"""A bare host, and the collection as Galaxy hands it over: built, installed into an empty folder, papers thrown away.

These tests run in the order of their files' names, on one host: it is bought, used, attacked and cleared away.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))
from bed import Bed, Host  # noqa: E402

KEPT = {"meta", "playbooks", "plugins", "roles"}
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

    def ansible(self, *words: str, timeout: int = 900) -> Run:
        done = subprocess.run(
            [BIN / words[0], *words[1:]], cwd=self.folder, env=self.environment, stdin=subprocess.DEVNULL,
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


@pytest.fixture(scope="session")
def bare_host() -> Iterator[Host]:
    bed = Bed("live")
    bed.down()
    yield bed.up([Host("live", "bookworm", "bare")])[0]
    bed.down()


@pytest.fixture(scope="session")
def desk(bare_host: Host, tmp_path_factory: pytest.TempPathFactory) -> Desk:
    folder = tmp_path_factory.mktemp("desk")
    home = tmp_path_factory.mktemp("home")
    collections = folder / "collections"
    environment = {
        "PATH": f"{BIN}:{os.environ['PATH']}", "HOME": str(home), "LANG": "C.UTF-8", "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_CONFIG": os.devnull, "ANSIBLE_COLLECTIONS_PATH": str(collections), "ANSIBLE_INJECT_FACT_VARS": "false",
    }  # fmt: skip
    made = Desk(folder, bare_host, environment)
    galaxy = ["ansible-galaxy", "collection"]
    subprocess.run(
        [BIN / galaxy[0], *galaxy[1:], "build", "--output-path", folder], cwd=ROOT, check=True, capture_output=True
    )
    tarball = next(folder.glob("*.tar.gz"))
    done = made.ansible(*galaxy, "install", "--offline", "--no-deps", str(tarball), "-p", str(collections))
    assert done.status == 0, done.output
    installed = collections / "ansible_collections/web2py/deploy"
    for path in installed.iterdir():
        if path.name not in KEPT:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    for path in (ROOT / ".cache/collections/ansible_collections").glob("*/*"):
        (collections / "ansible_collections" / path.parent.name).mkdir(exist_ok=True)
        (collections / "ansible_collections" / path.parent.name / path.name).symlink_to(path)
    (folder / "inventory.yml").write_text(readme_block("inventory.yml"))
    variables = folder / "host_vars"
    variables.mkdir()
    (variables / "www.example.org.yml").write_text(yaml.safe_dump(bare_host.inventory()))
    return made
