"""Make a clean checkout ready: Python environment, collections and, with --containers, the container tools.

Runs on the system's Python with nothing but the standard library. A step whose inputs have not changed is skipped.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

from report import CACHE, ROOT, Problem, alone, is_root, logged, step

VENV = ROOT / ".venv"
REQUIREMENTS = ROOT / "requirements" / "dev.txt"
COLLECTIONS = ROOT / "requirements" / "collections.txt"
# Whoever has tickets mailed needs it; too large to make everybody install it.
OPTIONAL = ("community.general",)
MINIMUM = (3, 11)
# Debian package -> what must be there for it to count as installed
CONTAINER_TOOLS = {
    "podman": ["podman"],
    "runc": ["runc"],
    "mmdebstrap": ["mmdebstrap"],
    "iptables": ["iptables"],
    "openssh-client": ["ssh", "ssh-keygen"],
    "netavark": ["/usr/lib/podman/netavark", "/usr/libexec/podman/netavark"],
    "aardvark-dns": ["/usr/lib/podman/aardvark-dns", "/usr/libexec/podman/aardvark-dns"],
    "debian-archive-keyring": ["/usr/share/keyrings/debian-archive-keyring.gpg"],
}
BROWSER = {"chromium": ["chromium"], "libnss3-tools": ["certutil"]}


def present(things: list[str]) -> bool:
    """Programs must all be there; of a list of paths one is enough."""
    if things[0].startswith("/"):
        return any(Path(thing).exists() for thing in things)
    places = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    return all(shutil.which(thing, path=places) for thing in things)


def install(packages: list[str], purpose: str) -> None:
    """Install Debian packages, or say which command would."""
    command = "apt-get install " + " ".join(packages)
    if not is_root() or not shutil.which("apt-get"):
        raise Problem(f"Missing for {purpose}: {' '.join(packages)}.\nAs root, on Debian or Ubuntu: {command}")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    with step(f"Packages for {purpose}: {' '.join(packages)}"):
        logged("apt-update", ["apt-get", "update"], env=environment)
        arguments = ["-y", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=120", *packages]
        logged("apt-install", ["apt-get", "install", *arguments], env=environment, remedy=f"Try by hand: {command}")


def digest(*parts: object) -> str:
    return hashlib.sha256("\0".join(str(part) for part in parts).encode()).hexdigest()


def fresh(stamp: Path, value: str) -> bool:
    return stamp.exists() and stamp.read_text() == value


def interpreter() -> str:
    """Return a Python that is new enough and can make environments.

    The distribution's before others: a Python that was built by hand without optimizations takes half as long again.
    """
    candidates = ["/usr/bin/python3", sys.executable, "python3", *(f"python3.{minor}" for minor in range(11, 16))]
    recent = [
        path for name in candidates if (path := shutil.which(name)) and runs(path, f"sys.version_info >= {MINIMUM!r}")
    ]
    for path in recent:
        if runs(path, "__import__('ensurepip') and __import__('venv')"):
            return path
    if not recent:
        wanted = ".".join(map(str, MINIMUM))
        raise Problem(f"Python {wanted} or newer is needed. On Debian: apt-get install python3 python3-venv")
    install(["python3-venv"], "the Python environment")
    return recent[0]


def runs(path: str, expression: str) -> bool:
    """Whether an expression is true to a Python."""
    code = f"import sys; sys.exit(not ({expression}))"
    return subprocess.run([path, "-c", code], capture_output=True, check=False).returncode == 0


def environment() -> None:
    """Make .venv with exactly the pinned tools."""
    python = interpreter()
    version = subprocess.run([python, "-VV"], capture_output=True, text=True, check=True).stdout
    # an environment carries absolute paths, so a moved checkout needs a new one
    stamp, value = VENV / "stamp", digest(REQUIREMENTS.read_text(), version, ROOT)
    if fresh(stamp, value):
        return
    with step("Python environment in .venv with the pinned tools (about a minute)"):
        logged("venv", [python, "-m", "venv", "--clear", VENV], remedy="On Debian: apt-get install python3-venv")
        pip = [
            str(VENV / "bin" / "python"),
            "-m",
            "pip",
            "install",
            "--disable-pip-version-check",
            "-r",
            str(REQUIREMENTS),
        ]
        logged("pip", pip, remedy="Is the package index that pip uses reachable? Then run the command again.")
        stamp.write_text(value)


def wanted_collections() -> list[str]:
    """Return the collections named in galaxy.yml's dependencies and those that single choices need."""
    import yaml  # only the environment has it

    dependencies = yaml.safe_load((ROOT / "galaxy.yml").read_text()).get("dependencies") or {}
    return sorted({*dependencies, *OPTIONAL})


def collections() -> None:
    """Unpack the collections we depend on from the pinned wheel of the community package."""
    code = "import bootstrap; print(*bootstrap.wanted_collections())"
    python = str(VENV / "bin" / "python")
    here = Path(__file__).parent
    wanted = subprocess.run([python, "-c", code], cwd=here, capture_output=True, text=True, check=True).stdout.split()
    target = CACHE / "collections"
    stamp, value = target / "stamp", digest(COLLECTIONS.read_text(), *wanted)
    if not wanted or fresh(stamp, value):
        return
    with step(f"Collections: {' '.join(wanted)}"):
        shutil.rmtree(target, ignore_errors=True)
        wheels = CACHE / "wheels"
        pip = [
            python,
            "-m",
            "pip",
            "download",
            "--disable-pip-version-check",
            "--no-deps",
            "-d",
            str(wheels),
            "-r",
            str(COLLECTIONS),
        ]
        logged("collections", pip, remedy="Is the package index that pip uses reachable? Then run the command again.")
        prefixes = tuple(f"ansible_collections/{name.replace('.', '/')}/" for name in wanted)
        with zipfile.ZipFile(next(wheels.glob("ansible-*.whl"))) as wheel:
            members = [member for member in wheel.namelist() if member.startswith(prefixes)]
            missing = [name for name, prefix in zip(wanted, prefixes) if not any(m.startswith(prefix) for m in members)]
            if missing:
                raise Problem(f"{COLLECTIONS.name} does not contain the collections {' '.join(missing)}")
            wheel.extractall(target, members)
        shutil.rmtree(wheels)
        stamp.write_text(value)


def tools(wanted: dict[str, list[str]], purpose: str) -> None:
    missing = [package for package, things in wanted.items() if not present(things)]
    if missing:
        install(missing, purpose)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--containers", action="store_true", help="also what the demo and the scenarios need")
    parser.add_argument("--browser", action="store_true", help="also what the acceptance suite's browser test needs")
    options = parser.parse_args()
    try:
        with alone(CACHE / "bootstrap.lock"):
            if options.containers:
                if not is_root():
                    raise Problem(
                        "Root is needed for hosts in containers, a network of their own and one line in /etc/hosts.\n"
                        "Run the same command with sudo. Without root there are: make lint, make unit."
                    )
                tools(CONTAINER_TOOLS, "hosts in containers")
            if options.browser:
                tools(BROWSER, "the tests with a real browser")
            environment()
            collections()
    except Problem as problem:
        print(f"\n{problem}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
