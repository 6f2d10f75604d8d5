from __future__ import annotations

import pytest
from pydal.validators import CRYPT

from ansible_collections.web2py.deploy.plugins.module_utils import _password as p

GOOD = [
    "12345678",
    "correct horse battery staple",
    "quo\"te's and \\back\\slash",
    "$dollar$$ {{ jinja }} %s %(x)s",
    "pässwörd-日本語-🔑",
    " leading and trailing ",
    '";import os;os.system("true")#',
    "x" * 1024,
]
BAD = {
    "": "has 0 characters",
    "1234567": "has 7 characters",
    "x" * 1025: "reads only 1024",
    "line\nbreak!": "line break",
    "tab\tcharacter": "line break",
    "nul\0character": "line break",
    "half a pair \udc80": "line break",
}


def web2py_says(password: str, stored: str) -> bool:
    """The very expression of admin's models/access.py."""
    return bool(stored == CRYPT()(password)[0])


@pytest.mark.parametrize("password", GOOD)
def test_web2py_itself_accepts_the_password_and_no_other(password: str) -> None:
    stored = p.hash_password(password)
    assert web2py_says(password, stored)
    assert not web2py_says(password + "x" if len(password) < 1024 else "y" * 1024, stored)


@pytest.mark.parametrize("password", GOOD)
def test_executing_the_file_yields_the_stored_password_and_nothing_else(password: str) -> None:
    stored = p.hash_password(password)
    names: dict[str, object] = {}
    exec(p.file_line(stored), {"__builtins__": {}}, names)
    assert names == {"password": stored}
    assert p.read_line(p.file_line(stored)) == stored
    assert password not in p.file_line(stored)


@pytest.mark.parametrize("password", BAD)
def test_bad_password_is_refused_without_being_shown(password: str) -> None:
    with pytest.raises(ValueError, match=BAD[password]) as error:
        p.hash_password(password)
    assert not password or password not in str(error.value)


def test_what_web2py_wrote_itself_verifies_but_is_weak() -> None:
    stored = str(CRYPT()("correct horse")[0])
    assert p.verify_password("correct horse", stored)
    assert not p.verify_password("wrong horse", stored)
    assert p.is_weak(stored)


def test_hash_is_salted_anew_and_repeatable_with_a_salt() -> None:
    assert p.hash_password("correct horse") != p.hash_password("correct horse")
    assert p.hash_password("correct horse", salt="a" * 32) == p.hash_password("correct horse", salt="a" * 32)


@pytest.mark.parametrize("salt", ["", "short", 'a"b' * 8, "a$" * 16, "a" * 129])
def test_salt_that_could_leave_its_place_is_refused(salt: str) -> None:
    with pytest.raises(ValueError, match="salt must be"):
        p.hash_password("correct horse", salt=salt)


def test_weak_is_few_rounds_short_key_or_short_salt() -> None:
    assert not p.is_weak(p.hash_password("correct horse"))
    assert p.is_weak(p.hash_password("correct horse", iterations=p.ITERATIONS - 1))
    assert p.is_weak(f"pbkdf2({p.ITERATIONS},20,sha512)${'a' * 32}$ab")
    assert p.is_weak(f"pbkdf2({p.ITERATIONS},64,sha512)${'a' * 16}$ab")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "password=None\n",
        'password="pam_user:root"\n',
        'password="pbkdf2(1000,20,sha512)$a$b"',
        'password="pbkdf2(1000,20,sha512)$a$b"\nimport os\n',
        'import os\npassword="pbkdf2(1000,20,sha512)$a$b"\n',
        'password="pbkdf2(0,20,sha512)$a$b"\n',
        'password="pbkdf2(1000,20,md5)$a$b"\n',
        'password="pbkdf2(9999999999,20,sha512)$a$b"\n',
    ],
)
def test_any_other_file_is_not_current(text: str) -> None:
    assert p.read_line(text) is None
    assert not p.is_current("correct horse", text)


@pytest.mark.parametrize("stored", ["", "x", 'a"\nimport os#', "pbkdf2(1,1,sha512)$a$b\n"])
def test_nothing_but_a_stored_password_becomes_a_file(stored: str) -> None:
    with pytest.raises(ValueError, match="not a stored admin password"):
        p.file_line(stored)
