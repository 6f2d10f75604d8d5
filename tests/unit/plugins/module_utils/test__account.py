"""A site in an account without root: what is refused, and how it is resolved."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.web2py.deploy.plugins.module_utils._account import (
    account,
    claimed,
    in_the_way,
    linked,
    mark,
    ours,
    port_of,
    resolve_account,
    started,
)
from ansible_collections.web2py.deploy.plugins.module_utils._preflight import examine, examine_account, examine_names
from ansible_collections.web2py.deploy.plugins.module_utils._preflight_account import (
    account_problems,
    meaningless,
    taken_problems,
)
from ansible_collections.web2py.deploy.plugins.module_utils._root_files import runtime_json
from tests.unit.plugins.module_utils.test__site import GIT, HOST, OPTIONS

SHOP: dict[str, Any] = {
    "name": "shop", "uid": 1001, "home": "/home/shop", "venv": True, "git": True, "crontab": True, "manager": True,
    "lingers": True, "document_root": "", "ours": [], "linked": [],
}  # fmt: skip
BASE = "/home/shop/.local/share/web2py.deploy/web2py"
PYPI = {"type": "pypi"}


def host(**found: Any) -> dict[str, Any]:
    more = {key: found.pop(key) for key in ("listening", "folders", "own_ports") if key in found}
    return {**HOST, **more, "account": {**SHOP, **found}}


def choose(**way: Any) -> dict[str, Any]:
    return {"web2py_domain": "shop.example.org", "web2py_source": PYPI, "web2py_account": way}


def problems(given: dict[str, Any], machine: dict[str, Any], others: Any = ()) -> list[str]:
    return [str(problem) for problem in examine_account(OPTIONS, given, machine, others)[1]]


def resolved(**way: Any) -> dict[str, Any]:
    choices, found = examine_account(OPTIONS, choose(**way), host())
    assert found == []
    return resolve_account(choices, host())


EVERYBODY = ".".join("0000")
ROOT = {"document_root": "/home/shop/html"}
BAD: list[tuple[dict[str, Any], dict[str, Any], str, str]] = [
    # (way, what is found on the host, the variable, a word of the fault or remedy)
    ({"web": "htacess_cgi"}, {}, "web2py_account.web", "nearest is htaccess_cgi"),
    ({"wbe": "port"}, {}, "web2py_account.wbe", "nearest known name is web"),
    ({"port": 80}, {}, "web2py_account.port", "from 1024"),
    ({"port": 70000}, {}, "web2py_account.port", "from 1024"),
    ({"address": "localhost"}, {}, "web2py_account.address", "is not an address"),
    ({"address": "::1"}, {}, "web2py_account.address", "IPv4"),
    ({"web": "htaccess_proxy", "address": EVERYBODY, **ROOT}, {}, "web2py_account.address", "has no meaning"),
    ({"web": "htaccess_proxy"}, {}, "web2py_account.document_root", "missing"),
    ({"web": "htaccess_cgi", "document_root": "html"}, {}, "web2py_account.document_root", "not a plain path"),
    ({"web": "htaccess_cgi", "document_root": "/home/../x"}, {}, "web2py_account.document_root", "not a plain path"),
    (ROOT, {}, "web2py_account.document_root", "no meaning for the web port"),
    ({"web": "htaccess_cgi", **ROOT}, {"document_root": "is no folder on the host"}, "document_root", "no folder"),
    ({"web": "htaccess_cgi", "start": "cron", **ROOT}, {}, "web2py_account.start", "no meaning"),
    ({"web": "htaccess_fastcgi", "port": 8080, **ROOT}, {}, "web2py_account.port", "no meaning"),
    ({}, {"uid": 0}, "ansible_user", "playbook site"),
    ({}, {"venv": False}, "host", "python3-venv"),
    ({}, {"home": "/home/a b"}, "host", "odd letters"),
    ({"start": "cron"}, {"crontab": False}, "web2py_account.start", "crontab is not on the host"),
    ({}, {"manager": False}, "web2py_account.start", "no user manager"),
    ({}, {"lingers": False}, "web2py_account.start", "enable-linger"),
    ({}, {"listening": [{"port": 8080, "program": "x"}]}, "web2py_account.port", "listens there already"),
    ({}, {"folders": {f"{BASE}/code": ""}}, "web2py_site", "belongs to something else"),
    ({}, {"folders": {"/home/shop/.config/systemd/user/web2py.service": ""}}, "web2py_site", "move it away"),
]


@pytest.mark.parametrize(("way", "found", "variable", "words"), BAD)
def test_what_cannot_be_is_refused_with_a_remedy(
    way: dict[str, Any], found: dict[str, Any], variable: str, words: str
) -> None:
    told = problems(choose(**way), host(**found))
    assert any(variable in problem and words in problem for problem in told), told


@pytest.mark.parametrize(
    ("name", "value"),
    [("web2py_root", "/opt"), ("web2py_front_end", "apache"), ("web2py_app_server", "waitress"),
     ("web2py_tls", {"provider": "none"}), ("web2py_admin", "https"), ("web2py_aliases", ["example.org"]),
     ("web2py_client_timeout_seconds", 5)],
)  # fmt: skip
def test_what_only_root_can_do_is_refused(name: str, value: Any) -> None:
    told = problems({**choose(), name: value}, host())
    assert any(name in problem and "needs root" in problem for problem in told), told
    assert meaningless(OPTIONS, {name: OPTIONS[name]["default"]}) == []


def test_a_platform_is_known_or_tried_on_purpose() -> None:
    machine = {**host(), "distribution": "almalinux", "version": "9"}
    assert any("web2py_unproven_platform: true" in problem for problem in problems(choose(), machine))
    assert problems({**choose(), "web2py_unproven_platform": True}, machine) == []
    ubuntu = {**machine, "distribution": "ubuntu", "version": "22"}
    assert problems({**choose(), "web2py_unproven_platform": True}, ubuntu) == []


def test_all_problems_are_told_at_once() -> None:
    machine = host(venv=False, git=False, lingers=False)
    told = problems({"web2py_source": GIT, "web2py_account": {"port": 80}}, machine)
    assert len(told) >= 4, told


def test_web2py_too_old_for_the_python_is_refused() -> None:
    old = {**choose(), "web2py_source": {"type": "pypi", "version": "2.18.5"}}
    told = problems(old, {**host(), "python": "3.13.1"})
    assert any("web2py_source.version" in problem for problem in told), told


def test_a_port_belongs_to_one_site() -> None:
    told = problems(choose(), host(), [other()])
    assert any("blog has the same" in problem for problem in told)
    listening = [{"port": 8080, "program": "python"}]
    assert problems(choose(), host(listening=listening, own_ports=[8080])) == []


def other(own: bool = False, **way: Any) -> dict[str, Any]:
    choices, found = examine_account(OPTIONS, choose(**way), host())
    assert found == []
    return {"inventory_host": "blog", **claimed(choices, own)}


def test_a_name_and_a_document_root_belong_to_one_site_of_an_account() -> None:
    way = {"web": "htaccess_cgi", **ROOT}
    same = {**way, "document_root": ROOT["document_root"] + "/"}
    assert problems(choose(**way), host(), [other(**same)]) == []
    told = problems(choose(**way), host(), [other(True, **same)])
    assert [problem.partition(" ")[0] for problem in told] == ["web2py_site", "web2py_account.document_root"]
    assert all("blog has the same in the same account" in problem for problem in told)
    told = problems({**choose(**way), "web2py_site": "shop"}, host(), [other(True, port=8081)])
    assert told == []


def test_root_does_not_make_sites_in_accounts_nor_looks_at_their_folders_for_others() -> None:
    told = [str(problem) for problem in examine(OPTIONS, choose(), HOST)[1]]
    assert any("web2py_account" in problem and "playbook user_site" in problem for problem in told)
    assert examine_names(OPTIONS, choose(), host(folders={f"{BASE}/code": "web2py"}))[1] == []
    assert examine_names(OPTIONS, choose(), host(folders={f"{BASE}/code": "blog"}))[1] != []
    assert taken_problems("web2py", host(folders={f"{BASE}/code": "web2py"})) == []


def test_a_faulty_mapping_is_told_once() -> None:
    told = problems({**choose(), "web2py_account": "port"}, host())
    assert [problem.partition(" ")[0] for problem in told] == ["web2py_account"]
    server = {"web2py_database": {"type": "postgresql"}, "web2py_database_password": "a password"}
    assert any("no server of its own" in text for text in problems({**choose(), **server}, host()))
    assert account_problems({**examine_account(OPTIONS, choose(), host())[0], "web2py_account": None}, host(), ()) == []


def test_the_site_lies_in_the_account() -> None:
    site = resolved(address=EVERYBODY)
    assert site["user"] == "shop" and site["packages"] == []
    assert {path.startswith(BASE) for path in site["paths"].values()} == {True}
    assert site["url"] == "http://shop.example.org:8080" and not site["secure_cookies"]
    assert "waitress==3.0.2" in site["requirements"]
    assert site["server"]["backend"]["address"] == "0.0.0.0:8080"
    assert (site["account"]["start"], site["account"]["links"]) == ("systemd", [])
    assert (site["admin"]["mode"], site["facing"]["proxied"]) == ("disabled", False)
    assert site["claims"]["ports"] == [8080]
    settings = json.loads(runtime_json(site, {}))
    assert settings["facing"] == site["facing"] and settings["writes_forwarded"] is False


@pytest.mark.parametrize(
    ("web", "server", "port", "start"),
    [("htaccess_proxy", "waitress", 8080, "systemd"), ("htaccess_fastcgi", "fastcgi", None, "none"),
     ("htaccess_cgi", "cgi", None, "none")],
)  # fmt: skip
def test_a_web_server_of_the_hoster_speaks_https(web: str, server: str, port: int | None, start: str) -> None:
    site = resolved(web=web, **ROOT)
    assert (site["server"]["name"], site["account"]["port"], site["account"]["start"]) == (server, port, start)
    assert site["url"] == "https://shop.example.org" and site["secure_cookies"]
    assert "Strict-Transport-Security" in site["facing"]["headers"]
    static = "/home/shop/html/static-of-web2py"
    assert [row["path"] for row in site["account"]["links"]] == [static, f"{static}/starter"]


def test_the_script_of_another_way_goes() -> None:
    files = [f"/home/shop/html/{name}" for name in (".htaccess", "dispatch.fcgi", "index.cgi")]
    for web, stale in (("htaccess_cgi", files[1:2]), ("htaccess_fastcgi", files[2:]), ("htaccess_proxy", files[1:])):
        choices, _found = examine_account(OPTIONS, choose(web=web, **ROOT), host(ours=files))
        assert resolve_account(choices, host(ours=files))["account"]["stale"] == stale


def test_the_link_of_an_application_that_left_goes() -> None:
    static = "/home/shop/html/static-of-web2py"
    found = host(linked=[f"{static}/gone", f"{static}/starter"])
    choices, _found = examine_account(OPTIONS, choose(web="htaccess_proxy", **ROOT), found)
    assert resolve_account(choices, found)["account"]["stale"] == [f"{static}/gone"]


def test_links_to_the_site_are_found_and_no_others(tmp_path: Path) -> None:
    assert linked(BASE, str(tmp_path)) == []
    folder = tmp_path / "static-of-web2py"
    folder.mkdir()
    (folder / "ours").symlink_to(f"{BASE}/code/current/applications/ours/static")
    (folder / "other").symlink_to(f"{BASE}-2/code/current/applications/other/static")
    (folder / "file").touch()
    assert linked(BASE, str(tmp_path)) == [str(folder / "ours")]


def test_a_port_behind_a_proxy_of_the_hoster() -> None:
    site = resolved(https=True)
    assert (site["url"], site["facing"]["proxied"]) == ("https://shop.example.org", True)


def test_the_default_application_is_asked() -> None:
    shop = {"name": "shop", "source": {"type": "starter"}, "check_path": "/shop/cart"}
    both = [{"name": "blog", "source": {"type": "starter"}, "check_path": None}, shop]
    for name, path in (("shop", "/shop/cart"), ("blog", "/"), ("", "/")):
        given = {**choose(), "web2py_applications": both, "web2py_default_application": name}
        choices, found = examine_account(OPTIONS, given, host())
        assert found == []
        assert resolve_account(choices, host())["account"]["first_page"] == path


def test_what_starts_it_and_where() -> None:
    way = {"web": "port", "port": None, "start": None}
    assert (started(way), port_of(way)) == ("systemd", 8080)
    assert started({**way, "start": "cron"}) == "cron"


def test_files_of_others_in_a_document_root_are_in_the_way(tmp_path: Path) -> None:
    assert "no folder" in in_the_way("shop", str(tmp_path / "none"))
    assert in_the_way("shop", str(tmp_path)) == ""
    (tmp_path / ".htaccess").write_text("Require all granted\n")
    assert in_the_way("shop", str(tmp_path)) == "has a file .htaccess that is not this site's"
    (tmp_path / ".htaccess").write_text(f"#\n{mark('shop')}\n")
    assert in_the_way("shop", str(tmp_path)) == ""
    assert "not this site's" in in_the_way("blog", str(tmp_path))
    assert ours("shop", str(tmp_path)) == [str(tmp_path / ".htaccess")]


def test_an_account_tells_what_it_can() -> None:
    found = account("shop", "")
    assert set(found) == set(SHOP) and found["uid"] == os.geteuid()
