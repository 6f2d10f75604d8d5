# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Patches of how files are looked for: what was true is taken for true for a second. And the views made of them.

Code of a site changes by deploys only, and those load it anew.
"""

from __future__ import annotations

import ast
import functools
import importlib
import os
import re
import threading
from time import monotonic
from typing import Any

from web2py_runtime.patch import LONGEST, SECONDS, TEXT, Memo, shared

# One name in a folder, as web2py makes those of sessions.
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,250}")


def session_paths() -> None:
    """web2py 3 follows all links of the path of each session, folder by folder. The name itself is still looked at."""
    module: Any = importlib.import_module("gluon.globals")
    original = module.safe_path_join
    roots = Memo("folders of sessions", os.path.realpath, SECONDS, 256)

    @functools.wraps(original)
    def safe_path_join(*paths: Any) -> Any:
        if len(paths) > 1 and all(type(path) in TEXT for path in paths) and _NAME.fullmatch(paths[-1]):
            folder = os.path.join(*paths[:-1])
            root = roots(folder) if os.path.isabs(folder) else os.sep
            target = root + os.sep + paths[-1]
            if root != os.sep and not os.path.islink(target):
                return target
        return original(*paths)

    # That of other modules takes archives apart: there it stays as it is.
    module.safe_path_join = safe_path_join


def seen_files() -> None:
    """Each request asks some twenty times whether a file is there, how old it is, which models there are."""
    main, compileapp, cfs = map(importlib.import_module, ("gluon.main", "gluon.compileapp", "gluon.cfs"))
    there = Memo("files that are there", os.path.exists, SECONDS)
    age = Memo("ages of files", os.stat, SECONDS)
    listing = shared("gluon.fileutils:listdir", "gluon.compileapp:listdir")
    models = Memo("models", lambda key: listing(key[0], key[1], 0, **dict(key[2])), SECONDS, 1024)

    def exists(path: Any) -> Any:
        return there(path) if type(path) in TEXT else os.path.exists(path)

    def stat(path: Any) -> Any:
        if type(path) not in TEXT:
            return os.stat(path)
        try:
            return age(path)
        except OSError:
            # Gone, and who asks was told that it is there: what was read of it serves until that ends, too.
            kept = age.known.get(path)
            if kept is None or monotonic() >= kept[0] + SECONDS:
                raise
            return kept[1]

    @functools.wraps(listing)
    def listdir(path: Any, expression: Any = "^.+$", drop: Any = True, *rest: Any, **words: Any) -> Any:
        # As run_models_in asks; who compiles asks otherwise.
        if (
            not rest
            and drop is not False
            and drop == 0
            and type(path) in TEXT
            and type(expression) in TEXT
            and words in ({}, {"sort": False})
        ):
            return list(models((path, expression, tuple(words.items()))))
        return listing(path, expression, drop, *rest, **words)

    ours = ((main, "exists", exists), (compileapp, "exists", exists), (cfs, "stat", stat))
    for module, name, _function in ours:
        if vars(module)[name] is not {"exists": os.path.exists, "stat": os.stat}[name]:
            raise RuntimeError(f"{module.__name__}.{name} is not that of Python")
    for module, name, function in ours:
        vars(module)[name] = function
    vars(compileapp)["listdir"] = listdir


def stamp(path: str) -> tuple[int, int, int]:
    state = os.stat(path)
    return state.st_mtime_ns, state.st_size, state.st_ino


class Parts:
    """The files that a view is made of, as they were before they were read."""

    def __init__(self, path: str) -> None:
        self.files = {path: stamp(path)}
        self.fixed = True

    def add(self, folder: Any, word: str) -> None:
        """A file that a view names. What is no plain text may name another one next time."""
        try:
            name = ast.literal_eval(word)
            if type(name) not in TEXT or type(folder) not in TEXT:
                raise ValueError(word)
            if name:
                path = os.path.join(folder, name) if folder else name
                self.files[path] = stamp(path)
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError, OSError):
            self.fixed = False

    def same(self) -> bool:
        try:
            return all(stamp(path) == before for path, before in self.files.items())
        except OSError:
            return False


class _Reading(threading.local):
    parts: Parts | None = None


def source_views() -> None:
    """Views that are not compiled are taken apart and compiled for each request.

    They are once, and again when one of their files has changed, which is looked at each second.
    """
    compileapp: Any = importlib.import_module("gluon.compileapp")
    parser: Any = importlib.import_module("yatl.template").TemplateParser
    parse = shared("yatl.template:parse_template", "gluon.compileapp:parse_template")
    compile2 = shared("gluon.restricted:compile2", "gluon.compileapp:compile2")
    read = parser._get_file_text
    reading = _Reading()
    views = Memo("views", lambda key: None, SECONDS, 512)

    @functools.wraps(read)
    def _get_file_text(self: Any, filename: Any) -> Any:
        if reading.parts is not None:
            reading.parts.add(self.path, filename)
        return read(self, filename)

    @functools.wraps(parse)
    def parse_template(filename: Any, path: Any = "views/", context: Any = None, **words: Any) -> Any:
        response = (context or {}).get("response")
        if words or type(filename) not in TEXT or type(path) not in TEXT or response is None:
            return parse(filename, path, context, **words)
        if getattr(response, "delimiters", None) not in (None, ("{{", "}}")):
            return parse(filename, path, context)
        key, now = (filename, path), monotonic()
        kept = views.known.get(key)
        if kept is not None:
            parts, code = kept[1]
            if now < kept[0]:
                return code
            if parts.same():
                views.keep(key, now + SECONDS, kept[1])
                return code
        try:
            parts = Parts(os.path.join(path, filename))
        except OSError:
            if kept is not None and now < kept[0] + SECONDS:
                return kept[1][1]
            return parse(filename, path, context)
        before, reading.parts = reading.parts, parts
        try:
            code = parse(filename, path, context)
        finally:
            reading.parts = before
        if parts.fixed:
            views.keep(key, now + SECONDS, (parts, code))
        return code

    codes = Memo("code of views", lambda key: compile2(*key), None, 512)

    @functools.wraps(compile2)
    def compiled(code: Any, layer: Any) -> Any:
        plain = type(code) in TEXT and type(layer) in TEXT and len(code) <= LONGEST
        return codes((code, layer)) if plain else compile2(code, layer)

    parser._get_file_text = _get_file_text
    compileapp.parse_template, compileapp.compile2 = parse_template, compiled
