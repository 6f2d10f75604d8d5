"""The demo: one bare Debian 12 host, the example inventory, site.yml, and what the running site says about itself.

`up` again changes nothing, and keeps what somebody wrote into the inventory, except the host's own row. `down` removes
the host, its network, the line in /etc/hosts and the folder .demo, the inventory in it too.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import inventory
from bed import Bed, Host, short_hash
from report import CACHE, ROOT, Problem, alone, is_root, say, step

BUSY = "Another demo command is at work in this checkout. Wait for it, then run yours again."
SITE = "web2py"  # web2py_site of the example
HOSTS_FILE = Path("/etc/hosts")


@dataclass(frozen=True)
class Demo:
    """Where a demo keeps its things. The tests run one of their own beside the user's."""

    purpose: str = "demo"

    @property
    def folder(self) -> Path:
        return ROOT / ".demo" if self.purpose == "demo" else CACHE / self.purpose

    @property
    def domain(self) -> str:
        return f"{self.purpose}-{short_hash(ROOT, self.purpose)}.web2py.test"

    @property
    def mark(self) -> str:
        return f"# web2py.deploy {self.purpose} of {ROOT}"

    @property
    def inventory(self) -> Path:
        return self.folder / "inventory"


@dataclass(frozen=True)
class Answer:
    status: int
    location: str
    body: str


def ask(ip: str, name: str, path: str = "/", ca_file: Path | None = None) -> Answer:
    """Ask the host at an address for a page of a name; with a CA file over https, verified by it."""
    connection = http.client.HTTPConnection(name, 443 if ca_file else 80, timeout=30)
    raw = socket.create_connection((ip, connection.port), timeout=30)
    if ca_file:
        context = ssl.create_default_context(cafile=str(ca_file))
        raw = context.wrap_socket(raw, server_hostname=name)
    connection.sock = raw
    connection.request("GET", path, headers={"Connection": "close"})
    response = connection.getresponse()
    answer = Answer(response.status, response.getheader("Location") or "", response.read().decode(errors="replace"))
    connection.close()
    return answer


def status(ip: str, name: str, path: str = "/", ca_file: Path | None = None) -> str:
    """Return the status of an answer, or that the connection was closed without one."""
    try:
        return str(ask(ip, name, path, ca_file).status)
    except (OSError, http.client.HTTPException):
        return "no answer"


def set_hosts_line(demo: Demo, ip: str | None) -> None:
    """Put our line into /etc/hosts, or take it out. Written in place: in containers the file cannot be replaced."""
    with alone("/run/lock/web2py-deploy-hosts.lock"):
        old = HOSTS_FILE.read_text()
        lines = [line for line in old.splitlines(keepends=True) if not line.rstrip("\n").endswith(demo.mark)]
        if ip:
            if lines and not lines[-1].endswith("\n"):
                lines[-1] += "\n"
            lines.append(f"{ip} {demo.domain} {demo.mark}\n")
        if "".join(lines) != old:
            HOSTS_FILE.write_text("".join(lines))


