from __future__ import annotations

from ansible_collections.web2py.deploy.plugins.module_utils._packages import packages


def test_each_word_adds_its_packages_once_and_in_order() -> None:
    assert packages([]) == ["ca-certificates", "python3-brotli", "python3-venv"]
    assert packages(["nginx", "git", "git"]) == [
        "ca-certificates", "git", "logrotate", "nginx", "python3-brotli", "python3-venv"
    ]  # fmt: skip


def test_another_family_has_other_packages() -> None:
    assert packages(["apache", "mod_wsgi"], "RedHat") == [
        "ca-certificates", "httpd", "logrotate", "mod_http2", "mod_ssl", "procps-ng", "python3", "python3-mod_wsgi"
    ]  # fmt: skip


def test_words_that_need_nothing_add_nothing() -> None:
    assert packages(["provided", "none", "pypi"]) == packages([])
