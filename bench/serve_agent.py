"""Runs on the measured host: loads our site and the reference in turn, and prints rows as JSON.

Only ratios count: each round asks ours and the reference directly after one another, in alternating order. CPU is that
of all processes of the host but the client's and systemd's, reaped workers included, over the requests that were
answered. With --one it loads one address and prints what it took.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import re
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import urlsplit

TICKS = os.sysconf("SC_CLK_TCK")
CONNECTIONS = 8
COOKIES = 64


OTHERS = ("systemd", "dbus-daemon", "sshd", "wrk", "(sd-pam)")


def server_cpu_seconds() -> float:
    """CPU time of all processes but this one's and the host's own, their reaped children included."""
    total = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            text = stat.read_text()
        except OSError:
            continue
        name = text[text.index("(") + 1 : text.rindex(")")]
        if not name.startswith(OTHERS) and stat.parent.name != str(os.getpid()):
            total += sum(int(word) for word in text[text.rindex(")") + 2 :].split()[11:15])
    return total / TICKS


def blind() -> ssl.SSLContext:
    """The certificate is of no interest here."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def fetch(url: str, headers: dict[str, str]) -> tuple[int, bytes, dict[str, str]]:
    """One request."""
    parts = urlsplit(url)
    if parts.scheme == "https":
        connection: http.client.HTTPConnection = http.client.HTTPSConnection(parts.netloc, context=blind(), timeout=30)
    else:
        connection = http.client.HTTPConnection(parts.netloc, timeout=30)
    connection.request("GET", parts.path, headers=headers)
    answer = connection.getresponse()
    return answer.status, answer.read(), dict(answer.getheaders())


def cookies(url: str, count: int) -> list[str]:
    found = []
    for _number in range(count):
        status, _body, headers = fetch(url, {})
        if status != 200 or "Set-Cookie" not in headers:
            sys.exit(f"{url} answered {status} and no cookie")
        found.append(headers["Set-Cookie"].strip().split(";")[0].strip())
    return found


def script(headers: dict[str, str], jar: list[str]) -> str:
    """A script for wrk that sends the headers, and the cookies in turn."""
    lines = [f'wrk.headers["{name}"] = "{value}"' for name, value in headers.items()]
    if jar:
        lines += ["local jar = {" + ",".join(f'"{cookie}"' for cookie in jar) + "}", "local turn = 0"]
        lines += ["request = function()", "  turn = turn % #jar + 1", '  wrk.headers["Cookie"] = jar[turn]']
        lines += ["  return wrk.format(nil, nil, wrk.headers)", "end"]
    return "\n".join(lines) + "\n"


def load(url: str, seconds: int, lua: str) -> dict[str, float]:
    """Load one address: requests per second, CPU per request in ms, 99th percentile in ms."""
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as file:
        file.write(lua)
        file.flush()
        before = server_cpu_seconds()
        words = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--latency", "-s", file.name, url]
        done = subprocess.run(words, capture_output=True, text=True, check=True)
        used = server_cpu_seconds() - before
    text = done.stdout
    if "Non-2xx" in text or "Socket errors" in text:
        sys.exit(f"{url}: wrong answers under load\n{text}")
    requests = int(re.search(r"(\d+) requests in", text)[1])  # type: ignore[index]
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", text)[1])  # type: ignore[index]
    value, unit = re.search(r"99%\s+([\d.]+)(us|ms|s)\b", text).groups()  # type: ignore[union-attr]
    return {"req_s": rate, "cpu": used * 1000 / requests, "p99": float(value) * {"us": 0.001, "ms": 1, "s": 1000}[unit]}


