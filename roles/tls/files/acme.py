# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The certificate of one site from an ACME authority, renewed on the host itself.

    acme.py SETTINGS due     why the authority has to be asked, a line each; asks nobody
    acme.py SETTINGS ask     ask it if there is a reason; as a user that owns nothing but STATE_DIRECTORY
    acme.py SETTINGS take    bring what was got to the front end; as root

SETTINGS is a file in JSON: names, directory, contact, ca_bundle, state, challenges, tls, domain, port, unit (the front
end's), service (its own).
Key and chain travel in one file, and the front end finds them behind one link: neither is ever without its other half.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import re
import shutil
import socket
import ssl
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

CLIENT = "acme-tiny"
# Kept by the module applied_service: which files a running unit has taken in.
STAMPS = "/run/web2py.deploy"
PAIR = "pair.json"
BLOCK = re.compile(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)
WORK = "asking-"
SPARE = "acme-link"
LIMIT = 1 << 20
RELOAD_SECONDS = 30
LOCK_SECONDS = 60


class Trouble(Exception):
    """What an administrator has to know, in one line."""


class Facts(NamedTuple):
    """What a certificate says of itself."""

    names: frozenset[str]
    begin: float
    end: float


def openssl(*words: str, text: str = "") -> str:
    """Output of openssl, which reads a text; ValueError where it objects."""
    done = subprocess.run(["openssl", *words], input=text, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ValueError(done.stderr.strip().splitlines()[-1] if done.stderr.strip() else "openssl failed")
    return done.stdout


def facts(chain: str) -> Facts:
    """Names and times of the first certificate of a chain."""
    first = ssl.DER_cert_to_PEM_cert(certificates(chain)[0])
    told = openssl("x509", "-noout", "-dates", "-ext", "subjectAltName", text=first)
    times = dict(re.findall(r"^(notBefore|notAfter)=(.+)$", told, re.MULTILINE))
    begin, end = (ssl.cert_time_to_seconds(times[word]) for word in ("notBefore", "notAfter"))
    return Facts(frozenset(re.findall(r"DNS:([^,\s]+)", told)), begin, end)


def certificates(chain: str) -> list[bytes]:
    """The certificates of a chain, as they go over the wire."""
    found = [ssl.PEM_cert_to_DER_cert(block) for block in BLOCK.findall(chain)]
    if not found:
        raise ValueError("no certificate came")
    return found


def bare(pair: Mapping[str, Any]) -> tuple[str, str]:
    """Chain and key of a pair with nothing beside them: another user wrote it, and the front end reads it as root."""
    chain = "".join(map(ssl.DER_cert_to_PEM_cert, certificates(pair["chain"])))
    # Nobody is there who could be asked for a password.
    return chain, openssl("pkey", "-passin", "pass:", text=pair["key"])


def unfit(pair: Mapping[str, Any], names: Sequence[str], now: float) -> str:
    """What keeps a pair from being served, "" where nothing does."""
    try:
        chain, key = bare(pair)
        told = facts(chain)
        same = openssl("x509", "-noout", "-pubkey", text=chain) == openssl("pkey", "-pubout", text=key)
    except (KeyError, ValueError) as error:
        return f"it cannot be read ({error})"
    if not same:
        return "the key does not belong to the certificate"
    # One that no front end can load would stop those of all sites at their next start.
    with tempfile.NamedTemporaryFile("w", encoding="utf-8") as file:
        file.write(chain + key)
        file.flush()
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(file.name)
        except ssl.SSLError as error:
            return f"no front end can load it ({error})"
    if told.names != frozenset(names):
        return f"its names are {', '.join(sorted(told.names)) or 'none'}"
    return "" if told.begin <= now + 300 and now < told.end else "it is not valid at this time"


def reasons(pair: Mapping[str, Any] | None, settings: Mapping[str, Any], now: float) -> list[str]:
    """Why the authority has to be asked; nothing while there is no reason."""
    if pair is None:
        return ["there is none yet"]
    if pair.get("directory") != settings["directory"]:
        return [f"it is from another authority than {settings['directory']}"]
    trouble = unfit(pair, settings["names"], now)
    if trouble:
        return [trouble]
    told = facts(pair["chain"])
    left = told.end - now
    # A third of its life: 30 days of 90, and in time for the short lives of private authorities.
    return [f"{left / 86400:.1f} days are left"] if left < (told.end - told.begin) / 3 else []


def due(settings: Mapping[str, Any]) -> list[str]:
    """Why the unit has to be started; also where a run was killed between `ask` and `take`."""
    pair = held(settings)
    why = reasons(pair, settings, time.time())
    if pair is None or why:
        return why
    if state(settings["service"])["ActiveState"] == "failed":
        return ["it failed the last time"]
    live = os.path.join(settings["tls"], "live")
    return [] if os.path.islink(live) and os.readlink(live) == folder_of(pair) else ["it is not in service yet"]


def held(settings: Mapping[str, Any]) -> dict[str, Any] | None:
    """The pair that was got last. The folder is another user's, so no link is followed."""
    try:
        folder = os.open(settings["state"], os.O_RDONLY | os.O_DIRECTORY)
    except FileNotFoundError:
        return None
    try:
        handle = os.open(PAIR, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
    except OSError:
        return None
    finally:
        os.close(folder)
    with os.fdopen(handle, encoding="utf-8", errors="replace") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            return None
        try:
            pair = json.loads(file.read(LIMIT))
        except (ValueError, RecursionError):
            return None
    whole = isinstance(pair, dict) and all(isinstance(pair.get(word), str) for word in ("directory", "key", "chain"))
    return pair if whole else None


def write(path: str, text: str, mode: int) -> None:
    """A file that is there whole or not at all, also when the host loses its power."""
    handle, name = tempfile.mkstemp(dir=os.path.dirname(path))
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        os.fchmod(handle, mode)
        file.write(text)
        file.flush()
        os.fsync(handle)
    os.rename(name, path)


def account(settings: Mapping[str, Any]) -> str:
    """The key of the account, made at the first time; each authority has its own."""
    mark = hashlib.sha256(settings["directory"].encode()).hexdigest()[:16]
    path = os.path.join(settings["state"], f"account-{mark}.key")
    if not os.path.exists(path):
        write(path, openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:3072"), 0o600)
    return path


def plain(output: str) -> str:
    """What a client in Python said, without the lines of its program that led there."""
    lines = output.splitlines()
    return "".join(f"{line}\n" for line in lines if not line.startswith((" ", "Traceback")))


def said(output: str, names: Sequence[str]) -> str:
    """The words of the client that name the trouble: its last line, with the domain that it was about."""
    lines = [line.strip() for line in plain(output).splitlines() if line.strip()]
    last = re.sub(r"^\w+(Error|Exception): ", "", lines[-1]) if lines else f"{CLIENT} said nothing"
    details = re.findall(r"""['"]detail['"]: (['"])(.*?)\1[,}]""", output)
    about = re.search(r"did not pass for ([^\s:]+)", plain(output))
    if about:
        reason = details[-1][1] if details else last
        return f"{about[1]} was not validated, so no certificate for {', '.join(names)}: {reason}"
    return details[-1][1] if details else last


def ask(settings: Mapping[str, Any]) -> None:
    """Get a certificate with a new key, if there is a reason."""
    why = reasons(held(settings), settings, time.time())
    if not why:
        print("The certificate is good, nobody was asked")
        return
    names = settings["names"]
    print(f"Asking {settings['directory']} for {', '.join(names)}: {'; '.join(why)}", flush=True)
    for name in os.listdir(settings["state"]):
        if name.startswith(WORK):  # of one that was killed
            shutil.rmtree(os.path.join(settings["state"], name))
    with tempfile.TemporaryDirectory(dir=settings["state"], prefix=WORK) as folder:
        request, key = os.path.join(folder, "request.pem"), os.path.join(folder, "key.pem")
        alternatives = "subjectAltName=" + ",".join(f"DNS:{name}" for name in names)
        words = ["req", "-new", "-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
        openssl(*words, "-subj", "/", "-addext", alternatives, "-keyout", key, "-out", request)
        # This host may not reach itself by its public name: whether the challenge is served, the authority says.
        command = [CLIENT, "--account-key", account(settings), "--csr", request, "--acme-dir", settings["challenges"]]
        command += ["--disable-check", "--directory-url", settings["directory"]]
        command += ["--contact", f"mailto:{settings['contact']}"] if settings["contact"] else []
        environment = dict(os.environ)
        if settings["ca_bundle"]:
            environment["SSL_CERT_FILE"] = settings["ca_bundle"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        print(plain(done.stderr), end="", file=sys.stderr, flush=True)
        if done.returncode:
            raise Trouble(said(done.stderr, names))
        pair = {"directory": settings["directory"], "key": Path(key).read_text(), "chain": done.stdout}
    trouble = unfit(pair, names, time.time())
    if trouble:
        raise Trouble(f"{settings['directory']} gave a certificate of no use: {trouble}")
    write(os.path.join(settings["state"], PAIR), json.dumps(pair), 0o600)
    print("The certificate is there")


def take(settings: Mapping[str, Any]) -> None:
    """Put the pair where the front end reads it, and see that it is served."""
    pair = held(settings)
    trouble = "there is none" if pair is None else unfit(pair, settings["names"], time.time())
    if pair is None or trouble:
        raise Trouble(f"What was got is not put into service: {trouble}")
    live = os.path.join(settings["tls"], "live")
    before = os.readlink(live) if os.path.islink(live) else None
    kept = place(settings["tls"], pair)
    try:
        serve(settings, certificates(pair["chain"])[0])
    except BaseException:
        if before:
            # A front end that refuses it has to start with what it has.
            lead(settings["tls"], before)
            kept = before
        raise
    finally:
        clear(settings["tls"], kept)


def folder_of(pair: Mapping[str, Any]) -> str:
    """The name of the folder of a pair, another for another pair."""
    return "acme-" + hashlib.sha256((pair["key"] + pair["chain"]).encode()).hexdigest()[:16]


def place(tls: str, pair: Mapping[str, Any]) -> str:
    """Switch the link `live` to a folder with key and chain, whose name is returned."""
    name = folder_of(pair)
    folder = os.path.join(tls, name)
    if not os.path.isdir(folder):
        chain, key = bare(pair)
        made = tempfile.mkdtemp(dir=tls, prefix="acme-")
        write(os.path.join(made, "key.pem"), key, 0o600)
        write(os.path.join(made, "certificate.pem"), chain, 0o640)
        os.chmod(made, 0o750)  # noqa: S103  root's group passes, as in the folder above
        os.rename(made, folder)
    lead(tls, name)
    return name


def lead(tls: str, name: str) -> None:
    """Switch the link `live`, which is there at every moment."""
    live, spare = os.path.join(tls, "live"), os.path.join(tls, SPARE)
    if not os.path.islink(live) or os.readlink(live) != name:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(spare)
        os.symlink(name, spare)
        os.rename(spare, live)


def clear(tls: str, kept: str) -> None:
    """Remove all folders of pairs but one, also what a killed run left."""
    for name in os.listdir(tls):
        if name.startswith("acme-") and name not in (SPARE, kept):
            shutil.rmtree(os.path.join(tls, name))


def serve(settings: Mapping[str, Any], certificate: bytes) -> None:
    """Make the front end show a certificate; a front end that is stopped reads it when it starts."""
    unit = settings["unit"]
    if state(unit)["ActiveState"] not in ("active", "reloading"):
        return
    if shown(settings) != certificate:
        done = subprocess.run(["systemctl", "try-reload-or-restart", unit], capture_output=True, text=True, check=False)
        deadline = time.monotonic() + RELOAD_SECONDS
        while shown(settings) != certificate:
            if done.returncode or time.monotonic() > deadline:
                raise Trouble(f"{unit} goes on with the certificate of before. {done.stderr.strip()}".strip())
            time.sleep(0.2)
        print(f"{unit} serves the new certificate")
    note(unit, [os.path.join(settings["tls"], "live", name) for name in ("certificate.pem", "key.pem")])


def shown(settings: Mapping[str, Any]) -> bytes | None:
    """The certificate that the front end shows for the name of the site."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # It is compared with what is on disk, byte by byte.
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        raw = socket.create_connection(("127.0.0.1", settings["port"]), timeout=5)
        with raw, context.wrap_socket(raw, server_hostname=settings["domain"]) as secured:
            return secured.getpeercert(True)
    except OSError:
        return None


def state(unit: str) -> dict[str, str]:
    """A few properties of a unit."""
    command = ["systemctl", "show", "--property=ActiveState,InvocationID", unit]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)


def note(unit: str, paths: Sequence[str], folder: str = STAMPS) -> None:
    """Tell the next run of the playbook that a unit has taken in these files."""
    path = os.path.join(folder, f"{unit}.json")
    if not os.path.isdir(folder):
        return  # the host has started since, and so has the unit
    with locked(os.path.join(folder, f"{unit}.lock")):
        try:
            stamp = json.loads(Path(path).read_text(encoding="utf-8"))
            files = dict(stamp["files"])
        except (OSError, ValueError, KeyError, TypeError):
            return  # the playbook has never taken care of it
        if stamp.get("life") != state(unit)["InvocationID"]:
            return  # it has started since, and read them then
        files.update((name, hashlib.sha256(Path(name).read_bytes()).hexdigest()) for name in paths)
        if files != stamp["files"]:
            write(path, json.dumps({**stamp, "files": files}, indent=1), 0o600)


@contextlib.contextmanager
def locked(path: str) -> Iterator[None]:
    """The lock of the module applied_service."""
    with open(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600), "r+") as file:
        deadline = time.monotonic() + LOCK_SECONDS
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise Trouble(f"Another run holds {path}") from None
                time.sleep(0.2)
        yield


def main(words: Sequence[str]) -> int:
    settings = json.loads(Path(words[0]).read_text(encoding="utf-8"))
    try:
        if words[1] == "due":
            print("\n".join(due(settings)))
        else:
            {"ask": ask, "take": take}[words[1]](settings)
    except (Trouble, OSError, ValueError, RecursionError, subprocess.SubprocessError) as trouble:
        print(f"{settings['domain']}: {trouble}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
