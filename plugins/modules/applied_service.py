#!/usr/bin/python
# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: applied_service
short_description: Keep a systemd unit running with the files now on disk
version_added: "1.0.0"
description:
  - Makes a unit enabled, running and running with the current content of the files it reads.
  - The digests of those files are kept below C(/run/web2py.deploy) when they were taken in. A run that was killed
    between writing a file and reloading the unit is therefore mended by the next run, and a unit with nothing new
    is left alone.
  - A reload counts when the unit has new processes, if it had any. A server that refuses its new files often says so to
    nobody and goes on; the files then stay pending and the module fails.
  - A unit that was started by something else counts as having read every file that is older than its start.
  - A unit that is masked until the next boot only, as the role P(web2py.deploy.packages#role) leaves a new server, is
    unmasked; one that is masked for good is refused.
  - Unit files and drop-ins below C(/etc/systemd/system) are watched without being named.
author:
  - web2py.deploy maintainers (@web2py)
attributes:
  check_mode:
    description: Can run in check mode, also before the unit exists.
    support: full
  diff_mode:
    description: Shows the unit's state before and after and the files that are taken in.
    support: full
  idempotent:
    description: A second run changes nothing.
    support: full
options:
  name:
    description: Name of the unit; C(.service) may be left out.
    type: str
    required: true
  state:
    description:
      - V(started) starts, restarts or reloads what is needed.
      - V(ready) is for a unit that its sockets start when they are asked. They run; the unit is stopped where it has
        not taken in its files, and asked by the probe where something changed. Neither O(enabled=false) nor a mask goes
        with it.
      - V(stopped) stops the unit, its sockets first.
      - V(absent) stops, disables and removes its files below C(/etc/systemd/system).
    type: str
    choices: [started, ready, stopped, absent]
    default: started
  enabled:
    description: Whether the unit starts at boot.
    type: bool
    default: true
  sockets:
    description: Socket units that belong to the unit. They are enabled, started and removed with it.
    type: list
    elements: str
    default: []
  starts:
    description:
      - Units that this one starts when their time has come, such as the service of a timer. Their files are taken in,
        and they are stopped and removed with it, but never started by this module.
    type: list
    elements: str
    default: []
  restart_on:
    description: Files whose change needs a restart. Links are followed; a directory stands for all files below it.
    type: list
    elements: path
    default: []
  reload_on:
    description: Files whose change needs a reload. A unit that cannot reload is restarted.
    type: list
    elements: path
    default: []
  instead_of:
    description: Units that make way, stopped and disabled just before. When the unit does not come up they start again.
    type: list
    elements: str
    default: []
  timeout:
    description: Seconds to wait for the unit and for the probe's answer.
    type: int
    default: 60
  log:
    description: A log besides the journal that tells why a unit fails. Its last lines are part of the message.
    type: path
  scope:
    description: V(user) means the units of the account that Ansible logs in as, below C(~/.config/systemd/user).
    type: str
    choices: [system, user]
    default: system
  renewing:
    description: Whether a reload gives the unit new processes. PostgreSQL takes new rules in with those that it has.
    type: bool
    default: true
  probe:
    description: A question that the running unit must answer with 200, or as in maintenance. Not asked in check mode.
    type: dict
    suboptions:
      protocol:
        description: Language of the question.
        type: str
        choices: [uwsgi, http, fastcgi, scgi]
        required: true
      address:
        description: V(unix:/path) or V(host:port).
        type: str
        required: true
      path:
        description: Path to ask for.
        type: str
        default: /healthz
      host:
        description: Host name to ask with.
        type: str
        default: localhost
"""

EXAMPLES = r"""
- name: NGINX serves the present files
  web2py.deploy.applied_service:
    name: nginx
    reload_on:
      - /etc/nginx/sites-available/web2py.conf
      - /etc/web2py/tls/certificate.pem

- name: The site's server runs the present release
  web2py.deploy.applied_service:
    name: web2py
    sockets: [web2py.socket]
    reload_on: [/etc/web2py/uwsgi.ini, /srv/web2py/current/release.json]
    probe: {protocol: uwsgi, address: "unix:/run/web2py/uwsgi.sock"}
"""

RETURN = r"""
action:
  description: What was done to the unit itself, V(none), V(start), V(restart), V(reload) or V(stop).
  returned: success
  type: str
steps:
  description: Everything that was done, or would be, in words.
  returned: success
  type: list
  elements: str
pending:
  description: Files that the unit had not taken in.
  returned: success
  type: list
  elements: str
answer:
  description: Body of the probe's answer.
  returned: when O(probe) was asked
  type: str
"""

import contextlib
import os
import time

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.web2py.deploy.plugins.module_utils._run import Problem
from ansible_collections.web2py.deploy.plugins.module_utils._service import (
    children,
    diff,
    own_files,
    pending,
    plan_instead,
    plan_ready,
    plan_started,
    plan_stopped,
    read_stamp,
    remove_stamp,
    see,
    unread,
    write_stamp,
)
from ansible_collections.web2py.deploy.plugins.module_utils._systemd import Host
from ansible_collections.web2py.deploy.plugins.module_utils._tree import run_lock


def start(module, host):
    params = module.params
    units = host.show()
    held = [unit.name for unit in units if unit.held]
    stale = unread([*units, *host.show(host.starts)], params["restart_on"])
    if (held or stale) and not module.check_mode:
        host.do([["unmask", "--runtime", name] for name in held] + [["daemon-reload"]])
        units = host.show()
    refuse_masked(unit for unit in units if not unit.held)
    unit = units[-1]
    restart = {*params["restart_on"], *own_files(units)}
    seen = {path: see(path) for path in {*restart, *params["reload_on"]}}
    todo = pending(unit, read_stamp(unit.name, host.stamps), seen) if unit.running else []
    plan = plan_started(
        units, params["enabled"], [path for path in todo if path in restart], [p for p in todo if p not in restart]
    )
    way = plan_instead(host.show(host.others))
    steps = [f"unmask {name}" for name in held] + ["take in the unit files"] * stale + way.words + plan.words
    result = {"changed": bool(steps), "action": plan.action, "steps": steps, "pending": todo}
    if not module.check_mode:
        deadline = time.monotonic() + params["timeout"]
        before = children(unit.main) if plan.action == "reload" and params["renewing"] else set()
        host.stopped = [command[-1] for command in way.commands]
        host.do(way.commands + plan.commands)
        if host.stopped:
            host.systemctl("reset-failed", *host.stopped)  # one that had to be killed has not failed
        if plan.action == "reload":
            time.sleep(0.3)  # systemctl does not wait: give the workers time to stop taking requests for the old code
        write_stamp(host.wait(deadline, before) if plan.commands else unit, seen, host.stamps)
        if params["probe"]:
            result["answer"] = host.ask(params["probe"], deadline, patient=plan.action != "none")
    module.exit_json(diff=diff(units, steps), **result)


def refuse_masked(units):
    for unit in units:
        if unit.load == "masked":
            raise Problem(f"{unit.name} is masked; lift it with: systemctl unmask {unit.name}")


def ready(module, host):
    params = module.params
    if not params["enabled"]:
        raise Problem(
            "state=ready is for a unit whose sockets start it, also after a boot: enabled=false is not for it"
        )
    files = [*params["restart_on"], *params["reload_on"]]
    units = host.show()
    refuse_masked(units)
    new = unread(units)
    if new and not module.check_mode:
        host.do([["daemon-reload"]])
        units = host.show()
    # What a socket starts began without us: files newer than its start are those that it has not read.
    todo = {
        unit.name: pending(unit, read_stamp(unit.name, host.stamps), {path: see(path) for path in {*unit.files, *more}})
        for unit, more in zip(units, [[]] * (len(units) - 1) + [files])
        if unit.running
    }
    plan = plan_ready(units, {name for name, paths in todo.items() if paths})
    steps = ["take in the unit files"] * new + plan.words
    late = sorted({path for paths in todo.values() for path in paths})
    result = {"changed": bool(steps), "action": plan.action, "steps": steps, "pending": late}
    if not module.check_mode:
        host.do(plan.commands)
        if params["probe"] and steps:
            result["answer"] = host.ask(params["probe"], time.monotonic() + params["timeout"], patient=True)
    module.exit_json(diff=diff(units, steps), **result)


def stop(module, host):
    absent = module.params["state"] == "absent"
    units = host.show() + host.show(host.starts)
    plan = plan_stopped(units, module.params["enabled"] and not absent)
    files = [path for path in own_files(units) if absent and os.path.lexists(path)]
    steps = plan.words + [f"remove {path}" for path in files]
    if not module.check_mode:
        host.do(plan.commands)
        for path in files:
            os.unlink(path)
        if files:
            host.do([["daemon-reload"]])
            host.systemctl("reset-failed", *host.names, *host.starts)
        remove_stamp(host.name, host.stamps)
    result = {"changed": bool(steps), "action": plan.action, "steps": steps, "pending": []}
    module.exit_json(diff=diff(units, steps), **result)


def main():
    question = {
        "protocol": {"type": "str", "choices": ["uwsgi", "http", "fastcgi", "scgi"], "required": True},
        "address": {"type": "str", "required": True},
        "path": {"type": "str", "default": "/healthz"},
        "host": {"type": "str", "default": "localhost"},
    }
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["started", "ready", "stopped", "absent"], "default": "started"},
            "enabled": {"type": "bool", "default": True},
            "sockets": {"type": "list", "elements": "str", "default": []},
            "starts": {"type": "list", "elements": "str", "default": []},
            "restart_on": {"type": "list", "elements": "path", "default": []},
            "reload_on": {"type": "list", "elements": "path", "default": []},
            "instead_of": {"type": "list", "elements": "str", "default": []},
            "timeout": {"type": "int", "default": 60},
            "log": {"type": "path"},
            "renewing": {"type": "bool", "default": True},
            "scope": {"type": "str", "choices": ["system", "user"], "default": "system"},
            "probe": {"type": "dict", "options": question},
        },
        supports_check_mode=True,
    )
    try:
        host = Host(module)
    except ValueError as exc:
        module.fail_json(msg=str(exc))
    # Two sites of one machine are built at once and share the front end's unit.
    lock = contextlib.nullcontext() if module.check_mode else run_lock(host.name)
    try:
        with lock:
            {"started": start, "ready": ready}.get(module.params["state"], stop)(module, host)
    except Problem as exc:
        module.fail_json(msg=str(exc))


if __name__ == "__main__":
    main()
