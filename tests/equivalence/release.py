"""Releases as they are on a host, in a temporary folder: one for each level, made by what makes them on hosts."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ansible_collections.web2py.deploy.plugins.module_utils import _application, _base, _release
from ansible_collections.web2py.deploy.plugins.module_utils._base import Place
from ansible_collections.web2py.deploy.plugins.module_utils._password import file_line, hash_password
from ansible_collections.web2py.deploy.plugins.module_utils._pip import Pip
from ansible_collections.web2py.deploy.plugins.module_utils._preflight import examine
from ansible_collections.web2py.deploy.plugins.module_utils._site import resolve
from ansible_collections.web2py.deploy.plugins.module_utils._source import Found
from ansible_collections.web2py.deploy.plugins.module_utils._tree import Owner, digest
from ansible_collections.web2py.deploy.plugins.module_utils._versions import requirements_for
from tests.unit.plugins.module_utils.choices import HOST, OPTIONS

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".cache" / "equivalence"
RUNTIME = ROOT / "roles/web2py/files/runtime"
APPLICATIONS = ROOT / "tests/applications"
# Made of `equal` with web2py's own byte code.
COMPILED = "made"
OURS = ("equal", COMPILED, "own", "probe")
UPSTREAM = ("admin", "examples", "welcome")
PASSWORD = "a password of the test"
DRIVER = Path(__file__).with_name("driver.py")
LONGEST_SECONDS = 300
# A page that is no Python: no tool shall meet it in the checkout.
WRONG = "def index()\n    return 1\n"


class Source(NamedTuple):
    """A web2py, and which of its own applications are whole."""

    kind: str
    version: str
    archive: str = ""

    @property
    def applications(self) -> tuple[str, ...]:
        return (*OURS, *UPSTREAM) if self.archive else OURS


def sources() -> list[Source]:
    """The package on PyPI, and upstream's tree where it is given."""
    archive = os.environ.get("WEB2PY_TEST_ARCHIVE", "")
    return [Source("pypi", "2.26.1"), *([Source("archive", "3.3.3", archive)] if archive else [])]


def python_version() -> str:
    return f"{sys.version_info.major}.{sys.version_info.minor}"


class _Pip(Pip):
    """That of the tests' own Python: the host's may come without."""

    def run(self, python: str, words: Sequence[str], task: str, remedy: str, timeout: int = 600) -> None:
        _do(sys.executable, "-m", "pip", *words)


def base(source: Source) -> Path:
    """The folder of parts that all levels share: web2py and its environment. Made once in a checkout."""
    requirements = requirements_for({"type": source.kind, "version": source.version}, python_version())
    size = Path(source.archive).stat().st_size if source.archive else 0
    target = CACHE / digest("1", *source, size, requirements, sys.version, str(ROOT))
    if target.is_dir():
        return target
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE) as work:
        tree = Path(work) / "base"
        environment = tree / "environment"
        _do(sys.executable, "-m", "venv", "--without-pip", environment)
        python = environment / "bin/python"
        if requirements:
            _do(sys.executable, "-m", "pip", "--python", python, "install", "-q", "--no-compile", *requirements)
        place = Place(str(tree), work, work, Owner(os.geteuid(), os.getegid()), (os.geteuid(), os.getegid()))
        (tree / "parts").mkdir()
        words = {"type": source.kind, "version": source.version}
        if source.archive:
            words["path"], words["sha256"] = source.archive, _sha256(source.archive)
        _base.stage_web2py(
            place,
            "web2py",
            words,
            Found([], source.kind),
            {"web2py": {"path": source.archive}},
            _Pip(work),
            lambda _tree: None,
        )
        (tree / "parts/web2py").rename(tree / "web2py")
        (tree / "parts").rmdir()
        _do(python, "-m", "compileall", "-q", "-q", "-f", tree / "web2py/gluon", environment / "lib", check=False)
        try:
            tree.rename(target)
        except OSError:
            # Another run was first.
            if not target.is_dir():
                raise
    return target


def _do(*words: Any, check: bool = True) -> None:
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, check=False)
    if check and done.returncode:
        raise RuntimeError(f"{' '.join(map(str, words[:6]))}\n{done.stdout[-2000:]}{done.stderr[-2000:]}")


def _sha256(path: str) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def resolved(source: Source, root: Path) -> dict[str, Any]:
    """The site, as roles read it."""
    rows = [
        {"name": name, "source": {"type": "directory", "path": str(APPLICATIONS / name)}, "compress": False}
        for name in OURS
    ]
    rows += [
        {"name": name, "source": {"type": "bundled"}, "compress": False} for name in source.applications[len(rows) :]
    ]
    words: dict[str, Any] = {"type": source.kind}
    words |= (
        {"path": source.archive, "sha256": _sha256(source.archive)} if source.archive else {"version": source.version}
    )
    given = {
        "web2py_domain": "www.example.org",
        "web2py_source": words,
        "web2py_applications": rows,
        "web2py_default_application": "equal",
        # The package on PyPI has no admin.
        "web2py_admin": "https" if source.archive else "disabled",
        "web2py_admin_networks": ["192.0.2.0/24"] if source.archive else [],
        "web2py_admin_password": PASSWORD if source.archive else "",
    }
    choices, faults = examine(OPTIONS, given, {**HOST, "python": f"{python_version()}.1"})
    if faults:
        raise RuntimeError("\n".join(map(str, faults)))
    paths = {"root": str(root), "state": str(root / "state"), "settings": str(root / "settings"), "sockets": str(root)}
    return resolve(choices, HOST, paths)


