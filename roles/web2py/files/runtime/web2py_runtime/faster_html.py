# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Patches of how pages are written: texts are escaped and links are made by the shortest way that gives the same.

All are exact, and take the short way for plain `str` only; whatever else comes goes web2py's way.
"""

from __future__ import annotations

import functools
import html
import importlib
from collections.abc import Callable
from typing import Any

from web2py_runtime.patch import TEXT, rebind


def _bytes(data: str, quote: Any) -> bytes:
    """How web2py 2 escapes: what UTF-8 cannot write becomes a number first, whose ampersand is escaped, too."""
    raw = data.encode("utf8", "xmlcharrefreplace")
    raw = raw.replace(b"&", b"&amp;").replace(b"<", b"&lt;").replace(b">", b"&gt;")
    return raw.replace(b'"', b"&quot;").replace(b"'", b"&#x27;") if quote else raw


def _written(data: str) -> str:
    """The same as a page of web2py 2 holds it."""
    return html.escape(data) if data.isascii() else _bytes(data, True).decode("utf8")


def pages() -> None:
    """Each text and each attribute of a page is escaped: by five calls where one does."""
    module: Any = importlib.import_module("gluon.html")
    original = module.xmlescape
    old = isinstance(original("x"), bytes)
    escape: Callable[[str, Any], Any] = _bytes if old else html.escape

    @functools.wraps(original)
    def xmlescape(data: Any, quote: Any = True) -> Any:
        return escape(data, quote) if type(data) in TEXT else original(data, quote)

    response: Any = importlib.import_module("gluon.globals").Response
    # Both before the first takes its place: of a patch that fails nothing is left behind.
    write, link = _write(response, _written if old else html.escape), _link(module)
    rebind(original, xmlescape)
    response.write, module.A.xml = write, link


def _write(kind: Any, escaped: Callable[[str], str]) -> Any:
    original = kind.write

    @functools.wraps(original)
    def write(self: Any, data: Any, escape: Any = True) -> None:
        if type(data) in TEXT:
            self.body.write(escaped(data) if escape else data)
        else:
            original(self, data, escape)

    return write


def _link(module: Any) -> Any:
    """A link looks for what it can do by Ajax: eight questions, where a plain one has no such word."""
    kind, plain = module.A, module.DIV.xml
    original = kind.xml
    words = ("callback", "cid", "delete", "component", "target")

    @functools.wraps(original)
    def xml(self: Any) -> Any:
        attributes = self.attributes
        if self.__class__ is kind and attributes.__class__ is dict and self.components:
            for word in words:
                if word in attributes:
                    return original(self)
            return plain(self)
        return original(self)

    return xml
