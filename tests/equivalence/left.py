"""What the requests have left in the state of a release: sessions, tickets, tables, files."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

from tests.equivalence.compare import Answer, Seen
from tests.equivalence.release import RUNTIME

sys.path.insert(0, str(RUNTIME))
from web2py_runtime import inert

# A ticket holds the values of all names of the framework's frames; those are not compared.
TICKET = ("layer", "code", "output", "traceback")


def left(place: Path, seen: Seen) -> list[Answer]:
    """For each application: names and numbers of files, what is in sessions and in tickets; told as answers are."""
    found = []
    for application in sorted((place / "state/applications").iterdir()):
        for kind in ("sessions", "errors", "databases", "uploads", "cache", "private"):
            folder = application / kind
            paths = sorted(path for path in folder.rglob("*") if path.is_file())
            if kind == "sessions":
                told: Any = sorted(_session(path, seen) for path in paths)
            elif kind == "errors":
                told = sorted(_ticket(path, seen) for path in paths)
            else:
                told = sorted(_unnumbered(seen.plain(str(path.relative_to(folder)))) for path in paths)
            body = json.dumps([len(paths), *told], indent=1, ensure_ascii=False)
            name = f"left in {application.name}/{kind}"
            found.append({"name": name, "raised": "", "status": "", "headers": [], "body": body})
    return found


def _session(path: Path, seen: Seen) -> str:
    """What a session holds. Which it is has been told by the cookies."""
    return _unnumbered(seen.plain(_text(inert.loads(path.read_bytes()))))


def _ticket(path: Path, seen: Seen) -> str:
    ticket = inert.loads(path.read_bytes())
    words = {name: str(ticket.get(name)) for name in TICKET}
    words["traceback"] = frames(words["traceback"])
    return _unnumbered(seen.plain(_text(words)))


def frames(traceback: str) -> str:
    """The lines of the application, and the error. A patch of the framework has frames of its own."""
    kept, ours = [], True
    for line in traceback.splitlines():
        found = re.match(r'  File "([^"]*)"', line)
        if found:
            ours = "/applications/" in found[1] or "/compiled/" in found[1]
            line = re.sub(r"/\.tmp-\w+/", "/", line)
        elif not line.startswith(" "):
            ours = True
        if ours:
            kept.append(line)
    return "\n".join(kept)


def _text(found: Any) -> str:
    if isinstance(found, dict):
        return "{" + ", ".join(sorted(f"{key}: {_text(each)}" for key, each in found.items())) + "}"
    if isinstance(found, (list, tuple)):
        return "[" + ", ".join(map(_text, found)) + "]"
    return str(found) if not isinstance(found, bytes) else repr(found)


def _unnumbered(text: str) -> str:
    """Files are read in the order of their names, which are made by chance: here numbers tell nothing."""
    return re.sub(r"<number \d+>", "<number>", text)
