# ruff: noqa: F821  (web2py itself gives these names)
"""What fails, and how."""


def raised():
    raise RuntimeError("words that no visitor may read <é>")


def exits():
    raise SystemExit(3)


def deep():
    def again(number):
        return again(number - 1) if number else 1 / 0

    return again(20)


def after_change():
    """A failed page keeps nothing of its session."""
    session.failed = True
    raise ValueError("after the session was changed")


def kept():
    return response.json({"failed": session.failed})


def odd_status():
    raise HTTP("299 MINE", "mine")


def unknown_status():
    raise HTTP(799)


def helper_body():
    raise HTTP(400, DIV("<helper>"))


def json_body():
    raise HTTP(409, response.json({"error": "é"}), **{"Content-Type": "application/json"})


def cookies_kept():
    response.cookies["kept"] = "1"
    raise HTTP(200, "with a cookie", cookies=response.cookies)


def bad_argument():
    return int(request.args(0, cast=int, otherwise=URL("raised")))


def required():
    return str(request.args(0, cast=int))


def loads():
    import no_such_module_anywhere  # noqa: F401
