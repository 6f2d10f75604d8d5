"""One release, asked in its own process without a server: `driver.py SPEC`, a line of JSON for each answer.

It runs with the release's Python and imports nothing of the tests but what stands beside it. SPEC is JSON:

    release   the folder
    set       the name of the cases, see cases.py
    patience  seconds from an edit to the next request
    spoil     the name of something to break first, see spoilt.py; for the tests of the suite itself
    soak      with it: {"requests": N, "threads": N}; a line of JSON at the tenth and at the end instead of all answers
"""

from __future__ import annotations

import base64
import gc
import io
import json
import os
import re
import sys
import threading
import time
import types
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TextIO
from urllib.parse import urlencode

sys.path.insert(0, str(Path(__file__).parent))
import cases
from cases import Case

Answer = dict[str, Any]
OURS = "web2py_runtime"
# Their sessions are taken away now and then in a soak: thousands of files are no matter of a process.
SWEPT = {"equal", "made", "own", "probe"}
REPLACED = "what is replaced"
BOUNDARY = "boundary-of-the-test"
_HIDDEN = re.compile(r'<input\b[^>]*?\btype="hidden"[^>]*>', re.IGNORECASE)
_ATTRIBUTE = re.compile(r'\b(name|value)="([^"]*)"')


class Visitor:
    """Somebody with cookies, and the hidden fields of the last page that had some."""

    def __init__(self) -> None:
        self.cookies: dict[str, str] = {}
        self.hidden: dict[str, str] = {}
        self.text = ""

    def remember(self, headers: Iterable[tuple[str, str]], text: str) -> None:
        for name, value in headers:
            if name.lower() == "set-cookie":
                pair, *words = value.split(";")
                key, _equal, content = pair.strip().partition("=")
                self.cookies[key] = content
                if any(re.search(r"max-age=0\b|expires=.*1970", word, re.IGNORECASE) for word in words):
                    del self.cookies[key]
        found = [dict(_ATTRIBUTE.findall(tag)) for tag in _HIDDEN.findall(text)]
        if found:
            # Of several forms on a page the first counts.
            self.hidden = {}
            for field in found:
                self.hidden.setdefault(field.get("name", ""), field.get("value", ""))
        self.text = text


def encoded(case: Case, visitor: Visitor | None) -> tuple[bytes, str]:
    """The body and its type."""
    if case.fields is None and not case.files:
        return case.body, case.type
    hidden = visitor.hidden if visitor and case.hidden else {}
    fields = {name: text for name, text in hidden.items() if name}
    fields.update(case.fields or {})
    pairs = [(name, one) for name, text in fields.items() for one in (text if isinstance(text, tuple) else (text,))]
    if not case.files:
        return urlencode(pairs).encode(), "application/x-www-form-urlencoded"
    parts = b""
    for name, text in pairs:
        parts += f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{text}\r\n'.encode()
    for name, (filename, kind, content) in case.files.items():
        head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"; filename="{filename}"\r\n'
        parts += f"{head}Content-Type: {kind}\r\n\r\n".encode() + content + b"\r\n"
    return parts + f"--{BOUNDARY}--\r\n".encode(), f"multipart/form-data; boundary={BOUNDARY}"


