"""The very first run, killed while it installs packages, is repeated to the end and leaves nothing behind."""

from __future__ import annotations

import subprocess

import pytest
from desk import BIN, Desk

BARE = """set -eu
form='${db:Status-Abbrev} ${Package}\\n'
listing=$(dpkg-query -W -f "$form" 'nginx*' 'uwsgi*' 'python3*-venv' 'python3-cryptography' || true)
apt-get purge -yq --auto-remove $(echo "$listing" | sed -n 's/^[ir][^n]. *//p')
rm -rf /etc/nginx
: > /var/log/dpkg.log
"""
# Waits for a line in dpkg's log, then kills at once. It must not find itself.
KILLER = """
import os, signal, subprocess, time
while {mark!r} not in open("/var/log/dpkg.log").read():
    time.sleep(0.005)
for number in filter(str.isdigit, os.listdir("/proc")):
    try:
        words = open(f"/proc/{{number}}/cmdline").read()
    except OSError:
        continue
    if any(word in words for word in {victims!r}) and int(number) != os.getpid():
        os.kill(int(number), signal.SIGKILL)
"""
CALLER = ["Ansi" + "ball"]
ALL = [*CALLER, "apt-" + "get", "dp" + "kg"]


@pytest.mark.parametrize(
    ("mark", "victims"),
    [
        pytest.param(" status unpacked nginx-common:", ALL, id="while unpacking"),
        pytest.param(" status half-configured uwsgi-core:", ALL, id="while configuring"),
        pytest.param(" status half-installed nginx-common:", CALLER, id="apt goes on alone"),
    ],
)
def test_a_killed_installation_is_repeated_to_the_end(mark: str, victims: list[str], desk: Desk) -> None:
    desk.on_host(BARE)
    killer = KILLER.format(mark=mark, victims=victims)
    desk.on_host(f"cat > /run/killer.py <<'E'\n{killer}E\nsystemd-run --unit killer python3 /run/killer.py")
    words = ["ansible-playbook", "-i", "inventory.yml", "web2py.deploy.site", "--tags", "install"]
    killed = subprocess.run([BIN / words[0], *words[1:]], cwd=desk.folder, env=desk.environment, check=False)
    assert killed.returncode != 0
    run = desk.play("site", "--tags", "install")
    assert run.status == 0, run.output
    assert desk.on_host("dpkg --audit; dpkg --configure --pending") == ""
    assert desk.on_host("ls /usr/sbin/policy-rc.d", check=False) == ""
    # The server has no settings of its site yet.
    assert desk.on_host("systemctl is-active nginx", check=False).strip() == "inactive"


def test_a_package_that_was_left_half_unpacked_is_unpacked_anew(desk: Desk) -> None:
    """The kill fell between two of dpkg's notes. Now and then it does so above, too."""
    note = "s/^Status: .*/Status: install reinstreq half-installed/"
    desk.on_host(f"sed -i '/^Package: nginx-common$/,/^Status/{note}' /var/lib/dpkg/status")
    desk.on_host("sed -i '/^Package: nginx$/,/^Status/s/ installed$/ unpacked/' /var/lib/dpkg/status")
    assert "must be reinstalled" in desk.on_host("dpkg --audit")
    run = desk.play("site", "--tags", "install")
    assert run.status == 0, run.output
    assert desk.on_host("dpkg --audit") == ""


def test_then_the_site_is_built_and_its_server_starts_as_always(desk: Desk) -> None:
    run = desk.play("site")
    assert run.status == 0, run.output
    assert desk.on_host("systemctl show -p LoadState,ActiveState --value nginx").split() == ["loaded", "active"]
    assert desk.on_host("find /run/systemd/system -lname /dev/null") == ""
    again = desk.play("site")
    assert (again.status, again.changed) == (0, 0), again.output
