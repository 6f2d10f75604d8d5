from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError
from pydal.validators import CRYPT

from ansible_collections.web2py.deploy.plugins.filter.admin_password import FilterModule

admin_password = FilterModule().filters()["admin_password"]


def test_web2py_accepts_what_the_filter_returns() -> None:
    assert admin_password("correct horse") == CRYPT()("correct horse")[0]


def test_salt_makes_it_repeatable() -> None:
    assert admin_password("correct horse", salt="s" * 32) == admin_password("correct horse", "s" * 32)


@pytest.mark.parametrize(
    ("value", "message"), [(None, "needs a string"), (12345678, "not int"), ("short", "at least 8")]
)
def test_bad_input_is_refused(value: object, message: str) -> None:
    with pytest.raises(AnsibleFilterError, match=message):
        admin_password(value)
