"""Which host makes the tables, by Ansible's own view of an inventory."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[3]
INVENTORY = {
    "web2py_web": {
        # The first is of another site, the last of a site with a server of its own.
        "hosts": {"a": {"web2py_site": "blog"}, "b": {}, "c": {}, "d": {"web2py_database": {"type": "postgresql"}}},
        "vars": {
            "ansible_connection": "local",
            "web2py_site": "shop",
            "word": "db.example.org",
            "web2py_database": {"type": "postgresql", "host": "{{ word }}"},
        },
    }
}
PLAY = {
    "hosts": "web2py_web",
    "gather_facts": False,
    "tasks": [
        {"ansible.builtin.include_vars": {"file": str(ROOT / "roles/applications/vars/main.yml")}},
        {
            "ansible.builtin.debug": {"msg": "{{ inventory_hostname }} by {{ __applications_leader }}"},
            "vars": {"applications_site": {"name": "{{ web2py_site }}", "data": "{{ data }}"}},
        },
    ],
    "vars": {
        "host": "{{ web2py_database.host | default(none) }}",
        "data": {"local": "{{ host is none }}", "host": "{{ host }}", "port": 5432},
    },
}


def test_the_first_host_of_those_that_share_a_database_makes_the_tables(tmp_path: Path) -> None:
    (tmp_path / "hosts.yml").write_text(yaml.safe_dump(INVENTORY, sort_keys=False))
    (tmp_path / "play.yml").write_text(yaml.safe_dump([PLAY]))
    done = subprocess.run(
        [Path(sys.executable).with_name("ansible-playbook"), "-i", tmp_path / "hosts.yml", tmp_path / "play.yml"],
        env={**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_HOME": str(tmp_path)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for words in ("a by a", "b by b", "c by b", "d by d"):
        assert words in done.stdout, done.stdout
