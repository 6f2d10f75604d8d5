# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a web2py needs to run on today's Python and from folders it cannot write. One function, one reason."""

from __future__ import annotations

import configparser
import importlib
import re
import urllib.request
from collections.abc import Callable
from typing import Any

Version = tuple[int, ...]


def numbers(version: str) -> Version:
    """'3.3.3-stable+timestamp' as (3, 3, 3)."""
    found = re.match(r"\d+(?:\.\d+)*", version)
    return tuple(int(part) for part in found.group().split(".")) if found else ()


def fancy_url_opener() -> None:
    """web2py 2.26: gluon.tools imports FancyURLopener from gluon._compat, which forgot it on Python 3."""
    importlib.import_module("gluon._compat").FancyURLopener = urllib.request.FancyURLopener  # type: ignore[attr-defined]


def config_parser() -> None:
    """web2py 2.26: AppConfig asks for SafeConfigParser, a second name of ConfigParser that Python 3.12 removed."""
    if not hasattr(configparser, "SafeConfigParser"):
        setattr(configparser, "SafeConfigParser", configparser.ConfigParser)  # noqa: B010  mypy knows it is gone


def folders_exist() -> None:
    """web2py 2.26 dies when it cannot create a folder; the release has all of them, an application may lack one."""
    files: Any = importlib.import_module("gluon.fileutils")
    create: Callable[[str], None] = files.try_mkdir

    def try_mkdir(path: str) -> None:
        try:
            create(path)
        except OSError:
            pass

    files.try_mkdir = try_mkdir


def languages_read_only() -> None:
    """All versions rewrite a language file on each unseen string, and warn each time they cannot."""
    languages: Any = importlib.import_module("gluon.languages")
    languages.is_writable = lambda: False


def cookie_sessions() -> None:
    """web2py 3.3: sessions kept in cookies are written as bytes and read as text, so the second request fails."""
    module: Any = importlib.import_module("gluon.globals")
    loads, dumps = module.secure_loads, module.secure_dumps

    def secure_loads(data: str | bytes, *args: Any, **options: Any) -> Any:
        return loads(data.encode() if isinstance(data, str) else data, *args, **options)

    def secure_dumps(*args: Any, **options: Any) -> str:
        data: str | bytes = dumps(*args, **options)
        return data.decode() if isinstance(data, bytes) else data

    module.secure_loads, module.secure_dumps = secure_loads, secure_dumps


def tickets_with_markup() -> None:
    """web2py 3.3: its reader of tickets refuses those that hold markup, which most do; admin calls them missing."""
    restricted: Any = importlib.import_module("gluon.restricted")
    restricted.DEFAULT_SAFE_GLOBALS.setdefault("gluon.html", set()).add("XML_unpickle")


def before_import(version: str) -> None:
    """Shims that must stand before gluon.main is imported."""
    if numbers(version) < (3,):
        fancy_url_opener()
        config_parser()
        folders_exist()


def after_import(version: str) -> None:
    """Shims for what is imported by now."""
    languages_read_only()
    if (3, 3) <= numbers(version) < (3, 4):
        cookie_sessions()
        tickets_with_markup()
