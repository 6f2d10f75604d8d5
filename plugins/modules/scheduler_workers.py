#!/usr/bin/python
# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: scheduler_workers
short_description: Keep the workers of web2py's scheduler running with the files now on disk
version_added: 1.0.0
description:
  - Makes the units of a template enabled, running and running with the current content of the files they read.
  - Stops those that are no longer wanted.
  - All of them are looked at in one round trip, and restarted at the same time. A worker ends after its task.
  - The digests of the files are kept below C(/run/web2py.deploy) as by M(web2py.deploy.applied_service), so a run that
    was killed is mended by the next one.
author:
  - web2py.deploy maintainers (@web2py)
attributes:
  check_mode:
    description: Can run in check mode, also before the units exist.
    support: full
  diff_mode:
    description: Shows the units' state before, and the steps from there.
    support: full
  idempotent:
    description: A second run changes nothing.
    support: full
options:
  template:
    description: Name of the template up to and with its C(@).
    type: str
    required: true
  units:
    description: Names of the wanted units.
    type: list
    elements: str
    default: []
  state:
    description: With V(absent) all are stopped and the template's file is removed.
    type: str
    choices: [started, absent]
    default: started
  restart_on:
    description: Files whose change needs a restart. The template always does.
    type: list
    elements: path
    default: []
  timeout:
    description: Seconds to wait for all units together.
    type: int
    default: 60
seealso:
  - module: web2py.deploy.applied_service
"""

EXAMPLES = r"""
- name: Two workers run the present release
  web2py.deploy.scheduler_workers:
    template: web2py-scheduler@
    units: [web2py-scheduler@shop-main-1.service, web2py-scheduler@shop-main-2.service]
    restart_on: [/srv/web2py/current/release.json]
"""

RETURN = r"""
action:
  description: What was done, V(none), V(start), V(restart) or V(stop).
  returned: success
  type: str
steps:
  description: Everything that was done, or would be, in words.
  returned: success
  type: list
  elements: str
pending:
  description: By unit, files that it had not taken in.
  returned: success
  type: dict
"""

import os
import time

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.web2py.deploy.plugins.module_utils._service import (
    diff,
    full_name,
    own_files,
    pending,
    read_stamp,
    remove_stamp,
    see,
    unread,
    write_stamp,
)
from ansible_collections.web2py.deploy.plugins.module_utils._tree import run_lock
from ansible_collections.web2py.deploy.plugins.module_utils._workers import Workers, plan_workers


def work(module, host, wanted):
    params, here = module.params, not module.check_mode
    path = f"{host.folder}/{host.prefix}.service"
    gone = params["state"] == "absent" and os.path.lexists(path)
    others = sorted(host.present() - set(wanted))
    new = unread(host.show(wanted))
    if new and here:
        host.do([["daemon-reload"]])
    units, left = host.show(wanted), host.show(others)
    seen = {path: see(path) for path in {*params["restart_on"], *own_files(units)}}
    late = {unit.name: pending(unit, read_stamp(unit.name, host.stamps), seen) for unit in units if unit.life}
    plan = plan_workers(units, left, late)
    steps = ["take in the unit file"] * new + plan.words + [f"remove {path}"] * gone
    if here:
        host.do(plan.commands)
        for name in others:
            remove_stamp(name, host.stamps)
        if gone:
            os.unlink(path)
            host.do([["daemon-reload"]])
        lives = {unit.name: unit.life for unit in units if late.get(unit.name)}
        deadline = time.monotonic() + params["timeout"]
        for unit in host.up(wanted, lives, deadline) if wanted and plan.commands else units:
            write_stamp(unit, seen, host.stamps)
    module.exit_json(
        changed=bool(steps), action=plan.action, steps=steps, pending=late, diff=diff([*units, *left], steps)
    )


def main():
    module = AnsibleModule(
        argument_spec={
            "template": {"type": "str", "required": True},
            "units": {"type": "list", "elements": "str", "default": []},
            "state": {"type": "str", "choices": ["started", "absent"], "default": "started"},
            "restart_on": {"type": "list", "elements": "path", "default": []},
            "timeout": {"type": "int", "default": 60},
        },
        supports_check_mode=True,
    )
    template = module.params["template"]
    wanted = [] if module.params["state"] == "absent" else module.params["units"]
    try:
        full_name(template)
        wanted = sorted(map(full_name, wanted))
    except ValueError as exc:
        module.fail_json(msg=str(exc))
    strange = [name for name in wanted if not name.startswith(template) or not template.endswith("@")]
    if strange:
        module.fail_json(msg=f"not of the template {template}: {', '.join(strange)}")
    host = Workers(module, template)
    if module.check_mode:
        work(module, host, wanted)
    with run_lock(host.name):
        work(module, host, wanted)


if __name__ == "__main__":
    main()
