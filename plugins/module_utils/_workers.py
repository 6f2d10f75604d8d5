# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Units of one template, such as the workers of a scheduler: which are there, and what is left to do for them.

Private to this collection.
"""

from __future__ import annotations

import glob
import os
import time
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from ansible_collections.web2py.deploy.plugins.module_utils._service import STAMPS, UNITS, Plan, Unit, settled
from ansible_collections.web2py.deploy.plugins.module_utils._systemd import Host

# So often in turn a failed unit is looked at before it is believed.
LOOKS = 5


def listed(text: str, prefix: str) -> set[str]:
    """Names of units that begin so in the output of `systemctl list-units`, where a failed one has a bullet."""
    words = [word for line in text.splitlines() for word in line.split()[:2]]
    return {word for word in words if word.startswith(prefix) and word.endswith(".service")} - {f"{prefix}.service"}


def enabled(prefix: str, folder: str = UNITS) -> set[str]:
    """Names of units that begin so and start at boot."""
    return {os.path.basename(path) for path in glob.glob(f"{glob.escape(folder)}/*.wants/{glob.escape(prefix)}*")}


def plan_workers(wanted: Sequence[Unit], others: Sequence[Unit], stale: Mapping[str, Sequence[str]]) -> Plan:
    """Steps until the wanted units run with the files on disk, and no other does.

    stale: files that a running unit has not taken in, by its name. Units of one step are started and stopped together.
    """
    plan = Plan()

    def step(words: str, units: Sequence[Unit], *command: str) -> None:
        if units:
            names = [unit.name for unit in units]
            plan.add(f"{words} {', '.join(names)}", *command, *names)

    gone = [unit for unit in others if unit.enabled or unit.active not in ("inactive", "")]
    step("stop and forget", gone, "disable", "--now")
    step("forget the failures of", [unit for unit in gone if unit.active == "failed"], "reset-failed")
    step("enable", [unit for unit in wanted if not unit.enabled], "enable")
    again = [unit for unit in wanted if stale.get(unit.name)]
    first = [unit for unit in wanted if unit not in again and not unit.running]
    step(
        "count the starts anew of",
        [unit for unit in wanted if unit.active == "failed" or unit in again],
        "reset-failed",
    )
    # A worker ends after its task, and starts when its database is there: both may take longer than anybody waits.
    step("restart", again, "restart", "--no-block")
    step("start", first, "start", "--no-block")
    plan.action = "restart" if again else "start" if first else "stop" if gone else "none"
    return plan


class Workers(Host):
    """The units of one template on a host."""

    def __init__(self, module: Any, prefix: str) -> None:
        # Not the name and sockets of a single unit.
        self.module, self.prefix = module, prefix
        self.folder, self.stamps, self.scope = UNITS, STAMPS, []
        self.stopped, self.starts, self.names = [], [], []
        self.name = f"{prefix}.service"

    def present(self) -> set[str]:
        """Names of the units that run, failed or start at boot."""
        code, out, err = self.systemctl("list-units", "--all", "--plain", "--no-legend", "--full", f"{self.prefix}*")
        if code:
            self.module.fail_json(msg=f"systemd does not answer: {err.strip()}")
        return listed(out, self.prefix) | enabled(self.prefix, self.folder)

    def fail(self, message: str) -> NoReturn:
        journal = ["journalctl", "-u", f"{self.prefix}*"]
        lines = self.module.run_command([*journal, "-n", "20", "-o", "cat", "--no-pager"])[1]
        message += f"\nLast lines of their journal:\n{lines.strip()}\nMore: {' '.join(journal)}"
        self.module.fail_json(msg=f"{message}\nOnce the cause is mended, run again: nothing is lost.")
        raise AssertionError("fail_json ends the module")

    def up(self, names: Sequence[str], lives: Mapping[str, str], deadline: float) -> list[Unit]:
        """The units, when each of them is up in another life than before."""
        failed = 0
        while True:
            units = self.show(names)
            late = [unit for unit in units if not settled(unit) or unit.life == lives.get(unit.name, "")]
            if not late:
                return units
            # On the way from one life to the next a unit can be that for a moment.
            failed = failed + 1 if any(unit.active == "failed" for unit in late) else 0
            if time.monotonic() > deadline or failed > LOOKS:
                told = ", ".join(f"{unit.name} is {unit.active} ({unit.sub})" for unit in late)
                self.fail(f"Workers did not come up: {told}")
            time.sleep(0.2)
