# ruff: noqa: F821  (web2py itself gives these names)
# pylint: disable=undefined-variable
"""One page that says what runs here and what to do next. It keeps no session and knows no secret."""

import platform
import re


def index():
    session.forget(response)
    if request.args:
        raise HTTP(404, response.render("default/missing.html", {}), **{"Content-Type": "text/html; charset=utf-8"})
    env = request.env
    return {
        "name": re.sub(r":\d+$", "", env.http_host or "localhost"),
        "secure": request.is_https,
        "web2py": str(env.web2py_version).partition("-")[0],
        "python": platform.python_version(),
        "server": _server(env),
    }


def _server(env):
    """Name and version of the application server, as far as it tells a WSGI application."""
    if env.uwsgi_version:
        version = env.uwsgi_version
        return "uWSGI " + (version.decode() if isinstance(version, bytes) else str(version))
    if env.mod_wsgi_version:
        return "mod_wsgi " + ".".join(str(part) for part in env.mod_wsgi_version)
    return (env.server_software or "WSGI").split(" ")[0].replace("/", " ")
