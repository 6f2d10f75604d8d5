# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When a session was last asked for, to the second, though the session itself is written now and then only.

A page that reads would otherwise write the session as it found it, over what another page of that visitor has written
meanwhile. So the moment stands beside it: in a column of its row, or in a cookie. It counts for that part of its time
after which the session is written anyway, and no longer, whoever may have changed it.
"""

from __future__ import annotations

import datetime
import hashlib
import hmac
from contextlib import suppress
from typing import Any, Protocol

# The session is written anew after this part of the time that it has.
PARTS = 20
# In the session itself: when it was asked for.
SEEN = "web2py_deploy_seen"


class Beside(Protocol):
    """A place for the moment of the last request, in seconds."""

    def read(self) -> int | None:
        """None where it says nothing."""

    def write(self, now: int) -> None:
        """Note a request."""


class Column:
    """`modified_datetime` of the session's row, by a connection that the application does not have."""

    def __init__(self, response: Any, database: Any) -> None:
        self.database = database
        self.table, self.number = response.session_db_table, response.session_db_record_id

    def read(self) -> int | None:
        row = self._row().select(self.table.modified_datetime).first() if self.number else None
        return int(row.modified_datetime.timestamp()) if row and row.modified_datetime else None

    def write(self, now: int) -> None:
        """Committed at once, and no row is written twice in a second.

        A page is worth more than the moment: it goes on without where the row cannot be had soon, because a page that
        logs somebody in has it, or where the database takes nothing.
        """
        if not self.number:
            return
        ask, moment = self.database.executesql, datetime.datetime.fromtimestamp(now)
        try:
            if self.database._adapter.dbengine == "postgres":
                ask("set local lock_timeout = '500ms'")
                # A host that fails may take the last moments with it.
                ask("set local synchronous_commit = off")
            elif self.database._adapter.dbengine == "mysql":
                ask("set innodb_lock_wait_timeout = 1")
            self._row(self.table.modified_datetime < moment).update(modified_datetime=moment)
            self.database.commit()
        except Exception:  # each driver has errors of its own
            with suppress(Exception):
                self.database.rollback()

    def _row(self, *more: Any) -> Any:
        query = self.table.id == self.number
        for each in more:
            query &= each
        return self.database(query)


class Cookie:
    """A cookie beside that of the session, signed."""

    def __init__(self, request: Any, response: Any, key: str) -> None:
        # No application has a name with a dot.
        self.request, self.response, self.name = request, response, f"{response.session_data_name}.seen"
        self.key = key.encode()

    def read(self) -> int | None:
        given = self.request.cookies.get(self.name)
        moment, _dot, proof = (given.value if given else "").partition(".")
        if not (moment.isascii() and moment.isdigit() and hmac.compare_digest(proof.encode(), self._proof(moment))):
            return None
        return int(moment)

    def write(self, now: int) -> None:
        self.response.cookies[self.name] = f"{now}.{self._proof(str(now)).decode()}"
        self.response.cookies[self.name]["path"] = "/"

    def _proof(self, moment: str) -> bytes:
        return hmac.new(self.key, f"{self.name} {moment}".encode(), hashlib.sha256).hexdigest().encode()


def ended(session: Any, beside: Beside, expiry: int, now: int) -> bool:
    """Whether nobody has asked for the session in its time; if somebody has, this request is noted."""
    seen, part = session.get(SEEN), expiry // PARTS
    if seen is not None and now - seen > expiry:
        noted = beside.read()
        last = noted if noted is not None and 0 <= noted - seen <= part else seen
        if now - last > expiry:
            return True
    # What was written down by a clock that ran ahead would keep the session too long.
    if seen is None or not 0 <= now - seen <= part:
        session[SEEN] = now
    elif now != seen:
        beside.write(now)
    return False
