"""Credentials join their addresses in memory only."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.web2py.deploy.plugins.module_utils._credentials import bare, held, joined
from ansible_collections.web2py.deploy.plugins.module_utils._fetch import split_credentials


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("https://git.example.org/x.git", False),
        ("https://example.org/a@b", False),
        ("ssh://git@git.example.org:22/x", False),
        ("git@git.example.org:x.git", False),
        ("shop @ git+ssh://git@git.example.org/x", False),
        ("requests[socks]==2.32.5", False),
        ("https://token@git.example.org/x", True),
        ("https://me:s@cr:t@git.example.org/x", True),
        ("ssh://me:secret@git.example.org/x", True),
        ("shop @ git+https://token@git.example.org/x", True),
    ],
)
def test_an_address_that_carries_a_secret_is_told(text: str, answer: bool) -> None:
    assert held(text) is answer
    assert not held(bare(text))
    assert (bare(text) == text) is not answer


def site(url: str, *requirements: str) -> dict[str, Any]:
    source = {"type": "git", "url": url, "version": "1"}
    return {"name": "shop", "source": {"type": "starter"}, "requirements": [*requirements], "applications": [
        {"name": "shop", "source": source}
    ]}  # fmt: skip


CREDENTIALS = {"git.example.org": "me:s@c/r:t", "git.example.org:8443": "other", "x.example.org": "token"}


@pytest.mark.parametrize(
    ("url", "full"),
    [
        ("https://git.example.org/x.git", "https://me:s%40c%2Fr%3At@git.example.org/x.git"),
        ("https://GIT.example.org/x.git", "https://me:s%40c%2Fr%3At@GIT.example.org/x.git"),
        ("https://git.example.org:8443/x.git", "https://other@git.example.org:8443/x.git"),
        ("https://x.example.org", "https://token@x.example.org"),
        ("http://git.example.org/x.git", "http://git.example.org/x.git"),
        ("ssh://git@git.example.org/x.git", "ssh://git@git.example.org/x.git"),
        ("https://git.example.org.evil.org/x", "https://git.example.org.evil.org/x"),
        ("https://git.example.org@evil.org/x", "https://git.example.org@evil.org/x"),
    ],
)
def test_credentials_go_to_their_host_over_https_and_nowhere_else(url: str, full: str) -> None:
    found = joined(site(url, f"shop @ git+{url}"), CREDENTIALS)
    assert found["applications"][0]["source"]["url"] == full
    assert found["requirements"] == [f"shop @ git+{full}"]
    assert found["name"] == "shop"


def test_without_credentials_nothing_changes() -> None:
    assert joined(site("https://git.example.org/x"), {}) == site("https://git.example.org/x")


def test_what_is_joined_is_what_the_server_gets() -> None:
    url = joined(site("https://git.example.org/x"), CREDENTIALS)["applications"][0]["source"]["url"]
    assert split_credentials(url) == ("https://git.example.org/x", "Basic bWU6c0BjL3I6dA==")
