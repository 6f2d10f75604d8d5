# ruff: noqa: F821  (web2py itself gives these names)
"""Authentication with ten tables defined in every request, as a usual application does."""


def index():
    return response.json({"user": auth.user_id, "tables": len(db.tables)})


def user():
    return auth().xml()
