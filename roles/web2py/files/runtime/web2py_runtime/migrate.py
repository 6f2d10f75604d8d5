# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the models of applications once with migrations on: `python -m web2py_runtime.migrate SITE_URL APPLICATION...`

Prints one line of JSON: `{"failure": "", "statements": {"shop": ["CREATE TABLE ..."]}}`.
An application whose models fail is rolled back, and those after it are left alone.
"""

from __future__ import annotations

import ctypes
import importlib
import inspect
import json
import os
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from web2py_runtime.check import environ_for

# Databases that are files of the application itself. That of the site is a matter of databases.py; of others nobody
# knows whether their tables are the application's own.
OWN = ("sqlite:", "spatialite:")
_PR_SET_PDEATHSIG = 1


def end_with_parent() -> None:
    """Nobody migrates unseen: the one who keeps the visitors out is the one who has started this."""
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


def enable(dal: Any) -> None:
    """Let every database of the application's own make its tables at once, whatever the code says for serving."""
    original = dal.__init__
    signature = inspect.signature(original)

    def opened(*args: Any, **words: Any) -> None:
        given = signature.bind(*args, **words)
        if str(given.arguments.get("uri", "sqlite:")).startswith(OWN):
            given.arguments.update(migrate=True, migrate_enabled=True, lazy_tables=False)
        original(*given.args, **given.kwargs)

    dal.__init__ = opened


def statements(log: Path, begin: int) -> list[str]:
    """What was told to the database since `begin`, by web2py's own log."""
    try:
        text = log.read_bytes()[begin:].decode("utf-8", "replace")
    except OSError:
        return []
    found, lines = [], [line.strip() for line in text.splitlines()]
    for number, line in enumerate(lines):
        if line.startswith("timestamp:") and number + 1 < len(lines):
            found.append(lines[number + 1])
    return found


def size(log: Path) -> int:
    """Bytes in a file, none if it is not there."""
    return log.stat().st_size if log.exists() else 0


def models(url: str, application: str) -> dict[str, Any]:
    """Run all models of an application, as its pages for the database have them; what they leave."""
    module = importlib.import_module
    gluon_globals: Any = module("gluon.globals")
    compileapp: Any = module("gluon.compileapp")
    environ = environ_for(url, f"/{application}/appadmin/index")
    gluon_globals.current.__dict__.clear()
    request = gluon_globals.Request({key.replace(".", "_").lower(): value for key, value in environ.items()})
    # With that controller web2py runs those models too that belong to single pages.
    request.update(application=application, controller="appadmin", function="index", is_local=True, client="127.0.0.1")
    request.update(folder=os.path.join(os.getcwd(), "applications", application) + os.sep, is_https=url[:6] == "https:")
    environment: dict[str, Any] = compileapp.build_environment(
        request, gluon_globals.Response(), gluon_globals.Session()
    )
    compileapp.run_models_in(environment)
    return environment


def opened_by(environment: dict[str, Any]) -> list[Any]:
    """All databases that models have opened, those too that they did not leave."""
    kind = importlib.import_module("pydal.base").DAL
    groups = getattr(importlib.import_module("pydal._globals").THREAD_LOCAL, "_pydal_db_instances_", {}).values()
    opened = [*environment.values(), *(each for group in groups for each in group)]
    return list({id(each): each for each in opened if isinstance(each, kind)}.values())


def run_models(url: str, application: str) -> None:
    """Run them and commit."""
    adapter: Any = importlib.import_module("pydal.base").BaseAdapter
    try:
        models(url, application)
    except BaseException:
        adapter.close_all_instances("rollback")
        raise
    adapter.close_all_instances("commit")


def reason(error: BaseException) -> str:
    """Why the models did not run to their end."""
    if hasattr(error, "status"):
        return f"a model answered with status {error.status} before the models' end"
    return str(getattr(error, "traceback", None) or traceback.format_exc()).strip()


def migrate(url: str, applications: list[str]) -> dict[str, Any]:
    """Migrate one application after the other, until one fails."""
    done: dict[str, list[str]] = {}
    for application in applications:
        log = Path("applications", application, "databases/sql.log")
        begin = size(log)
        try:
            run_models(url, application)
        except BaseException as error:
            return {"failure": f"{application}: {reason(error)}", "statements": done}
        finally:
            done[application] = statements(log, begin)
    return {"failure": "", "statements": done}


def answered(work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Do the work of a program of a release, and say what came of it in one line of JSON."""
    out, sys.stdout = sys.stdout, sys.stderr  # what applications print is not our answer
    end_with_parent()
    importlib.import_module("web2py_runtime.entry")
    found = work()
    out.write(json.dumps(found) + "\n")
    out.flush()
    return found


def main() -> int:
    """Migrate the applications named on the command line."""

    def work() -> dict[str, Any]:
        enable(importlib.import_module("pydal.base").DAL)
        return migrate(sys.argv[1], sys.argv[2:])

    return 1 if answered(work)["failure"] else 0


if __name__ == "__main__":
    sys.exit(main())
