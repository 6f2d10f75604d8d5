"""What the benches share: hosts, runs of the playbook, the table and the JSON rows."""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
SPACE = ROOT / ".cache" / "bench"


def source() -> dict[str, str]:
    """Of web2py: the package on PyPI, or upstream's archive that WEB2PY_TEST_ARCHIVE names."""
    archive = os.environ.get("WEB2PY_TEST_ARCHIVE", "")
    if not archive:
        return {"type": "pypi"}
    return {"type": "archive", "path": archive, "sha256": hashlib.sha256(Path(archive).read_bytes()).hexdigest()}


def bed(*words: str) -> str:
    """Run the test bed's command and return what it printed."""
    return subprocess.run(
        [sys.executable, ROOT / "tools" / "bed.py", *words], stdout=subprocess.PIPE, text=True, check=True
    ).stdout


def host(name: str, suite: str, kind: str = "bare") -> dict[str, Any]:
    """A running host of the test bed, as `tools/bed.py up` describes it."""
    return dict(json.loads(bed("up", name, "--purpose", "bench", "--suite", suite, "--kind", kind).splitlines()[-1]))


def down() -> None:
    bed("down", "--purpose", "bench")


def ssh(machine: dict[str, Any], command: str, stdin: str = "", timeout: int = 3600) -> str:
    """Run a command on a host and return what it printed; what it says on standard error is passed on."""
    words = [*shlex.split(machine["ssh_command"]), command]
    done = subprocess.run(words, input=stdin, stdout=subprocess.PIPE, text=True, timeout=timeout, check=False)
    if done.returncode:
        sys.exit(f"{command.splitlines()[0]}: exit {done.returncode} on {machine['name']}\n{done.stdout[-3000:]}")
    return done.stdout


def inventory(name: str, sites: dict[str, tuple[dict[str, Any], dict[str, Any]]]) -> Path:
    """Write an inventory: {inventory host: (machine, choices)}."""
    hosts = {site: {**machine["ansible"], **choices} for site, (machine, choices) in sites.items()}
    SPACE.mkdir(parents=True, exist_ok=True)
    path = SPACE / f"{name}.json"
    path.write_text(json.dumps({"web2py_web": {"hosts": hosts}}, indent=1))
    return path


def play(path: Path, playbook: str, *words: str) -> tuple[float, str]:
    """Run a playbook of the checkout; seconds and output."""
    tool = Path(sys.executable).with_name("ansible-playbook")
    began = time.monotonic()
    done = subprocess.run(
        [tool if tool.exists() else shutil.which("ansible-playbook") or tool, "-i", path, playbook, *words],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        env={**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")},
    )
    if done.returncode:
        sys.exit(done.stdout[-6000:])
    return time.monotonic() - began, done.stdout


def report(rows: list[dict[str, Any]], file: str | None) -> None:
    """Print the rows as a table and write them where asked."""
    print(f"\n{'case':<28}{'metric':<9}{'ours':>12}{'reference':>12}{'ratio':>8}  against")
    for row in rows:
        row.setdefault("ratio", row["ours"] / row["reference"])
        numbers = f"{row['ours']:>12.2f}{row['reference']:>12.2f}{row['ratio']:>8.2f}"
        print(f"{row['case']:<28}{row['metric']:<9}{numbers}  {row.get('against', '')}")
    if file:
        Path(file).write_text(json.dumps(rows, indent=1) + "\n")
