# ruff: noqa: F821  (web2py itself gives these names)
"""All ways to a view."""

session.forget(response)


def index():
    response.title = "<Title>"
    response.meta.keywords = "a, 'b'"
    response.subtitle = T("Hello")
    return {"rows": [{"id": number, "name": "<%d>" % number} for number in range(20)]}


def blocks():
    return {}


def dynamic():
    """The name of what is included and extended is known only when the page is drawn."""
    return {"part": "views/part_%s.html" % (request.args(0) or "a"), "frame": "layout.html"}


def delimiters():
    if request.args(0) != "usual":
        response.delimiters = ("[[", "]]")
    return {"word": "<word>"}


def chosen():
    response.view = "views/%s" % (request.args(0) or "part_a.html")
    return {}


def rendered():
    first = response.render("views/part_a.html", {})
    second = response.render("views/inner.html", word="<given>")
    return response.json({"first": first, "second": second})


def flags():
    return {"a": 1}


def none():
    """There is no view of it."""
    return {"none": "<none>"}


def wrong():
    return {}


def upset():
    return {}


def functions():
    return {"items": ["<", ">"]}


def comments():
    return {}


def literals():
    return {}


def static_files():
    response.files.append(URL("static", "plain.css"))
    response.files.append(URL("static", "plain.js"))
    response.files.append("https://cdn.example.org/x.js?a=1&b=2")
    return {}


def versioned():
    response.static_version = "1.2.3"
    response.static_version_urls = True
    return CAT(URL("static", "plain.css"), " ", URL("static", "a/b.js")).xml()
