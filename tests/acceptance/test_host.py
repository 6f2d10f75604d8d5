"""On the host the site owns its state and nothing else, and shows nothing to its neighbours."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hosts import Machine, Probe, Site, excused

testinfra_hosts = ["ansible://web2py_web"]

PUBLIC_PORTS = {22, 80, 443}
# Open to every user of a system, sticky, and private to a unit by PrivateTmp.
COMMON_FOLDERS = ("/tmp", "/var/tmp", "/dev", "/run/lock")

SEARCH = """
import glob, json, os, stat, subprocess
words = [word.encode() for word in json.loads({words!r})]
found = []
def look(place, content):
    if any(word in content for word in words):
        found.append(place)
for path in glob.glob("/proc/[0-9]*/cmdline") + glob.glob("/proc/[0-9]*/environ"):
    try:
        look(path, open(path, "rb").read())
    except OSError:
        pass
look("journal", subprocess.run(["journalctl", "--no-pager", "--all", "--output=cat"], stdout=subprocess.PIPE).stdout)
for top in ("/etc", "/home", "/opt", "/root", "/run", "/srv", "/tmp", "/usr/local", "/var"):
    for folder, folders, files in os.walk(top):
        for name in files:
            path = os.path.join(folder, name)
            try:
                about = os.lstat(path)
                if stat.S_ISREG(about.st_mode) and about.st_mode & stat.S_IROTH and about.st_size < 50_000_000:
                    look(path, open(path, "rb").read())
            except OSError:
                pass
print(json.dumps(found))
"""


def secrets(variables: dict[str, Any]) -> list[str]:
    """Every secret word of the inventory: passwords, tokens, and the values in private files."""
    words = [
        value
        for name, value in variables.items()
        if re.search("_(password|secret|key)$", name) and isinstance(value, str)
    ]
    words += [pair.rpartition(":")[2] for pair in (variables.get("web2py_credentials") or {}).values()]
    for application in variables.get("web2py_applications", []):
        for content in (application.get("private_files") or {}).values():
            words += [line.partition("=")[2].strip() for line in content.splitlines() if "=" in line]
    return [word for word in words if len(word) >= 8]


def test_secrets_are_nowhere_to_be_seen(variables: dict[str, Any], machine: Machine) -> None:
    """No secret of the inventory is in an argument or environment, in the journal, or in a file open to all."""
    words = secrets(variables)
    if not words:
        pytest.skip("the inventory holds no secret")
    assert json.loads(machine.python(SEARCH.format(words=json.dumps(words)))) == []


def test_web2py_runs_as_the_user_of_the_site(probe: Probe, site: Site, machine: Machine) -> None:
    """The workers belong to the site's own user, who is neither root nor the front end's."""
    uid = probe.json("worker")["uid"]
    assert uid == int(machine.run(f"id -u {site['user']}"))
    assert uid != 0
    excused(site, "apart")
    assert site["user"] != site["front_end"]["user"]


def test_the_user_can_do_nothing_else(site: Site, machine: Machine) -> None:
    """The site's user has no shell, no password, and no group but its own; nobody else is in that group."""
    user = site["user"]
    entry = machine.run(f"getent passwd {user}").strip().split(":")
    assert entry[6].rsplit("/", 1)[1] in ("nologin", "false")
    assert machine.run(f"getent shadow {user}").split(":")[1] in ("!", "*", "!*", "!!")
    assert machine.run(f"id -Gn {user}").split() == [user]
    assert machine.run(f"getent group {user}").strip().split(":")[3] == ""


def test_the_user_writes_only_state(site: Site, machine: Machine) -> None:
    """As the site's user, nothing on the host can be written but the state of the site."""
    paths = site["paths"]
    own = (paths["state"], paths["sockets"], f"/var/log/{site['name']}")
    skip = " -o ".join(f"-path {path}" for path in ("/proc", "/sys", "/dev/pts"))
    found = machine.try_to(
        f"runuser -u {site['user']} -- "
        f"find / \\( {skip} \\) -prune -o \\( -type f -o -type d \\) -writable -print 2>/dev/null"
    ).stdout.splitlines()
    assert found, "the state is not writable"
    allowed = (*own, *COMMON_FOLDERS)
    assert [path for path in found if not any(path == top or path.startswith(top + "/") for top in allowed)] == []


def test_applications_write_only_their_state(probe: Probe, site: Site) -> None:
    """Seen from inside, an application can write into its state folders and into nothing else of its own."""
    folders = set(probe.json("writable")["folders"])
    assert {"databases", "errors", "sessions", "uploads", "cache"} <= folders
    assert folders <= {"databases", "errors", "sessions", "uploads", "cache", "private"}


def test_cron_of_web2py_never_runs(probe: Probe, site: Site, machine: Machine) -> None:
    """The application's crontab wants something each minute and with each start, and nobody ever took the lock."""
    crontab = f"{site['paths']['code']}/applications/probe/cron/crontab"
    traces = f"find {site['paths']['root']} {probe.state} -ignore_readdir_race -name cron_ran -o -name 'cron.master*'"
    assert machine.lines(f"grep -c cron_ran {crontab}; {traces}") == ["2"]


