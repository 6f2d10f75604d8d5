# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection: the two steps of a deployment, as one round trip each.

`stage_base` puts web2py, its environment and the runtime in place; `deploy` adds the applications, composes a release,
checks it and switches. Both are killed at any point without harm and repeated by running again.
"""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from typing import Any, NamedTuple

from ansible_collections.web2py.deploy.plugins.module_utils import (
    _application,
    _base,
    _databases,
    _maintenance,
    _migrate,
    _private,
    _release,
    _rows,
)
from ansible_collections.web2py.deploy.plugins.module_utils._base import Place
from ansible_collections.web2py.deploy.plugins.module_utils._pip import Pip
from ansible_collections.web2py.deploy.plugins.module_utils._run import Problem
from ansible_collections.web2py.deploy.plugins.module_utils._source import Found, Local, on_controller, pinned
from ansible_collections.web2py.deploy.plugins.module_utils._tree import digest, locked, read_json, write_json

Site = Mapping[str, Any]
Result = dict[str, Any]


class _Tables(NamedTuple):
    """Applications whose tables are made, without visitors and with them."""

    closed: Sequence[str]
    open: Sequence[str]
    # And rows of SQLite brought, whatever the tables on the server hold already.
    filled: Sequence[str] = ()
    replace: bool = False


class _Book(NamedTuple):
    """How the databases of the site are opened: said for the new release, and taken back."""

    write: Callable[[], None]
    back: Callable[[], None]


def _file(place: Place, name: str) -> str:
    return os.path.join(place.root, name)


def _outcome(changed: bool, before: str, after: str, **more: Any) -> Result:
    return {"changed": changed, "diff": {"before": before, "after": after}, **more}


def _untransferred(local: Local, wanted: Mapping[str, bool]) -> list[str]:
    """Labels of content that is wanted on the host and still lies on the controller."""
    return sorted(label for label, absent in wanted.items() if absent and not local[label].get("path"))


def _lines(rows: Mapping[str, str]) -> str:
    return "".join(f"{name}: {value}\n" for name, value in sorted(rows.items()))


def stage_base(site: Site, local: Local, check_mode: bool) -> Result:
    """Stage web2py, its environment and the runtime, and note them as what the next release stands on."""
    python = _base.host_python()
    source = site["source"]
    _base.refuse_impossible(str(source.get("version") or ""), python)
    place = _base.place_of(site)
    before: dict[str, Any] = read_json(_file(place, "base.json"), {}) if place else {}
    serving = _release.current(place) if place else None
    told = {"release": serving, "previous": serving}
    commits: dict[str, str] = read_json(_file(place, "commits.json"), {}) if place else {}
    known = dict(commits)
    try:
        found = pinned("web2py", source, local, commits)
    except Problem:
        # On a bare host git may be missing still; a real run has it installed by then.
        if not check_mode or before:
            raise
        found = Found([], f"{source['type']} {source.get('version', '')}")
    tree = place.part(_base.web2py_name(found)) if place else ""
    runtime = "runtime-" + digest(local["runtime"]["digest"])
    here = os.path.isdir(tree)
    if check_mode and not (place and here):
        return _outcome(True, _told(before), _told({"source": found.shown}), versions={"python": python}, **told)
    if place is None:
        raise Problem(f"The user {site['user']} does not exist. The role web2py creates it; run that first.")
    missing = _untransferred(
        local,
        {"runtime": not os.path.isdir(place.part(runtime)), **({"web2py": not here} if on_controller(source) else {})},
    )
    if missing and not check_mode:
        return {"changed": False, "missing": missing}
    if check_mode:
        names = _names(site, tree, runtime, python)
        after = _after(names, tree, found, python)
        changed = after != before or not all(os.path.isdir(place.part(name)) for name in names.values())
        return _outcome(changed, _told(before), _told(after), versions=_shown(after), **told)
    changed = _base.prepare(place)
    with locked(_file(place, ".lock")):
        changed = _stage(site, place, tree, runtime, found, local, python) or changed
        names = _names(site, tree, runtime, python)
        after = _after(names, tree, found, python)
        if after != before:
            write_json(_file(place, "base.json"), after, place.owner)
        _keep_commits(place, known, commits)
    return _outcome(changed or after != before, _told(before), _told(after), versions=_shown(after), **told)


def _stage(site: Site, place: Place, tree: str, runtime: str, found: Found, local: Local, python: str) -> bool:
    """Stage the parts that are not there; True when one was staged."""
    changed = False
    source = site["source"]

    if not os.path.isdir(place.part(runtime)):
        _base.stage_runtime(place, runtime, local)
        changed = True
    with Pip(place.parts) as pip:
        if not os.path.isdir(tree):
            _base.stage_web2py(
                place,
                os.path.basename(tree),
                source,
                found,
                local,
                pip,
                lambda content: _base.refuse_impossible(_base.version_of(content), python),
            )
            changed = True
        # Only web2py itself says for certain what it needs.
        requirements = _base.requirements_of(site, tree, python)
        environment = _base.environment_name(python, requirements)
        if not os.path.isdir(place.part(environment)):
            _base.stage_environment(place, environment, requirements, pip)
            changed = True
    return changed


def _names(site: Site, tree: str, runtime: str, python: str) -> dict[str, str]:
    environment = _base.environment_name(python, _base.requirements_of(site, tree, python))
    return {"web2py": os.path.basename(tree), "environment": environment, "runtime": runtime}


def _after(names: Mapping[str, str], tree: str, found: Found, python: str) -> dict[str, Any]:
    versions = {"web2py": _base.version_of(tree), "python": python}
    return {"parts": dict(names), "versions": versions, "source": found.shown}


def _told(base: Mapping[str, Any]) -> str:
    rows = {f"part {name}": value for name, value in base.get("parts", {}).items()}
    return _lines({**rows, **base.get("versions", {}), **({"source": base["source"]} if base else {})})


def _shown(base: Mapping[str, Any]) -> dict[str, str]:
    versions = base["versions"]
    return {"web2py": _base.short(versions["web2py"]), "python": versions["python"]}


def _keep_commits(place: Place, known: Mapping[str, str], commits: Mapping[str, str]) -> None:
    if commits != known:
        write_json(
            _file(place, "commits.json"), {**read_json(_file(place, "commits.json"), {}), **commits}, place.owner
        )


def deploy(
    site: Site,
    private: _private.Files,
    local: Local,
    check_mode: bool,
    password: str = "",
    migrate: Sequence[str] = (),
    elsewhere: str = "",
    session_key: str = "",
    rows: Sequence[str] = (),
    replace_rows: bool = False,
) -> Result:
    """Stage the applications, compose the release that the choices ask for, check it, switch.

    `password` is that of the site's role on its database server. `migrate` names applications whose models run once
    with migrations on, before the release is checked, while nobody is let in. Those that make no tables while they
    serve run them so, too, where they are new or changed; visitors stay. `elsewhere` is the host of the site that does
    all of this. `session_key` is that of sessions in cookies, where several hosts have to read them. `rows` names
    applications whose rows of SQLite come to the server, with `replace_rows` instead of what is there.
    """
    unknown = _maintenance.unknown("web2py_migrate_applications", site, migrate)
    if (migrate or rows) and _maintenance.runtime_of(site) is not None:
        unknown += _maintenance.unready(site, _maintenance.runtime_of(site))
    wrong = [*map(str, unknown), *_rows.problems(site, rows)]
    if wrong:
        raise Problem("\n".join(["Nothing was changed:", *wrong]))
    applications = {application["name"]: application for application in site["applications"]}
    private = _databases.with_tickets(private, site)
    _private.check_names(private, list(applications))
    place = _base.place_of(site)
    base: dict[str, Any] = read_json(_file(place, "base.json"), {}) if place else {}
    if place is None or not base:
        if check_mode:
            return _outcome(
                True,
                "",
                _lines({f"application {name}": "new" for name in applications}),
                release=None,
                previous=None,
                versions={},
            )
        raise Problem(f"Nothing is staged in {site['paths']['root']} yet. Run the module web2py_source first.")
    commits: dict[str, str] = read_json(_file(place, "commits.json"), {})
    known = dict(commits)
    if check_mode and _outdated(site, place, base, commits):
        return _outcome(
            True,
            "",
            _lines({"release": "new, on another web2py or environment"}),
            release=None,
            previous=_release.current(place),
            versions=_shown(base),
        )
    found = {name: _find(name, row, local, commits, place, base) for name, row in applications.items()}
    python = base["versions"]["python"]
    parts = {
        name: _application.part_name(row, found[name], place, base["parts"], python)
        for name, row in applications.items()
    }
    absent = {name: not os.path.isdir(place.part(part)) for name, part in parts.items()}
    missing = _untransferred(
        local, {name: absent[name] for name, row in applications.items() if on_controller(row["source"])}
    )
    if missing and not check_mode:
        return {"changed": False, "missing": missing}
    sources = {name: each.shown for name, each in found.items()}
    release = _release.plan(site, base, parts, sources, _private.fingerprint(private))
    serving = _release.current(place)
    written: dict[str, list[str]] = read_json(_file(place, "private.json"), {})
    files = _private.changed(place, private, written)
    new = serving != release.id
    opened = _databases.changed(place, site, password, session_key)
    manifest = _manifest(site)
    described = os.path.join(site["paths"]["settings"], "site.json")
    stale = read_json(described, {}) != manifest
    result = _outcome(
        new or stale or opened or bool(files),
        _release.describe(_release.about(place, serving)),
        _release.describe(release.about, files) + _databases.told(opened),
        release=release.id,
        previous=serving,
        versions=_shown(base),
    )
    filled = [] if elsewhere else _rows.due(place, site, rows, replace_rows)
    if check_mode:
        result["changed"] |= bool(filled)
        result["diff"]["after"] += "".join(
            f"rows of {name}: brought from SQLite, where it has some\n" for name in filled
        )
        return result
    with locked(_file(place, ".lock")):
        former = _release.about(place, serving).get("parts", {}).get("applications", {})
        for name, row in applications.items():
            if absent[name]:
                before = place.part(former[name]) if name in former else ""
                _application.stage(place, parts[name], row, found[name], local, base["parts"], before)
        _keep_commits(place, known, commits)
        result["changed"] |= _application.state_folders(place, list(applications), site["profiles"] > 0)
        wanted = {name: sorted(texts) for name, texts in private.items() if texts}
        book = _Book(lambda: None, lambda: None)
        if opened:
            book = _Book(
                functools.partial(_databases.write_file, place, site, password, session_key),
                functools.partial(_databases.put_back, place, _databases.kept(place)),
            )
        brought: list[dict[str, Any]] = []
        if not (new or files or migrate or filled):
            book.write()
        else:
            closed = sorted({*migrate, *filled})
            due = [name for name in _migrate.due(site, former, parts) if name not in closed]
            tables = _Tables([], []) if elsewhere else _Tables(closed, due, filled, replace_rows)
            result["migrated"], brought = _switch(site, place, release, private, files, written, tables, book)
            result["changed"] |= any(result["migrated"].values()) or bool(brought)
            result["diff"]["after"] += _migrate.described(result["migrated"]) + _rows.described(brought)
        if wanted != written:
            write_json(_file(place, "private.json"), wanted, place.owner)
        _release.activate(place, release.id)
        _rows.note(place, site, brought)
        if opened and not filled:
            result["warnings"] = _rows.behind(place, site, elsewhere)
        _databases.drop(place, site)
        if stale:
            # Tells tools, and the next run on this host, what is here: only now is it true.
            write_json(described, manifest, place.owner)
        result["changed"] |= _release.prune(place, site["keep_releases"], base["parts"])
    return result


def _manifest(site: Site) -> dict[str, Any]:
    """What the site claims and which words were chosen: nothing secret, nothing of the machine or the controller."""
    words = {"admin": site["admin"]["mode"], "front_end": site["front_end"]["name"], "server": site["server"]["name"]}
    return {"managed_by": "web2py.deploy", "claims": site["claims"], **words}


def _outdated(site: Site, place: Place, base: Mapping[str, Any], commits: Mapping[str, str]) -> bool:
    """Whether web2py_source would stage another base: in check mode it did not, so what is staged is the old one."""
    parts = base["parts"]
    python = _base.host_python()
    requirements = _base.requirements_of(site, place.part(parts["web2py"]), python)
    if _base.environment_name(python, requirements) != parts["environment"]:
        return True
    if site["source"]["type"] == "directory":
        return False  # only its own module knows its content
    wanted = _base.web2py_name(pinned("web2py", site["source"], {}, dict(commits)))
    return wanted != str(parts["web2py"])


def _find(
    name: str,
    application: Mapping[str, Any],
    local: Local,
    commits: MutableMapping[str, str],
    place: Place,
    base: Mapping[str, Any],
) -> Found:
    if application["source"]["type"] == "bundled":
        return _application.bundled(name, place, base["parts"]["web2py"])
    try:
        return pinned(name, application["source"], local, commits)
    except Problem as problem:
        raise Problem(f"Application {name}: {problem}") from problem


def _switch(
    site: Site,
    place: Place,
    release: _release.Release,
    private: _private.Files,
    files: list[str],
    written: Mapping[str, list[str]],
    tables: _Tables,
    book: _Book,
) -> tuple[dict[str, list[str]], list[dict[str, Any]]]:
    """Make the release fit to serve, or leave everything as it was; what was told to the databases, and brought."""
    # Noted before they are written: a killed run must not forget a secret it left.
    noted = {name: sorted({*written.get(name, []), *private.get(name, {})}) for name in {*written, *private}}
    write_json(_file(place, "private.json"), noted, place.owner)
    folder = _release.compose(place, release)
    before = _private.apply(place, private, files)
    brought: list[dict[str, Any]] = []
    switched = False
    try:
        for name, part in release.parts["applications"].items():
            _application.seed(place, name, part, release.parts)
        paths = [row.get("check_path") or f"/{row['name']}/default/index" for row in site["applications"]]
        names = sorted({*tables.closed, *tables.open})
        # After the switch old processes would write to SQLite still.
        hold = _rows.HOLD_SECONDS if tables.filled else 0.0
        with contextlib.ExitStack() as stack:
            if tables.closed:
                stack.enter_context(_migrate.closed(site, tables.closed, hold))
            if tables.filled:
                stack.enter_context(_rows.resting(site, tables.filled))
            # Before the workers of the release that goes on start again.
            stack.push(lambda kind, *_more: book.back() if kind else None)
            book.write()
            migrated = _migrate.migrate(site, place, folder, names) if names else {}
            if tables.filled:
                brought = _rows.bring(site, place, folder, tables.filled, tables.replace)
            _release.check(place, folder, site["url"], ["/", *paths])
            # Before anybody is let in, or a worker starts again.
            _release.activate(place, release.id)
            switched = True
    except BaseException:
        if not switched:
            _private.restore(place, before)
            _release.discard(place, release.id)
        raise
    return migrated, brought
