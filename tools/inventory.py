"""Write a complete inventory: an example of ours, the hosts of the bed in place of its hosts, and further choices.

The result is an ordinary inventory folder: ansible-playbook -i FOLDER site.yml
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml
from bed import Host
from report import ROOT

GROUP = "web2py_web"


def write(
    folder: Path,
    hosts: Iterable[Host],
    *,
    example: str = "single",
    choices: Mapping[str, Any] | None = None,
    host_choices: Mapping[str, Mapping[str, Any]] | None = None,
) -> Path:
    """Write the inventory afresh and return its folder. Choices go over the example's, those of a host over both."""
    shutil.rmtree(folder, ignore_errors=True)
    source = ROOT / "inventories" / example / "group_vars"
    variables = folder / "group_vars" / GROUP
    variables.mkdir(parents=True)
    shutil.copy(source / f"{GROUP}.yml", variables / "1_example.yml")
    if choices:
        (variables / "2_choices.yml").write_text(yaml.safe_dump(dict(choices)))
    rows = {host.name: {**host.inventory(), **(host_choices or {}).get(host.name, {})} for host in hosts}
    (folder / "hosts.yml").write_text(yaml.safe_dump({GROUP: {"hosts": rows}}))
    return folder


def scenario_choices(name: str) -> dict[str, Any]:
    """Return what all Molecule scenarios and then this one say about the site beyond the example."""
    found: dict[str, Any] = {}
    for path in (".config/molecule/config.yml", f"molecule/{name}/molecule.yml"):
        text = (ROOT / path).read_text().replace("${MOLECULE_PROJECT_DIRECTORY}", str(ROOT))
        config = yaml.safe_load(os.path.expandvars(text)) or {}
        found |= config.get("provisioner", {}).get("inventory", {}).get("group_vars", {}).get(GROUP, {})
    return found
