# ruff: noqa: F821  (web2py itself gives these names)
"""Texts in the language of the visitor."""

session.forget(response)


def index():
    texts = [T("Hello"), T("Hello <World> & 'you'"), T("not in any file"), T("Good %s") % "day", T("%s %%{file}", 2)]
    texts += [T("Hello##formal"), T("%(number)s %%{shop(number)}", {"number": 5}), T("Hello") + "!"]
    texts += [T("%s %%{file}", 1)]
    told = {"accepted": T.accepted_language, "requested": str(T.requested_languages), "texts": [str(t) for t in texts]}
    return response.json(told)


def forced():
    T.force(request.args(0))
    return response.json({"text": str(T("Hello")), "language": T.accepted_language})


def named():
    return response.json({"text": str(T("Hello", language=request.args(0)))})


def known():
    return response.json({"languages": sorted(T.get_possible_languages())})


def drawn():
    return {"word": T("Hello")}
