# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bring uploaded files to where the site keeps them: `python -m web2py_runtime.movement SETTINGS_AS_JSON`

Settings: `{"url": ..., "check": false, "tables": [], "applications": {"shop": "database"}}`. Prints one line of JSON.
Each file is copied, read again and compared by its SHA-256. Only when all files of an application are proven do the
originals go, and only when the release that serves keeps files in the new place, too. A killed run is repeated.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

from web2py_runtime.migrate import answered, models, opened_by, reason
from web2py_runtime.uploads import MARK, Column, Files, Kept, Rows, files_of, free, upload_fields

Report = dict[str, Any]


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


class Field:
    """An upload field: where its files are to be, and where they may be still."""

    def __init__(self, field: Any, store: str) -> None:
        self.field, self.table = field, str(field.table._tablename)
        self.name = f"{self.table}.{field.name}"
        places: dict[str, Any] = {"file": files_of(field), "database": Rows(field.db)}
        if isinstance(field.uploadfield, str):
            self.wanted: Any = Column(field)
            self.serves = True
        else:
            self.wanted = places.pop(store)
            self.serves = isinstance(field.uploadfs, Kept) == (store == "database")
        self.others = list(places.values())

    def names(self) -> list[str]:
        """What the records name. A filter that the code puts on all that is shown hides none of them."""
        field, database = self.field, self.field.db
        rows = database(field != "", ignore_common_filters=True).select(field, distinct=True)
        return sorted({str(row[field]) for row in rows})


def fields_of(database: Any, store: str) -> list[Field]:
    """The fields of a database that this is about."""
    found = []
    for name in list(database.tables):
        for field in upload_fields(database[name]):
            column = isinstance(field.uploadfield, str) and field.uploadfield in database[name].fields
            if column or free(field) or isinstance(field.uploadfs, Kept):
                found.append(Field(field, store))
    return found


def proven(field: Field, name: str, check: bool, report: Report) -> list[Any]:
    """Bring one file to its place; the places that have its original, all of them equal to the copy."""
    others = [(place, data) for place in field.others if (data := place.get(name)) is not None]
    there = field.wanted.get(name)
    if not others and there is None and not isinstance(field.wanted, Column):
        report["missing"] += 1
    if not others:
        return []
    sums = {digest(data) for _place, data in others} | ({digest(there)} if there is not None else set())
    if len(sums) > 1:
        raise ValueError(f"{name} is there twice, and different")
    if there is None:
        report["copied"] += 1
        report["bytes"] += len(others[0][1])
        if not check:
            field.wanted.put(name, others[0][1])
            field.field.db.commit()
            again = field.wanted.get(name)
            # An empty file is the same as an empty column.
            if {digest(again if again is not None else b"")} != sums:
                raise ValueError(f"{name} was read back with another checksum")
    return [place for place, _data in others]


def moved(fields: Iterable[Field], application: str, check: bool) -> tuple[list[Report], list[str]]:
    """Bring the files of an application to their places, then remove the originals; what was done, and what failed."""
    reports, failures, originals = [], [], []
    for field in fields:
        report = {"application": application, "field": field.name, "place": field.wanted.label, "missing": 0}
        report.update(files=0, copied=0, bytes=0, originals=0, removed=0, serves=field.serves)
        try:
            for name in field.names():
                report["files"] += 1
                try:
                    kept = proven(field, name, check, report)
                except (OSError, ValueError) as error:
                    failures.append(f"{application}: {field.name}: {error}")
                    continue
                report["originals"] += len(kept)
                originals += [(report, field, place, name) for place in kept]
        except Exception as error:  # each driver has errors of its own
            field.field.db.rollback()
            # Further lines may hold the statement, hence the file.
            words = (str(error).strip() or type(error).__name__).splitlines()[0][:300]
            failures.append(f"{application}: {field.name}: {words}")
        reports.append(report)
    if failures or check:
        return reports, failures
    for report, field, place, name in originals:
        if field.serves:
            place.drop(name)
            report["removed"] += 1
    for database in {id(field.field.db): field.field.db for _report, field, _place, _name in originals}.values():
        database.commit()
    return reports, failures


def of_application(application: str, store: str, environment: dict[str, Any], settings: Mapping[str, Any]) -> Any:
    """What is done for an application whose models have run."""
    databases = opened_by(environment)
    sites = [each for each in databases if MARK in each.__dict__]
    if store == "database" and not sites:
        return [], [f"{application}: the release that serves does not have the site's database. Run web2py.deploy.site"]
    fields = [field for each in sites for field in fields_of(each, store)]
    # In a database of its own only what its code says is to be in columns.
    own = [field for each in databases if MARK not in each.__dict__ for field in fields_of(each, "file")]
    for field in own:
        field.others = [place for place in field.others if isinstance(place, Files)]
    fields += [field for field in own if isinstance(field.wanted, Column)]
    tables = settings["tables"]
    wanted = [field for field in fields if not tables or field.table in tables]
    if tables and not wanted:
        return [], [f"{application}: no upload field in {', '.join(tables)}. It has {_told(fields)}"]
    return moved(wanted, application, bool(settings["check"]))


def _told(fields: Iterable[Field]) -> str:
    return ", ".join(sorted({field.table for field in fields})) or "none at all"


def work(settings: Mapping[str, Any]) -> dict[str, Any]:
    """All applications, one after the other."""
    adapter: Any = importlib.import_module("pydal.base").BaseAdapter
    reports, failures = [], []
    for application, store in settings["applications"].items():
        try:
            environment = models(settings["url"], application)
            found, failed = of_application(application, store, environment, settings)
            reports += found
            failures += failed
        except BaseException as error:
            failures.append(f"{application}: its models failed: {reason(error)}")
        finally:
            with suppress(Exception):
                adapter.close_all_instances("rollback")
    return {"reports": reports, "failures": failures}


def main() -> int:
    """Move the uploads of the applications named in the settings."""
    answered(lambda: work(json.loads(sys.argv[1])))
    return 0


if __name__ == "__main__":
    sys.exit(main())
