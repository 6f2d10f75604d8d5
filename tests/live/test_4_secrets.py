"""A secret of the inventory reaches its file and nothing else."""

from __future__ import annotations

import pytest
from desk import Desk, Run

SECRET = "correct-horse-battery-staple"
CHOICES = {
    "web2py_credentials": {"git.example.org": f"deploy:{SECRET}"},
    "web2py_applications": [
        {
            "name": "starter",
            "source": {"type": "starter"},
            "private_files": {"appconfig.ini": f"[db]\npassword = {SECRET}\n"},
        }
    ],
}
# Looks at every process of the host every few milliseconds, until the file is removed. It must not find itself.
WATCH = """
import glob, os, sys
word = ("correct-horse-" + "battery-staple").encode()
open("/run/watch", "w").close()
seen = set()
while os.path.exists("/run/watch"):
    for path in glob.glob("/proc/[0-9]*/cmdline") + glob.glob("/proc/[0-9]*/environ"):
        try:
            with open(path, "rb") as stream:
                text = stream.read()
        except OSError:
            continue
        if word in text:
            seen.add(path.rsplit("/", 1)[1] + ": " + text[:200].decode(errors="replace"))
open("/run/watched", "w").write("\\n".join(sorted(seen)))
"""


@pytest.fixture(scope="module")
def run(desk: Desk) -> Run:
    """A run that shows all it can, watched from the host."""
    desk.on_host(
        "cat > /run/watch.py <<'E'\n" + WATCH + "E\nrm -f /run/watched; systemd-run --unit watch python3 /run/watch.py"
    )
    found = desk.play("site", "-vvv", "--diff", **CHOICES)
    desk.on_host("rm -f /run/watch; while [ ! -e /run/watched ]; do sleep 0.1; done")
    assert found.status == 0, found.output
    return found


def test_it_arrives(run: Run, desk: Desk) -> None:
    path = "/var/lib/web2py/applications/starter/private/appconfig.ini"
    assert SECRET in desk.on_host(f"cat {path}")
    assert desk.on_host(f"stat -c '%a %U:%G' {path}").strip() == "640 root:web2py"


def test_no_output_shows_it(run: Run) -> None:
    assert SECRET not in run.output


def test_no_process_carries_it_in_argv_or_environment(run: Run, desk: Desk) -> None:
    assert desk.on_host("cat /run/watched") == ""


def test_no_log_holds_it(run: Run, desk: Desk) -> None:
    assert desk.on_host(f"journalctl --no-pager -o cat | grep -c {SECRET}", check=False).strip() == "0"
    assert desk.on_host(f"grep -rl {SECRET} /var/log", check=False) == ""


def test_no_other_file_holds_it(run: Run, desk: Desk) -> None:
    found = desk.on_host(
        f"grep -rl {SECRET} /etc /srv /var /run /tmp /root /home --exclude-dir=journal", check=False
    ).split()
    assert found == ["/var/lib/web2py/applications/starter/private/appconfig.ini"]


def test_a_preview_does_not_show_it(run: Run, desk: Desk) -> None:
    changed = {
        "web2py_applications": [
            {**CHOICES["web2py_applications"][0], "private_files": {"appconfig.ini": SECRET + "-new"}}
        ]
    }
    preview = desk.play("site", "--check", "--diff", "-vvv", **changed)
    assert preview.status == 0 and preview.changed > 0, preview.output
    assert SECRET not in preview.output
