# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests that take too long: who knows of them, and who ends them under mod_wsgi.

mod_wsgi ends a process whose requests are late on the average of its threads: a single one would hold its thread for as
many times its limit as there are threads. So each process looks by itself, and begins anew as for a reload: its other
requests have their time to end.
"""

from __future__ import annotations

import functools
import os
import signal
from _thread import start_new_thread
from collections.abc import Callable

# By name: servers with green threads replace what the module holds.
from time import monotonic, sleep
from typing import Any

from web2py_runtime.guard import Application, Environ

LOOK_SECONDS = 1.0


class Clock:
    """Knows since when the requests run that run now; a `patient` one leaves out what their senders take."""

    def __init__(self, application: Application, patient: bool = False) -> None:
        self.application, self.patient = application, patient
        self.begun: dict[object, float] = {}

    def __call__(self, environ: Environ, start_response: Any) -> Any:
        mark = object()
        self.begun[mark] = monotonic()
        if self.patient:
            environ["wsgi.input"] = Body(self, mark, environ["wsgi.input"])
        try:
            return self.application(environ, start_response)
        finally:
            del self.begun[mark]

    def longest(self) -> float:
        """Seconds that the oldest running request takes so far."""
        return monotonic() - min(list(self.begun.values()), default=monotonic())


class Body:
    """The body of a request, for whose sender nobody is late: Apache has a limit of its own for that."""

    def __init__(self, clock: Clock, mark: object, body: Any) -> None:
        self.clock, self.mark, self.body = clock, mark, body

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.body, name)
        return functools.partial(self._waited, found) if callable(found) else found

    def __iter__(self) -> Any:
        return iter(self.readline, b"")

    def _waited(self, read: Callable[..., Any], *words: Any) -> Any:
        before, since = self.clock.begun[self.mark], monotonic()
        self.clock.begun[self.mark] = float("inf")
        try:
            return read(*words)
        finally:
            self.clock.begun[self.mark] = before + monotonic() - since


def ended(application: Application, seconds: float) -> Application:
    """The application in a process that begins anew once a request takes longer than that."""
    # Apache hands a body on as it comes; other front ends, once it is there.
    clock = Clock(application, patient=True)
    start_new_thread(end, (clock, seconds))
    return clock


def end(clock: Clock, seconds: float) -> None:
    """Wait for a request that is late, then end the process by mod_wsgi's own signal for that."""
    while clock.longest() <= seconds:
        sleep(LOOK_SECONDS)
    print(f"A request took more than {seconds:g} s", flush=True)
    os.kill(os.getpid(), signal.SIGUSR1)
