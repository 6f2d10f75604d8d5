# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a web2py needs to run on today's Python and from folders it cannot write. One function, one reason."""

from __future__ import annotations

import configparser
import functools
import importlib
import inspect
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


def validated_rows() -> None:
    """web2py 2.26 and the book read by attributes what pydal tells of an insert in a dict: `queue_task` fails."""
    objects: Any = importlib.import_module("pydal.objects")
    storage: Any = importlib.import_module("gluon.storage").Storage

    def told(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def answer(*args: Any, **fields: Any) -> Any:
            found = function(*args, **fields)
            return storage(found) if isinstance(found, dict) else found

        return answer

    for kind in (objects.Table, objects.Set):
        for name in ("validate_and_insert", "validate_and_update"):
            if name in vars(kind):
                setattr(kind, name, told(vars(kind)[name]))


def filtered_fields() -> None:
    """web2py 2.26 asks pydal for a row with its number by a word that pydal has renamed: nobody can log in."""
    kind: Any = importlib.import_module("pydal.objects").Table
    fields: Callable[..., Any] = kind._filter_fields
    if "id" in inspect.signature(fields).parameters:
        return

    @functools.wraps(fields)
    def filtered(*args: Any, **words: Any) -> Any:
        if "id" in words:
            words["allow_id"] = words.pop("id")
        return fields(*args, **words)

    kind._filter_fields = filtered


def session_folders() -> None:
    """All versions look whether the folder of a session is there before they make it, and open the file in it. In
    between another first visit may make it, or the clean-up take it away: then the file is opened once more.
    """
    recfile: Any = importlib.import_module("gluon.recfile")
    opens: Callable[..., Any] = recfile.open

    def open_again(filename: str, mode: str = "r", path: str | None = None) -> Any:
        try:
            return opens(filename, mode, path)
        except (FileExistsError, FileNotFoundError):
            if not mode.startswith("w"):
                raise
            return opens(filename, mode, path)

    recfile.open = open_again


def commits_that_fail() -> None:
    """All versions: pydal drops a connection whose commit failed, and says nothing. The visitor would be told that all
    is done. Told of it, web2py answers with a ticket and takes back what else the request has changed.
    """
    kind: Any = importlib.import_module("pydal.connection").ConnectionPool
    close: Callable[..., None] = kind.close

    @functools.wraps(close)
    def closed(pool: Any, action: Any = "commit", really: bool = True) -> None:
        failures: list[Exception] = []

        def commit(adapter: Any) -> None:
            try:
                adapter.commit()
            except Exception as error:
                failures.append(error)
                raise

        close(pool, commit if action == "commit" else action, really)
        if failures:
            raise failures[0]

    kind.close = closed


def dead_connections() -> None:
    """All versions: a connection of the pool that has failed its test stays the thread's where no new one can be made.
    The next one who asks would get it: the commit at the end, so that the visitor is told of that and not of the cause.
    """
    kind: Any = importlib.import_module("pydal.connection").ConnectionPool
    get: Callable[..., Any] = kind.get_connection

    @functools.wraps(get)
    def alive(pool: Any, use_pool: bool = True) -> Any:
        try:
            return get(pool, use_pool)
        except Exception:
            pool.set_connection(None)
            raise

    kind.get_connection = alive


def before_import(version: str) -> None:
    """Shims that must stand before gluon.main is imported."""
    if numbers(version) < (3,):
        fancy_url_opener()
        config_parser()
        folders_exist()


def after_import(version: str) -> None:
    """Shims for what is imported by now."""
    languages_read_only()
    commits_that_fail()
    dead_connections()
    if numbers(version) < (3,):
        validated_rows()
        filtered_fields()
    session_folders()
    if (3, 3) <= numbers(version) < (3, 4):
        cookie_sessions()
        tickets_with_markup()
