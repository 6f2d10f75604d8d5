"""Bad sources and files stop a run with a clear message, and the site goes on as it was."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from desk import Desk

# All that makes the site: code, settings, units and what serves now.
FINGERPRINT = (
    "{ readlink /srv/web2py/current; find /etc/nginx /etc/web2py /etc/systemd/system -type f -exec sha256sum {} +;"
    " find /srv/web2py/releases -maxdepth 1 | sort;"
    " systemctl show -p MainPID web2py nginx; } | sha256sum"
)
ASK = (
    "python3 - <<'E'\nimport http.client, socket, ssl\n"
    "context = ssl.create_default_context(cafile='/etc/web2py/tls/ca.pem')\n"
    "c = http.client.HTTPSConnection('www.example.org')\n"
    "c.sock = context.wrap_socket(socket.create_connection(('127.0.0.1', 443)), server_hostname='www.example.org')\n"
    "c.request('GET', '/')\nprint(c.getresponse().status)\nE"
)
STARTER = {"name": "starter", "source": {"type": "starter"}}


def tarball(path: Path, members: dict[str, bytes | tuple[str, str]]) -> Path:
    """A tar of files (bytes) and links ((kind, target))."""
    with tarfile.open(path, "w:gz") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            if isinstance(content, bytes):
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
            else:
                info.type = tarfile.SYMTYPE if content[0] == "symlink" else tarfile.LNKTYPE
                info.linkname = content[1]
                archive.addfile(info)
    return path


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def application(**source: Any) -> dict[str, Any]:
    return {"web2py_applications": [STARTER, {"name": "shop", "source": source}]}


def packed(desk: Desk, name: str, members: dict[str, Any], **more: Any) -> dict[str, Any]:
    path = tarball(desk.folder / name, members)
    return application(type="archive", path=str(path), sha256=digest(path), **more)


def directory(desk: Desk, name: str, files: dict[str, str]) -> dict[str, Any]:
    for file, text in files.items():
        path = desk.folder / name / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return application(type="directory", path=str(desk.folder / name))


PAGE = "def index():\n    return 'shop'\n"


def wrong_checksum(desk: Desk) -> dict[str, Any]:
    path = tarball(desk.folder / "good.tar.gz", {"controllers/default.py": PAGE.encode()})
    return application(type="archive", path=str(path), sha256="0" * 64)


def wrong_package(desk: Desk) -> dict[str, Any]:
    path = desk.folder / "cherokee.deb"
    path.write_bytes(b"of somebody else")
    return {"web2py_front_end": "cherokee", "web2py_cherokee_package": {"path": str(path), "sha256": "0" * 64}}


def not_an_archive(desk: Desk) -> dict[str, Any]:
    path = desk.folder / "page.w2p"
    path.write_text("<html>not found</html>")
    return application(type="archive", path=str(path), sha256=digest(path))


def broken_requirement(desk: Desk) -> dict[str, Any]:
    found = directory(desk, "needy", {"controllers/default.py": PAGE})
    found["web2py_applications"][1]["requirements"] = ["no-such-package-of-web2py-deploy==9.9"]
    return found


def odd_certificate(desk: Desk) -> dict[str, Any]:
    for name in ("one", "two"):
        (desk.folder / f"{name}.pem").write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    return {
        "web2py_tls": {
            "provider": "provided",
            "certificate": str(desk.folder / "one.pem"),
            "key": str(desk.folder / "two.pem"),
        }
    }


MODEL = "raise RuntimeError('the model is broken on purpose')\n"
CASES: dict[str, tuple[Callable[[Desk], dict[str, Any]], str]] = {
    "many choices at once": (
        lambda desk: {"web2py_admin": "https", "web2py_front_end": "ngnix", "web2py_bdoy_limit_mb": 3},
        "problems in the choices",
    ),
    "checksum of an archive": (wrong_checksum, "sha256"),
    "checksum of a package": (wrong_package, "web2py_cherokee_package.sha256"),
    "archive that is none": (not_an_archive, "cannot be unpacked"),
    "archive that is missing": (
        lambda desk: application(type="archive", path="/nowhere/x.w2p", sha256="0" * 64),
        "/nowhere/x.w2p",
    ),
    "path out of the archive": (
        lambda desk: packed(desk, "evil1.tar.gz", {"../../etc/cron.d/evil": b"x"}),
        "../../etc/cron.d/evil",
    ),
    "absolute path in the archive": (
        lambda desk: packed(desk, "evil2.tar.gz", {"/etc/cron.d/evil": b"x"}),
        "/etc/cron.d/evil",
    ),
    "link out of the archive": (
        lambda desk: packed(desk, "evil3.tar.gz", {"static/passwd": ("symlink", "/etc/passwd")}),
        "static/passwd",
    ),
    "hard link out of the archive": (
        lambda desk: packed(desk, "evil4.tar.gz", {"static/shadow": ("link", "/etc/shadow")}),
        "leads out of it",
    ),
    "folder that is missing": (lambda desk: application(type="directory", path="/nowhere/shop"), "/nowhere/shop"),
    "folder that is no application": (lambda desk: directory(desk, "papers", {"README": "hello"}), "controllers"),
    "repository that is missing": (
        lambda desk: application(type="git", url="file:///nowhere.git", version="v1"),
        "/nowhere.git",
    ),
    "model that fails": (
        lambda desk: directory(desk, "broken", {"controllers/default.py": PAGE, "models/db.py": MODEL}),
        "broken on purpose",
    ),
    "syntax error": (
        lambda desk: directory(desk, "typo", {"controllers/default.py": "def index():\n    return (\n"}),
        "SyntaxError",
    ),
    "requirement that does not exist": (broken_requirement, "no-such-package-of-web2py-deploy"),
    "files that are no certificate": (odd_certificate, "certificate"),
    "web2py that does not exist": (lambda desk: {"web2py_source": {"type": "pypi", "version": "2.26.99"}}, "2.26.99"),
    "snippet that nginx refuses": (lambda desk: {"nginx_extra_config": "no_such_directive on;"}, "no_such_directive"),
}


@pytest.mark.parametrize("case", CASES)
def test_it_is_refused_clearly_and_the_site_goes_on(case: str, desk: Desk) -> None:
    make, words = CASES[case]
    before = desk.on_host(FINGERPRINT)
    run = desk.play(**make(desk))
    assert run.status != 0, run.output
    assert words in run.output, run.output
    assert desk.on_host(FINGERPRINT) == before, run.output
    assert desk.on_host(ASK).strip() == "200"


def test_a_site_made_by_hand_is_left_alone(desk: Desk) -> None:
    """Its name alone does not make it ours, neither to write over nor to replace."""
    path = "/etc/nginx/sites-enabled/byhand"
    desk.on_host(f"echo 'server {{ listen 127.0.0.1:8099; }}' > {path}")
    try:
        before = desk.on_host(FINGERPRINT)
        run = desk.play(web2py_site="byhand", web2py_domain="byhand.example.org")
        assert run.status != 0 and "nginx has a site of that name on the host" in run.output, run.output
        assert desk.on_host(FINGERPRINT) == before
    finally:
        desk.on_host(f"rm {path}")