def environ_of(case: Case, visitor: Visitor | None) -> dict[str, Any]:
    body, kind = encoded(case, visitor)
    path, query = case.path, case.query
    if visitor and "{" in path + query:
        for word, pattern in case.found.items():
            match = re.search(pattern, visitor.text)
            path = path.replace(f"{{{word}}}", match[1] if match else "nothing-found")
            query = query.replace(f"{{{word}}}", match[1].replace("&amp;", "&") if match else "nothing-found")
    environ: dict[str, Any] = {
        "REQUEST_METHOD": case.method,
        "SCRIPT_NAME": "",
        # As servers hand it on: bytes, as characters.
        "PATH_INFO": path.encode("utf-8", "surrogateescape").decode("latin-1"),
        "QUERY_STRING": query,
        "SERVER_NAME": "www.example.org",
        "SERVER_PORT": "443" if case.scheme == "https" else "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": "www.example.org",
        "REMOTE_ADDR": case.address,
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": case.scheme,
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": False,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    if body or case.method in ("POST", "PUT"):
        environ["CONTENT_LENGTH"] = str(len(body))
    if kind:
        environ["CONTENT_TYPE"] = kind
    if visitor and visitor.cookies:
        environ["HTTP_COOKIE"] = "; ".join(f"{name}={text}" for name, text in visitor.cookies.items())
    environ.update(case.environ)
    return environ


def ask(application: Any, case: Case, visitor: Visitor | None) -> Answer:
    """One request and all that came back."""
    started: list[Any] = []
    content = b""

    def start_response(status: str, headers: list[tuple[str, str]], *exc_info: Any) -> Any:
        started[:] = [status, headers]
        return None

    answer: Answer = {"name": case.name, "raised": "", "at": time.time()}
    try:
        body = application(environ_of(case, visitor), start_response)
        try:
            for piece in body:
                content += piece if isinstance(piece, bytes) else f"[text, not bytes]{piece}".encode()
        finally:
            if hasattr(body, "close"):
                body.close()
    except BaseException as error:
        answer["raised"] = f"{type(error).__name__}: {error}"
    status, headers = started or ["", []]
    if visitor is not None:
        visitor.remember([(str(name), str(text)) for name, text in headers], content.decode("utf-8", "replace"))
    answer.update(status=status, headers=[[str(name), str(text)] for name, text in headers], body=_text(content))
    return answer


def _text(content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError:
        return "base64:" + base64.b64encode(content).decode()


def at_once(application: Any, case: Case, visitor: Visitor | None) -> Answer:
    """The same request by two threads; which is first does not matter."""
    found: list[Answer] = []

    def one() -> None:
        found.append(ask(application, case, visitor))

    threads = [threading.Thread(target=one) for _number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    first, second = sorted(found, key=lambda answer: str(answer["body"]))
    return {**first, "headers": [*first["headers"], *second["headers"]], "body": f"{first['body']}\n{second['body']}"}


def change(release: Path, case: Case) -> None:
    """The edit before a request: a file of an application written anew, or taken away."""
    for name, text in case.edits:
        path = release / "web2py/applications" / name
        if text is None:
            path.unlink()
        else:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")


def sweep(release: Path, application: str) -> None:
    """All sessions of an application are gone, and their folders."""
    sessions = release / "web2py/applications" / application / "sessions"
    for path in sorted(sessions.rglob("*"), reverse=True):
        if path.is_dir():
            path.rmdir()
        else:
            path.unlink()


def passage(application: Any, spec: dict[str, Any], chosen: Iterable[Case]) -> Iterable[Answer]:
    """All cases once, with visitors that are new."""
    visitors: dict[str, Visitor] = {}
    for case in chosen:
        if case.edits:
            change(Path(spec["release"]), case)
            time.sleep(spec["patience"])
        if case.swept:
            sweep(Path(spec["release"]), case.swept)
        visitor = visitors.setdefault(case.visitor, Visitor()) if case.visitor else None
        yield (at_once if case.twice else ask)(application, case, visitor)


def held() -> dict[str, int]:
    """How many entries the containers of our runtime have, by the module, function or type that holds them."""
    counts: dict[str, int] = {}

    def add(name: str, found: Any) -> None:
        if hasattr(found, "cache_info"):
            counts[name] = max(found.cache_info().currsize, counts.get(name, 0))
        elif isinstance(found, (dict, list, set)) or (_ours(type(found)) and hasattr(found, "__len__")):
            counts[name] = max(len(found), counts.get(name, 0))

    for name, module in list(sys.modules.items()):
        if name.startswith(OURS):
            for word, found in list(vars(module).items()):
                add(f"{name}.{word}", found)
    gc.unfreeze()
    for found in gc.get_objects():
        if type(found) is types.FunctionType and _ours(found):
            for word, cell in zip(found.__code__.co_freevars, found.__closure__ or ()):
                if cell != types.CellType():
                    add(f"{found.__module__}.{found.__qualname__}.{word}", cell.cell_contents)
        elif _ours(type(found)) and hasattr(type(found), "__len__"):
            add(f"{type(found).__module__}.{type(found).__name__} {id(found)}", found)
    gc.freeze()
    return counts


def _ours(thing: Any) -> bool:
    return str(getattr(thing, "__module__", "")).startswith(OURS)


def replaced() -> list[str]:
    """The names in web2py and pydal that lead to a function of ours."""
    found = set()
    for name, module in list(sys.modules.items()):
        if not re.match(r"(gluon|pydal|yatl)\b", name) or module is None:
            continue
        for word, thing in list(vars(module).items()):
            owned = vars(thing).items() if isinstance(thing, type) and thing.__module__ == name else ()
            for label, function in [(word, thing), *((f"{word}.{inner}", each) for inner, each in owned)]:
                if type(function) is types.FunctionType and f"/{OURS}/" in function.__code__.co_filename:
                    found.add(f"{name}.{label}")
    return sorted(found)


def resident() -> int:
    """Memory of this process, in KiB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024


def main() -> None:
    """Ask all there is to ask."""
    # What applications print is no answer of ours.
    out, sys.stdout = sys.stdout, sys.stderr
    spec = json.loads(sys.argv[1])
    os.chdir(Path(spec["release"]) / "web2py")
    from web2py_runtime.entry import application

    if spec.get("spoil"):
        import spoilt

        application = spoilt.spoil(spec["spoil"], application)
    chosen = cases.named(spec["set"])
    if spec.get("soak"):
        soak(application, spec, chosen, out)
        return
    for answer in passage(application, spec, chosen):
        out.write(json.dumps(answer) + "\n")
    out.write(json.dumps({"name": REPLACED, "replaced": replaced()}) + "\n")
    out.flush()


def soak(application: Any, spec: dict[str, Any], chosen: list[Case], out: TextIO) -> None:
    """The same again and again, and as many requests that are new: memory on the way, the first and the last answers,
    and those to several visitors at once.
    """
    chosen = [case for case in chosen if case.again]
    wanted, until = int(spec["soak"]["requests"]), time.monotonic() + float(spec["soak"].get("seconds", 1e9))
    done = new = 0

    def tell(where: str, **words: Any) -> None:
        out.write(json.dumps({"where": where, **words}) + "\n")
        out.flush()

    # The first makes tables and fills caches: what it answers is not what a process answers that has been at work.
    for _number in range(2):
        answers = list(passage(application, spec, chosen))
        done += len(answers)
    tell("first", answers=answers)
    early = False
    while done < wanted and time.monotonic() < until:
        if not early and done * 10 >= wanted:
            early = True
            tell("early", requests=done, resident=resident(), held=held())
        for _answer in passage(application, spec, chosen):
            ask(application, cases.fresh(new), None)
            new += 1
            done += 2
        for name in {case.path.split("/")[1] for case in chosen} & SWEPT:
            sweep(Path(spec["release"]), name)
    tell("end", requests=done, resident=resident(), held=held())
    tell("last", answers=list(passage(application, spec, chosen)))
    several = [case for case in chosen if not case.alone]

    def one() -> None:
        tell("several", answers=list(passage(application, spec, several)))

    threads = [threading.Thread(target=one) for _number in range(spec["soak"]["threads"])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main()
