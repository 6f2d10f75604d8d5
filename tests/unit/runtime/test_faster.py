"""How patches are guarded, remembered and told; and all of them against web2py itself, in processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import threading
import types
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from web2py_runtime import faster, faster_files, faster_request, patch, sessionless
from web2py_runtime.patch import ABSENT, Memo, Patch

ARCHIVE = os.environ.get("WEB2PY_TEST_ARCHIVE", "")
CASES = Path(__file__).with_name("faster_cases.py")
SOURCE = "def page(x):\n    return x\n\n\ndef other():\n    return 1\n"


@pytest.fixture
def framework(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A module as web2py's are, and what writes it anew."""

    def load(text: str) -> Any:
        path = tmp_path / f"framework{len(list(tmp_path.iterdir()))}.py"
        path.write_text(text)
        module = types.ModuleType("framework")
        exec(compile(text, str(path), "exec"), module.__dict__)
        monkeypatch.setitem(sys.modules, "framework", module)
        return module

    return load


def made(read: dict[str, dict[str, str]], module: Any, level: str = "exact") -> Patch:
    def install() -> None:
        module.page = lambda x: x * 2

    return Patch("page", level, "twice", read, install)


def known(module: Any) -> dict[str, dict[str, str]]:
    return {f"framework:{name}": {"framework 1": patch.fingerprint(vars(module)[name])} for name in ("page", "other")}


def test_a_patch_goes_where_it_was_read(framework: Any) -> None:
    module = framework(SOURCE)
    assert faster.install("exact", (made(known(module), module),)) == {"level": "exact", "on": ["page"], "off": {}}
    assert module.page(2) == 4


@pytest.mark.parametrize("part", ["return x", "return 1", "def page(x)"])
def test_a_changed_function_switches_it_off_and_serves_on(
    framework: Any, capsys: pytest.CaptureFixture[str], part: str
) -> None:
    read = known(framework(SOURCE))
    module = framework(
        SOURCE.replace(part, part.replace("1", "2").replace("(x)", "(x, y=0)").replace("n x", "n x + 1"))
    )
    found = faster.install("exact", (made(read, module),))
    assert found["on"] == [] and "is not that of framework 1" in found["off"]["page"]
    assert module.page(2) in (2, 3)
    assert capsys.readouterr().err.count("\n") == 1


def test_a_function_that_is_gone_or_wrapped_switches_it_off(framework: Any) -> None:
    import functools

    read = known(framework(SOURCE))
    module = framework(SOURCE.replace("def page", "def pages"))
    assert "page" in faster.install("exact", (made(read, module),))["off"]
    module = framework(SOURCE)
    page = module.page
    module.page = functools.wraps(page)(lambda x: page(x))
    assert "page" in faster.install("exact", (made(read, module),))["off"]


