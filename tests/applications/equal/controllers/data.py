# ruff: noqa: F821  (web2py itself gives these names)
"""Tables, rows, grids, services."""

from gluon.tools import Auth, Crud, PluginManager, Service  # noqa: F401

service = Service()


def index():
    """Rows of the owner and what belongs to them."""
    rows = db(db.owner.id == db.pet.owner).select(db.owner.name, db.pet.ALL, orderby=db.pet.id)
    names = TABLE(*[TR(row.owner.name) for row in rows])
    return DIV(SQLTABLE(rows, truncate=None, headers="fieldname:capitalize"), names).xml()


def grid():
    """With all that a grid has; nobody is logged in, so addresses are not signed."""
    query = db.pet if not request.vars.some else db.pet.weight > 1
    links = [lambda row: A("see", _href=URL("x"))]
    return SQLFORM.grid(query, user_signature=False, paginate=5, csv=True, links=links).xml()


def smart():
    return SQLFORM.smartgrid(db.owner, user_signature=False, linked_tables=["pet"]).xml()


def signed_grid():
    return SQLFORM.grid(db.pet, paginate=3).xml()


def serialized():
    rows = db(db.pet).select(orderby=db.pet.id, limitby=(0, 3))
    return {"rows": rows.as_list()} if request.extension != "csv" else str(rows)


def values():
    """What fields have: numbers, lists, JSON, dates, computed and virtual ones."""
    row = db.pet(1)
    told = {name: str(row[name]) for name in db.pet.fields}
    told["virtual"], told["method"] = row.loud, row.twice(2)
    told["represented"] = [str(XML(db.pet.weight.represent(row.weight, row))), str(db.pet.owner.represent(1, row))]
    return response.json(told)


def tables():
    told = {name: [[f.name, f.type, str(f.requires.__class__.__name__)] for f in db[name]] for name in db.tables}
    return response.json(told)


def checked():
    """A row that the fields' own checks refuse."""
    found = db.pet.validate_and_insert(name="", weight="heavy", owner=99)
    told = dict(found["errors"])
    db.rollback()
    return response.json({"errors": {key: str(told[key]) for key in sorted(told)}})


def rolled_back():
    """What a page that fails has written is not kept."""
    db.pet.insert(name="never", owner=1)
    raise RuntimeError("after a row was written")


def total():
    weights = db.pet.weight.sum()
    return response.json({"pets": db(db.pet).count(), "weight": db(db.pet).select(weights).first()[weights]})


def user():
    return {"form": auth()}


@auth.requires_login()
def private():
    return "hello %s" % auth.user.first_name


@auth.requires_membership("nobody")
def closed():
    return "never"


@auth.requires(lambda: False, requires_login=False)
def refused():
    return "never"


def greeted():
    return CAT(auth.navbar(prefix=T("Hello"), separators=("<", "|", ">")), auth.is_logged_in()).xml()


@service.json
@service.jsonrpc
@service.xml
@service.csv
@service.run
def add(a, b):
    return [{"sum": int(a) + int(b)}]


@service.jsonrpc
def upset(a):
    raise ValueError("upset by %s" % a)


def call():
    session.forget(response)
    return service()
