"""How the rules of the house see the checkout."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

_WORDS = """
name action args any_errors_fatal async become become_exe become_flags become_method become_user changed_when
check_mode collections connection debugger delay delegate_facts delegate_to diff environment failed_when
ignore_errors ignore_unreachable listen local_action loop loop_control module_defaults no_log notify poll port
register remote_user retries run_once tags throttle timeout until vars when block rescue always
"""
TASK_WORDS = set(_WORDS.split())


class Loader(yaml.SafeLoader):  # type: ignore[misc,unused-ignore]
    """Reads !vault and !unsafe as the text they hold."""


Loader.add_multi_constructor("!", lambda loader, _suffix, node: loader.construct_scalar(node))


class Tree:
    def __init__(self, root: Path) -> None:
        self.root = root

    @cached_property
    def files(self) -> list[str]:
        """All files of the project, as git sees them."""
        if (self.root / ".git").exists():
            listing = subprocess.run(
                ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
                cwd=self.root,
                check=True,
                capture_output=True,
                text=True,
            ).stdout.split("\0")
        else:
            listing = [str(path.relative_to(self.root)) for path in self.root.rglob("*")]
        return sorted(name for name in listing if (self.root / name).is_file() and not (self.root / name).is_symlink())

    def match(self, *patterns: str) -> list[str]:
        """Files by pattern; as in a shell a star stays within one folder, two stars cross folders."""
        found = {str(path.relative_to(self.root)) for pattern in patterns for path in self.root.glob(pattern)}
        return [name for name in self.files if name in found]

    def text(self, name: str) -> str:
        """The text of a file, empty when it is missing or not text."""
        try:
            return (self.root / name).read_text(encoding="utf-8")
        except (UnicodeDecodeError, FileNotFoundError):
            return ""

    def lines(self, name: str) -> int:
        return len(self.text(name).splitlines())

    def yaml(self, name: str) -> Any:
        return yaml.load(self.text(name), Loader) or {}  # noqa: S506  a SafeLoader

    @cached_property
    def roles(self) -> list[str]:
        return sorted({name.split("/")[1] for name in self.files if name.startswith("roles/")})

    def tasks(self, *patterns: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """Every task of task and handler files, blocks and what is in them included."""
        for name in self.match(*(patterns or ("roles/*/tasks/**/*.yml", "roles/*/handlers/*.yml"))):
            for task in walk(self.yaml(name)):
                yield name, task


def walk(tasks: Any) -> Iterator[dict[str, Any]]:
    for task in tasks if isinstance(tasks, list) else []:
        yield task
        for part in ("block", "rescue", "always"):
            yield from walk(task.get(part))


def module_of(task: dict[str, Any]) -> str:
    """The module a task calls, empty for a block."""
    return next((key for key in task if key not in TASK_WORDS and not key.startswith("with_")), "")


def arguments_of(task: dict[str, Any]) -> dict[str, Any]:
    arguments = task.get(module_of(task))
    return arguments if isinstance(arguments, dict) else {}
