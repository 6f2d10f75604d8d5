"""Debian hosts with systemd in containers, reached over ssh: for the demo, the scenarios and the benches.

    python3 tools/bed.py up [--purpose bench] [--suite bookworm|trixie] [--kind bare|warm] NAME
    python3 tools/bed.py ssh [--purpose bench] NAME [COMMAND ...]
    python3 tools/bed.py down [--purpose bench]

`up` prints {"name", "suite", "kind", "container", "id", "ip", "ssh_command", "ansible": connection variables} as one
line of JSON and gives a running host back as it is.
Names and subnet come from the checkout's path and the purpose, so checkouts and purposes do not meet.
Images are named by the content of their recipe and shared by all checkouts:
bare is Debian as a hosting provider hands it over, warm has the slow packages in it already.
"""

from __future__ import annotations

import argparse
import dataclasses
import fcntl
import hashlib
import ipaddress
import json
import os
import shlex
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from report import CACHE, ROOT, Problem, alone, logged, say, step, tail

SUITES = ("bookworm", "trixie")
KINDS = ("bare", "warm")
REPOSITORY = "localhost/web2py-deploy-bed"
LABEL = "web2py-deploy.bed"
KEY = CACHE / "ssh" / "id"
CONTAINERS_CONF = Path(__file__).with_name("containers.conf")
BOOT_SECONDS = 120

BARE_PACKAGES = (
    "systemd systemd-sysv dbus python3 python3-apt iproute2 ca-certificates procps openssh-server sudo"
).split()
WARM_PACKAGES = (
    "nginx uwsgi-core uwsgi-plugin-python3 python3-brotli python3-venv python3-pip python3-cryptography git"
    " curl openssl"
).split()
# Boot-time apt jobs would hold apt's lock while a test installs packages.
MASKED = ("apt-daily.timer", "apt-daily.service", "apt-daily-upgrade.timer", "apt-daily-upgrade.service")
EXCLUDED = ("/usr/share/man/*", "/usr/share/locale/*", "/usr/share/doc/*")
# Installed but neither running nor enabled: to a role the host looks as if it had no site yet.
WARM_SCRIPT = f"""set -eu
export DEBIAN_FRONTEND=noninteractive
apt-get update -q
apt-get install -yq --no-install-recommends {" ".join(WARM_PACKAGES)}
systemctl disable nginx.service
apt-get clean
rm -rf /var/lib/apt/lists/*
"""
# mmdebstrap mounts /proc and more: in namespaces of its own everything goes with it, also when we are killed.
ENCLOSED = "setpriv --pdeathsig KILL unshare --mount --pid --mount-proc --fork --kill-child".split()
# SYS_ADMIN: without it systemd's sandbox settings fail or silently do nothing. NET_ADMIN: for the hosts' own network.
RUN_FLAGS = ("--systemd=always", "--cap-add", "SYS_ADMIN", "--cap-add", "NET_ADMIN")
# podman's own defaults are above what some machines allow
LIMITS = ("--ulimit", "nofile=16384:16384", "--ulimit", "nproc=30000:30000")
# Where the share of all containers is written, by the first and the second kind of control groups: eight processes.
SHARES = {
    "/sys/fs/cgroup/cpu/libpod_parent/cpu.shares": 8192,
    "/sys/fs/cgroup/libpod_parent/cpu.weight": 800,
    "/sys/fs/cgroup/machine.slice/cpu.weight": 800,
}
# Of the kernel's interfaces: linux/sockios.h, linux/if_arp.h, linux/netdevice.h.
SIOCSIFHWADDR, ARPHRD_ETHER, SET_BY_USER = 0x8924, 1, "3"
SSH_OPTIONS = (
    "-o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR"
    " -o ConnectTimeout=60"
)
# What ssh ends with where it is ssh that failed.
SSH_FAILED = 255


