# ruff: noqa: F821  (web2py itself gives these names)
import os
import time

from gluon.scheduler import Scheduler

# Waits for a moment where another process writes.
db = DAL("sqlite://jobs.sqlite", pool_size=1, driver_args={"timeout": 20})
VERSION = "first"


def add(one, other):
    return one + other


def version():
    return VERSION


def link():
    return URL("index", scheme=True, host=True)


def slow(seconds):
    """Notes when it begins and ends, each time it is run."""
    with open(os.path.join(request.folder, "private", "slow.log"), "a") as log:
        log.write("begin\n")
        log.flush()
        time.sleep(seconds)
        log.write("end\n")
    return "slept"


scheduler = Scheduler(db, {"add": add, "version": version, "link": link, "slow": slow}, heartbeat=1)
