# ruff: noqa: F821  (web2py itself gives these names)
"""Forms: keys against forgery, errors, files, records."""


def _told(form, result):
    return {"form": form, "result": result, "errors": sorted(form.errors.items())}


def plain():
    """A form that nothing is kept of."""
    form = FORM(
        INPUT(_name="name", requires=[IS_NOT_EMPTY(), IS_LENGTH(20)]),
        INPUT(_name="number", _type="number", requires=IS_EMPTY_OR(IS_INT_IN_RANGE(0, 10))),
        TEXTAREA("first <text>", _name="text"),
        SELECT("a", "b", _name="choice", requires=IS_IN_SET(["a", "b"])),
        INPUT(_type="checkbox", _name="agreed", _value="on"),
        INPUT(_type="submit"),
    )
    result = "accepted" if form.accepts(request, session) else "errors" if form.errors else "shown"
    response.view = "form/form.html"
    return _told(form, result)


def factory():
    form = SQLFORM.factory(
        Field("name", requires=IS_NOT_EMPTY(), comment="<comment>"),
        Field("born", "date"),
        Field("colour", requires=IS_IN_SET({"r": "<red>", "g": "green"}, zero="choose")),
        Field("secret", "password", requires=CRYPT(digest_alg="md5", salt=False)),
        Field("much", "text", default="'\"<>"),
        Field("yes", "boolean"),
        Field("tags", "list:string"),
        formstyle=request.vars.style or "table3cols",
        hidden={"held": "<held>"},
        buttons=["submit", A("back", _href=URL("plain"))],
    )
    result = form.process(keepvalues=True).accepted
    response.view = "form/form.html"
    return _told(form, [str(result), sorted((key, str(value)) for key, value in form.vars.items())])


def two():
    """Two forms on a page."""
    one = FORM(INPUT(_name="a", requires=IS_NOT_EMPTY()), INPUT(_type="submit"))
    other = FORM(INPUT(_name="b"), INPUT(_type="submit"), _action=URL("two"))
    results = [one.process(formname="one").accepted, other.process(formname="other").accepted]
    return DIV(one, other, str(results)).xml()


def unguarded():
    form = FORM(INPUT(_name="a"), INPUT(_type="submit"))
    return DIV(form, str(form.process(session=None, formname=None).accepted)).xml()


def record():
    """A row made, changed and taken away."""
    row = db.thing(request.args(0)) if request.args(0) else None
    form = SQLFORM(db.thing, row, deletable=True, upload=URL("files", "download"), showid=True)
    result = "accepted" if form.process(onvalidation=_checked).accepted else "errors" if form.errors else "shown"
    response.view = "form/form.html"
    return _told(form, [result, form.vars.id, db(db.thing).count()])


def _checked(form):
    if form.vars.name == "refused":
        form.errors.name = "<refused>"


def shown():
    return SQLFORM(db.thing, db.thing(request.args(0)), readonly=True).xml()


def confirm():
    form = FORM.confirm("Sure?", {"Back": URL("plain")})
    return DIV(form, str(form.accepted)).xml()


def wanted():
    """A form that leads on."""
    form = SQLFORM.factory(Field("name", requires=IS_NOT_EMPTY()))
    if form.process(next=URL("plain", args="[id]"), message_onsuccess=T("Hello")).accepted:
        return "never"
    return form.xml()
