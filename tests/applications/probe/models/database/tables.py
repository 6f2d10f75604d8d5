# ruff: noqa: F821  (web2py itself gives these names)
db = DAL("sqlite://probe.sqlite", pool_size=1)
db.define_table("article", Field("name"), Field("price", "integer"))
db.define_table("document", Field("title"), Field("file", "upload"))
