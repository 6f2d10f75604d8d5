"""A bare host, and the collection as Galaxy hands it over: built, installed into an empty folder, papers thrown away.

These tests run in the order of their files' names, on one host: it is bought, used, attacked and cleared away. Those of
the files test_6, of what some sites choose, need nothing of the others and may run on a host of their own beside them.
The administrator logs in as an ordinary user with sudo; the scenarios log in as root.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

sys.path.insert(0, str(Path(__file__).resolve().parent))
from desk import BIN, ROOT, WARM, Bed, Desk, Host, readme_block

OPERATOR = """set -eu
useradd --create-home --shell /bin/bash keeper
install -D -o keeper -g keeper -m 0600 /root/.ssh/authorized_keys ~keeper/.ssh/authorized_keys
chown keeper: ~keeper/.ssh
echo 'keeper ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/keeper
"""
KEPT = {"meta", "playbooks", "plugins", "roles"}


@pytest.fixture(scope="session")
def bare_host() -> Iterator[Host]:
    bed = Bed(os.environ.get("WEB2PY_TEST_LIVE", "live"))
    bed.down()
    host = bed.up([Host("live", "bookworm", "bare")])[0]
    host.run(OPERATOR)
    yield host
    bed.down()


@pytest.fixture(scope="session")
def desk(bare_host: Host, tmp_path_factory: pytest.TempPathFactory) -> Desk:
    folder = tmp_path_factory.mktemp("desk")
    home = tmp_path_factory.mktemp("home")
    collections = folder / "collections"
    environment = {
        "ANSIBLE_CONFIG": str(folder / "empty.cfg"),
        "PATH": f"{BIN}:{os.environ['PATH']}", "HOME": str(home), "LANG": "C.UTF-8", "ANSIBLE_NOCOLOR": "1",
"ANSIBLE_COLLECTIONS_PATH": str(collections), "ANSIBLE_INJECT_FACT_VARS": "false",
        **WARM,
    }  # fmt: skip
    (folder / "empty.cfg").write_text("")
    made = Desk(folder, bare_host, environment)
    galaxy = ["ansible-galaxy", "collection"]
    subprocess.run(
        [BIN / galaxy[0], *galaxy[1:], "build", "--output-path", folder], cwd=ROOT, check=True, capture_output=True
    )
    tarball = next(folder.glob("*.tar.gz"))
    done = made.ansible(*galaxy, "install", "--offline", "--no-deps", str(tarball), "-p", str(collections))
    assert done.status == 0, done.output
    installed = collections / "ansible_collections/web2py/deploy"
    for path in installed.iterdir():
        if path.name not in KEPT:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    for path in (ROOT / ".cache/collections/ansible_collections").glob("*/*"):
        (collections / "ansible_collections" / path.parent.name).mkdir(exist_ok=True)
        (collections / "ansible_collections" / path.parent.name / path.name).symlink_to(path)
    (folder / "inventory.yml").write_text(readme_block("inventory.yml"))
    variables = folder / "host_vars"
    variables.mkdir()
    (variables / "www.example.org.yml").write_text(yaml.safe_dump(made.login))
    return made