def converge(demo: Demo, *arguments: str, log: Path | None = None) -> dict[str, int]:
    """Run site.yml on the demo's host and return the recap's numbers. Without a log file it is shown as it goes."""
    program = str(Path(sys.executable).with_name("ansible-playbook"))
    command = [program, "-i", str(demo.inventory), "site.yml", *arguments]
    colour = str(log is None and sys.stderr.isatty())
    environment = {**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_FORCE_COLOR": colour}
    path = log or demo.folder / "ansible.log"
    with path.open("w") as copy:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for line in process.stdout or ():
            copy.write(line)
            if not log:
                sys.stderr.write(line)
    if process.wait():
        raise Problem(
            f"The playbook failed; its own message is above, all of it in {path}.\n"
            "Mend what it names and run the same command again: it goes on. From scratch: make demo-down demo"
        )
    return recap(path.read_text())


def recap(text: str) -> dict[str, int]:
    """Return the sums over all hosts of ansible's closing lines."""
    sums: dict[str, int] = {}
    for line in re.findall(r"^.*\bok=\d+.*\bunreachable=\d+.*$", re.sub(r"\x1b\[[0-9;]*m", "", text), re.MULTILINE):
        for word, number in re.findall(r"(\w+)=(\d+)", line):
            sums[word] = sums.get(word, 0) + int(number)
    return sums


def prepare(demo: Demo) -> Host:
    """Bring the host up and write the inventory: the example with our host and our name in it."""
    host = Bed(demo.purpose).up([Host("web1", "bookworm", "bare")])[0]
    demo.folder.mkdir(parents=True, exist_ok=True)
    set_hosts_line(demo, host.ip)
    # The name goes with the line in /etc/hosts; all else is the visitor's to change.
    inventory.write(demo.inventory, [host], host_choices={host.name: {"web2py_domain": demo.domain}}, keep=True)
    return host


def up(demo: Demo, log: Path | None = None) -> str:
    """Bring the demo up, write site.json and return the closing summary."""
    with step("Host: Debian 12, bare"):
        host = prepare(demo)
    say(f"In /etc/hosts: {host.ip} {demo.domain} (make demo-down takes the line out again)")
    say("site.yml runs on it ...")
    numbers = converge(demo, log=log)
    site = json.loads(host.run(f"cat /etc/{SITE}/site.json"))
    ca_file = demo.folder / "ca.pem"
    ca_file.write_text(host.run(f"cat /etc/{SITE}/tls/ca.pem"))
    facts = {
        "url": f"https://{demo.domain}/",
        "domain": demo.domain,
        "ip": host.ip,
        "ca_file": str(ca_file),
        "host": host.container,
        "ssh_command": host.ssh_command,
    }
    (demo.folder / "site.json").write_text(json.dumps(facts, indent=2) + "\n")
    return summary(demo, host, site, ca_file, numbers.get("changed", 0))


def summary(demo: Demo, host: Host, site: dict[str, Any], ca_file: Path, changed: int) -> str:
    """Return what the running site answers, in words."""
    url = f"https://{demo.domain}/"
    page = ask(host.ip, demo.domain, "/", ca_file)
    if page.status != 200:
        raise Problem(f"{url} answers {page.status}. Look at: {host.ssh_command} journalctl -u {SITE} -n 50")
    plain = ask(host.ip, demo.domain)
    release = json.loads(host.run(f"cat /srv/{SITE}/current/release.json"))
    versions = [f"{name} {version.partition('-')[0]}" for name, version in sorted(release["versions"].items())]
    packages = f"{site['front_end']} {site['server']}-core"
    versions += host.run(f"dpkg-query -W -f '${{Package}} ${{Version}}\\n' {packages}").splitlines()
    system = host.run(". /etc/os-release; echo $PRETTY_NAME").strip()
    listening = host.run("ss -Hltn 'not src 127.0.0.0/8 and not src [::1]'")
    ports = sorted({int(line.split()[3].rpartition(":")[2]) for line in listening.splitlines()})
    folder = demo.folder.relative_to(ROOT)
    admin, appadmin = (status(host.ip, demo.domain, path, ca_file) for path in ("/admin", "/starter/appadmin"))
    return "\n".join(
        [
            "",
            f"  {url} answers {page.status} ({f'{changed} changes' if changed else 'nothing changed'} in this run)",
            f"  Your browser does not know the site's own authority: import {folder}/ca.pem, or accept its warning.",
            "",
            f"  Runs    {', '.join(versions)}; {system}",
            f"  Open    ports {', '.join(map(str, ports))}; 22 is ssh",
            f"  Closed  /admin answers {admin}: web2py_admin is {site['admin']}",
            f"          /starter/appadmin answers {appadmin}: the database pages go with admin",
            f"          http answers {plain.status}, go to {plain.location}: nothing is served in clear",
            f"          any other host name: {status(host.ip, host.ip)}",
            "",
            "  Next    change a choice (but the name) and run it again:",
            f"            $EDITOR {folder}/inventory/group_vars/web2py_web/1_example.yml",
            f"            .venv/bin/ansible-playbook -i {folder}/inventory site.yml",
            f"          look into the host: python3 tools/bed.py ssh --purpose {demo.purpose} {host.name}",
            "          take it all away:   make demo-down",
            "",
        ]
    )


def down(demo: Demo) -> None:
    Bed(demo.purpose).down()
    set_hosts_line(demo, None)
    shutil.rmtree(demo.folder, ignore_errors=True)
    say(f"The {demo.purpose} is gone: host, network, line in /etc/hosts, {os.path.relpath(demo.folder, ROOT)}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=("up", "down"))
    command = parser.parse_args().command
    demo = Demo()
    try:
        if not is_root():
            raise Problem("The demo needs root: run the same command with sudo.")
        with alone(CACHE / "demo.lock", BUSY):
            if command == "up":
                print(up(demo), flush=True)
            else:
                down(demo)
    except Problem as problem:
        print(f"\n{problem}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