def memory(unit: str) -> dict[str, float]:
    """MiB of a service's workers: resident in one, in the middle of all, and in all together, what is shared once."""
    parents: dict[str, str] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            text = stat.read_text()
        except OSError:
            continue
        parents[stat.parent.name] = text[text.rindex(")") + 2 :].split()[1]
    main = subprocess.run(["systemctl", "show", "-P", "MainPID", unit], capture_output=True, text=True, check=True)
    family = [main.stdout.strip()]
    for member in family:
        family += [number for number, parent in parents.items() if parent == member]
    # Who has no children does the work: the recipe has one more above its master.
    workers = [number for number in family if number not in parents.values()]
    texts = [Path("/proc", number, "smaps_rollup").read_text() for number in workers]
    resident, shared = (
        [int(re.search(rf"^{word}:\s+(\d+) kB", text, re.MULTILINE)[1]) / 1024 for text in texts]  # type: ignore[index]
        for word in ("Rss", "Pss")
    )
    return {"each_mib": statistics.median(resident), "all_mib": sum(shared)}


def shake(url: str, seconds: int) -> dict[str, float]:
    """Connect anew all the time and ask for nothing: what a visitor costs before the first page, as `load` tells it."""
    parts, context, took = urlsplit(url), blind(), []
    before, end = server_cpu_seconds(), time.monotonic() + seconds
    while (begun := time.monotonic()) < end:
        with socket.create_connection((str(parts.hostname), parts.port or 443), timeout=30) as plain:
            context.wrap_socket(plain, server_hostname=parts.hostname).close()
        took.append(time.monotonic() - begun)
    used = server_cpu_seconds() - before
    return {
        "req_s": len(took) / seconds,
        "cpu": used * 1000 / len(took),
        "p99": statistics.quantiles(took, n=100)[-1] * 1000,
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--seconds", type=int, required=True)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--cases", help="JSON: {case: {ours, reference, headers, session}}")
    what.add_argument("--one", metavar="URL")
    parser.add_argument("--units", nargs=2, metavar="NAME", help="the services of ours and the reference, with --cases")
    parser.add_argument("--session", action="store_true", help="with cookies of sessions, in turn, for --one")
    arguments = parser.parse_args()
    if arguments.one:
        status, _body, _headers = fetch(arguments.one, {})
        if status != 200:
            sys.exit(f"{arguments.one} answered {status}")
        lua = script({}, cookies(arguments.one, COOKIES) if arguments.session else [])
        print(json.dumps(load(arguments.one, arguments.seconds, lua)))
        return
    cases = json.loads(arguments.cases)
    rows, scripts = [], {}
    for case, spec in cases.items():
        sizes = {}
        for side in ("ours", "reference"):
            status, body, _headers = fetch(spec[side], spec["headers"])
            if status != 200:
                sys.exit(f"{spec[side]} answered {status}")
            sizes[side] = len(body)
            scripts[case, side] = script(spec["headers"], cookies(spec[side], COOKIES) if spec["session"] else [])
        rows.append({"case": case, "metric": "bytes", "ours": sizes["ours"], "reference": sizes["reference"]})
    taken: dict[tuple[str, str, str], list[float]] = {}
    for number in range(arguments.rounds):
        for case, spec in cases.items():
            for side in ("ours", "reference") if number % 2 else ("reference", "ours"):
                if spec.get("handshake"):
                    found = shake(spec[side], arguments.seconds)
                else:
                    found = load(spec[side], arguments.seconds, scripts[case, side])
                for metric, value in found.items():
                    taken.setdefault((case, metric, side), []).append(value)
            print(f"round {number + 1} of {arguments.rounds}: {case}", file=sys.stderr, flush=True)
    for case in cases:
        for metric in ("req_s", "cpu", "p99"):
            ours, reference = taken[case, metric, "ours"], taken[case, metric, "reference"]
            ratio = statistics.median(a / b for a, b in zip(ours, reference))
            rows.append(
                {
                    "case": case,
                    "metric": metric,
                    "ours": statistics.median(ours),
                    "reference": statistics.median(reference),
                    "ratio": ratio,
                }
            )
    ours_mib, reference_mib = map(memory, arguments.units)
    for metric, value in ours_mib.items():
        rows.append({"case": "workers", "metric": metric, "ours": value, "reference": reference_mib[metric]})
    print(json.dumps(rows))


if __name__ == "__main__":
    main()
