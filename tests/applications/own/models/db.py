# ruff: noqa: F821  (web2py itself gives these names)
"""Code that was written for one machine: it says itself where its sessions are, and has a cache of its own."""

db = DAL("sqlite://probe.sqlite")
GIVEN = {"plain": {}, "table": {"db": db}, "cookie": {"cookie_key": "a key in the code"}}
if request.args(0) in GIVEN:
    session.connect(request, response, **GIVEN[request.args(0)])

site_cache = cache.ram


class Mine:
    def __call__(self, key, f, time_expire=300):
        return ["mine", f()]


cache.redis = Mine()
if request.args(1) == "ram":
    cache.ram = Mine()
