# ruff: noqa: F821  (web2py itself gives these names)
"""Files up and down, streams, parts of files."""

import io
import os


def store():
    form = SQLFORM(db.document)
    accepted = form.process().accepted
    return DIV(form, (accepted and db.document(form.vars.id).file) or "").xml()


def newest():
    """The last one that was stored."""
    row = db(db.document).select(orderby=~db.document.id, limitby=(0, 1)).first()
    return response.download(_with(row.file), db, attachment=not request.vars.inline)


def _with(name):
    request.args[:] = [name]
    return request


def download():
    return response.download(request, db)


def stream():
    response.headers["Content-Type"] = "text/plain"
    path = os.path.join(request.folder, "static", "plain.txt")
    return response.stream(path, chunk_size=64, request=request if request.vars.ranges else None)


def attached():
    path = os.path.join(request.folder, "static", "plain.txt")
    return response.stream(path, attachment=True, filename='näme "x".txt')


def made():
    return response.stream(io.BytesIO(b"0123456789" * 1000), chunk_size=1000)


def missing():
    return response.stream(os.path.join(request.folder, "static", "missing.txt"))


def pieces():
    """Text of pieces with a type of its own."""
    response.headers["Content-Type"] = "application/x-pieces"

    def each():
        for number in range(200):
            yield "%04d" % number

    return each()


def rows():
    return response.json([[row.id, row.title] for row in db(db.document).select(orderby=db.document.id)])
