# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection: run git, pip and Python on the host, and say well what went wrong."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from typing import Any

# What an administrator may set for a task with `environment:`; everything else of ours stays out.
_KEPT = re.compile(r"(https?|no|all|ftp)_proxy|PIP_\w+|SSL_CERT_(FILE|DIR)|GIT_SSL_\w+", re.IGNORECASE)
_CREDENTIALS = re.compile(r"(\w+://)[^/\s]+@")
_LAST_LINES = 15


class Problem(Exception):
    """Words for the user: what was tried on what, what came back, what to do."""


def masked(text: str) -> str:
    """The text without user names and passwords of URLs."""
    return _CREDENTIALS.sub(r"\1", text)


def clean_environment(home: str) -> dict[str, str]:
    """An environment that depends on the host's settings only."""
    kept = {name: value for name, value in os.environ.items() if _KEPT.fullmatch(name)}
    return {
        **kept,
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": home,
        "LANG": "C.UTF-8",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_SSH_COMMAND": "ssh -o BatchMode=yes",
        "PIP_NO_INPUT": "1",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def last_lines(text: str) -> str:
    """The end of a program's output, without credentials."""
    return "\n".join(masked(text).strip().splitlines()[-_LAST_LINES:])


def run(
    argv: Sequence[str],
    task: str,
    remedy: str = "",
    *,
    cwd: str | None = None,
    environment: Mapping[str, str] | None = None,
    timeout: int = 600,
    account: tuple[int, int] | None = None,
    check: bool = True,
) -> subprocess.CompletedProcess[str]:
    """Run a program without a shell, input or our environment; a Problem says which task it failed at.

    `account` (uid, gid) drops all rights but those of that user; who is that user already has no others.
    """
    options: dict[str, Any] = {"umask": 0o022}
    if account is not None:
        options.update(umask=0o027)
    if account is not None and os.geteuid() == 0:
        options.update(user=account[0], group=account[1], extra_groups=[])
    with tempfile.TemporaryDirectory(prefix="web2py-") as home:
        if account is not None:
            os.chown(home, *account)
        try:
            done = subprocess.run(
                list(argv),
                cwd=cwd or "/",
                env={**clean_environment(home), **(environment or {})},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                encoding="utf-8",
                errors="replace",
                timeout=timeout,
                check=False,
                **options,
            )
        except FileNotFoundError:
            raise Problem(f"{task}: {argv[0]} is not installed. {remedy}".rstrip()) from None
        except subprocess.TimeoutExpired:
            raise Problem(f"{task}: no answer within {timeout} seconds. {remedy}".rstrip()) from None
    if check and done.returncode != 0:
        raise Problem("\n".join(filter(None, [f"{task} failed.", last_lines(done.stderr or done.stdout), remedy])))
    return done
