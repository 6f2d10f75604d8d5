"""The administrative interface is closed to the public unless the site says otherwise."""

from __future__ import annotations

import shlex
from http.client import BadStatusLine

import pytest
from client import Client
from hosts import Machine, Site, waited

testinfra_hosts = ["ansible://web2py_web"]

PATHS = [
    "/admin",
    "/admin/",
    "/admin/default",
    "/admin/default/index",
    "/admin/default/site",
    "/admin/default/index.html",
    "/admin/default/index?send=/admin/default/site",
    "/admin.html",
    "/Admin/default/index",
    "/ADMIN/",
    "//admin//",
    "/./admin/",
    "/x/../admin/default/index",
    "/x/%2e%2e/admin/default/index",
    "/%61dmin/",
    "/%61%64%6d%69%6e/default/index",
    "/%2561dmin/",
    "/admin%2f",
    "/admin%2fdefault%2findex",
    "/admin%00",
    "/admin;x=y/default/index",
    "/admin/static/css/styles.css",
    "/admin/static/_1.2.3/css/styles.css",
    "/admin/webservices/call/jsonrpc",
    "/admin/default/../default/index",
    "/admin%20/",
    "/admin./",
    "/appadmin",
    "/appadmin/index",
    "/{application}/appadmin",
    "/{application}/appadmin/",
    "/{application}/appadmin/index",
    "/{application}/appadmin/index.html",
    "/{application}/appadmin/manage/auth",
    "/{application}//appadmin/index",
    "/{application}/./appadmin/index",
    "/{application}/x/../appadmin/index",
    "/{application}/%61ppadmin/index",
    "/{application}/appadmin%2findex",
    "/{application}/appadmin;x/index",
    "//{application}/appadmin/index",
    "/examples/default/index",
    "/welcome/default/index",
    "/welcome/appadmin/index",
]


@pytest.fixture(autouse=True)
def closed(site: Site) -> None:
    if site["admin"]["mode"] == "https":
        pytest.skip("admin is open here; test_admin_open.py shows how far")


@pytest.mark.parametrize("path", PATHS)
def test_no_spelling_opens_admin(path: str, site: Site, web: Client) -> None:
    """However it is written, the address of admin, of database pages or of an example is refused by its status."""
    for application in [row["name"] for row in site["applications"]]:
        try:
            answer = web.ask(path.format(application=application))
        except (ConnectionError, BadStatusLine):
            continue
        assert answer.status in (400, 403, 404), f"{answer.status} {answer.get('location')}"
        assert "password" not in answer.text.lower()
        if "{application}" not in path:
            break


@pytest.mark.parametrize("path", ["/admin", "/probe/appadmin", "/admin/default/index"])
def test_posting_opens_nothing(path: str, web: Client) -> None:
    """A password sent to admin finds nobody to read it."""
    assert web.ask(path, method="POST", body=b"password=guess").status in (400, 403, 404, 405)


@pytest.mark.late
def test_no_route_opens_admin(site: Site, unit: str, machine: Machine, web: Client) -> None:
    """Another name for admin or for database pages in routes.py opens neither."""
    file = f"{site['paths']['current']}/web2py/routes.py"
    routes = {"/renamed": "/admin/default/index", "/rows": "/probe/appadmin/index", "/x": "/probe/default/index"}
    line = shlex.quote(f"routes_in = {list(routes.items())!r}")
    machine.run(f"cp -p {file} {file}.before && echo {line} >> {file} && systemctl reload-or-restart {unit}")
    try:
        waited(lambda: web.ask("/x").status == 200, 30)
        assert [web.ask(path).status for path in ("/renamed", "/rows")] == [404, 404]
    finally:
        machine.run(f"mv {file}.before {file} && systemctl reload-or-restart {unit}")
        waited(lambda: web.ask("/x").status != 200, 30)


def test_no_other_application_lies_there(site: Site, machine: Machine) -> None:
    """Only the applications of the site are on the host."""
    found = machine.lines(
        f"find -L {site['paths']['code']}/applications -mindepth 1 -maxdepth 1 -type d -printf '%f\\n'"
    )
    assert sorted(set(found) - {"__pycache__"}) == sorted(row["name"] for row in site["applications"])


def test_no_admin_password_lies_there(site: Site, machine: Machine) -> None:
    """There is no password file that would open admin."""
    if site["admin"]["mode"] == "tunnel":
        pytest.skip("there is one for the tunnel")
    paths = site["paths"]
    assert (
        machine.lines(f"find -L {paths['root']} {paths['settings']} {paths['state']} -type f -name 'parameters_*.py'")
        == []
    )
