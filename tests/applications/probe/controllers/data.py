# ruff: noqa: F821  (web2py itself gives these names)
"""What the application has for its database, by all of its names, and the tickets as admin finds them."""

from pathlib import Path

import gluon
import pydal

NAMED = "sqlite://probe.sqlite"

session.forget(response)


def leads():
    """Where the database that the code names leads to; others stay what they are."""
    folder = str(Path(request.folder) / "databases")
    found = {
        "model": DAL(NAMED, folder=folder),
        "gluon": gluon.DAL(NAMED, folder=folder),
        "pydal": pydal.DAL(NAMED, folder=folder),
        "other": DAL("sqlite:memory", folder=folder),
    }
    return response.json({name: db._uri for name, db in found.items()})


def note():
    """A table that the application itself makes, one row more with each request."""
    db = DAL(NAMED, folder=str(Path(request.folder) / "databases"))
    db.define_table("remark", Field("name"))
    db.remark.insert(name="x")
    return response.json({"count": db(db.remark).count()})


def tickets():
    """As admin does it: controllers/default.py, get_ticket_storage, and its page of a ticket."""
    from gluon.restricted import RestrictedError

    named = (Path(request.folder) / "private" / "ticket_storage.txt").read_text().strip()
    storage = DAL(named, folder=str(Path(request.folder) / "databases"), auto_import=True)
    request.tickets_db = storage
    told, name = {}, "web2py_ticket_" + request.application
    # Nothing has been collected yet.
    rows = storage(storage[name]).select() if name in storage.tables else []
    for row in rows:
        error = RestrictedError()
        error.load(request, request.application, row.ticket_id)
        told[row.ticket_id] = str(error.traceback)
    return response.json({"named": named, "tickets": told})
