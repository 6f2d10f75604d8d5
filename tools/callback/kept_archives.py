"""Keeps the archives by which ansible-core sends modules to hosts for the next run of the same code.

A run of site.yml sends a dozen of them and spends a third of its work on making them, and the tests run it some
hundreds of times. They lie in the folder WEB2PY_TEST_ARCHIVES, by the content of all plugins, so that a changed
file is never sent as it was before. ansible-core itself locks each while it makes it.
"""

from __future__ import annotations

import hashlib
import os
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ansible import constants
from ansible.plugins.callback import CallbackBase
from ansible.release import __version__


def content() -> str:
    """A name for what archives are made from."""
    spec = find_spec("ansible_collections.web2py.deploy")
    found = hashlib.sha256(__version__.encode())
    for place in spec.submodule_search_locations or () if spec else ():
        for path in sorted(Path(place, "plugins").rglob("*.py")):
            found.update(f"{path.relative_to(place)}\0".encode() + path.read_bytes() + b"\0")
    return found.hexdigest()[:16]


class CallbackModule(CallbackBase):  # type: ignore[misc]
    """Puts the kept folder where this run would make one of its own."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "kept_archives"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self, *words: Any, **options: Any) -> None:
        super().__init__(*words, **options)
        kept = Path(os.environ["WEB2PY_TEST_ARCHIVES"], content())
        kept.mkdir(parents=True, exist_ok=True)
        own = Path(constants.DEFAULT_LOCAL_TMP, "ansiballz_cache")
        if not own.exists():
            own.symlink_to(kept)
