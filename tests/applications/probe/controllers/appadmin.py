# ruff: noqa: F821  (web2py itself gives these names)
"""Stands where an application has its database pages, and tells how it was asked."""


def index():
    session.asked = True
    return response.json(
        {
            "client": request.client,
            "is_https": request.is_https,
            "is_local": request.is_local,
            "host": request.env.http_host,
            "scheme": request.env.wsgi_url_scheme,
            "server_port": str(request.env.server_port),
            "headers": sorted(key[5:] for key in request.env if key.startswith("http_")),
        }
    )
