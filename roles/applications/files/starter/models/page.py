# ruff: noqa: F821  (web2py itself gives these names)
# pylint: disable=undefined-variable
# The version stands in the address of every static file, which clients keep for good: raise it with each change there.
response.static_version = "1.0.0"
response.static_version_urls = True
response.headers.pop("X-Powered-By", None)
response.headers["Content-Security-Policy"] = (
    "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