class Pattern:
    """Applications as parts, staged once for all levels of a source."""

    def __init__(self, source: Source, folder: Path) -> None:
        self.source, self.base = source, base(source)
        self.place = _place(folder / "p", self.base)
        self.site = resolved(source, folder / "p")
        parts = {"web2py": "web2py", "environment": "environment", "runtime": "runtime"}
        for row in self.site["applications"]:
            name = row["name"]
            local = {name: {"path": str(_packed(folder, name))}} if name in OURS else {}
            row = {**row, "compile": name == COMPILED}
            _application.stage(self.place, f"app-{name}", row, Found([], name), local, parts)

    def release(self, folder: Path, level: str | None) -> Path:
        """A release of its own at `folder`, with its state; `level` None says nothing of one."""
        place = _place(folder, self.base)
        site = resolved(self.source, folder)
        names = [row["name"] for row in site["applications"]]
        for name in names:
            part = Path(place.part(f"app-{name}"))
            shutil.copytree(self.place.part(f"app-{name}"), part, symlinks=True)
            for state in _application.STATE:
                (part / state).unlink()
                (part / state).symlink_to(f"{place.state}/applications/{name}/{state}")
        (Path(place.part("app-equal")) / "controllers/wrong.py").write_text(WRONG)
        _application.state_folders(place, names, False)
        for name in names:
            seeds = Path(place.part(f"app-{name}"), _application.SEED)
            if seeds.is_dir():
                shutil.copytree(seeds, Path(place.state, "applications", name), dirs_exist_ok=True)
        versions = {"web2py": _base.version_of(place.part("web2py")), "python": python_version()}
        about = {
            "parts": {"web2py": "web2py", "environment": "environment", "runtime": "runtime"},
            "versions": versions,
            "source": self.source.kind,
        }
        planned = _release.plan(site, about, {name: f"app-{name}" for name in names}, {}, {})
        settings = json.loads(planned.files["runtime.json"])
        settings.pop("performance", None)
        if level is not None:
            settings["performance"] = level
        planned.files["runtime.json"] = json.dumps(settings)
        if planned.settings:
            line = file_line(hash_password(PASSWORD, salt="0123456789abcdef", iterations=1000))
            for port in planned.settings:
                Path(place.settings, f"parameters_{port}.py").write_text(line)
        # Below a name that is as long at every level: a page that names its folder is as long, too.
        composed = Path(_release.compose(place, planned))
        release = composed.with_name("release")
        composed.rename(release)
        return release


def _place(folder: Path, base: Path) -> Place:
    for name in ("parts", "releases", "settings", "state"):
        (folder / name).mkdir(parents=True)
    for name, path in (("web2py", base / "web2py"), ("environment", base / "environment"), ("runtime", RUNTIME)):
        (folder / "parts" / name).symlink_to(path)
    own = (os.geteuid(), os.getegid())
    return Place(str(folder), str(folder / "state"), str(folder / "settings"), Owner(*own), own)


def _packed(folder: Path, name: str) -> Path:
    """An application of the tests, as it is transferred to a host."""
    path = folder / f"{name}.tar"
    source = APPLICATIONS / ("equal" if name == COMPILED else name)
    _do("tar", "-C", source, "--exclude=__pycache__", "-cf", path, ".")
    return path


def environment(release: Path) -> dict[str, str]:
    """What a child gets: nothing of ours, and hashes that are the same in each process."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(release),
        "LANG": "C.UTF-8",
        "TZ": "UTC",
        "PYTHONHASHSEED": "0",
        "PYTHONPATH": f"{release}/runtime",
    }


def asked(release: Path, out: Path, **spec: Any) -> subprocess.Popen[bytes]:
    """A process that asks the release all requests of a set; a line for each answer in the file `out`."""
    words = {"release": str(release), "patience": 0.02, **spec}
    argv = [f"{release}/environment/bin/python", "-s", "-B", str(DRIVER), json.dumps(words)]
    with out.open("wb") as file, out.with_suffix(".log").open("wb") as log:
        return subprocess.Popen(argv, stdout=file, stderr=log, env=environment(release), cwd=release)


def answers(process: subprocess.Popen[bytes], out: Path, seconds: float = LONGEST_SECONDS) -> list[dict[str, Any]]:
    """The lines, once the process has ended well."""
    try:
        status = process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise
    if status:
        raise RuntimeError(out.with_suffix(".log").read_text(errors="replace")[-3000:])
    return [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
