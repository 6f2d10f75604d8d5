# ruff: noqa: F821  (web2py itself gives these names)
from gluon.tools import Auth

db = DAL("sqlite://data.sqlite", pool_size=1)
db.define_table("owner", Field("name", requires=IS_NOT_EMPTY()), format="<%(name)s>")
db.define_table(
    "pet",
    Field("name", length=20, requires=IS_NOT_EMPTY()),
    Field("owner", "reference owner"),
    Field("weight", "double", default=1, represent=lambda value, row: SPAN(value, _class="<weight>")),
    Field("born", "date"),
    Field("tags", "list:string"),
    Field("facts", "json"),
    Field("kind", default="<cat>", requires=IS_IN_SET(["<cat>", "dog"])),
    Field("label", compute=lambda row: "%s!" % row.name),
    Field.Virtual("loud", lambda row: (row.pet.name or "").upper()),
    Field.Method("twice", lambda row, times: (row.pet.weight or 0) * times),
)
auth = Auth(db, hmac_key="sha512:a key of the test", controller="data")
auth.define_tables(username=False, signature=True)
auth.settings.actions_disabled = ["retrieve_password"]
if db(db.owner).isempty():
    for number in range(1, 4):
        db.owner.insert(name="Owner <%d>" % number)
    for number in range(1, 13):
        told = {"tags": ["<a>", "b|c"], "facts": {"number": number, "text": "<é>"}, "born": "2001-02-03"}
        db.pet.insert(name="Pet '%d'" % number, owner=number % 3 + 1, weight=number / 2.0, **told)
    db.commit()
