"""The launcher: what a server is told about a request, and how it is watched."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from web2py_runtime import serve, servers


def seen(headers: dict[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {}

    def application(environ: dict[str, Any], _start: Any) -> list[bytes]:
        found.update(environ)
        return []

    serve.proxied(application)({"wsgi.url_scheme": "http", "SERVER_PORT": "80", **headers}, None)
    return found


def test_variables_are_those_of_the_front_end() -> None:
    environ = seen(
        {
            "HTTP_X_FORWARDED_FOR": "192.0.2.7",
            "HTTP_X_FORWARDED_PROTO": "https",
            "HTTP_X_FORWARDED_PORT": "443",
            "HTTP_HOST": "www.example.org:443",
        }
    )
    assert environ["REMOTE_ADDR"] == "192.0.2.7"
    assert (environ["wsgi.url_scheme"], environ["HTTPS"]) == ("https", "on")
    assert (environ["SERVER_PORT"], environ["SERVER_NAME"]) == ("443", "www.example.org")
    assert environ["QUERY_STRING"] == ""


def test_a_proxy_that_is_trusted_is_not_the_client() -> None:
    environ = seen({"HTTP_X_REAL_IP": "192.0.2.7", "HTTP_X_FORWARDED_FOR": "127.0.0.1"})
    assert environ["REMOTE_ADDR"] == environ["HTTP_X_FORWARDED_FOR"] == "192.0.2.7"


def test_http_is_not_https() -> None:
    environ = seen({"HTTPS": "on", "HTTP_X_FORWARDED_PROTO": "http"})
    assert environ["wsgi.url_scheme"] == "http"
    assert "HTTPS" not in environ


def test_every_server_has_its_own_words() -> None:
    assert all(function.__doc__ for function in servers.SERVERS.values())
    assert set(servers.BEFORE_ALL) <= set(servers.SERVERS)


def test_the_application_knows_who_runs_it() -> None:
    environ: dict[str, Any] = {"SERVER_SOFTWARE": "nginx"}
    serve.named(lambda _environ, _start: [], "paste")(environ, None)
    assert environ["SERVER_SOFTWARE"] == "paste"


def test_what_a_web_server_started_ends_after_its_script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "dispatch.fcgi"
    told: list[str] = []
    script.write_text("old")
    known = serve.identity(str(script))

    class Busy:
        """Somebody is inside at first."""

        def shut(self, quiet_seconds: float) -> bool:
            told.append(f"quiet for {quiet_seconds:g} s?")
            return len(told) > 4

    def sleep(_seconds: float) -> None:
        told.append("the same" if serve.identity(str(script)) == known else "another")
        if len(told) == 2:
            replacement = tmp_path / "new"
            replacement.write_text("new")
            replacement.rename(script)

    monkeypatch.setattr(serve, "sleep", sleep)
    monkeypatch.setattr(serve, "end", lambda: told.append("end"))
    serve.outlive(Busy(), str(script), known)  # type: ignore[arg-type]
    assert told == ["the same", "the same", "quiet for 1 s?", "another", "quiet for 1 s?", "end"]
    script.unlink()
    assert serve.identity(str(script)) == ()