def test_a_function_with_several_names_must_be_one(framework: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else what is replaced is not what was read."""
    module = framework(SOURCE)
    other = types.ModuleType("other_framework")
    monkeypatch.setitem(sys.modules, "other_framework", other)
    other.page = module.page  # type: ignore[attr-defined]
    assert patch.shared("framework:page", "other_framework:page") is module.page
    other.page = lambda x: module.page(x)  # type: ignore[attr-defined]
    with pytest.raises(RuntimeError, match="framework:page and other_framework:page are not the same"):
        patch.shared("framework:page", "other_framework:page")


def test_what_a_version_lacks_is_no_fault(framework: Any) -> None:
    module = framework("")
    read = {"framework:page": {"framework 1": ABSENT, "framework 2": "x"}}
    assert faster.install("exact", (made(read, module),)) == {"level": "exact", "on": [], "off": {}}


def test_functions_of_two_versions_together_are_of_none(framework: Any) -> None:
    module = framework(SOURCE)
    read = known(module)
    (digest,) = read["framework:other"].values()
    read["framework:other"] = {"framework 1": "x", "framework 2": digest}
    assert "page" in faster.install("exact", (made(read, module),))["off"]


def test_a_patch_that_fails_is_told_and_the_site_starts(framework: Any) -> None:
    def install() -> None:
        raise KeyError("gone")

    module = framework(SOURCE)
    one = Patch("page", "exact", "", known(module), install)
    assert faster.install("exact", (one,))["off"] == {"page": "KeyError: 'gone'"}


@pytest.mark.parametrize(("level", "on"), [("upstream", []), ("exact", ["a"]), ("fast", ["a", "b"])])
def test_levels_hold_those_below_them(level: str, on: list[str]) -> None:
    patches = (Patch("a", "exact", "", {}, lambda: None), Patch("b", "fast", "", {}, lambda: None))
    assert faster.install(level, patches)["on"] == on


def test_each_patch_says_why_and_what_it_was_read_against() -> None:
    assert len({one.name for one in faster.PATCHES}) == len(faster.PATCHES)
    for one in faster.PATCHES:
        assert one.level in ("exact", "fast") and one.reason and one.read
        assert all(len(digests) > 1 for digests in one.read.values())


def test_a_memo_ends_in_time_and_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    clock = [0.0]
    monkeypatch.setattr(patch, "monotonic", lambda: clock[0])

    def ask(key: int) -> int:
        asked.append(key)
        return len(asked)

    memo = Memo("test", ask, 1.0, 3)
    assert [memo(1), memo(1)] == [1, 1]
    clock[0] = 1.0
    assert memo(1) == 2
    for key in range(10):
        memo(key)
        assert len(memo) <= 3
    for_ever = Memo("test", ask, None, 3)
    for_ever(5)
    clock[0], before = 1e9, len(asked)
    for_ever(5)
    assert len(asked) == before


def test_a_memo_keeps_no_failure() -> None:
    answers: list[Any] = [FileNotFoundError(), 7]

    def ask(_key: str) -> Any:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    memo = Memo("test", ask, 60)
    with pytest.raises(FileNotFoundError):
        memo("x")
    assert memo("x") == 7


def test_threads_get_the_answer_to_their_question() -> None:
    memo = Memo("test", lambda key: key * 2, 0.0005, 16)
    wrong: list[int] = []

    def work(seed: int) -> None:
        for number in range(5000):
            key = (seed * number) % 64
            if memo(key) != key * 2 or len(memo) > 16 + 8:
                wrong.append(key)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(1, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@pytest.mark.parametrize(
    ("places", "path", "without"),
    [
        (["shop"], "shop/default/index", True),
        (["shop/api"], "shop/api/items", True),
        (["shop/api"], "shop/apis/items", False),
        (["shop/api/items"], "shop/api/items", True),
        (["shop/api/items"], "shop/api/item", False),
        (["sho"], "shop/default/index", False),
    ],
)
def test_a_page_without_a_session_is_told_so_behind_the_rewriting(places: list[str], path: str, without: bool) -> None:
    words = dict(zip(("application", "controller", "function"), path.split("/"), strict=True))
    request = types.SimpleNamespace(**words, env=types.SimpleNamespace(web2py_disable_session=None))
    main = types.SimpleNamespace(url_in=lambda request, environ: (None, None, environ))
    sessionless.without_sessions(main, places)
    assert main.url_in(request, {"x": 1}) == (None, None, {"x": 1})
    assert bool(request.env.web2py_disable_session) is without


def test_without_places_nothing_stands_in_the_way() -> None:
    def url_in() -> None: ...

    main = types.SimpleNamespace(url_in=url_in)
    sessionless.without_sessions(main, [])
    assert main.url_in is url_in


def inside(*paths: Any) -> str:
    """What web2py 3 asks of the path of a session, in our words: it leads to no other folder."""
    root = Path(*paths[:-1]).resolve()
    target = (root / paths[-1]).resolve()
    if target != root and root not in target.parents:
        raise ValueError("Unsafe path")
    return str(target)


@pytest.fixture
def session_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Any, list[Any]]:
    """A folder with links that lead out of it, our function, and what it has passed on."""
    (tmp_path / "real/deep").mkdir(parents=True)
    (tmp_path / "real/a").write_text("")
    for name, target in {"link": "a", "out": "/etc/passwd", "up": ".."}.items():
        (tmp_path / "real" / name).symlink_to(target)
    (tmp_path / "sessions").symlink_to("real")
    asked: list[Any] = []

    def safe_path_join(*paths: Any) -> str:
        asked.append(paths)
        return inside(*paths)

    module: Any = types.ModuleType("gluon.globals")
    module.safe_path_join = safe_path_join
    monkeypatch.setitem(sys.modules, "gluon", types.ModuleType("gluon"))
    monkeypatch.setitem(sys.modules, "gluon.globals", module)
    faster_files.session_paths()
    return tmp_path, module.safe_path_join, asked


PIECES = [
    "a",
    "b-c",
    "..",
    ".",
    "",
    "/",
    "//",
    "link",
    "out",
    "deep",
    "up",
    "../x",
    "a\x00",
    "~",
    "n" * 300,
    "127.0.0.1-9f",
]
NAMES = st.one_of(
    st.sampled_from(PIECES), st.lists(st.sampled_from(PIECES), max_size=4).map("/".join), st.text(max_size=9),
    st.none(), st.just(b"bytes"),
)  # fmt: skip


@settings(max_examples=500, deadline=None, suppress_health_check=list(HealthCheck), database=None)
@given(st.sampled_from(["sessions", "real", "missing", "sessions/.."]), st.lists(NAMES, min_size=1, max_size=3))
def test_the_path_of_a_session_leads_where_it_led(
    session_paths: tuple[Path, Any, list[Any]], folder: str, names: list[Any]
) -> None:
    base, ours, _asked = session_paths

    def told(join: Any) -> Any:
        try:
            return join(str(base), folder, *names)
        except Exception as error:
            return type(error)

    assert told(ours) == told(inside)


def test_the_path_of_a_session_is_found_without_following_links_again(
    session_paths: tuple[Path, Any, list[Any]],
) -> None:
    base, ours, asked = session_paths
    assert ours(str(base), "sessions", "127.0.0.1-9f") == str(base / "real/127.0.0.1-9f")
    assert asked == []
    (base / "real/127.0.0.1-9f").symlink_to("/etc/passwd")
    with pytest.raises(ValueError, match="Unsafe"):
        ours(str(base), "sessions", "127.0.0.1-9f")


def test_a_content_type_is_taken_apart_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    class Request:
        def __init__(self, value: Any) -> None:
            self.env = types.SimpleNamespace(content_type=value)

        def parse_content_type(self: Any) -> None:
            asked.append(self.env.content_type)
            self.encoding, self.content_type = "utf-8", repr(self.env.content_type)

    module: Any = types.ModuleType("gluon.globals")
    module.Request = Request
    monkeypatch.setitem(sys.modules, "gluon", types.ModuleType("gluon"))
    monkeypatch.setitem(sys.modules, "gluon.globals", module)
    faster_request.content_type()
    for value in (None, "text/plain", "x" * 300, b"text/plain", 7):
        for _time in range(2):
            request: Any = Request(value)
            request.parse_content_type()
            assert (request.encoding, request.content_type) == ("utf-8", repr(value))
    assert asked == [None, "text/plain", "x" * 300, "x" * 300, b"text/plain", b"text/plain", 7, 7]


def roots(folder: Path) -> list[tuple[str, Path]]:
    """web2py from PyPI, and the archive where one is given: as a release has them."""
    spec = find_spec("gluon")
    assert spec is not None and spec.origin is not None
    wheel = folder / "wheel"
    (wheel / "applications").mkdir(parents=True)
    (wheel / "gluon").symlink_to(Path(spec.origin).parent)
    (wheel / "VERSION").write_text("Version 2.26.1-stable\n")
    found = [("2.26.1", wheel)]
    if ARCHIVE:
        with tarfile.open(ARCHIVE) as archive:
            archive.extractall(folder / "archive", filter="data")
        (source,) = (folder / "archive").iterdir()
        found.append(("3.3.3", source))
    return found


def test_all_of_them_against_web2py(tmp_path: Path) -> None:
    """The cases are a test file of their own: patched functions are patched for the whole process."""
    for version, root in roots(tmp_path):
        command = [
            sys.executable,
            "-B",
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            "-p",
            "no:pytest-ansible",
            str(CASES),
        ]
        command += ["-c", os.devnull, "--rootdir", str(tmp_path), "-x"]
        environment = {**os.environ, "FASTER_ROOT": str(root), "FASTER_VERSION": version, "PYTHONHASHSEED": "0"}
        done = subprocess.run(command, env=environment, cwd=root, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
        assert " passed" in done.stdout and "skipped" not in done.stdout
