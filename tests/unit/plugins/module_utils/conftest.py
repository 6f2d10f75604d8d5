from __future__ import annotations

import os
from pathlib import Path

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


def names(folder: str | Path) -> list[str]:
    """What lies in a folder."""
    return sorted(path.name for path in Path(folder).iterdir())
