# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The password of web2py's admin as web2py's own CRYPT validator stores and verifies it.

PRIVATE to the collection: it can change at any time.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import unicodedata

# web2py verifies with the algorithm named in the stored text, so the work can exceed its own default of 1000.
# 210000 rounds of SHA-512 cost a login 0.1 s; web2py runs them inside the request.
ITERATIONS = 210_000
KEY_BYTES = 64
SALT_BYTES = 16
MIN_LENGTH = 8
MAX_LENGTH = 1024  # web2py cuts off what is longer

STORED = re.compile(r"pbkdf2\(([1-9][0-9]{0,8}),([1-9][0-9]{0,3}),sha512\)\$([0-9A-Za-z]+)\$([0-9a-f]+)")


def check_password(password: str) -> None:
    """Raise ValueError in the words the user reads, never with the password itself."""
    if len(password) < MIN_LENGTH:
        raise ValueError(f"the admin password has {len(password)} characters, at least {MIN_LENGTH} are needed")
    if len(password) > MAX_LENGTH:
        raise ValueError(f"the admin password has {len(password)} characters, web2py reads only {MAX_LENGTH}")
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in password):
        raise ValueError("the admin password holds a character no login form can send (line break, tab or the like)")


def hash_password(password: str, *, salt: str | None = None, iterations: int = ITERATIONS) -> str:
    """Return what web2py keeps: algorithm, salt and key, joined by dollar signs."""
    check_password(password)
    if salt is None:
        salt = secrets.token_hex(SALT_BYTES)
    if not re.fullmatch("[0-9A-Za-z]{16,128}", salt):
        raise ValueError("the salt must be 16 to 128 letters and digits")
    return f"pbkdf2({iterations},{KEY_BYTES},sha512)${salt}${_derive(password, salt, iterations, KEY_BYTES)}"


def verify_password(password: str, stored: str) -> bool:
    """Answer as web2py would for text made by hash_password; anything else raises ValueError."""
    iterations, key_bytes, salt, key = _parse(stored)
    return hmac.compare_digest(_derive(password, salt, iterations, key_bytes), key)


def is_weak(stored: str) -> bool:
    """Tell whether a stored password took less work, key or salt than hash_password would give it."""
    iterations, key_bytes, salt, _key = _parse(stored)
    return iterations < ITERATIONS or key_bytes < KEY_BYTES or len(salt) < 2 * SALT_BYTES


def file_line(stored: str) -> str:
    """Return the text of parameters_PORT.py. Admin executes that file, so nothing but a stored password gets in."""
    _parse(stored)
    return f'password="{stored}"\n'


def read_line(text: str) -> str | None:
    """Return the stored password of a parameters_PORT.py, None when the file holds anything but file_line's text."""
    match = re.fullmatch('password="([^"\n]*)"\n', text)
    return match.group(1) if match and STORED.fullmatch(match.group(1)) else None


def is_current(password: str, text: str) -> bool:
    """Tell whether the text of a parameters_PORT.py needs no renewal for this password."""
    stored = read_line(text)
    return stored is not None and not is_weak(stored) and verify_password(password, stored)


def _parse(stored: str) -> tuple[int, int, str, str]:
    match = STORED.fullmatch(stored)
    if not match:
        raise ValueError("not a stored admin password: expected pbkdf2(ROUNDS,BYTES,sha512)$SALT$KEY")
    return int(match.group(1)), int(match.group(2)), match.group(3), match.group(4)


def _derive(password: str, salt: str, iterations: int, key_bytes: int) -> str:
    return hashlib.pbkdf2_hmac("sha512", password.encode(), salt.encode(), iterations, key_bytes).hex()
