from __future__ import annotations

import re
from typing import Any

import pytest

from ansible_collections.web2py.deploy.plugins.module_utils._page_cache import MOST_ROWS, REFUSED, page_cache, problems


def choices(*rows: Any, front_end: str = "nginx", server: str = "uwsgi", **more: Any) -> dict[str, Any]:
    """Choices with these rows: a path, or a path and seconds."""
    pairs = [(row, 60) if isinstance(row, str) else row for row in rows]
    return {
        "web2py_site": "shop",
        "web2py_front_end": front_end,
        "web2py_app_server": server,
        "web2py_applications": [{"name": "shop"}, {"name": "a.b"}],
        "web2py_page_cache": [{"path": path, "seconds": seconds} for path, seconds in pairs],
        "web2py_page_cache_cookies": more.get("cookies", []),
        "web2py_page_cache_mb": more.get("mb", 100),
    }


def resolved(*rows: Any, **more: Any) -> dict[str, Any]:
    found = page_cache(choices(*rows, **more), "/srv/shop")
    assert found
    return found


def chosen(path: str, found: dict[str, Any]) -> int | None:
    """The seconds of the first row that fits, as a front end finds it."""
    exact = {row["path"]: row["seconds"] for row in found["rows"] if row["exact"]}
    below = {row["path"]: row["seconds"] for row in found["rows"] if not row["exact"]}
    if path in exact or path in found["bare"]:
        return exact.get(path)
    return max(((len(start), age) for start, age in below.items() if path.startswith(start)), default=(0, None))[1]


def test_without_a_choice_there_is_none() -> None:
    for front_end in ("nginx", *REFUSED):
        assert page_cache(choices(front_end=front_end), "/srv/shop") is None
        assert problems(choices(front_end=front_end)) == []


def test_the_part_of_the_resolved_site() -> None:
    assert resolved(("/shop/default/index", 60), mb=7) == {
        "rows": [{"path": "/shop/default/index", "exact": True, "seconds": 60, "zone": 1}],
        "all": False,
        "bare": [],
        "zones": [{"number": 1, "seconds": 60}],
        "most_zones": 4,
        "zone_mb": 7,
        "cookies": "^$",
        "mark": "/srv/shop/maintenance",
        "folder": "/var/lib/nginx/shop_pages",
        "dated": True,
    }


def test_the_row_that_says_most_counts() -> None:
    """Whatever their order: a page of its own, then the longest path."""
    rows = [("/*", 1), ("/shop/*", 2), ("/shop/default/*", 3), ("/shop/default/index", 4), ("/", 4)]
    paths = {"/": 4, "/x": 1, "/shop": 1, "/shop/": 2, "/shop/x": 2, "/shop/default/x/y": 3, "/shop/default/index": 4}
    for order in (rows, rows[::-1]):
        found = resolved(*order)
        assert {path: chosen(path, found) for path in paths} == paths
        assert [row["zone"] for row in found["rows"]] == [row["seconds"] for row in found["rows"]]


def test_a_path_is_taken_as_it_is_written() -> None:
    found = resolved("/shop/a.b", "/shop/a-b/*")
    for path in ("/shop/aXb", "/x/shop/a.b", "/shop/a.b/", "/shop/a.bc", "/shop/a-b", "/shop/a-bc"):
        assert chosen(path, found) is None, path
    assert chosen("/shop/a.b", found) == chosen("/shop/a-b/", found) == 60


def test_what_is_below_a_path_is_not_the_path() -> None:
    """NGINX would send visitors on to the one with a slash."""
    found = resolved(("/shop/*", 2), ("/blog/*", 3), ("/blog", 4), ("/shop/a/b/*", 3))
    assert found["bare"] == ["/shop"] and found["all"] is False
    assert {row["path"]: row["seconds"] for row in found["rows"] if row["exact"]} == {"/blog": 4, "/shop/a/b": 2}
    assert resolved(("/*", 5))["all"] is True and resolved(("/*", 5))["bare"] == []


def test_rows_of_one_age_share_a_cache() -> None:
    found = resolved(("/a", 60), ("/b", 5), ("/c", 60), mb=101)
    assert found["zones"] == [{"number": 1, "seconds": 5}, {"number": 2, "seconds": 60}]
    assert {row["path"]: row["zone"] for row in found["rows"]} == {"/a": 2, "/b": 1, "/c": 2}
    assert found["zone_mb"] == 50


@pytest.mark.parametrize(
    "names, none, some",
    [
        ([], [""], ["a", "a=1", " "]),
        (
            ["_ga*", "seen"],
            ["", "_ga=1", "_ga_X=1; seen=", "seen=1;_gat=a=b", "seen=1; ", "_ga=1; seen=1;"],
            ["seen2=1", "xseen=1", "x=1; seen=1", "seen=1; x=1", "seen", "seen =1", "_ga x=1", "SEEN=1", "seen=1;;x"],
        ),
        (["a.b"], ["a.b=1"], ["aXb=1", "a.bc=1"]),
    ],
)
def test_cookies_that_mean_nothing(names: list[str], none: list[str], some: list[str]) -> None:
    pattern = resolved("/a", cookies=names)["cookies"]
    assert [text for text in none if not re.search(pattern, text)] == []
    assert [text for text in some if re.search(pattern, text)] == []


def test_the_pattern_of_cookies_is_quick() -> None:
    """A visitor's own text must not keep the front end busy."""
    pattern = resolved("/a", cookies=["_gat*", "_ga*", "_gat", "seen", "seen", "se*"])["cookies"]
    assert pattern == "^(?:(?:_ga[^=; ]*|se[^=; ]*)=[^;]*(?:; *|$))*$"
    for text in (
        "_ga" * 3000 + ";",
        "_gat=1; " * 1000 + "x",
        "_ga=1; " * 1200 + "x",
        "seen=" + " " * 8000 + "x;x",
        "_ga=" * 2000 + ";;",
    ):
        assert re.search(pattern, text) is None


