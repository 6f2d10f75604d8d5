# ruff: noqa: F821  (web2py itself gives these names)
db = DAL("sqlite://equal.sqlite", pool_size=1)
db.define_table(
    "thing",
    Field("name", requires=IS_NOT_EMPTY(), label=T("Hello")),
    Field("price", "double", default=1.5),
    Field("made_on", "date"),
    Field("file", "upload"),
    Field("words", "text", represent=lambda value, row: B(value or "")),
    format="%(name)s",
)
