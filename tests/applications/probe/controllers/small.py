# ruff: noqa: F821  (web2py itself gives these names)
"""The smallest page: no session, no model, no view."""


def index():
    session.forget(response)
    return "Hello from web2py"