@pytest.mark.parametrize("user", ["nobody", "front end"])
def test_others_read_only_static_files(user: str, site: Site, machine: Machine, probe: Probe) -> None:
    """Another user, and the web server's, reads no session, row, ticket, setting or source: at most static files."""
    if user == "front end":
        excused(site, "apart")
    probe.ask("session/index")
    name = site["front_end"]["user"] if user == "front end" else user
    paths = site["paths"]
    found = machine.try_to(
        f"runuser -u {name} -- "
        f"find -L {paths['root']} {paths['state']} {paths['settings']} -type f -readable 2>/dev/null"
    ).stdout.splitlines()
    allowed = (
        ("/static/",)
        if user == "nobody"
        else ("/static/", f"{paths['settings']}/errors/", f"{paths['settings']}/pages/")
    )
    assert [path for path in found if not any(part in path for part in allowed)] == []


def test_state_is_closed(site: Site, machine: Machine) -> None:
    """Nothing of the state and the settings is open to other users, but a certificate, which is public.

    What is gone before it is looked at, such as the oldest profile, is open to nobody.
    """
    paths = site["paths"]
    tops, public = f"{paths['state']} {paths['settings']}", f"{paths['settings']}/tls"
    keys = machine.lines(f"find {public} -name '*key*' -perm /0077") if site["ports"]["https"] else []
    rest = f"-path {public} -prune -o \\( -type f -o -type d \\) -perm /0007 -print"
    found = machine.lines(f"find {tops} -ignore_readdir_race {rest}")
    assert [*keys, *found] == []


def test_code_belongs_to_root(site: Site, machine: Machine) -> None:
    """Code, environment and settings belong to root, and no group or other user may change them."""
    tops = f"{site['paths']['root']} {site['paths']['settings']} /etc/systemd/system"
    assert machine.lines(f"find {tops} -not -type l \\( -not -user root -o -perm /0022 \\)") == []


def test_only_public_ports_are_open(site: Site, machine: Machine) -> None:
    """Beyond the loopback address only ssh and the web are listened to."""
    rows = [line.split()[3] for line in machine.lines("ss -Hlnt")]
    public = {int(row.rsplit(":", 1)[1]) for row in rows if not re.match(r"(127\.|\[::1\])", row)}
    assert public <= PUBLIC_PORTS


def test_the_backend_is_for_the_front_end_alone(site: Site, machine: Machine) -> None:
    """The socket between front end and web2py is open to these two, and lies where nobody can take its place."""
    path = site["server"]["backend"]["path"]
    if not path:
        pytest.skip("the backend is no socket of its own")
    mode, group = machine.run(f"stat -c '%a %G' {path}").split()
    assert mode == "660" and group in (site["front_end"]["user"], site["front_end"]["name"])
    assert machine.try_to(f"runuser -u nobody -- test -w {path}").rc != 0
    assert machine.try_to(f"runuser -u nobody -- test -w {path.rsplit('/', 1)[0]}").rc != 0
    assert machine.lines("find /tmp /var/tmp -type s -not -path '*/systemd-private-*'") == []


def test_the_release_that_runs_is_held(site: Site, machine: Machine) -> None:
    """The server holds its release, so that no deployment removes the code under it."""
    assert machine.try_to(f"flock --nonblock {site['paths']['current']}/runtime.json true").rc == 1


def exposure(unit: str, machine: Machine) -> float:
    text = machine.try_to(f"SYSTEMD_COLORS=0 systemd-analyze security --no-pager {unit}").stdout
    found = re.search(r"Overall exposure level for \S+: ([0-9.]+)", text)
    assert found, text[-300:]
    return float(found.group(1))


def test_units_are_confined(unit: str, inside: bool, front_end: str, machine: Machine) -> None:
    """By systemd's own measure web2py's unit is exposed by at most 2.0 and the front end's by at most 2.5."""
    assert inside or exposure(unit, machine) <= 2.0
    assert exposure(front_end, machine) <= 2.5


def test_units_start_with_the_host(unit: str, front_end: str, machine: Machine) -> None:
    """Both units are enabled and running."""
    for name in (unit, front_end):
        assert machine.run(f"systemctl is-active {name}").strip() == "active"
        assert machine.run(f"systemctl is-enabled {name}").strip() == "enabled"


def test_nothing_has_failed(machine: Machine) -> None:
    """No unit on the host is in a failed state."""
    assert machine.lines("systemctl list-units --failed --plain --no-legend") == []


def test_logs_are_closed_and_kept_small(site: Site, machine: Machine) -> None:
    """Logs of the front end are not open to all, and are turned over."""
    folder = f"/var/log/{site['front_end']['name']}"
    if machine.try_to(f"test -d {folder}").rc == 0:
        assert machine.lines(f"find {folder} -type f -perm /0007") == []
        if machine.lines(f"find {folder} -type f"):
            assert machine.lines(f"grep -ls {folder} /etc/logrotate.d/*")
