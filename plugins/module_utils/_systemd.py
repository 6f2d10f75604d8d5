# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A unit and its sockets on a host that runs systemd, and the few commands given for them.

Private to this collection.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence, Set
from typing import Any, NoReturn

from ansible_collections.web2py.deploy.plugins.module_utils._probe import Unanswered, probe
from ansible_collections.web2py.deploy.plugins.module_utils._service import (
    PROPERTIES,
    STAMPS,
    UNITS,
    Unit,
    full_name,
    parse_show,
    settled,
    tail,
    untaken,
)


class Host:
    """The unit and its sockets, and the few commands this module gives for them."""

    def __init__(self, module: Any) -> None:
        self.module = module
        self.folder, self.stamps, self.scope = UNITS, STAMPS, []
        if module.params["scope"] == "user":
            # The account's own manager, found without a login.
            runtime = f"/run/user/{os.geteuid()}"
            os.environ["XDG_RUNTIME_DIR"] = runtime
            self.folder = os.path.expanduser("~/.config/systemd/user")
            self.stamps, self.scope = f"{runtime}/web2py.deploy", ["--user"]
        self.name = full_name(module.params["name"])
        self.names = [full_name(name, ".socket") for name in module.params["sockets"]] + [self.name]
        self.starts = [full_name(name) for name in module.params["starts"]]
        self.others = [full_name(name) for name in module.params["instead_of"]]
        # Those that made way and start again when this one does not come up.
        self.stopped: list[str] = []

    def systemctl(self, *arguments: str) -> Any:
        try:
            words = ["systemctl", *self.scope, "--no-pager", *arguments]
            return self.module.run_command(words, handle_exceptions=False)
        except OSError:
            self.module.fail_json(msg="systemctl is missing; this module needs a host that runs systemd")

    def show(self, names: Sequence[str] | None = None) -> list[Unit]:
        """The sockets and, last, the unit; or the units of these names."""
        names = self.names if names is None else names
        if not names:
            return []
        code, out, err = self.systemctl("show", "--property=" + ",".join(PROPERTIES), *names)
        if code:
            self.module.fail_json(msg=f"systemd does not answer: {err.strip()}")
        return parse_show(out, names, time.time() - time.monotonic(), self.folder)

    def do(self, commands: Sequence[Sequence[str]]) -> None:
        for command in commands:
            code, out, err = self.systemctl(*command)
            if code:
                self.fail(f"systemctl {' '.join(command)} failed: {(err + out).strip()}")

    def fail(self, message: str) -> NoReturn:
        journal = ["journalctl", *self.scope, "-u", self.name]
        lines = self.module.run_command([*journal, "-n", "20", "-o", "cat", "--no-pager"])[1]
        message += f"\nLast lines of its journal:\n{lines.strip()}\nMore: {' '.join(journal)}"
        message += tail(self.module.params["log"])
        if self.stopped:
            self.systemctl("stop", *self.names)
            self.systemctl("enable", "--now", *self.stopped)
            message += f"\n{', '.join(self.stopped)} runs again in its place."
        self.module.fail_json(msg=f"{message}\nOnce the cause is mended, run again: nothing is lost.")
        raise AssertionError("fail_json ends the module")

    def wait(self, deadline: float, before: Set[tuple[int, int]] = frozenset()) -> Unit:
        """Wait until the unit is up, with other workers than before a reload; its new state."""
        while True:
            unit = self.show()[-1]
            state = settled(unit)
            old = untaken(unit, before)
            if state and not old:
                return unit
            if state is False or time.monotonic() > deadline:
                words = "did not take in the reload and goes on with what it had" if old else "did not come up"
                self.fail(f"{self.name} {words}: it is {unit.active} ({unit.sub})")
            time.sleep(0.1)

    def ask(self, question: Mapping[str, Any], deadline: float, patient: bool) -> str:
        """The probe's answer; a unit that was just started may need some tries."""
        while True:
            try:
                return probe(question["protocol"], question["address"], question["path"], question["host"])
            except Unanswered as exc:
                if not patient or time.monotonic() > deadline:
                    self.fail(f"{self.name} runs but does not answer: {exc}")
            time.sleep(0.2)
