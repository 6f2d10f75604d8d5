# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A worker of web2py's scheduler as a service of systemd: python -m web2py_runtime.worker APPLICATION-GROUP-NUMBER

web2py's own worker is kept, and mended where it dies in silence or loses what it was given:
- systemd is told that it is well only while its heartbeat arrives in the database and its loop looks for tasks.
- It waits for a database that is not there yet, and connects anew with all that the model said of the connection.
- Asked to end it takes no task any more, ends the one it has, and goes on with its heartbeat until then: else another
  worker would take it for dead and run the task a second time.
- A task's process is made between two heartbeats: one made in the middle of one has a copy of the locks that the other
  thread holds, in SQLite or Python, and waits for them until its time is over.
- It has the same name in each of its lives, so it gives back at once what its last life was killed with.
"""

from __future__ import annotations

import importlib
import json
import logging
import multiprocessing
import os
import re
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from web2py_runtime.serve import tell

WAIT_SECONDS = 2.0
# systemd gives the start this much more at each try.
START_SECONDS = 60
NAP_SECONDS = 0.2
# A task that overruns its own time is ended by web2py, which may take a little.
GRACE_SECONDS = 60
_ABSENT = re.compile(r"Failure to connect|\b(Operational|Interface)Error\b|Connection(Refused|Reset)Error|TimeoutError")
# SQLite's and MySQL's words for what waiting does not mend.
_LACKING = re.compile(r"no such (table|column)|Unknown (column|database)|syntax error")

logger = logging.getLogger("web2py.scheduler")


class Ended(Exception):
    """The worker cannot start, in words for the journal."""


def parsed(instance: str) -> tuple[str, str, int]:
    """(application, group, number) of the unit's instance. An application has no hyphen in its name, a group may."""
    found = re.fullmatch(r"([A-Za-z]\w*)-(.+)-([1-9][0-9]*)", instance, re.ASCII)
    if not found:
        raise ValueError(f"{instance!r} is not APPLICATION-GROUP-NUMBER")
    return found[1], found[2], int(found[3])


def unreachable(text: str) -> bool:
    """Whether a traceback tells of a database that does not answer, rather than of a fault in the models."""
    return bool(_ABSENT.search(text)) and not _LACKING.search(text)


def watchdog_seconds() -> float:
    """Silence after which systemd starts the worker anew; 0 where it does not watch."""
    return int(os.environ.get("WATCHDOG_USEC") or 0) / 1e6


def models(application: str) -> None:
    """Run the models of an application as upstream's `-K` does, but a fault in them is raised."""
    shell: Any = importlib.import_module("gluon.shell")
    folder = os.path.join(os.getcwd(), "applications", application)
    if not os.path.isdir(folder):
        raise Ended(f"The site has no application {application}")
    environment = shell.env(application, import_models=False, extra_request={"is_scheduler": True}, dir=folder)
    importlib.import_module("gluon.compileapp").run_models_in(environment)


def address(url: str) -> None:
    """Links that a task makes lead to the site, not to upstream's 127.0.0.1:8000 or to nowhere."""
    shell: Any = importlib.import_module("gluon.shell")
    build, site = shell.build_environment, urlsplit(url)

    def build_environment(request: Any, *words: Any, **options: Any) -> Any:
        request.env.http_host = site.netloc
        request.env.wsgi_url_scheme = site.scheme
        request.is_https = site.scheme == "https"
        return build(request, *words, **options)

    shell.build_environment = build_environment


def scheduler_of(application: str) -> Any:
    """The scheduler that the models make."""
    current = importlib.import_module("gluon.globals").current
    current._scheduler = None
    models(application)
    if current._scheduler is None:
        raise Ended(f"The models of {application} make no Scheduler; one of them must say: scheduler = Scheduler(db)")
    return current._scheduler


def patient(task: Callable[[], Any], pause: Callable[[float], None] = time.sleep) -> Any:
    """The result of a task that needs the database; while it is missing, systemd gives the start more time."""
    while True:
        try:
            return task()
        except Ended:
            raise
        except Exception as error:
            # Of a model's fault web2py keeps the traceback as text.
            text = getattr(error, "traceback", None) or traceback.format_exc()
            if not unreachable(text):
                raise Ended(text) from error
            logger.warning("The database does not answer: %s", text.strip().splitlines()[-1])
        tell(f"EXTEND_TIMEOUT_USEC={START_SECONDS * 1000000}\nSTATUS=Waits for the database")
        pause(WAIT_SECONDS)


def twin(db: Any) -> Any:
    """A second connection as the model made the first one, for the thread of the heartbeat."""
    return type(db)(
        db._uri,
        folder=db._adapter.folder,
        db_codec=db._db_codec,
        decode_credentials=db._decode_credentials,
        driver_args=db._driver_args,
        adapter_args=db._adapter_args,
        after_connection=getattr(db._adapter, "_after_connection", None),
        migrate_enabled=False,
        attempts=1,
    )


