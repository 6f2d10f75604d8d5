#!/usr/bin/python
# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: checked_files
short_description: Write a set of files that only stays when a checker accepts it
version_added: "1.0.0"
description:
  - Brings files, links and directories to the wanted state, then runs a checker over the result.
  - When the checker objects, or anything else goes wrong, every previous file comes back and the module fails
    with the checker's own words.
  - The checker also runs when nothing had to be written. What a run that was killed has left unchecked, or what
    somebody else has broken, is thus noticed, and left as it is.
  - Each file is replaced by rename; a reader never sees half of it.
author:
  - web2py.deploy maintainers (@web2py)
attributes:
  check_mode:
    description: Can run in check mode. Nothing is written and the checker does not run.
    support: full
  diff_mode:
    description: Shows what changes; the content of sensitive files is hidden.
    support: full
  idempotent:
    description: A second run changes nothing.
    support: full
options:
  files:
    description: What is wanted, in the order in which it is written.
    type: list
    elements: dict
    required: true
    suboptions:
      path:
        description: Absolute path. Its directory must exist or stand earlier in the list.
        type: path
        required: true
      state:
        description:
          - Kind of thing wanted. Default is V(link) when O(files[].target) is given, else V(file).
          - V(absent) removes a file, a link or an empty directory.
        type: str
        choices: [file, link, directory, absent]
      content:
        description:
          - Text of a file.
          - Without it, O(files[].state=file) only sets owner, group and mode of a file that is there.
        type: str
      target:
        description: Where a link points to.
        type: str
      owner:
        description: User name or number. Ignored for links. Left alone when not given.
        type: str
      group:
        description: Group name or number. Ignored for links. Left alone when not given.
        type: str
      mode:
        description: Four octal digits in quotes. Default is V(0644) for files and V(0755) for directories.
        type: str
      sensitive:
        description: Whether the content must never be shown, in diffs, logs and messages alike.
        type: bool
        default: false
  check:
    description: The checker as a list of arguments, for example C([nginx, -t, -q]). It runs without a shell.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Site file is in place
  web2py.deploy.checked_files:
    files:
      - path: /etc/nginx/sites-available/web2py.conf
        content: "{{ lookup('ansible.builtin.template', 'etc/nginx/sites-available/site.conf.j2') }}"
        owner: root
        group: root
        mode: "0644"
      - path: /etc/nginx/sites-enabled/web2py.conf
        target: ../sites-available/web2py.conf
      - path: /etc/nginx/sites-enabled/default
        state: absent
    check: [nginx, -t, -q]
"""

RETURN = r"""
changed_files:
  description: Paths that were written, or would be.
  returned: success
  type: list
  elements: str
  sample: [/etc/nginx/sites-available/web2py.conf]
checked:
  description: Whether the checker ran.
  returned: success
  type: bool
"""

import contextlib
import signal

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.web2py.deploy.plugins.module_utils._files import (
    Refused,
    apply,
    diff,
    differs,
    found,
    missing_names,
    obstacle,
    refusal,
    wanted_all,
)
from ansible_collections.web2py.deploy.plugins.module_utils._run import Problem
from ansible_collections.web2py.deploy.plugins.module_utils._tree import run_lock


def fail(module, message):
    module.fail_json(msg=message, invocation=shown(module.params))


def shown(params):
    """The module's arguments without sensitive content."""
    files = [dict(entry, content="HIDDEN") if entry["sensitive"] else entry for entry in params["files"]]
    return {"module_args": dict(params, files=files)}


def stop(signum, frame):
    """A lost connection or a stop undoes the half done, by way of an exception."""
    raise KeyboardInterrupt(f"signal {signum}")


def run_check(module):
    """The checker's words when it objects, else None. What it writes on its way (logs) is not for everyone to read."""
    command = module.params["check"]
    if not command:
        return None
    try:
        code, out, err = module.run_command(command, handle_exceptions=False, cwd="/", umask=0o027)
    except OSError as exc:
        return f"the checker {command[0]} cannot run: {exc.strerror}"
    return None if code == 0 else (err + out).strip() or f"{' '.join(command)} ended with {code}"


def main():
    entry = {
        "path": {"type": "path", "required": True},
        "state": {"type": "str", "choices": ["file", "link", "directory", "absent"]},
        "content": {"type": "str"},
        "target": {"type": "str"},
        "owner": {"type": "str"},
        "group": {"type": "str"},
        "mode": {"type": "str"},
        "sensitive": {"type": "bool", "default": False},
    }
    module = AnsibleModule(
        argument_spec={
            "files": {"type": "list", "elements": "dict", "required": True, "options": entry, "no_log": True},
            "check": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    # no_log keeps the content of files out of the journal. In results only what is sensitive stays hidden.
    module.no_log_values.clear()
    try:
        items = wanted_all(module.params["files"])
    except ValueError as exc:
        fail(module, str(exc))
    for item in items:
        if item.sensitive:
            lines = (item.content or b"").decode("utf-8").splitlines()
            module.no_log_values.update(line.strip() for line in lines if len(line.strip()) > 5)
    # Two sites of one machine are built at once: neither's check may see the other's files half written.
    lock = contextlib.nullcontext() if module.check_mode else run_lock("checked_files")
    try:
        with lock:
            result = put(module, items)
    except Problem as exc:
        fail(module, str(exc))
    module.exit_json(**result)


def put(module, items):
    """Put the files in place; what is told."""
    before = {item.path: found(item.path) for item in items}
    changed = [item for item in items if differs(item, before[item.path])]
    leaving = {item.path for item in items if item.state == "absent"}
    obstacles = (obstacle(item, before[item.path], leaving) for item in changed)
    problems = [words for words in obstacles if words]
    if not module.check_mode:
        problems += [f"{name} does not exist on this host" for name in missing_names(changed)]
    if problems:
        fail(module, "nothing was changed: " + "; ".join(problems))
    if not module.check_mode:
        for number in (signal.SIGHUP, signal.SIGTERM):
            signal.signal(number, stop)
        try:
            apply(changed, before, lambda: run_check(module))
        except Refused as exc:
            fail(module, f"{refusal(changed)}: {exc}")
    return {
        "changed": bool(changed),
        "changed_files": [item.path for item in changed],
        "checked": bool(module.params["check"]) and not module.check_mode,
        "diff": [diff(item, before[item.path]) for item in changed],
        "invocation": shown(module.params),
    }


if __name__ == "__main__":
    main()
