# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection: values as programs write them and as people read them."""

from __future__ import annotations


def number(text: str | None) -> int | None:
    """A number of a program's; None for what is not set, not limited or not counted."""
    return int(text) if text and text.isdigit() and int(text) < 2**63 else None


def size(amount: float) -> str:
    """Bytes as people say them."""
    for word in ("B", "KB", "MB", "GB"):
        if abs(amount) < 1024:
            return f"{amount:.0f} {word}" if word in ("B", "KB") or amount >= 100 else f"{amount:.1f} {word}"
        amount /= 1024
    return f"{amount:.1f} TB"


def age(seconds: float) -> str:
    """A time in the largest unit that says something."""
    for length, word in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * length:
            return f"{int(seconds // length)} {word}"
    return f"{max(0, int(seconds))} seconds"


def plain(value: object) -> str:
    """A value as one line of text that no terminal takes for a command: visitors can have a word in it."""
    return " ".join("".join(sign if sign.isprintable() else " " for sign in str(value)).split())
