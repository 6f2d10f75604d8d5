# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The WSGI entry: one release, loaded once, ready to be forked.

Whatever `current` points to later, a process stays with the release it started from.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import socket
import sys
from pathlib import Path
from typing import Any

from web2py_runtime import (
    compat,
    databases,
    facing,
    faster,
    guard,
    late,
    lease,
    maintenance,
    pages,
    places,
    retire,
    sessionless,
    watch,
)

# What applications import anyway: loaded in the master once instead of in each worker.
PRELOAD = ("pydal", "gluon.dal", "gluon.html", "gluon.sqlhtml", "gluon.tools", "gluon.cache", "gluon.languages")


def release_folder() -> Path:
    """The real folder of the release this package was loaded from, else the one we stand in."""
    # Above this file by name, not by target: <release>/runtime is a link that leads out of the release.
    for folder in (Path(__file__).parents[2], Path.cwd(), Path.cwd().parent):
        if (folder / "runtime.json").is_file():
            return folder.resolve()
    raise RuntimeError(f"No release around {__file__} nor {Path.cwd()}: runtime.json is missing there.")


def own_names() -> list[str]:
    """What web2py takes for this host itself (gluon/main.py, local_hosts)."""
    names = {"127.0.0.1", "::ffff:127.0.0.1", "::1"}
    try:
        name = socket.getfqdn()
        rows = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
        names |= {socket.gethostname(), name, *(str(row[4][0]) for row in rows)}
    except (OSError, UnicodeError):
        pass
    return sorted(names)


def load() -> Any:
    """Import web2py from the release and return its WSGI application behind the guard."""
    release = release_folder()
    lease.take(release / "runtime.json")
    settings: dict[str, Any] = json.loads((release / "runtime.json").read_text(encoding="utf-8"))
    root = str(release / "web2py")
    os.chdir(root)
    os.environ["web2py_path"] = root
    sys.dont_write_bytecode = True  # code is not writable for the service
    # Links are resolved now, so that a switch of `current` never mixes two releases in one process.
    resolved = [str(Path(path).resolve()) for path in sys.path if path]
    sys.path[:] = list(dict.fromkeys([root, str(release / "web2py" / "site-packages"), *resolved]))

    compat.before_import(settings["versions"]["web2py"])
    from gluon.settings import global_settings
    from gluon.storage import Storage

    global_settings.web2py_runtime_handler = True
    # The first request of each process would ask the name servers, for seconds where they do not answer; and each of
    # CGI's is the first. In an account nobody is local: all users of the host can ask from there, or say that they do.
    # (web2py looks for names where it has none; no address is a line's end.)
    global_settings.local_hosts = ["\n"] if "facing" in settings else own_names()
    # Tracebacks go to the journal as well as into tickets.
    global_settings.cmd_options = Storage(errors_to_console=True)
    main = importlib.import_module("gluon.main")
    compat.after_import(settings["versions"]["web2py"])
    level = settings.get("performance", "upstream")
    if level != "upstream":
        for name in PRELOAD:
            importlib.import_module(name)
        # Before anything of ours stands around what is replaced.
        faster.install(level)
    if "databases" in settings:
        databases.install(settings["databases"])
    guard.close_admin(main, settings["admin"], root)
    guard.refuse_dots(main)
    sessionless.without_sessions(main, settings.get("sessionless", ()))
    flag = maintenance.Flag(settings["maintenance"])
    maintenance.close(main, flag)
    application = guard.guarded(watch.watched(main.wsgibase, settings), settings, flag)
    if "page_cache" in settings:
        application = pages.marked(application, release.name, settings["page_cache"]["dated"])
    if "facing" in settings:
        application = facing.faced(application, settings["facing"], settings["url"])
    # Not in programs beside the server, such as the check of a release.
    if "request_seconds" in settings and "mod_wsgi" in sys.modules:
        application = late.ended(application, settings["request_seconds"])
    if retire.between_requests():
        application = places.shared(application)
    if level != "upstream":
        # What is loaded by now lives as long as the process: the collector need not look at it again,
        # and forked workers keep sharing its pages.
        gc.collect()
        gc.freeze()
    return application


application = load()
