# ruff: noqa: F821  (web2py itself gives these names)
"""What is kept outside of the process: a session that others write too, and what the cache can do."""

import os
import sys
import time


def both():
    """Write one word into the session, a while after it was read."""
    time.sleep(min(float(request.vars.seconds or 0), 10))
    session[f"word_{request.args(0)}"] = True
    return response.json({"words": sorted(key for key in session if key.startswith("word_"))})


def read():
    """The session is read and not changed."""
    return response.json({"count": session.count})


def leave():
    session.clear()
    return response.json({})


def renew():
    """A new key for the session, as after a login."""
    session.renew()
    session.count = (session.count or 0) + 1
    return response.json({"count": session.count})


def large():
    session.text = os.urandom(int(request.vars.kb or 1) * 512).hex()
    return response.json({"length": len(session.text)})


def cached():
    """A value that was made at most once in a minute, by whom, and whether both caches are one."""
    value = cache.ram(request.args(0), lambda: [os.getpid(), time.time()], time_expire=60)
    again = cache.disk(request.args(0), lambda: None, time_expire=60)
    return response.json({"pid": os.getpid(), "value": value, "same": again == value})


def increment():
    session.forget(response)
    return response.json({"value": cache.ram.increment(request.args(0))})


def clear():
    cache.ram.clear(regex=request.args(0))
    return response.json({})


def stats():
    told = cache.ram.stats() if callable(cache.ram.stats) else {}
    return response.json({"told": {str(key): str(told[key]) for key in told}})


def code():
    """Where the code of this page comes from."""
    session.forget(response)
    return response.json({"code": sys._getframe().f_code.co_filename})


def fill():
    """Many values for a cache with a bound, and what the process has grown by."""
    session.forget(response)
    size = int(request.vars.kb) << 10

    def resident():
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    before, evicted = resident(), cache.ram.counts["evicted"]
    for number in range(int(request.vars.count)):
        cache.ram(f"fill_{number}", lambda: os.urandom(size), time_expire=0)
    kept = cache.ram
    told = {"kept": len(kept.storage), "used": kept.used, "most": kept.most, "grown_mb": (resident() - before) >> 20}
    told["evicted"] = kept.counts["evicted"] - evicted
    return response.json({"code": sys._getframe().f_code.co_filename, **told})
