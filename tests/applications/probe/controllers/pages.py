# ruff: noqa: F821  (web2py itself gives these names)
"""Pages that a front end may keep: each says how often it was made, and who asked."""

import os
import time
from pathlib import Path


def made():
    """How often the application has made a page of this name, counted over all processes; the answer says it."""
    path = Path(request.folder) / "cache" / ("made-" + "".join(c for c in request.args(0) or "" if c.isalnum()))
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(handle, b".")
        return os.fstat(handle).st_size
    finally:
        os.close(handle)


def told(**more):
    session.forget(response)
    count = made()
    env = request.env
    said = {
        "count": count, "host": env.http_host, "method": env.request_method, "query": env.query_string,
        "language": env.http_accept_language, "form": bool(request.ajax), "word": str(T("Good morning")),
    }  # fmt: skip
    return response.json(dict(said, **more))


def plain():
    return told()


def long():
    return told()


def slow():
    time.sleep(1)
    return told()


def brief():
    return told()


def cookie():
    response.cookies["probe"] = "1"
    return told()


def visit():
    """A page with a session, as web2py makes it when nobody says otherwise."""
    session.visited = True
    return response.json({"count": made()})


def says():
    """With a header of the application's own: its name and value are the second and third word."""
    value = "*" if request.args(2) == "star" else request.args(2).replace("_", "-").replace(".", "=")
    response.headers[request.args(1)] = value
    return told()


def status():
    response.status = int(request.args(1))
    return told()
