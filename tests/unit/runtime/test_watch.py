from __future__ import annotations

import pstats
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from web2py_runtime import watch

REQUEST = {"PATH_INFO": "/shop/default/index", "QUERY_STRING": "token=secret", "REQUEST_METHOD": "GET"}


def page(_environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    start_response("404 NOT FOUND", [])
    return [b"page"]


def ask(application: Any, **environ: Any) -> bytes:
    return b"".join(application({**REQUEST, **environ}, lambda status, headers, *_: None))


def settings(tmp_path: Path, request_log: bool, keep: int) -> dict[str, Any]:
    (tmp_path / "profiles").mkdir()
    return {"request_log": request_log, "profiles": {"keep": keep, "folder": str(tmp_path / "profiles")}}


def test_nothing_stands_between_unless_asked_for(tmp_path: Path) -> None:
    assert watch.watched(page, settings(tmp_path, False, 0)) is page


def test_a_line_tells_of_a_request_but_not_its_secrets() -> None:
    lines: list[str] = []
    assert ask(watch.logged(page, lines.append), REMOTE_ADDR="203.0.113.9") == b"page"
    words = lines[0].split()
    assert words[:5] == ["request", "203.0.113.9", "GET", "/shop/default/index", "404"] and words[-1] == "ms"
    assert "secret" not in lines[0]


def test_a_request_is_one_line_whatever_it_is_called() -> None:
    lines: list[str] = []
    ask(watch.logged(page, lines.append), PATH_INFO="/a\nrequest 1 GET /b \xc3\xa9")
    assert "".join(lines).count("\n") == 1 and "/a%0Arequest%201%20GET%20/b%20%C3%A9 404" in lines[0]


def test_a_request_that_breaks_is_told_too() -> None:
    def broken(*_: Any) -> Any:
        raise RuntimeError

    lines: list[str] = []
    with pytest.raises(RuntimeError):
        ask(watch.logged(broken, lines.append))
    assert " 500 " in lines[0]


def test_profiles_are_bounded(tmp_path: Path) -> None:
    application = watch.watched(page, settings(tmp_path, True, 2))
    for number in range(4):
        assert ask(application, PATH_INFO=f"/../{number}") == b"page"
    folder = tmp_path / "profiles"
    found = sorted(path.name for path in folder.iterdir())
    assert [name.rsplit("-", 1)[1] for name in found] == ["2.prof", "3.prof"]
    assert any(name == "page" for _file, _line, name in pstats.Stats(str(folder / found[0])).stats)  # type: ignore[attr-defined]


def test_only_a_request_alone_in_its_process_has_a_profile(tmp_path: Path) -> None:
    inside, go_on = threading.Event(), threading.Event()

    def slow(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/slow":
            inside.set()
            assert go_on.wait(5)
        return page(environ, start_response)

    application = watch.watched(slow, settings(tmp_path, False, 9))
    other = threading.Thread(target=ask, args=(application,), kwargs={"PATH_INFO": "/slow"})
    other.start()
    assert inside.wait(5)
    assert ask(application) == b"page"
    go_on.set()
    other.join()
    assert list((tmp_path / "profiles").iterdir()) == []
    ask(application)
    assert len(list((tmp_path / "profiles").iterdir())) == 1


def test_a_profile_that_cannot_be_written_is_no_visitors_matter(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    application = watch.watched(page, settings(tmp_path, False, 1))
    (tmp_path / "profiles").rmdir()
    assert ask(application) == b"page"
    assert "No profile written" in capsys.readouterr().err