def podman(*arguments: str | Path, check: bool = True) -> str:
    """Run podman with our own settings and return what it prints."""
    environment = {**os.environ, "CONTAINERS_CONF": str(CONTAINERS_CONF)}
    command = ["podman", *map(str, arguments)]
    result = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, env=environment, check=False
    )
    if check and result.returncode:
        raise Problem(f"{result.stderr.strip()}\nFailed: {shlex.join(command)}")
    return result.stdout.strip()


def short_hash(*parts: object) -> str:
    return hashlib.sha256("\0".join(map(str, parts)).encode()).hexdigest()[:8]


# Images


def bare_command(suite: str, mirrors: Sequence[str] = ()) -> list[str]:
    masks = " && ".join(f'ln -s /dev/null "$1/etc/systemd/system/{unit}"' for unit in MASKED)
    return [
        "mmdebstrap",
        "--variant=apt",
        f"--include={','.join(BARE_PACKAGES)}",
        '--aptopt=Acquire::Languages "none"',
        *(f"--dpkgopt=path-exclude={pattern}" for pattern in EXCLUDED),
        f"--customize-hook={masks}",
        suite,
        "-",
        *mirrors,
    ]


def image_name(suite: str, kind: str) -> str:
    recipe = bare_command(suite) if kind == "bare" else [image_name(suite, "bare"), WARM_SCRIPT]
    return f"{REPOSITORY}:{suite}-{kind}-{short_hash(*recipe)}"


def mirrors(suite: str) -> list[str]:
    """Return the sources that this machine's own apt uses for Debian; none means mmdebstrap's default."""
    command = ["apt-get", "indextargets", "--format", "$(LABEL)|$(ORIGIN) $(REPO_URI)"]
    lines = subprocess.run(command, capture_output=True, text=True, check=False).stdout.splitlines()
    uris = {label: uri for label, _, uri in (line.rpartition(" ") for line in lines)}
    main, security = uris.get("Debian|Debian"), uris.get("Debian-Security|Debian")
    if not main or not security:
        return []
    return [f"deb {main} {suite} main", f"deb {main} {suite}-updates main", f"deb {security} {suite}-security main"]


def image(suite: str, kind: str) -> str:
    """Return the name of an image, making it when no checkout has made it yet."""
    name = image_name(suite, kind)
    with alone(Path(tempfile.gettempdir()) / f"{name.replace('/', '-').replace(':', '-')}.lock"):
        if subprocess.run(["podman", "image", "exists", name], check=False).returncode == 0:
            return name
        with step(f"Image of a {kind} {suite} host (about a minute, once)"):
            if kind == "bare":
                make_bare(suite, name)
            else:
                make_warm(suite, name)
    return name


def make_bare(suite: str, name: str) -> None:
    if not mirrors(suite):
        logged("apt-update", ["apt-get", "update"])
    scratch = CACHE / "image" / suite
    # what a killed run left
    subprocess.run(["rm", "-rf", "--one-file-system", scratch], check=True)
    scratch.mkdir(parents=True)
    log = CACHE / "log" / f"image-{suite}.log"
    log.parent.mkdir(exist_ok=True)
    archive = scratch / "root.tar"
    environment = {**os.environ, "TMPDIR": str(scratch)}
    command = [*ENCLOSED, *bare_command(suite, mirrors(suite))]
    with log.open("wb") as errors, archive.open("wb") as output:
        built = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=errors, env=environment, check=False
        )
    if built.returncode:
        words = f"{tail(log, 20)}\nFailed: {shlex.join(command)}"
        raise Problem(f"{words}\nIs Debian's package mirror reachable (apt-get update)?")
    podman("import", "--change", 'CMD ["/sbin/init"]', "--change", "STOPSIGNAL SIGRTMIN+3", archive, name)
    shutil.rmtree(scratch)


