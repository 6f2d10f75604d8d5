# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection: the file by which a site, or some of its applications, is out of service.

The runtime looks at it with each request (web2py_runtime/maintenance.py), so a change counts at once, on every server.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from ansible_collections.web2py.deploy.plugins.module_utils._base import place_of
from ansible_collections.web2py.deploy.plugins.module_utils._page_cache import MARK
from ansible_collections.web2py.deploy.plugins.module_utils._run import Problem as Trouble
from ansible_collections.web2py.deploy.plugins.module_utils._spec import Problem, nearest, shown
from ansible_collections.web2py.deploy.plugins.module_utils._tree import read_json, remove, write, write_json

STATES = {"on": True, "off": False}
RETRY_SECONDS = 300
LONGEST_MESSAGE = 1000
_DAY = 86400

Site = Mapping[str, Any]
Notice = dict[str, Any]


def path_of(site: Site) -> str:
    """The file of a site."""
    return os.path.join(site["paths"]["settings"], "maintenance.json")


def mark_of(site: Site) -> str:
    """What tells a front end that keeps pages to ask the application. It is there whether pages are kept or not, for
    they may be from the next run on.
    """
    return os.path.join(site["paths"]["root"], MARK)


def _forget_pages(site: Site) -> None:
    """Empty the front end's cache, since the data may be others now. Nothing comes in as long as the mark is there."""
    folder = (site.get("page_cache") or {}).get("folder")
    # By the folder that was opened: its owner could put a link in the place of one.
    for _path, _folders, files, opened in os.fwalk(folder) if folder else ():
        for name in files:
            with suppress(FileNotFoundError):
                os.unlink(name, dir_fd=opened)


