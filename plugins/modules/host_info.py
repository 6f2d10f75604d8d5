#!/usr/bin/python
# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: host_info
short_description: What must be known of a host before a site is resolved
version_added: 1.0.0
description:
  - Reads the distribution, the Python, the size, the installed packages, the users, the listening ports, the units of
    the distribution and the sites of this collection in one round trip.
  - It takes the place of gathering facts, at a fraction of the time.
author:
  - web2py.deploy maintainers (@web2py)
extends_documentation_fragment:
  - web2py.deploy._common.reads
options:
  site:
    description: Short name of a site. Its folders are looked for.
    type: str
  root:
    description: Folder under which the site's own folder is to lie.
    type: str
  account:
    description:
      - Whether the site is to lie in the account that Ansible logs in as, without root.
      - What the account can do is told then, and the site's folders are those in its home.
    type: bool
    default: false
  document_root:
    description: Folder on the host whose files a web server serves for the account.
    type: str
seealso:
  - module: web2py.deploy.resolve_site
"""

EXAMPLES = r"""
- name: The host is known
  web2py.deploy.host_info:
    site: shop
    root: /srv
  register: host
"""

RETURN = r"""
host:
  description: The host, as C(resolve_site) reads it.
  returned: always
  type: dict
  contains:
    distribution:
      description: Name of the distribution in lower case.
      type: str
      sample: debian
    version:
      description: Its major version.
      type: str
      sample: "12"
    architecture:
      description: Architecture of the kernel.
      type: str
      sample: x86_64
    python:
      description: Version of the Python that Ansible runs on the host.
      type: str
      sample: 3.11.2
    ipv6:
      description: Whether the kernel has IPv6 addresses.
      type: bool
    addresses:
      description: Its addresses, without those of the loopback device.
      type: list
      elements: str
    cpus:
      description: Usable processors.
      type: int
    memory_mb:
      description: Memory in MiB.
      type: int
    packages:
      description: Names of the installed packages.
      type: list
      elements: str
    programs:
      description: Paths of the programs of front ends that no distribution has and this host has all the same.
      type: list
      elements: str
    packages_unfinished:
      description: Whether an installation was killed half way.
      type: bool
    users:
      description: Home folder by user name.
      type: dict
    groups:
      description: Names of the groups.
      type: list
      elements: str
    folders:
      description: By path of what is there and the site would take, the site whose mark it carries, or an empty text.
      type: dict
      sample: {/srv/shop: shop, /etc/shop: shop, /var/lib/shop: ""}
    listening:
      description: Listening TCP ports, each with the name of the program.
      type: list
      elements: dict
    selinux:
      description: C(enforcing), C(permissive) or C(disabled), which is also said where there is no SELinux.
      type: str
    sites:
      description: Short name, public names and ports of the sites that this collection has built here.
      type: list
      elements: dict
    account:
      description: Where O(account) was asked, the account's name, number, home and what it can do.
      type: dict
    own_ports:
      description: Where O(account) was asked, the ports that the site of this name has by its manifest.
      type: list
      elements: int
    units:
      description: Service units of the distribution.
      type: list
      elements: str
"""

import os

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.web2py.deploy.plugins.module_utils._account import account
from ansible_collections.web2py.deploy.plugins.module_utils._folders import account_folders, taken, taken_in_account
from ansible_collections.web2py.deploy.plugins.module_utils._host import host
from ansible_collections.web2py.deploy.plugins.module_utils._tree import read_json


def in_account(site, document_root):
    """What is known of a site in the account."""
    about = account(site, document_root)
    manifest = os.path.join(account_folders(site, about["home"])["settings"], "site.json")
    own = read_json(manifest, {}).get("claims", {}).get("ports", [])
    return {"account": about, "folders": taken_in_account(site, about["home"]), "own_ports": own}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "site": {"type": "str"},
            "root": {"type": "str"},
            "account": {"type": "bool", "default": False},
            "document_root": {"type": "str"},
        },
        supports_check_mode=True,
    )
    site, root = module.params["site"], module.params["root"] or ""
    if module.params["account"]:
        module.exit_json(changed=False, host={**host(), **in_account(site, module.params["document_root"] or "")})
    module.exit_json(changed=False, host={**host(), "folders": taken(site, root) if site else {}})


if __name__ == "__main__":
    main()