def make_warm(suite: str, name: str) -> None:
    base = image(suite, "bare")
    work = f"web2py-bed-{name.rpartition(':')[2]}"
    try:
        podman("run", "--replace", "--name", work, *LIMITS, "--network", "host", base, "/bin/sh", "-c", WARM_SCRIPT)
        podman("commit", "-q", "--change", 'CMD ["/sbin/init"]', work, name)
    finally:
        podman("rm", "-f", work, check=False)


def images(wanted: Sequence[tuple[str, str]]) -> list[str]:
    """Make several images side by side."""
    with ThreadPoolExecutor(len(wanted)) as pool:
        return list(pool.map(lambda one: image(*one), wanted))


# Hosts


def mac(ip: str) -> str:
    """Return a card's address that follows the IP: after a restart the neighbours still know the host."""
    return "02:" + ":".join(f"{byte:02x}" for byte in (0x57, *ipaddress.IPv4Address(ip).packed))


@dataclasses.dataclass(frozen=True)
class Host:
    name: str
    suite: str = "bookworm"
    kind: str = "bare"
    container: str = ""
    id: str = ""
    ip: str = ""

    @property
    def control_path(self) -> Path:
        """Return the socket of the lasting connection, named by the container: a dead one is never used."""
        return Path(tempfile.gettempdir()) / f"web2py-bed-{self.id[:12]}"

    @property
    def ssh_command(self) -> str:
        return f"ssh -i {shlex.quote(str(KEY))} {SSH_OPTIONS} root@{self.ip}"

    def run(self, command: str, *, check: bool = True) -> str:
        """Run a shell command on the host and return what it prints; a host that was not reached is a problem."""
        argv = [*shlex.split(self.ssh_command), command]
        result = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if result.returncode == SSH_FAILED or (check and result.returncode):
            raise Problem(f"{result.stderr.strip()}\nFailed on {self.name}: {command}")
        return result.stdout

    def inventory(self) -> dict[str, str]:
        """Return the connection variables that ansible needs."""
        return {
            "ansible_host": self.ip,
            "ansible_user": "root",
            "ansible_ssh_private_key_file": str(KEY),
            "ansible_ssh_common_args": f"{SSH_OPTIONS} -o ControlPath={self.control_path}",
            "ansible_python_interpreter": "/usr/bin/python3",
        }

    def as_dict(self) -> dict[str, object]:
        return {**dataclasses.asdict(self), "ssh_command": self.ssh_command, "ansible": self.inventory()}


