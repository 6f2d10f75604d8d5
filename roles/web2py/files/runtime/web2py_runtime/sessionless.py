# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pages without a session: none is opened, none is stored, no cookie is sent."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


def chosen(request: Any, places: Iterable[str]) -> bool:
    """Whether a request is for one of the places: an application, with or without a controller and a function."""
    asked = f"{request.application}/{request.controller}/{request.function}/"
    # Its forms want one.
    return request.controller != "appadmin" and any(asked.startswith(f"{place}/") for place in places)


def without_sessions(main: Any, places: Iterable[str]) -> None:
    """Tell web2py by its own word for it, behind the rewriting: whatever address leads to a page."""
    places = tuple(places)
    url_in = main.url_in

    def sessionless_url_in(request: Any, environ: dict[str, Any]) -> Any:
        result = url_in(request, environ)
        if chosen(request, places):
            request.env.web2py_disable_session = True
        return result

    if places:
        main.url_in = sessionless_url_in
