# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection: the distribution's packages that a site needs."""

from __future__ import annotations

from collections.abc import Iterable

# By what asks for them: a word of the choices, or "python" for every site.
DEBIAN: dict[str, tuple[str, ...]] = {
    "python": ("ca-certificates", "python3-venv"),
    "git": ("git",),
    "self_signed": ("python3-cryptography",),
    "uwsgi": ("uwsgi-core", "uwsgi-plugin-python3"),
    "mod_wsgi": ("libapache2-mod-wsgi-py3", "procps"),
    "mod_python": ("libapache2-mod-python",),
    "nginx": ("nginx",),
    "apache": ("apache2",),
    "lighttpd": ("lighttpd", "lighttpd-mod-openssl", "lighttpd-modules-lua"),
}


def packages(words: Iterable[str]) -> list[str]:
    """All packages for these words in one list: one installation is seconds faster than one for each role."""
    return sorted({name for word in {"python", *words} for name in DEBIAN.get(word, ())})
