"""Write a complete inventory: an example of ours, the hosts of the bed in place of its hosts, and further choices.

The result is an ordinary inventory folder: ansible-playbook -i FOLDER site.yml
"""

from __future__ import annotations

import dataclasses
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
    group: str = GROUP,
    choices: Mapping[str, Any] | None = None,
    host_choices: Mapping[str, Mapping[str, Any]] | None = None,
    keep: bool = False,
) -> Path:
    """Write the inventory afresh and return its folder. Choices go over the example's, those of a host over both.

    With `keep` what somebody wrote into it stays: only the hosts are written again.
    """
    if not keep:
        shutil.rmtree(folder, ignore_errors=True)
    source = ROOT / "inventories" / example / "group_vars"
    variables = folder / "group_vars" / group
    variables.mkdir(parents=True, exist_ok=True)
    if not (variables / "1_example.yml").exists():
        shutil.copy(source / f"{group}.yml", variables / "1_example.yml")
    if choices:
        (variables / "2_choices.yml").write_text(yaml.safe_dump(dict(choices)))
    rows = {host.name: {**host.inventory(), **(host_choices or {}).get(host.name, {})} for host in hosts}
    (folder / "hosts.yml").write_text(yaml.safe_dump({group: {"hosts": rows}}))
    return folder


def write_accounts(folder: Path, host: Host, name: str, choices: Mapping[str, Any]) -> Path:
    """Write the inventory of a scenario with sites in accounts of one host, each named by its account."""
    ways = scenario_inventory(f"molecule/{name}/molecule.yml")["host_vars"]
    # A lasting connection is one user's.
    login = host.inventory()
    own = login["ansible_ssh_common_args"].replace(str(host.control_path), f"{host.control_path}-%r")
    rows = {
        account: {
            "ansible_user": account,
            "ansible_ssh_common_args": own,
            "web2py_domain": f"{account}.example.org",
            **way,
        }
        for account, way in ways.items()
    }
    hosts = [dataclasses.replace(host, name=account) for account in ways]
    return write(folder, hosts, example="user", group="web2py_user", choices=choices, host_choices=rows)


def scenario_choices(name: str) -> dict[str, Any]:
    """Return what all Molecule scenarios, the groups that this one names and then itself say beyond the example."""
    base = scenario_inventory(".config/molecule/config.yml")["group_vars"]
    own = scenario_inventory(f"molecule/{name}/molecule.yml")
    found: dict[str, Any] = dict(base[GROUP])
    for group in own.get("hosts", {}):
        found |= base[group]
    return {**found, **own.get("group_vars", {}).get(GROUP, {})}


def scenario_inventory(path: str) -> dict[str, Any]:
    """Return what a file of Molecule's says about the inventory."""
    text = (ROOT / path).read_text().replace("${MOLECULE_PROJECT_DIRECTORY}", str(ROOT))
    config = yaml.safe_load(os.path.expandvars(text)) or {}
    return dict(config.get("provisioner", {}).get("inventory", {}))
