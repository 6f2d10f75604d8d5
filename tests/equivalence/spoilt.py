"""Ways to make a process answer otherwise than upstream does, each as small as a patch that went wrong.

The suite has to see them all. Made for web2py 2.26.1.
"""

from __future__ import annotations

import functools
import importlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

Application = Callable[..., Any]


def _gluon(name: str) -> Any:
    return importlib.import_module(f"gluon.{name}")


def escape(application: Application) -> Application:
    """A fast path for plain text forgets quotes."""
    html = _gluon("html")
    escapes = html.xmlescape
    html.xmlescape = lambda data, quote=True: escapes(data, quote and type(data) is not str)
    return application


def subclass(application: Application) -> Application:
    """A fast path for plain text takes types that are made of it, too."""
    html = _gluon("html")
    escapes = html.xmlescape
    _gluon("globals").xmlescape = lambda data, quote=True: escapes(
        str.__str__(data) if isinstance(data, str) else data, quote
    )
    return application


def order(application: Application) -> Application:
    """The same headers, in another order."""

    def answer(environ: Any, start_response: Any) -> Any:
        return application(environ, lambda status, headers, *more: start_response(status, headers[::-1], *more))

    return answer


def view(application: Application) -> Application:
    """Parsed views are kept by their names, whatever they include."""
    compiler = _gluon("compileapp")
    parse, known = compiler.parse_template, dict[tuple[str, str], str]()

    def parse_template(filename: Any, path: str, **words: Any) -> str:
        if (str(filename), path) not in known:
            known[str(filename), path] = parse(filename, path, **words)
        return known[str(filename), path]

    compiler.parse_template = parse_template
    return application


def first_visit(application: Application) -> Application:
    """Who comes without a session gets none on the disk."""
    kind = _gluon("globals").Session
    store = kind._try_store_in_file

    def stored(self: Any, request: Any, response: Any) -> bool:
        return False if response.session_new else store(self, request, response)

    kind._try_store_in_file = stored
    return application


def bound(application: Application) -> Application:
    """A session is lost where its visitor has another address."""
    kind = _gluon("globals").Session
    kind.connect = functools.partialmethod(kind.connect, check_client=True)
    return application


def key(application: Application) -> Application:
    """A form takes any key that comes with it."""
    form = _gluon("html").FORM
    accepts = form.accepts

    def accepted(self: Any, request_vars: Any, session: Any = None, formname: str = "default", **words: Any) -> Any:
        sent = getattr(request_vars, "post_vars", request_vars).get("_formkey")
        if sent and session is not None:
            session[f"_formkey[{formname}]"] = [sent]
        return accepts(self, request_vars, session, formname, **words)

    form.accepts = accepted
    return application


def header(application: Application) -> Application:
    """Lines in headers go out as they came."""
    _gluon("http").regex_header_newlines = re.compile("(?!)")
    return application


def ticket(application: Application) -> Application:
    """An error is told and not written down."""
    log = _gluon("restricted").RestrictedError.log

    def logged(self: Any, request: Any) -> str:
        name = str(log(self, request))
        Path(request.folder, "errors", name.partition("/")[2]).unlink()
        return name

    _gluon("restricted").RestrictedError.log = logged
    return application


def edit(application: Application) -> Application:
    """What was read once is not looked at again."""
    compiler = _gluon("compileapp")
    get, known = compiler.getcfs, dict[str, Any]()

    def getcfs(name: str, filename: str, *more: Any) -> Any:
        if name not in known:
            known[name] = get(name, filename, *more)
        return known[name]

    compiler.getcfs = getcfs
    return application


# What is spoilt, and one of the requests that tell of it.
SPOILS: dict[Callable[[Application], Application], str] = {
    escape: "/equal/escape/helpers",
    subclass: "/equal/escape/shown/safe",
    order: "/equal/default/count",
    view: "/equal/views/dynamic/b",
    first_visit: "left in equal/sessions",
    bound: "other address",
    key: "POST /equal/form/plain, forged",
    header: "header out: a%0d%0aSet-Cookie:%20x=1",
    ticket: "left in equal/errors",
    edit: "a controller is changed",
}


def spoil(name: str, application: Application) -> Application:
    return next(made for made in SPOILS if made.__name__ == name)(application)
