# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Patches of each request's first steps: its content type, its session's cookie and place, the names of its controller.

All are exact: what they remember depends on nothing but what it is remembered by.
"""

from __future__ import annotations

import functools
import importlib
import re
from http.cookies import Morsel
from typing import Any

from web2py_runtime.patch import LONGEST, TEXT, Memo, rebind

# Of a content type, and how many of a kind are kept.
MOST = 256
# What a cookie holds as it is, without quotes.
_PLAIN = re.compile(r"[A-Za-z0-9_.:-]+")


def content_type() -> None:
    """web2py 3 asks the parser of e-mails for the content type of each request, and that builds a class for it."""
    kind: Any = importlib.import_module("gluon.globals").Request
    original = kind.parse_content_type

    class Asked:
        """As much of a request as the parser looks at."""

        def __init__(self, value: str | None) -> None:
            self.env = self
            self.content_type: Any = value
            self.encoding: Any = None

    def parsed(value: str | None) -> tuple[Any, Any]:
        asked = Asked(value)
        original(asked)
        return asked.encoding, asked.content_type

    memo = Memo("content type", parsed, most=MOST)

    @functools.wraps(original)
    def parse_content_type(self: Any) -> None:
        value = self.env.content_type
        if value is None or (type(value) in TEXT and len(value) <= MOST):
            self.encoding, self.content_type = memo(value)
        else:
            original(self)

    kind.parse_content_type = parse_content_type


def session_cookie() -> None:
    """The cookie of a session is made three times in each request, with the same value."""
    module: Any = importlib.import_module("gluon.globals")
    current, kind = module.current, module.Session
    original = kind.save_session_id_cookie

    @functools.wraps(original)
    def save_session_id_cookie(self: Any) -> None:
        response = current.response
        identity = response.session_id
        if type(identity) in TEXT and not response.session_cookie_expires:
            made = response.cookies.get(response.session_id_name)
            if (
                made.__class__ is Morsel
                and made.value == identity == made.coded_value
                and made["path"] == "/"
                and response.session_data_name not in current.request.cookies
                and _PLAIN.fullmatch(identity)
            ):
                return
        original(self)

    kind.save_session_id_cookie = save_session_id_cookie


def exposed_functions() -> None:
    """Which functions of a controller are pages is found by looking through its source, for each request."""
    original = importlib.import_module("gluon.compileapp").find_exposed_functions
    memo = Memo("functions of controllers", original, most=MOST)

    @functools.wraps(original)
    def find_exposed_functions(data: Any) -> Any:
        return list(memo(data)) if type(data) in TEXT and len(data) <= LONGEST else original(data)

    rebind(original, find_exposed_functions)


def session_places() -> None:
    """The folders that a session lies in follow from its name, and are worked out letter by letter in each request."""
    original = importlib.import_module("gluon.recfile").generate
    memo = Memo("places of sessions", original)

    @functools.wraps(original)
    def generate(filename: Any, *rest: Any, **words: Any) -> Any:
        plain = not rest and not words and type(filename) in TEXT and len(filename) <= MOST
        return memo(filename) if plain else original(filename, *rest, **words)

    rebind(original, generate)
