# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A site, or some of its applications, out of service for a while: 503 with a page, for all but operators.

A file says so, outside of all releases. It counts from the next request on, on every server, without a reload.
"""

from __future__ import annotations

import html
import ipaddress
import json
import os
import time
from collections.abc import Iterable
from typing import Any, NamedTuple

from web2py_runtime.tunnel import MARK

# Set for the requests of our own programs. No client can set it: a header of his would begin with HTTP_.
OURS = "web2py_runtime.ours"
RETRY_SECONDS = 300
MESSAGE = "The site is being worked on. Please try again later."
_PAGE = (
    '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="robots" content="noindex">'
    '<meta name="viewport" content="width=device-width"><title>Back soon</title></head>'
    "<body><h1>Back soon</h1><p>{}</p></body></html>\n"
)


class Notice(NamedTuple):
    """What the file says."""

    site: bool = False
    applications: frozenset[str] = frozenset()
    operators: tuple[str, ...] = ()
    message: str = MESSAGE
    retry_seconds: int = RETRY_SECONDS
    # Applications that are being migrated, closed to operators too, until that time: nobody may be left to end it.
    migrating: frozenset[str] = frozenset()
    until: float = 0.0

    def closes(self, application: str | None, environ: dict[str, Any]) -> bool:
        """Whether this request is answered with the page."""
        if OURS in environ:
            return False
        if application in self.migrating and time.time() < self.until:
            return True
        if not self.site and application not in self.applications:
            return False
        return MARK not in environ and not within(environ.get("REMOTE_ADDR", ""), self.operators)

    def headers(self) -> dict[str, str]:
        """What a client and a cache have to know."""
        left = self.retry_seconds if self.site or self.applications else max(1, round(self.until - time.time()))
        return {"Retry-After": str(left), "Cache-Control": "no-store"}

    def page(self) -> str:
        """The page for visitors."""
        return _PAGE.format(html.escape(self.message))


CLOSED = Notice(site=True)


def within(address: str, networks: Iterable[str]) -> bool:
    """Whether an address is in one of these networks."""
    if not networks:
        return False
    plain = address.removeprefix("::ffff:") if "." in address else address
    try:
        client = ipaddress.ip_address(plain)
        return any(client in ipaddress.ip_network(network) for network in networks)
    except ValueError:
        return False


def parsed(text: str) -> Notice:
    """The notice in a file. Who puts anything else there, or nothing, wants the site closed."""
    try:
        found = json.loads(text)
        migration = found.get("migration") or {}
        return Notice(
            bool(found["site"]),
            frozenset(found["applications"]),
            tuple(found["operators"]),
            str(found["message"] or MESSAGE),
            int(found["retry_seconds"]),
            frozenset(migration.get("applications", ())),
            float(migration.get("until", 0)),
        )
    except (ValueError, TypeError, KeyError, AttributeError):
        return CLOSED


class Flag:
    """The file, looked at with each request and read when it is another one."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.known: tuple[tuple[int, int, int], Notice] | None = None

    def notice(self) -> Notice | None:
        """What it says now; None where there is none."""
        try:
            found = os.stat(self.path)
        except OSError:
            return None
        mark = (found.st_ino, found.st_mtime_ns, found.st_size)
        known = self.known
        if known is None or known[0] != mark:
            try:
                with open(self.path, encoding="utf-8", errors="replace") as file:
                    known = (mark, parsed(file.read()))
            except FileNotFoundError:
                return None
            except OSError:
                known = (mark, CLOSED)
            self.known = known
        return known[1]

    def drains(self) -> bool:
        """Whether a balancer shall send nobody here."""
        notice = self.notice()
        return notice is not None and notice.site


def close(main: Any, flag: Flag) -> None:
    """Answer for web2py where the notice says so.

    The hook stands behind the rewriting, which names the application, and before the session. Static files go on: other
    pages are drawn with them, and a web server hands them out without asking.
    """
    url_in = main.url_in

    def open_url_in(request: Any, environ: dict[str, Any]) -> Any:
        result = url_in(request, environ)
        notice = flag.notice()
        if notice is not None and result[0] is None and notice.closes(request.application, environ):
            raise main.HTTP(503, notice.page(), **notice.headers())
        return result

    main.url_in = open_url_in