class Worker:
    """web2py's scheduler in our hands. Its loop has the main thread, its heartbeat a second one."""

    def __init__(self, scheduler: Any, name: str, group: str, limit: float) -> None:
        self.scheduler, self.name = scheduler, name
        self.limit = limit and max(limit, 4 * scheduler.heartbeat)
        self.process = os.getpid()
        # Held by the thread of the heartbeat while it is at work.
        self.beating = threading.RLock()
        self.ready = self.over = False
        self.beaten: Any = None
        self.due = self.soon()
        scheduler.worker_name, scheduler.group_names = name, [group]
        self.pop, self.run_task = scheduler.pop_task, scheduler.execute
        scheduler.run = self.beats
        scheduler.start_heartbeats = self.begin
        scheduler.sleep = self.rest
        scheduler.pop_task = self.next_task
        scheduler.execute = self.execute

    def soon(self) -> float:
        """When the loop must have looked for a task again."""
        return time.monotonic() + (self.limit or float("inf"))

    def work(self) -> None:
        """Until it is asked to end."""
        patient(self.give_back)
        try:
            self.scheduler.loop()
        finally:
            self.over = True
        self.scheduler.join(2 * self.scheduler.heartbeat)
        try:
            self.give_back()
        except Exception:
            # The next life does it.
            logger.exception("Nothing is given back")

    def give_back(self) -> None:
        """Nothing is this worker's any more: tasks are queued again, and what was killed is told in its run."""
        db = self.scheduler.db
        task, run, worker = db.scheduler_task, db.scheduler_run, db.scheduler_worker
        db.commit()
        mine = (task.assigned_worker_name == self.name) & task.status.belongs(("ASSIGNED", "RUNNING"))
        count = db(mine).update(status="QUEUED", assigned_worker_name="")
        db((run.worker_name == self.name) & (run.status == "RUNNING")).update(
            status="STOPPED", stop_time=self.scheduler.now()
        )
        db(worker.worker_name == self.name).delete()
        db.commit()
        if count:
            logger.warning("Tasks that are queued again: %s", count)

    def begin(self) -> None:
        """Called by the loop, which has just set a signal handler that would kill the running task."""
        signal.signal(signal.SIGTERM, self.asked)
        self.scheduler.start()

    def asked(self, _number: int, _frame: Any) -> None:
        """The task that runs is the last. (Its process is a copy of this one: there the signal ends it.)"""
        if os.getpid() != self.process:
            sys.exit(1)
        tell("STOPPING=1")
        self.scheduler.have_heartbeat = False

    def rest(self) -> None:
        """Between two looks of the loop. The heartbeat rests elsewhere."""
        if threading.current_thread() is not threading.main_thread():
            return
        if self.scheduler.w_stats.status == "DISABLED":
            self.due = self.soon()
        end = time.monotonic() + self.scheduler.heartbeat
        while time.monotonic() < end and self.scheduler.have_heartbeat:
            time.sleep(NAP_SECONDS)

    def next_task(self) -> Any:
        """A look into the queue. One that fails is no sign of life."""
        task = self.pop()
        self.due = self.soon()
        return task

    def execute(self, task: Any) -> Any:
        """Run one task, for which it has its own time."""
        self.due = time.monotonic() + (task.timeout + GRACE_SECONDS if task.timeout else float("inf"))
        try:
            return self.run_task(task)
        finally:
            self.due = self.soon()

    def beats(self) -> None:
        """The life of the heartbeat's thread."""
        counter = 0
        while not self.over:
            try:
                with self.beating:
                    self.beat(counter)
            except Exception:
                logger.exception("No heartbeat")
                self.scheduler.db_thread = None
            counter += 1
            self.pause()

    def pause(self) -> None:
        end = time.monotonic() + self.scheduler.heartbeat
        while time.monotonic() < end and not self.over:
            time.sleep(NAP_SECONDS)

    def beat(self, counter: int) -> None:
        """One heartbeat, and the word to systemd where it arrived."""
        scheduler = self.scheduler
        if scheduler.have_heartbeat:
            scheduler.send_heartbeat(counter)
        elif scheduler.db_thread:
            # No other worker takes it for dead, and nobody gives it a task.
            worker = scheduler.db_thread.scheduler_worker
            scheduler.db_thread(worker.worker_name == self.name).update(
                last_heartbeat=scheduler.now(), status="DISABLED"
            )
            scheduler.db_thread.commit()
        if self.arrived() and time.monotonic() <= self.due:
            tell("WATCHDOG=1")
            if not self.ready:
                self.ready = True
                watched = f"\nWATCHDOG_USEC={int(self.limit * 1e6)}" if self.limit else ""
                tell(f"READY=1\nSTATUS=Works as {self.name}{watched}")

    def arrived(self) -> bool:
        """Does the database hold another heartbeat than the last time? Its clock need not be right."""
        db = self.scheduler.db_thread
        row = db(db.scheduler_worker.worker_name == self.name).select(db.scheduler_worker.last_heartbeat).first()
        db.commit()
        before, self.beaten = self.beaten, row and row.last_heartbeat
        return self.beaten is not None and self.beaten != before


def fork_between_beats(worker: Worker) -> None:
    """Have each fork of this process wait for the end of a heartbeat."""
    lock = worker.beating
    os.register_at_fork(before=lock.acquire, after_in_parent=lock.release, after_in_child=lock.release)


def main() -> int:
    instance = sys.argv[1]
    application, group, _number = parsed(instance)
    # What the tasks need is loaded, and upstream expects to find it in their processes.
    multiprocessing.set_start_method("fork", force=True)
    tell(f"EXTEND_TIMEOUT_USEC={START_SECONDS * 1000000}\nSTATUS=Loads {application}")
    entry = importlib.import_module("web2py_runtime.entry")
    settings = json.loads((entry.release_folder() / "runtime.json").read_text(encoding="utf-8"))
    address(settings["url"])
    try:
        scheduler = patient(lambda: scheduler_of(application))
        module: Any = importlib.import_module("gluon.scheduler")
        module.DAL = lambda *_words, **_options: twin(scheduler.db)
        worker = Worker(scheduler, f"{os.uname().nodename}#{instance}", group, watchdog_seconds())
        fork_between_beats(worker)
        worker.work()
    except Ended as error:
        print(error, file=sys.stderr, flush=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
