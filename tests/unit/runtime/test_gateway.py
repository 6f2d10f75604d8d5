"""The answer of CGI, which nobody reads before all of the request was sent."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

from web2py_runtime import gateway


def test_a_body_that_nobody_wants_is_taken_in_before_the_answer() -> None:
    body, told = io.BytesIO(b"x" * 200_000), []

    class Target(io.BytesIO):
        def write(self, data: Any) -> int:
            told.append(body.tell())
            return super().write(data)

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        environ["wsgi.input"].read(4)
        start_response("404 Not Found", [("Content-Type", "text/plain")])
        return [b"words"]

    target = Target()
    gateway.respond(application, {"REQUEST_METHOD": "POST", "SERVER_PROTOCOL": "HTTP/1.1"}, body, target)
    assert target.getvalue().endswith(b"\r\n\r\nwords") and set(told) == {200_000}
