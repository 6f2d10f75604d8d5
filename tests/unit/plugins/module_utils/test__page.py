"""The page about a site, for a terminal and a browser."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from typing import Any

import pytest

from ansible_collections.web2py.deploy.plugins.module_utils._page import age, columns, page, sections, size, text
from tests.unit.plugins.module_utils.test__health import FOUND, found, unit

EVIL = '<script>alert(1)</script>\x1b[31m\n& "quoted" \''
FULL: dict[str, Any] = found(
    healthy=False,
    findings=[{"severity": "error", "what": "shop.service is failed", "remedy": "systemctl start shop.service"}],
    units=[unit("shop.service", active_seconds=7200, processes=4, memory_bytes=300 << 20, memory_limit_bytes=1 << 30)],
    databases=[
        {
            "application": "starter",
            "kind": "postgresql",
            "name": "shop_starter",
            "host": "db",
            "bytes": 5 << 20,
            "sessions": 4,
            "workers": [{"name": "a", "status": "ACTIVE", "silent_seconds": 3}],
            "tasks": {"QUEUED": 2, "COMPLETED": 9},
        },
        {"application": "blog", "kind": "sqlite", "error": "OperationalError: no"},
    ],
    replicas=[{"name": "b", "address": "192.0.2.7", "state": "streaming", "bytes": 10, "seconds": 1.5}],
    backup={"backup_seconds": 9000, "proven_seconds": None, "troubles": {}},
    stores=[
        {"program": "redis", "use": "sessions", "keys": 12, "bytes": 3 << 20, "limit_bytes": 64 << 20, "evicted": 0},
        {"program": "memcached", "use": "cache", "error": "OSError: gone"},
    ],
    maintenance={"on": True, "site": False, "applications": ["starter"], "seconds_left": 90},
    answers={
        "page": {"status": 200},
        "health": {"error": "refused"},
        "redirect": {"status": 301, "location": "https://www.example.org/"},
        "admin": {"status": 404},
        "tunnel": {"status": 200},
    },
    trust={"addresses": ["192.0.2.0/24"]},
)


class Reader(HTMLParser):
    """What a browser would see: tags, attributes, text."""

    def __init__(self, content: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.words = ""
        self.feed(content)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.words += data


def test_the_terminal_shows_all() -> None:
    shown = text(FULL)
    for word in (
        "shop: NOT HEALTHY", "error: shop.service is failed", "do: systemctl start shop.service", "answers 200",
        "no answer: refused", "answers 301, to https://www.example.org/", "web2py 2.26.1 on Python 3.11", "0123abc",
        "self_signed, 300 days left", "from 192.0.2.0/24", "on for starter, 90 seconds left", "2 hours",
        "300 MB of 1.0 GB",
        "7 (file)", "3 (file)", "postgresql shop_starter", "5.0 MB", "cannot be asked: OperationalError: no",
        "9 completed, 2 queued", "3 seconds ago", "192.0.2.7", "10 B, 1 seconds", "2 hours ago", "never",
        "40 percent used",
        "3 percent used", "Host web", "redis sessions", "3.0 MB of 64.0 MB", "cannot be asked: OSError: gone",
    ):  # fmt: skip
        assert word in shown, f"{word}\n{shown}"


def test_a_good_site_is_healthy_and_has_no_table_of_faults() -> None:
    shown = text({**FOUND, "healthy": True, "findings": []})
    assert "shop: healthy" in shown and "What is wrong" not in shown
    assert "from nobody" in shown and "not chosen" in shown


@pytest.mark.parametrize("about", [{}, {"units": {"error": "x"}, "host": {"error": "x"}, "storage": {"error": "y"}}])
def test_what_is_not_known_is_no_traceback(about: dict[str, Any]) -> None:
    assert "unknown" in text(about)
    assert "unknown" in page(about)


@pytest.mark.parametrize("value", [None, "x", 5, [], {}, {"error": "x"}])
@pytest.mark.parametrize("name", sorted(set(FOUND) - {"site", "url", "time", "faults"}))
def test_a_part_of_another_shape_is_no_traceback(name: str, value: Any) -> None:
    if name in ("answers", "certificate", "trust") and not isinstance(value, (dict, type(None))):
        return  # these come from our own code, always as mappings
    if name in ("release", "host", "storage") and isinstance(value, (str, int)):
        return
    assert text(found(**{name: value}))


def strange(value: Any) -> Any:
    """Every text of a report becomes an attack."""
    if isinstance(value, dict):
        return {key: strange(each) for key, each in value.items()}
    if isinstance(value, list):
        return [strange(each) for each in value]
    return EVIL + value if isinstance(value, str) else value


def test_html_is_escaped_and_needs_nothing_else() -> None:
    content = page(strange(FULL))
    reader = Reader(content)
    assert not {"script", "link", "img", "iframe", "object", "a", "form"} & set(reader.tags)
    assert "<script>alert(1)</script>" in reader.words
    assert {name for name, _value in reader.attributes} == {"lang", "charset", "http-equiv", "content", "name", "class"}
    assert "default-src 'none'" in content


def test_html_names_no_other_place_to_load_from() -> None:
    content = page(FULL)
    assert re.findall(r"(?:src|href|url)\s*[=(]", content) == []
    # The only addresses are words of the page.
    assert set(re.findall(r"https?://[^\s<,]+", content)) == {"https://www.example.org", "https://www.example.org/"}


def test_the_terminal_gets_no_command() -> None:
    shown = text(strange(FULL))
    assert "\x1b" not in shown


def test_a_report_is_json() -> None:
    assert json.loads(json.dumps(FULL)) == FULL


@pytest.mark.parametrize("value", [None, "x", [], {}])
def test_what_is_no_amount_is_unknown(value: Any) -> None:
    assert size(value) == age(value) == "unknown"


def test_columns_are_aligned() -> None:
    assert columns([["a", "b"], ["long", "c"]]) == ["  a     b", "  long  c"]


def test_every_row_of_a_section_is_as_long_as_its_head() -> None:
    for each in sections(FULL):
        assert {len(row) for row in each.rows} == {len(each.head) or 2}, each.title
