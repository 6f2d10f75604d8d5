# ruff: noqa: F821  (web2py itself gives these names)
"""A counter kept in the session."""


def index():
    session.count = (session.count or 0) + 1
    return response.json({"count": session.count})
