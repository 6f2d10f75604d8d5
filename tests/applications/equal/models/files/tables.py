# ruff: noqa: F821  (web2py itself gives these names)
db = DAL("sqlite://files.sqlite", pool_size=1)
db.define_table("document", Field("title"), Field("file", "upload"), Field("held", "blob"))
