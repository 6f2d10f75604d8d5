# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Few uWSGI workers that serve, and others that stand by for those of them that wait.

Pages that wait, for a database, a disk or another server, want many workers. Pages that compute want few: what a
processor keeps in its caches for one worker makes way for the next. So there are places, two for each processor. A
worker with a place looks for new connections; one without a place sleeps. A worker that waits calls another to stand
in, which is one place more; when it has not waited for a while, it takes away one: a free one, or its own.

A free place is a byte in a pipe. To look for connections is to have uWSGI's listening socket in the epoll that the
worker waits in. A request may let no thread of its process run (a C extension that keeps the interpreter): then one
of those who stand by calls another in its stead.
"""

from __future__ import annotations

import atexit
import fcntl
import importlib
import mmap
import os
import select
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Any

from web2py_runtime import retire
from web2py_runtime.guard import Application, Environ

FOR_EACH_PROCESSOR = 2
FEWEST = 4
# A request that takes longer holds its worker, whether it waits or computes.
HELD_SECONDS = 0.1
# Between looks of a worker, and where it had no request since the last one.
LOOK_SECONDS = 0.05
QUIET_SECONDS = 0.25
# Looks in a row that find a worker to have waited most of the time since the last one. One alone may be wrong: the time
# in which a process is ready and not let run is known when that is over.
WAITS = 2
# So long a worker that waited keeps the one that stands in.
KEEP_SECONDS = 1.0
# A held worker that has called nobody after so long cannot. Those who stand by look as often.
STUCK_SECONDS = 1.0
# What a worker is to the others.
STANDS_BY, HAS_PLACE, HAS_CALLED = 0, 1, 2
# uWSGI's word.
BUSY = b"busy"
# uWSGI's options with which workers have several requests, come and go, or wait for connections one at a time.
OTHERWISE = ("async", "cheaper", "thunder-lock")


class Places:
    """What each worker is, by its number, which a successor has again; and the free places."""

    def __init__(self, workers: int, places: int) -> None:
        self.states = mmap.mmap(-1, workers + 1)
        self.states[1 : places + 1] = bytes([HAS_PLACE]) * places
        # When the last request of each worker began, and when the last one ended.
        self.begun, self.ended = (memoryview(mmap.mmap(-1, 8 * (workers + 1))).cast("d") for _array in range(2))
        self.free, self.freed = os.pipe()
        os.set_blocking(self.free, False)
        # A lock of a byte in it ends with the process that has it.
        self.locks = os.memfd_create("places")

    @contextmanager
    def locked(self, number: int) -> Iterator[bool]:
        """Whether nobody else changes what a worker is; they do not now."""
        try:
            fcntl.lockf(self.locks, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, number)
        except OSError:
            yield False
            return
        try:
            yield True
        finally:
            fcntl.lockf(self.locks, fcntl.LOCK_UN, 1, number)

    # The order of steps: who is killed between two of them leaves a place too many rather than one too few.
    def call(self, number: int, state: int = HAS_CALLED) -> None:
        """Have another worker stand in for one with a place, which is then something else."""
        with self.locked(number) as mine:
            if mine and self.states[number] == HAS_PLACE:
                os.write(self.freed, b".")
                self.states[number] = state

    def take(self, number: int) -> bool:
        """Take a free place, if there is one still."""
        with self.locked(number) as mine:
            if not mine:
                return False
            before, self.states[number] = self.states[number], HAS_PLACE
            try:
                os.read(self.free, 1)
            except BlockingIOError:
                self.states[number] = before
                return False
            return True

    def call_for_stuck(self) -> None:
        """In the stead of those whose requests let no thread of theirs do it."""
        late = monotonic() - STUCK_SECONDS
        for number, state in enumerate(self.states[:]):
            if state == HAS_PLACE and self.ended[number] < self.begun[number] < late:
                self.call(number)

    def wait(self) -> bool:
        """Until there is a free place, perhaps for somebody else; False when there was none for some time."""
        poll = select.poll()
        poll.register(self.free, select.POLLIN)
        return bool(poll.poll(STUCK_SECONDS * 1000))


class Worker:
    """This process. Its main thread serves, another one looks after its place."""

    def __init__(self, places: Places, number: int, uwsgi: Any) -> None:
        self.places, self.number, self.uwsgi = places, number, uwsgi
        places.begun[number] = places.ended[number] = 0.0
        if places.states[number] == HAS_CALLED:  # killed while it waited
            places.states[number] = STANDS_BY
        # Seconds of all requests that have ended.
        self.served = 0.0
        # The main thread takes no place once it has ended, nor is one taken for it.
        self.ending, self.ends = threading.Lock(), False
        # When the last request began of which it is known that its answer has been sent.
        self.sent = 0.0
        self.account = os.open("/proc/self/schedstat", os.O_RDONLY | os.O_CLOEXEC)

    def serve(self, application: Application, environ: Environ, start_response: Any) -> Any:
        """The answer of the application, and notes of the time that it took."""
        self.places.begun[self.number] = begun = monotonic()
        try:
            return application(environ, start_response)
        finally:
            self.places.ended[self.number] = ended = monotonic()
            self.served += ended - begun

    def held(self) -> bool:
        """Whether its request takes long, answer included."""
        begun = self.places.begun[self.number]
        if begun == self.sent or monotonic() - begun < HELD_SECONDS:
            return False
        if begun > self.places.ended[self.number] or self.uwsgi.workers()[self.number - 1]["status"] == BUSY:
            return True
        self.sent = begun
        return False

    def waited(self) -> float:
        """Seconds that its requests have waited by now, rather than run or been ready to."""
        begun = self.places.begun[self.number]
        serving = monotonic() - begun if begun > self.places.ended[self.number] else 0
        ran, ready, _slices = os.pread(self.account, 100, 0).split()
        return self.served + serving - (int(ran) + int(ready)) / 1e9

    def run(self) -> None:
        """Look after the place until the process ends."""
        queue = retire.Queue.found()
        try:
            if self.places.states[self.number] == STANDS_BY:
                queue.look(False)
                self.stand_by(queue)
            self.keep(queue)
        except Exception:  # such as no memory or descriptor left
            traceback.print_exc()
            queue.end()

    def keep(self, queue: retire.Queue) -> None:
        """Look for connections as long as there is a place."""
        then, waited, called, looks = monotonic(), self.waited(), 0.0, 0
        while True:
            time.sleep(QUIET_SECONDS if self.places.begun[self.number] == self.sent else LOOK_SECONDS)
            before, then, waited_before, waited = then, monotonic(), waited, self.waited()
            looks = looks + 1 if waited - waited_before > (then - before) / 2 else 0
            if self.held() or looks == WAITS:
                called, looks = then, 0
                self.places.call(self.number)
                continue
            too_many = self.places.states[self.number] == HAS_CALLED and then - called > KEEP_SECONDS
            if too_many and not self.places.take(self.number):
                queue.look(False)
                self.places.states[self.number] = STANDS_BY
                self.stand_by(queue)

    def stand_by(self, queue: retire.Queue) -> None:
        """Sleep until there is a place."""
        taken = False
        while not taken:
            if not self.places.wait():
                self.places.call_for_stuck()
                continue
            with self.ending:
                taken = not self.ends and self.places.take(self.number)
        queue.look(True)

    def end(self) -> None:
        """Leave the place to another, at the end of the process."""
        with self.ending:
            self.ends = True
            self.places.call(self.number, STANDS_BY)


def shared(application: Application) -> Application:
    """The application with places for those that serve it; called in the master before the fork. As it is where there
    are no more workers than places, or where they are of another kind.
    """
    try:
        uwsgi: Any = importlib.import_module("uwsgi")
    except ImportError:
        return application
    count = max(FEWEST, FOR_EACH_PROCESSOR * len(os.sched_getaffinity(0)))
    if uwsgi.numproc <= count or any(word in uwsgi.opt for word in OTHERWISE):
        return application
    places, former = Places(uwsgi.numproc, count), uwsgi.post_fork_hook
    worker: Worker

    def begin() -> None:
        nonlocal worker
        former()
        if not uwsgi.worker_id():
            return
        worker = Worker(places, uwsgi.worker_id(), uwsgi)
        atexit.register(worker.end)
        threading.Thread(target=worker.run, name="places", daemon=True).start()

    def serve(environ: Environ, start_response: Any) -> Any:
        return worker.serve(application, environ, start_response)

    uwsgi.post_fork_hook = begin
    return serve
