"""Uploaded files are in the database of the site, and are moved between there and files without a loss."""

from __future__ import annotations

import copy
import hashlib
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from client import form
from hosts import Machine, Probe, Site, waited
from servers import SERVERS, database

testinfra_hosts = ["ansible://web2py_web"]
pytestmark = pytest.mark.data

NUMBER = 300
# Records with files from before the site kept them in the database: names as pydal makes them.
PLANT = """
import base64, hashlib, os, pwd
user = pwd.getpwnam({user!r})
for number in range({number}):
    data = hashlib.sha256(str(number).encode()).digest() * (number * 5)
    path = "{folder}/document.file.%016x.%s.bin" % (number, base64.urlsafe_b64encode(b"old.bin").decode())
    open(path, "wb").write(data)
    os.chown(path, user.pw_uid, user.pw_gid)
    print(os.path.basename(path), hashlib.sha256(data).hexdigest())
"""


@pytest.fixture(scope="module", autouse=True)
def chosen(site: Site) -> None:
    row = next((row for row in site["applications"] if row["name"] == "probe"), None)
    if row is None or row["settings"]["uploads"]["store"] != "database":
        pytest.skip("the site keeps uploads in files")


@pytest.fixture
def planted(machine: Machine, site: Site, probe: Probe) -> Iterator[dict[str, str]]:
    """SHA-256 by name."""
    source = PLANT.format(user=site["user"], number=NUMBER, folder=f"{probe.state}/uploads")
    found = dict(row.split() for row in machine.python(source).splitlines())
    server, base = SERVERS[site["data"]["type"]], database(site)
    words = {f"n{number}": name for number, name in enumerate(sorted(found))}
    rows, names = (", ".join(shape % word for word in words) for shape in ("('planted', :'%s')", ":'%s'"))
    server.sql(machine, " ".join(["insert into document (title, file) values", rows]), base, **words)
    try:
        yield found
    finally:
        for kept in ("document where file", "web2py_upload where name"):
            server.sql(machine, " ".join(["delete from", kept, "in", f"({names})"]), base, **words)
        machine.run(f"find {probe.state}/uploads -name 'document.file.0000*' -delete")


def on_disk(machine: Machine, probe: Probe) -> dict[str, str]:
    """SHA-256 by name. Another site that was here before may have left more of them."""
    told = machine.run(f"cd {probe.state}/uploads && find . -type f -name 'document.file.*' -exec sha256sum {{}} +")
    return {path[2:]: digest for digest, path in (row.split() for row in told.splitlines())}


def in_rows(machine: Machine, site: Site) -> set[str]:
    rows = SERVERS[site["data"]["type"]].sql(machine, "select name from web2py_upload", database(site))
    return {row[0] for row in rows}


def served(probe: Probe, name: str) -> str:
    answer = probe.ask(f"database/download/{name}")
    assert answer.status == 200
    return hashlib.sha256(answer.body).hexdigest()


def told(found: dict[str, Any]) -> dict[str, Any]:
    assert "reports" in found, found
    return next(row for row in found["reports"] if row["field"] == "document.file")


@pytest.mark.late
def test_uploads_are_moved_both_ways_though_a_run_is_killed(
    planted: dict[str, str], machine: Machine, site: Site, probe: Probe
) -> None:
    name, words = "web2py.deploy.uploads", {"site": site, "applications": ["probe"]}
    headers, body = form("file", "new.bin", b"\x00new")
    new = probe.json("database/upload", headers, method="POST", body=body)["file"]
    some = sorted(planted)[::30]
    # Those from before are read where they are.
    assert {one: served(probe, one) for one in some} == {one: planted[one] for one in some}

    found = machine.module(name, words, check=True)
    assert found["changed"] and told(found)["copied"] == NUMBER and told(found)["removed"] == 0
    assert planted.items() <= on_disk(machine, probe).items() and not set(planted) & in_rows(machine, site)

    result: dict[str, Any] = {}
    run = threading.Thread(target=lambda: result.update(machine.module(name, words)))
    run.start()
    waited(lambda: bool(set(planted) & in_rows(machine, site)), 60)
    machine.run(f"systemctl kill -s KILL {site['name']}-uploads.service")
    run.join()
    assert "Run it again" in result["msg"] and "reports" not in result, result
    rows, files = set(planted) & in_rows(machine, site), set(planted) & set(on_disk(machine, probe))
    assert rows | files == set(planted)

    # It does what was left to do.
    found = machine.module(name, {**words, "tables": ["document"]})
    assert found["changed"] and told(found)["copied"] == NUMBER - len(rows), found
    assert told(found)["removed"] == len(files), found
    assert not set(planted) & set(on_disk(machine, probe)) and {new, *planted} <= in_rows(machine, site)
    assert {one: served(probe, one) for one in some} == {one: planted[one] for one in some}
    found = machine.module(name, words)
    assert found["changed"] is False and told(found)["originals"] == 0

    # To files, while the release that serves still keeps them in the database: copies only.
    back = copy.deepcopy(words)
    for row in back["site"]["applications"]:  # type: ignore[index]
        row["settings"]["uploads"]["store"] = "file"
    found = machine.module(name, back)
    assert found["changed"] and told(found)["removed"] == 0 and not told(found)["serves"], found
    assert planted.items() <= on_disk(machine, probe).items() and {new, *planted} <= in_rows(machine, site)
    owners = machine.run(f"stat -c '%U %a' {probe.state}/uploads/{new} {probe.state}/uploads/{some[0]}").split("\n")
    assert set(filter(None, owners)) == {f"{site['user']} 640"}
    found = machine.module(name, words)
    assert found["changed"] and told(found)["copied"] == 0
    assert not {new, *planted} & set(on_disk(machine, probe))


def test_what_nobody_has_is_told(machine: Machine, site: Site) -> None:
    found = machine.module("web2py.deploy.uploads", {"site": site, "applications": ["shoq"], "tables": ["a;b"]})
    assert "shoq is no application" in found["msg"] and "'a;b'" in found["msg"]
