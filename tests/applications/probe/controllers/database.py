# ruff: noqa: F821  (web2py itself gives these names)
"""Rows and uploaded files in a database of the application's own."""


def index():
    """A page of twenty rows; the first request ever fills the table."""
    session.forget(response)
    if db(db.article).isempty():
        db.article.bulk_insert([{"name": f"Article {number}", "price": number} for number in range(1, 101)])
    rows = db(db.article).select(orderby=db.article.id, limitby=(0, 20))
    return TABLE(*[TR(row.id, row.name, row.price) for row in rows]).xml()


def insert():
    session.forget(response)
    number = db.note.insert(name=request.vars.name or "A note")
    return response.json({"id": number, "count": db(db.note).count()})


def unkept():
    """A row that the database takes and, at the end of the request, does not keep: it refers to none."""
    session.forget(response)
    wanted = "REFERENCES unkept DEFERRABLE INITIALLY DEFERRED"
    db.executesql(f"CREATE TEMPORARY TABLE unkept (id INTEGER PRIMARY KEY, other INTEGER {wanted})")
    db.note.insert(name="unkept")
    db.executesql("INSERT INTO unkept VALUES (1, 2)")
    return response.json({"count": db(db.note.name == "unkept").count()})


def read():
    session.forget(response)
    row = db.note(request.args(0))
    if not row:
        raise HTTP(404)
    return response.json({"id": row.id, "name": row.name})


def upload():
    session.forget(response)
    sent = request.post_vars.file
    if sent is None or not getattr(sent, "filename", None):
        raise HTTP(400, "no file was sent")
    number = db.document.insert(title=sent.filename, file=db.document.file.store(sent.file, sent.filename))
    return response.json({"id": number, "file": db.document[number].file})


def download():
    return response.download(request, db)