def read(path: str) -> Notice | None:
    """What the file says; None where there is none. What is no notice closes the site, as the runtime has it."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            found = json.load(file)
        migration = found.get("migration") or {}
        during = {"applications": sorted(migration.get("applications", ())), "until": float(migration.get("until", 0))}
        return {
            "site": bool(found["site"]),
            "applications": sorted(found["applications"]),
            "operators": list(found["operators"]),
            "message": str(found["message"]),
            "retry_seconds": int(found["retry_seconds"]),
            **({"migration": during} if migration else {}),
        }
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, KeyError, AttributeError):
        return _empty(site=True)


def _empty(site: bool = False) -> Notice:
    return {"site": site, "applications": [], "operators": [], "message": "", "retry_seconds": RETRY_SECONDS}


def switched_on(before: Notice | None, site: Site, wanted: Sequence[str], message: str, retry_seconds: int) -> Notice:
    """The notice with the site closed, or these applications."""
    old = kept(before or _empty()) or _empty()
    return {
        **old,
        "site": old["site"] or not wanted,
        "applications": sorted({*old["applications"], *wanted}),
        "operators": list(site["maintenance"]["operators"]),
        "message": message,
        "retry_seconds": retry_seconds,
    }


def switched_off(before: Notice | None, wanted: Sequence[str]) -> Notice | None:
    """The notice with the site open, or these applications; None where nothing is left to say."""
    old = before or _empty()
    left = sorted(set(old["applications"]) - set(wanted)) if wanted else []
    return kept({**old, "site": old["site"] and bool(wanted), "applications": left})


def kept(notice: Notice) -> Notice | None:
    """The notice without a migration that is over, if it says anything then."""
    if not is_migrating(notice):
        notice = {key: value for key, value in notice.items() if key != "migration"}
    return notice if notice["site"] or notice["applications"] or "migration" in notice else None


def migrating(before: Notice | None, applications: Sequence[str], until: float) -> Notice:
    """The notice with these applications closed until a time, whoever may be there to end it."""
    return {**(before or _empty()), "migration": {"applications": sorted(applications), "until": until}}


def migrated(before: Notice | None) -> Notice | None:
    """The notice as it was before a migration."""
    return kept({key: value for key, value in (before or _empty()).items() if key != "migration"})


def is_migrating(notice: Notice | None) -> bool:
    """Whether applications are closed for a migration just now."""
    return notice is not None and bool(notice.get("migration", {}).get("until", 0) > time.time())


def closed(notice: Notice | None, application: str) -> bool:
    """Whether visitors of an application get the page."""
    if notice is None:
        return False
    if is_migrating(notice) and application in notice["migration"]["applications"]:
        return True
    return bool(notice["site"]) or application in notice["applications"]


def for_programs(notice: Notice | None) -> dict[str, Any]:
    """What is out of service, for programs."""
    if notice is None:
        return {"on": False, "site": False, "applications": [], "seconds_left": None}
    migration = notice["migration"] if is_migrating(notice) else {}
    names = sorted({*notice["applications"], *migration.get("applications", ())})
    return {
        "on": bool(notice["site"] or names),
        "site": notice["site"],
        "applications": names,
        "seconds_left": int(migration["until"] - time.time()) if migration else None,
    }


def look(site: Site) -> dict[str, Any]:
    """The same of a site, and whether its front end keeps no pages now. A migration that was killed leaves its mark."""
    marked = bool(site.get("page_cache")) and os.path.exists(mark_of(site))
    return {**for_programs(read(path_of(site))), "pages_off": marked}


def described(notice: Notice | None) -> str:
    """What is out of service, in words; "" for nothing."""
    if notice is None:
        return ""
    words = "the whole site" if notice["site"] else ", ".join(notice["applications"])
    if is_migrating(notice):
        words += (", " if words else "") + ", ".join(notice["migration"]["applications"]) + " (being migrated)"
    return words


def told(notice: Notice | None) -> str:
    """The notice as a diff shows it."""
    return json.dumps(notice, indent=2, sort_keys=True) + "\n" if notice else ""


def state_of(word: object) -> bool | None:
    """on or off, which YAML may have read as a boolean; None for anything else."""
    return word if isinstance(word, bool) else STATES.get(str(word))


def problems(
    site: Site,
    state: object,
    wanted: Sequence[str],
    message: str,
    retry_seconds: int,
    before: Notice | None,
    runtime: Mapping[str, Any] | None,
) -> list[Problem]:
    """What keeps maintenance from being switched. `runtime` is runtime.json of the release that serves."""
    found = []
    switch = state_of(state)
    if switch is None:
        fault = "is not a word for it" if state else "missing"
        found.append(Problem("web2py_maintenance", shown(state) if state else "", fault, "Give on or off"))
    found += unknown("web2py_maintenance_applications", site, wanted)
    if switch is False and wanted and before is not None and before["site"]:
        fault = "the whole site is in maintenance, and these with it"
        remedy = "Leave web2py_maintenance_applications out"
        found.append(Problem("web2py_maintenance_applications", shown(",".join(wanted)), fault, remedy))
    if len(message) > LONGEST_MESSAGE or not message.isprintable():
        remedy = f"Give at most {LONGEST_MESSAGE} characters on one line"
        found.append(Problem("web2py_maintenance_message", shown(message), "is not one line of text", remedy))
    if not 1 <= retry_seconds <= _DAY:
        remedy = f"Give a number from 1 to {_DAY}"
        found.append(Problem("web2py_maintenance_retry_seconds", shown(retry_seconds), "is out of bounds", remedy))
    found += unready(site, runtime)
    return found


def unready(site: Site, runtime: Mapping[str, Any] | None) -> list[Problem]:
    """Whether the release that serves would look at the file."""
    if runtime is None:
        fault, remedy = "no release of it serves on this host", "Build it with web2py.deploy.site first"
    elif runtime.get("maintenance") != path_of(site):
        fault = "the release that serves is older than maintenance"
        remedy = "Run web2py.deploy.site, which makes another one"
    else:
        return []
    return [Problem("web2py_site", shown(site["name"]), fault, remedy)]


def unknown(variable: str, site: Site, wanted: Sequence[str]) -> list[Problem]:
    """Names that no application of the site has."""
    names = [row["name"] for row in site["applications"]]
    return [
        Problem(variable, shown(name), "is no application of this site", nearest(name, names))
        for name in wanted
        if name not in names
    ]


def runtime_of(site: Site) -> dict[str, Any] | None:
    """runtime.json of the release that serves; None where there is none."""
    found: dict[str, Any] | None = read_json(os.path.join(site["paths"]["current"], "runtime.json"), None)
    return found


def store(site: Site, notice: Notice | None) -> None:
    """Let the file say this, in one step."""
    place = place_of(site)
    if place is None:
        raise Trouble(f"The user {site['user']} does not exist. Run web2py.deploy.site first.")
    if notice is None:
        _forget_pages(site)
        remove(path_of(site))
        remove(mark_of(site))
    else:
        # First the mark: a front end that keeps pages must know before. NGINX opens what it asks for.
        if not os.path.exists(mark_of(site)):
            write(mark_of(site), "", place.owner, 0o644)
        write_json(path_of(site), notice, place.owner)
