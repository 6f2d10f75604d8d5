"""What is wrong, as sentences."""

from __future__ import annotations

from ansible_collections.web2py.deploy.plugins.module_utils._finding import error, is_error, sentences, warning


def test_errors_are_sentences_and_warnings_are_not() -> None:
    findings = [error("a is down", "systemctl start a"), warning("b is slow", "look")]
    assert sentences(findings) == ["a is down. Do: systemctl start a"]
    assert [is_error(row) for row in findings] == [True, False]
    assert sentences([]) == []