class Bed:
    """The hosts of one checkout for one purpose, on a network of their own."""

    def __init__(self, purpose: str) -> None:
        self.purpose = purpose
        self.id = short_hash(ROOT, purpose)
        self.name = f"web2py-{purpose}-{self.id}"

    def up(self, wanted: Sequence[Host]) -> list[Host]:
        """Bring the hosts up and wait until they answer; a running host of the same image is kept as it is."""
        with alone(CACHE / f"bed-{self.purpose}.lock"):
            remove_orphans()
            images(sorted({(host.suite, host.kind) for host in wanted}))
            make_key()
            subnet = self.network()
            hosts = [self.start(host, subnet) for host in wanted]
            keep_address(
                podman("network", "inspect", self.name, "--format", "{{.NetworkInterface}}"), mac(str(subnet[1]))
            )
            favour_hosts()
            for host in hosts:
                wait(host)
            return hosts

    def network(self) -> ipaddress.IPv4Network:
        """Return the subnet of our network, making it on the first free subnet counted from our hash."""
        known = podman("network", "inspect", self.name, "--format", "{{range .Subnets}}{{.Subnet}}{{end}}", check=False)
        if known:
            return ipaddress.IPv4Network(known)
        taken = used_subnets()
        count = 100 * 256
        first = int(self.id, 16) % count
        for number in range(first, first + 1000):
            high, low = divmod(number % count, 256)
            subnet = ipaddress.IPv4Network(f"10.{100 + high}.{low}.0/24")
            if any(subnet.overlaps(other) for other in taken):
                continue
            if podman(
                "network", "create", "--label", f"{LABEL}={ROOT}", "--subnet", str(subnet), self.name, check=False
            ):
                return subnet
        raise Problem("No free subnet between 10.100.0.0 and 10.199.255.0: see `podman network ls` and `ip route`")

    def containers(self) -> dict[str, str]:
        """Return our containers: name -> address."""
        names = podman("ps", "-a", "--filter", f"label={LABEL}.name={self.name}", "--format", "{{.Names}}").split()
        address = f'{{{{index .Config.Labels "{LABEL}.ip"}}}}'
        return {name: podman("inspect", "--format", address, name) for name in names}

    def start(self, host: Host, subnet: ipaddress.IPv4Network) -> Host:
        container = f"{self.name}-{host.name}"
        name = image_name(host.suite, host.kind)
        used = self.containers()
        if container in used:
            image_id = podman("image", "inspect", "--format", "{{.Id}}", name)
            if podman("inspect", "--format", "{{.Image}}", container) == image_id:
                podman("start", container)
                return known(host, container, used[container])
        taken = {address for other, address in used.items() if other != container}
        offset = int(short_hash(host.name), 16)
        candidates = (str(subnet[10 + (offset + step) % 240]) for step in range(240))
        ip = next(address for address in candidates if address not in taken)
        labels = {LABEL: ROOT, f"{LABEL}.name": self.name, f"{LABEL}.ip": ip}
        podman(
            "run", "-d", "--replace", "--name", container, "--hostname", host.name, *RUN_FLAGS, *LIMITS,
            "--network", self.name, "--ip", ip, "--mac-address", mac(ip),
            "-v", f"{KEY}.pub:/root/.ssh/authorized_keys:ro",
            *(word for key, value in labels.items() for word in ("--label", f"{key}={value}")), name,
        )  # fmt: skip
        # a machine behind its own package index or certificate authority has these; its hosts need them too
        for path in ("/etc/pip.conf", "/etc/ssl/certs/ca-certificates.crt"):
            if Path(path).exists():
                podman("cp", path, f"{container}:{path}")
        # the image has no package lists; to ansible a young folder means that they are up to date
        podman("exec", container, "touch", "-d", "@0", "/var/lib/apt/lists")
        return known(host, container, ip)

    def find(self, name: str) -> Host:
        container = f"{self.name}-{name}"
        ip = self.containers().get(container)
        if not ip:
            raise Problem(f"There is no host {name}: python3 tools/bed.py up --purpose {self.purpose} {name}")
        return known(Host(name), container, ip)

    def down(self) -> None:
        """Remove our hosts and our network."""
        with alone(CACHE / f"bed-{self.purpose}.lock"):
            remove([self.name], list(self.containers()))


def known(host: Host, container: str, ip: str) -> Host:
    return dataclasses.replace(host, container=container, ip=ip, id=podman("inspect", "--format", "{{.Id}}", container))


def used_subnets() -> list[ipaddress.IPv4Network]:
    """Return the subnets of podman's networks and of this machine's routes."""
    found = []
    for network in json.loads(podman("network", "ls", "--format", "json") or "[]"):
        found += [ipaddress.ip_network(subnet["subnet"]) for subnet in network.get("subnets") or []]
    for line in Path("/proc/net/route").read_text().splitlines()[1:]:
        fields = line.split()
        address, mask = (int.from_bytes(bytes.fromhex(fields[column])[::-1], "big") for column in (1, 7))
        if mask:
            found.append(ipaddress.IPv4Network((address, str(ipaddress.IPv4Address(mask)))))
    return [subnet for subnet in found if isinstance(subnet, ipaddress.IPv4Network)]


