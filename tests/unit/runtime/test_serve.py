"""The launcher: what a server is told about a request, and how it is watched."""

from __future__ import annotations

from typing import Any

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


def test_http_is_not_https() -> None:
    environ = seen({"HTTPS": "on", "HTTP_X_FORWARDED_PROTO": "http"})
    assert environ["wsgi.url_scheme"] == "http"
    assert "HTTPS" not in environ


def test_the_oldest_request_counts(monkeypatch: Any) -> None:
    now = [100.0]
    monkeypatch.setattr(serve, "monotonic", lambda: now[0])
    ages = []

    def application(_environ: Any, _start: Any) -> list[bytes]:
        now[0] += 7
        ages.append(clock.longest())
        return []

    clock = serve.Clock(application)
    assert clock.longest() == 0
    clock({}, None)
    assert ages == [7]
    assert clock.longest() == 0


def test_every_server_has_its_own_words() -> None:
    assert all(function.__doc__ for function in servers.SERVERS.values())
    assert set(servers.BEFORE_ALL) <= set(servers.SERVERS)


def test_the_application_knows_who_runs_it() -> None:
    environ: dict[str, Any] = {"SERVER_SOFTWARE": "nginx"}
    serve.named(lambda _environ, _start: [], "paste")(environ, None)
    assert environ["SERVER_SOFTWARE"] == "paste"
