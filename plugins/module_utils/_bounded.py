# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection: questions to a host, each in bounded time and each standing for itself."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

ANSWER_SECONDS = 8
Probe = Callable[[], Any]


def failure(error: BaseException) -> dict[str, str]:
    """What a probe could not do, in one line."""
    first = (str(error).strip().splitlines() or [""])[0]
    return {"error": f"{type(error).__name__}: {first}"[:300]}


def together(probes: Mapping[str, Probe], seconds: float) -> dict[str, Any]:
    """The answers of all probes, asked at the same time; an `error` for each that fails or does not end in time."""
    answers: dict[str, Any] = {}

    def work(name: str, probe: Probe) -> None:
        try:
            answers[name] = probe()
        except Exception as error:  # a probe that fails is a line of the page
            answers[name] = failure(error)

    # Threads that still hang when the module ends go with it.
    threads = [threading.Thread(target=work, args=pair, daemon=True) for pair in probes.items()]
    for thread in threads:
        thread.start()
    limit = time.monotonic() + seconds
    for thread in threads:
        thread.join(max(0.0, limit - time.monotonic()))
    late = {"error": f"no answer within {seconds:g} seconds"}
    return {name: answers.get(name, dict(late)) for name in probes}


def output(*words: str, **more: Any) -> str:
    """What a program of the host says; it is ended when it takes too long."""
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}
    # Whatever is not given is the end of the input at once.
    done: subprocess.CompletedProcess[str] = subprocess.run(
        words,
        capture_output=True,
        text=True,
        timeout=ANSWER_SECONDS,
        check=False,
        env=environment,
        **{"input": "", **more},
    )
    if done.returncode:
        said = (done.stderr.strip().splitlines() or [f"ended with {done.returncode}"])[-1]
        raise RuntimeError(f"{os.path.basename(words[0])}: {said}")
    return done.stdout
