"""Takes work off runs of playbooks that every one of them does anew: the tests run site.yml some hundreds of times.

Archives by which ansible-core sends modules to hosts are kept for the next run of the same code: a run sends a dozen
and spends a third of its work on making them. They lie in the folder WEB2PY_TEST_ARCHIVES, by the content of all
plugins, so that a changed file is never sent as it was before. ansible-core itself locks each while it makes it.

What tasks are done with is loaded once: each task is a process of its own, forked from the run's, and would load it
again.
"""

from __future__ import annotations

import gc
import hashlib
import os
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ansible import constants
from ansible.plugins import loader
from ansible.plugins.callback import CallbackBase
from ansible.release import __version__

# By the names of their loaders.
LOADED = {
    "connection": ["ansible.builtin.ssh", "ansible.builtin.local"],
    "shell": ["ansible.builtin.sh"],
    "become": ["ansible.builtin.sudo"],
    "action": [
        *(
            f"ansible.builtin.{name}"
            for name in ("normal", "assert", "command", "copy", "debug", "package", "set_fact")
        ),
        *(f"web2py.deploy.{path.stem}" for path in Path(__file__).parents[2].glob("plugins/action/*.py")),
    ],
    "lookup": ["ansible.builtin.file", "ansible.builtin.template"],
}


def content() -> str:
    """A name for what archives are made from."""
    spec = find_spec("ansible_collections.web2py.deploy")
    found = hashlib.sha256(__version__.encode())
    for place in spec.submodule_search_locations or () if spec else ():
        for path in sorted(Path(place, "plugins").rglob("*.py")):
            found.update(f"{path.relative_to(place)}\0".encode() + path.read_bytes() + b"\0")
    return found.hexdigest()[:16]


class CallbackModule(CallbackBase):  # type: ignore[misc]
    """Puts the kept folder where a run would make one of its own, and loads what its tasks want."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "warm"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self, *words: Any, **options: Any) -> None:
        super().__init__(*words, **options)
        kept = Path(os.environ["WEB2PY_TEST_ARCHIVES"], content())
        kept.mkdir(parents=True, exist_ok=True)
        own = Path(constants.DEFAULT_LOCAL_TMP, "ansiballz_cache")
        if not own.exists():
            own.symlink_to(kept)

    def v2_playbook_on_play_start(self, _play: object) -> None:
        for kind, names in LOADED.items():
            for name in names:
                getattr(loader, f"{kind}_loader").get(name, class_only=True)
        # A collection would touch all of it, and each process would get a copy of what it touches.
        gc.freeze()
