# ruff: noqa: F821  (web2py itself gives these names)


def index():
    """A counter in the session, and where it is kept."""
    session.count = (session.count or 0) + 1
    table = None if response.session_storage_type == "cookie" else response.session_db_table
    return response.json(
        {
            "count": session.count,
            "kept": "db" if table is not None else response.session_storage_type,
            "own": table is not None and table._db is db,
            "cache": cache.redis("key", lambda: 1),
            "ram": type(cache.ram).__name__,
            "site": type(site_cache).__name__,
        }
    )
