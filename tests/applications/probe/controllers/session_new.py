# ruff: noqa: F821  (web2py itself gives these names)
"""A page that writes a session whoever asks."""


def index():
    session.seen = request.now.isoformat()
    return "A session was begun"


def without():
    """The same page, where a site may do without its session."""
    return index()