def keep_address(bridge: str, address: str) -> None:
    """Give the bridge of a network an address that stays.

    By itself it has the lowest of its ports', another one whenever a host comes or goes. Hosts would go on sending to
    the old one, for seconds, and what is sent once only, such as a reset, would be lost.
    """
    if Path(f"/sys/class/net/{bridge}/addr_assign_type").read_text().strip() != SET_BY_USER:
        card = bytes.fromhex(address.replace(":", ""))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
            request = struct.pack("16sH14s", bridge.encode(), ARPHRD_ETHER, card)
            fcntl.ioctl(control, SIOCSIFHWADDR, request)


def favour_hosts() -> None:
    """Give the hosts their share of the processors.

    To the kernel all containers are one group, which by itself weighs as much as one process of the controller: while
    that computes, a site would be late to start.
    """
    for name, weight in SHARES.items():
        if Path(name).exists():
            Path(name).write_text(str(weight))


def remove(networks: Sequence[str], containers: Sequence[str]) -> None:
    if containers:
        for number in podman("inspect", "--format", "{{.Id}}", *containers, check=False).split():
            end_connection(Host("", id=number))
        # At once: one that ends just when its time to do so is over could not be removed.
        podman("rm", "-f", "-i", "-v", "-t", "0", *containers)
    for network in networks:
        podman("network", "rm", "-f", network, check=False)


def end_connection(host: Host) -> None:
    if host.control_path.exists():
        subprocess.run(
            ["ssh", "-o", f"ControlPath={host.control_path}", "-O", "exit", "any"], capture_output=True, check=False
        )


def remove_orphans() -> None:
    """Remove the hosts of checkouts that are no longer there."""
    form = f'{{{{.Names}}}}|{{{{index .Labels "{LABEL}"}}}}'
    listing = podman("ps", "-a", "--filter", f"label={LABEL}", "--format", form)
    rows = [line.partition("|") for line in listing.splitlines()]
    remove([], [name for name, _, path in rows if not Path(path).is_dir()])
    # In one call: another run may be taking its own network away.
    networks = json.loads(podman("network", "ls", "--filter", f"label={LABEL}", "--format", "json") or "[]")
    for network in networks:
        if not Path(network["labels"][LABEL]).is_dir():
            remove([network["name"]], [])


def make_key() -> None:
    """Make the key of this checkout's hosts, once: beds of several purposes come up side by side."""
    with alone(CACHE / "key.lock"):
        if KEY.exists() and KEY.with_suffix(".pub").exists():
            return
        KEY.parent.mkdir(parents=True, exist_ok=True)
        KEY.unlink(missing_ok=True)
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "web2py.deploy test bed", "-f", KEY], check=True
        )


def wait(host: Host) -> None:
    """Wait until systemd has started everything and ssh answers."""
    end = time.monotonic() + BOOT_SECONDS
    state = ""
    while time.monotonic() < end:
        state = podman("exec", host.container, "systemctl", "is-system-running", check=False)
        if state in ("running", "degraded") and banner(host.ip):
            return
        time.sleep(0.5)
    raise Problem(f"{host.container} has not started in {BOOT_SECONDS} s, systemd: {state or 'no answer'}")


def banner(ip: str) -> bool:
    try:
        with socket.create_connection((ip, 22), timeout=2) as connection:
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    for command in ("up", "ssh", "down"):
        sub = commands.add_parser(command)
        sub.add_argument("--purpose", default="bench")
        if command != "down":
            sub.add_argument("name")
        if command == "up":
            sub.add_argument("--suite", choices=SUITES, default=SUITES[0])
            sub.add_argument("--kind", choices=KINDS, default=KINDS[0])
        if command == "ssh":
            sub.add_argument("words", nargs=argparse.REMAINDER)
    options = parser.parse_args()
    bed = Bed(options.purpose)
    try:
        if options.command == "up":
            print(json.dumps(bed.up([Host(options.name, options.suite, options.kind)])[0].as_dict()))
        elif options.command == "ssh":
            argv = shlex.split(bed.find(options.name).ssh_command) + options.words
            return subprocess.run(argv, check=False).returncode
        else:
            bed.down()
    except Problem as problem:
        say(f"\n{problem}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
