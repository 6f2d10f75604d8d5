"""Amounts as programs write them and as people say them."""

from __future__ import annotations

import pytest

from ansible_collections.web2py.deploy.plugins.module_utils._words import age, number, plain, size


@pytest.mark.parametrize("value", [None, "", "infinity", "[not set]", "-1", "18446744073709551615", "1.5"])
def test_what_is_no_number_is_none(value: str | None) -> None:
    assert number(value) is None


def test_numbers_of_programs() -> None:
    assert (number("0"), number("1048576")) == (0, 1 << 20)


@pytest.mark.parametrize(
    ("amount", "expected"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (2048, "2 KB"),
        (3 << 20, "3.0 MB"),
        (300 << 20, "300 MB"),
        (3 << 30, "3.0 GB"),
        (5 << 40, "5.0 TB"),
    ],
)
def test_bytes_as_people_say_them(amount: float, expected: str) -> None:
    assert size(amount) == expected


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (-5, "0 seconds"),
        (1.9, "1 seconds"),
        (119, "119 seconds"),
        (120, "2 minutes"),
        (7199, "119 minutes"),
        (7200, "2 hours"),
        (172800, "2 days"),
    ],
)
def test_times_as_people_say_them(seconds: float, expected: str) -> None:
    assert age(seconds) == expected


def test_text_is_one_line_and_no_command_of_a_terminal() -> None:
    assert plain("a\x1b[0m\r\n\tb\u202ec\x00") == "a [0m b c"
    assert plain(None) == "None" and plain(" ") == ""