@pytest.mark.parametrize(
    "front_end, server, dated",
    [("nginx", "uwsgi", True), ("nginx", "cgi", True), ("nginx", "gunicorn", False), ("nginx", "tornado", True)],
)
def test_who_says_when_an_answer_was_made(front_end: str, server: str, dated: bool) -> None:
    assert resolved("/a", front_end=front_end, server=server)["dated"] is dated


@pytest.mark.parametrize("front_end", sorted(REFUSED))
def test_front_ends_that_cannot_are_refused_by_name(front_end: str) -> None:
    (found,) = problems(choices("/a", front_end=front_end, server="gunicorn"))
    assert (found.variable, found.value) == ("web2py_page_cache", "")
    assert front_end in found.fault and "nginx" in found.remedy


GOOD = ["/", "/*", "/a", "/a/", "/a/*", "/a/b.html", "/~x/A_b-1", "/shop/default/index", "/user-guide", "/administer/x"]
BAD = {
    "is not a path of pages": [
        "", "*", "a", "a/b", "//", "/a//b", "/a*", "/*/a", "/a/*/", "/a/**", "/a b", "/a?b", "/a#b", "/a%20b", "/ä",
        "/../a", "/a/..", "/a/../*", "/./a", "/a\n", "/a\\b", '/a"b', "/a$b", "/a{b}", "/a;b", "/(a|b)", "/^a", "https://x/a",
    ],
    "belongs to the administrative interface": [
        "/admin", "/ADMIN/x", "/admin/*", "/admin/default/*", "/shop/appadmin", "/shop/appadmin/*", "/appadmin/index",
        "/en/shop/AppAdmin/select", "/admin.x",
    ],
    "is a login page, another one for each visitor": [
        "/shop/default/user", "/user/*", "/shop/default/user/login", "/user.json",
    ],
    "is not a page of an application": [
        "/shop/static/*", "/shop/static/css/x.css", "/a.b/static", "/favicon.ico", "/robots.txt", "/healthz",
        "/healthz/*", "/.well-known/*", "/.well-known/acme-challenge/*", "/web2py_deploy/*", "/web2py_deploy/404.html",
    ],
}  # fmt: skip


@pytest.mark.parametrize("path", GOOD)
def test_paths_of_pages(path: str) -> None:
    assert problems(choices(path)) == []


@pytest.mark.parametrize("fault, path", [(fault, path) for fault, paths in BAD.items() for path in paths])
def test_other_paths_are_refused(fault: str, path: str) -> None:
    (found,) = problems(choices(path))
    assert (found.variable, found.fault) == ("web2py_page_cache.path", fault) and found.remedy


@pytest.mark.parametrize("seconds", [-1, 0, 86401, 10**9])
def test_seconds_out_of_bounds(seconds: int) -> None:
    (found,) = problems(choices(("/a", seconds)))
    assert (found.variable, found.fault) == ("web2py_page_cache.seconds", "is out of bounds")
    assert problems(choices(("/a", 1), ("/b", 86400))) == []


@pytest.mark.parametrize("mb", [-1, 0, 1, 10241])
def test_sizes_out_of_bounds(mb: int) -> None:
    """Each cache has a megabyte at least."""
    (found,) = problems(choices(("/a", 1), ("/b", 2), mb=mb))
    assert (found.variable, found.remedy) == ("web2py_page_cache_mb", "Give a number from 2 to 10240")
    assert problems(choices(("/a", 1), ("/b", 2), mb=2)) == []


@pytest.mark.parametrize("name", ["", "*", "a b", "a=b", "a;", "ä", "a**", "*a", "a\n", "a,b", "(a", "a|b"])
def test_names_that_no_cookie_has(name: str) -> None:
    (found,) = problems(choices("/a", cookies=[name]))
    assert (found.variable, found.fault) == ("web2py_page_cache_cookies", "is not a cookie's name")


@pytest.mark.parametrize(
    "name", ["session_id_shop", "session_id_*", "session_data_shop", "session_*", "s*", "session_id_"]
)
def test_cookies_of_sessions_mean_something(name: str) -> None:
    (found,) = problems(choices("/a", cookies=[name]))
    assert (found.variable, found.fault) == ("web2py_page_cache_cookies", "is a cookie of web2py's sessions")
    assert problems(choices("/a", cookies=["seen", "session", "sessions*", "_ga*"])) == []


def test_cookies_without_pages_mean_nothing() -> None:
    (found,) = problems(choices(cookies=["seen"]))
    assert found.fault == "has no meaning without web2py_page_cache"


def test_all_problems_at_once() -> None:
    rows = [("/a", second) for second in range(5)] + [("/admin", 5)]
    found = problems(choices(*rows, front_end="apache", cookies=["a b", "session_id_x"], mb=0))
    assert [(problem.variable.removeprefix("web2py_page_cache"), problem.fault.split()[0]) for problem in found] == [
        ("", "apache"), (".seconds", "is"), (".path", "belongs"), (".path", "is"), (".seconds", "are"), ("_mb", "is"),
        ("_cookies", "is"), ("_cookies", "is"),
    ]  # fmt: skip


def test_rows_have_an_end() -> None:
    paths = [f"/p{number}" for number in range(MOST_ROWS + 1)]
    assert problems(choices(*paths[1:])) == []
    assert [found.fault for found in problems(choices(*paths))] == [f"are more than {MOST_ROWS}"]
