# ruff: noqa: F821  (web2py itself gives these names)
"""Sessions, cookies, headers, methods, bodies, caches."""

import hashlib
import time


def index():
    return "<h1>equal</h1>"


def listed():
    """A dictionary, drawn by a generic view."""
    return {"text": "<text>", "numbers": [1, 2.5, None], "nested": {"a": {"b": "'"}}}


def asked():
    """All that web2py tells of a request."""
    names = "application controller function extension client is_local is_https ajax cid url".split()
    told = {name: getattr(request, name, None) for name in names}
    told.update(args=list(request.args), raw_args=request.raw_args, cookies=sorted(request.cookies))
    told.update({kind: _plain(getattr(request, kind)) for kind in ("get_vars", "post_vars", "vars")})
    told.update(type=request.env.content_type, method=request.env.request_method, host=request.env.http_host)
    told["headers"] = {key: str(value) for key, value in request.env.items() if key.startswith("http_")}
    return response.json(told)


def _plain(found):
    def one(value):
        if isinstance(value, list):
            return [one(each) for each in value]
        if hasattr(value, "filename"):
            return [value.filename, value.type, hashlib.sha256(value.file.read()).hexdigest()]
        return value if isinstance(value, (str, int, float, bool, dict, type(None))) else repr(type(value))

    return {key: one(value) for key, value in found.items()}


def count():
    session.count = (session.count or 0) + 1
    return response.json({"count": session.count, "new": response.session_new})


def meet():
    """Two of them at once: the second waits for the session of the first."""
    session.met = (session.met or 0) + 1
    time.sleep(0.05)
    return response.json({"met": session.met})


def look():
    return response.json({key: str(value) for key, value in session.items() if not key.startswith("_")})


def keep():
    """Values of many types, and back with the next request."""
    if session.kept is None:
        session.kept = {"a": [1, ("x", None)], "b": b"\xff", "c": {1, 2}, "d": 1.5, "text": "é☃"}
    return response.json({"kept": repr(session.kept["a"]), "b": repr(session.kept["b"]), "text": session.kept["text"]})


def unkept():
    session.forget(response)
    session.lost = True
    return "This session is not kept"


def early():
    """The lock is given back before the page is done."""
    session._unlock(response)
    session.early = True
    return response.json({"early": session.early})


def secure():
    session.secure()
    session.x = 1
    return "secure"


def renewed():
    session.renew()
    session.renewed = (session.renewed or 0) + 1
    return response.json({"renewed": session.renewed})


def cleared():
    session.clear()
    return response.json(sorted(session))


def same():
    """A session that holds nothing new is not written."""
    return response.json({"count": session.count})


def flashed():
    session.flash = T("Saved <now>")
    redirect(URL("shows"))


def shows():
    return {"flash": str(response.flash)}


def cookies():
    response.cookies["one"] = "1"
    response.cookies["one"]["path"] = "/"
    response.cookies["two"] = "a b;c\"d'é"
    response.cookies["two"]["max-age"] = 3600
    response.cookies["gone"] = ""
    response.cookies["gone"]["expires"] = -10
    return response.json(sorted(request.cookies))


def headers():
    response.headers["X-One"] = "1"
    response.headers["Content-Type"] = "text/plain; charset=utf-8"
    response.headers["X-Number"] = 5
    response.headers["Cache-Control"] = None
    response.headers["X-Empty"] = ""
    return "headers"


def injected():
    """What visitors say, in headers."""
    response.headers["X-Said"] = request.vars.said
    return "said"


def led():
    redirect(request.vars.to or URL("index"), int(request.vars.how or 303), client_side=bool(request.vars.client))


def status():
    """Any status, with a text."""
    raise HTTP(int(request.args(0)), request.vars.text or "text", **{"X-Why": "asked"})


def status_set():
    response.status = int(request.args(0))
    return "set"


def nothing():
    return None


def number():
    return 42


def raw():
    return b"\xff\x00raw"


def text():
    return "é☃😀<b>"


def helper():
    return DIV("<b>")


def lines():
    """In pieces."""
    response.headers["Content-Type"] = "text/plain"
    return (("line %d\n" % number) for number in range(50))


def body():
    request.body.seek(0)
    content = request.body.read()
    return response.json({"sha256": hashlib.sha256(content).hexdigest(), "length": len(content)})


@request.restful()
def rest():
    def GET(*args, **words):
        return response.json({"GET": args, "words": words})

    def POST(*args, **words):
        return response.json({"POST": args, "words": {key: str(words[key]) for key in words}})

    def PUT(*args, **words):
        raise HTTP(201, "put")

    def DELETE(number):
        return response.json({"DELETE": number})

    return locals()


def cached():
    return response.json({"ram": cache.ram("key-%s" % request.args(0), lambda: "made", time_expire=300)})


@cache.action(time_expire=300, cache_model=cache.ram, session=False, vars=True, public=True)
def action():
    return response.json({"said": request.vars.said})


@cache("counted", time_expire=300, cache_model=cache.ram)
def decorated():
    return "decorated"


def ajax():
    response.flash = "<flash> é"
    response.js = "go('<');\n"
    return DIV("part").xml()


def component():
    return LOAD("default", "ajax.load", ajax=False, target="part", vars={"a": "<"}).xml()


def component_ajax():
    return LOAD("default", "ajax.load", ajax=True, target="part", args=["x"], times=2, timeout=1000).xml()


def https():
    request.requires_https()
    return "over https"


def signed():
    """An address that only we can have made."""
    key = "a key of the test"
    if request.get_vars._signature:
        return response.json({"right": URL.verify(request, hmac_key=key)})
    return URL("signed", args=[1], vars={"a": "b c"}, hmac_key=key)


def loaded():
    """A module of the application."""
    from own_module import said

    return said(request.vars.said)


def inside():
    """What an application finds of its session and of the answer to come."""
    kept = sorted(name for name in response if "session" in name and name not in ("session_file", "session_filename"))
    told = {name: str(response[name]) for name in kept}
    told["file"] = str(response.session_filename).partition("/sessions/")[2]
    told["open"], told["request"], told["session"] = bool(response.session_file), sorted(request), sorted(session)
    told["response"], told["cookies"] = sorted(response), sorted(response.cookies.output().splitlines())
    return response.json(told)


def cookie_kind():
    """A cookie of the session that the application wants to be another."""
    kind = request.args(0)
    session.kind = kind
    if kind == "strict" and hasattr(session, "samesite"):
        session.samesite("Strict")
    elif kind == "open":
        session.httponly_cookies = False
    elif kind == "dated":
        response.session_cookie_expires = "Wed, 01 Jan 2098 00:00:00 GMT"
    elif kind == "lasting":
        response.session_cookie_expires = 60
    elif kind == "secure":
        session.secure()
    elif kind == "elsewhere":
        response.cookies[response.session_id_name]["path"] = "/equal"
    elif kind == "longer":
        response.cookies[response.session_id_name]["max-age"] = 60
    return "kind %s" % kind
