# ruff: noqa: F821  (web2py itself gives these names)
if request.function == "index":
    raise KeyError("a model that fails")
