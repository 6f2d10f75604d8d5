# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an operator may want to see of each request, whichever server runs it: a line in the log, a profile.

Both are off unless they are asked for; then nothing of this stands between the server and web2py.
"""

from __future__ import annotations

import cProfile
import os
import re
import sys
import threading
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

# By name: servers with green threads replace what the module holds.
from time import monotonic
from typing import Any
from urllib.parse import quote

from web2py_runtime.guard import Application, Environ

SUFFIX = ".prof"
NAME_LENGTH = 80


def path_of(environ: Environ) -> str:
    """The path as it came: one word, whatever it contains. What follows `?` may be a secret and is left out."""
    return quote(environ.get("PATH_INFO", "").encode("latin-1", "replace")) or "/"


def logged(application: Application, write: Callable[[str], Any] | None = None) -> Application:
    """The application with a line for each request on standard error, which the journal or the server's log takes."""

    def answer(environ: Environ, start_response: Any) -> Any:
        begin, told = monotonic(), ["500"]

        def start(status: str, *rest: Any) -> Any:
            told[0] = status.partition(" ")[0]
            return start_response(status, *rest)

        try:
            return application(environ, start)
        finally:
            client, method = environ.get("REMOTE_ADDR") or "-", environ.get("REQUEST_METHOD")
            milliseconds = round((monotonic() - begin) * 1000)
            line = f"request {client} {method} {path_of(environ)} {told[0]} {milliseconds} ms\n"
            # One call, so that lines of several threads do not mix.
            (write or sys.stderr.write)(line)
            sys.stderr.flush()

    return answer


class Profiled:
    """The application, with a profile of each request that has its process for itself.

    Python's profiler sees all threads of a process (3.12 and later), so what runs beside another request would be told
    of both. Such a request is served without a profile.
    """

    def __init__(self, application: Application, folder: str, keep: int) -> None:
        self.application = application
        self.folder, self.keep = Path(folder), keep
        self.guard = threading.Lock()
        self.running = self.begun = 0

    def __call__(self, environ: Environ, start_response: Any) -> Any:
        with self.guard:
            alone = self.running == 0
            self.running += 1
            self.begun = number = self.begun + 1
        profile = cProfile.Profile() if alone else None
        begin = monotonic()
        try:
            if profile is None:
                return self.application(environ, start_response)
            return profile.runcall(self.application, environ, start_response)
        finally:
            with self.guard:
                self.running -= 1
                undisturbed = self.begun == number
            if profile is not None and undisturbed:
                self.store(profile, f"{round((monotonic() - begin) * 1000)}ms", path_of(environ))

    def store(self, profile: cProfile.Profile, duration: str, path: str) -> None:
        """Write a profile for `pstats`, and take the oldest away. What goes wrong here is no visitor's matter."""
        now = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%S.%f")
        what = re.sub(r"[^A-Za-z0-9]+", "_", path).strip("_")[:NAME_LENGTH]
        try:
            profile.dump_stats(self.folder / f"{now}-{os.getpid()}-{duration}-{what}{SUFFIX}")
            for old in sorted(self.folder.glob(f"*{SUFFIX}"))[: -self.keep]:
                old.unlink(missing_ok=True)
        except OSError as error:
            print(f"No profile written: {error}", file=sys.stderr, flush=True)


def watched(application: Application, settings: dict[str, Any]) -> Application:
    """The application with what the site's choices ask for."""
    if settings["profiles"]["keep"]:
        application = Profiled(application, settings["profiles"]["folder"], settings["profiles"]["keep"])
    return logged(application) if settings["request_log"] else application
