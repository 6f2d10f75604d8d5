from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.web2py.deploy.plugins.module_utils._base import Place
from ansible_collections.web2py.deploy.plugins.module_utils._tree import Owner


@pytest.fixture
def owner() -> Owner:
    """Whoever runs the tests: root is not needed."""
    return Owner(os.getuid(), os.getgid())


@pytest.fixture
def place(tmp_path: Path, owner: Owner) -> Place:
    """A site's folders on a host."""
    for name in ("root/parts", "root/releases", "state/applications", "settings"):
        (tmp_path / name).mkdir(parents=True)
    return Place(str(tmp_path / "root"), str(tmp_path / "state"), str(tmp_path / "settings"), owner, tuple(owner))


@pytest.fixture
def site(tmp_path: Path) -> dict[str, Any]:
    """A site whose folders are the test's own; nobody listens on its ports."""
    for name in (
        "state/applications/starter/sessions/abc/def",
        "state/applications/starter/errors",
        "settings",
        "root",
    ):
        (tmp_path / name).mkdir(parents=True)
    return {
        "name": "shop",
        "url": "https://www.example.org",
        "domain": "www.example.org",
        "user": "nobody-of-that-name",
        "ports": {"http": 1, "https": 1},
        "paths": {
            "root": str(tmp_path / "root"),
            "state": str(tmp_path / "state"),
            "settings": str(tmp_path / "settings"),
            "current": str(tmp_path / "current"),
            "environment": str(tmp_path / "environment"),
        },
        "applications": [{"name": "starter", "check_path": "/starter/default/index"}],
        "routes": {"default_application": "starter"},
        "admin": {"mode": "tunnel", "tunnel_port": 1, "networks": []},
        "front_end": {"name": "nginx", "unit": "nginx.service", "trusted_proxies": ["192.0.2.1"]},
        "tls": {"provider": "self_signed", "certificate": "/none", "ca": "/none"},
    }


def names(folder: str | Path) -> list[str]:
    """What lies in a folder."""
    return sorted(path.name for path in Path(folder).iterdir())


def nfs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Locks as NFS has them: what excludes others needs a file that is open for writing."""
    flock = fcntl.flock

    def strict(file: Any, operation: int) -> None:
        access = fcntl.fcntl(file, fcntl.F_GETFL) & os.O_ACCMODE
        if operation & fcntl.LOCK_EX and access == os.O_RDONLY:
            raise OSError(errno.EBADF, "Bad file descriptor")
        flock(file, operation)

    monkeypatch.setattr(fcntl, "flock", strict)
