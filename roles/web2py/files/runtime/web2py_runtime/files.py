# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Static files where no web server stands before the application server: WhiteNoise serves them, by the site's policy.

It serves the files that were there when the process started, each by its exact address, and opens nothing else.
"""

from __future__ import annotations

import importlib
import io
import os
import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any, BinaryIO

from web2py_runtime.gateway import Body, hear_out
from web2py_runtime.guard import Application, Environ, Headers

# Answers below that many bytes are not worth compressing.
SMALLEST = 256
# One part; whoever asks for several gets the whole.
_PART = re.compile(r"bytes=\s*(?:[0-9]+-[0-9]*|-[0-9]+)\s*")


def missing(_environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
    """There is no such file."""
    start_response("404 Not Found", [])
    return []


def read(environ: Environ, twins: Iterable[Mapping[str, str]]) -> list[str]:
    """The encodings that the visitor names, and does not refuse, as the policy has them."""
    told = environ.get("HTTP_ACCEPT_ENCODING", "")
    return [twin["encoding"] for twin in twins if re.search(twin["accepted"], told, re.IGNORECASE)]


def asked(file: Any, environ: Environ, encodings: Iterable[str]) -> tuple[Environ, str]:
    """A request as WhiteNoise understands it, and the tag of what goes out.

    It knows one tag for all kinds of a file, compares it with one and not with several, ignores If-Range, and takes a
    part of one byte for none. Of several kinds it sends the smallest.
    """
    environ = {**environ, "HTTP_ACCEPT_ENCODING": ", ".join(encodings)}
    given = dict(file.get_path_and_headers(environ)[1])
    tag = f'{file.etag[:-1]}-{given["Content-Encoding"]}"' if "Content-Encoding" in given else file.etag
    if "HTTP_IF_NONE_MATCH" in environ:
        known = {word.strip().removeprefix("W/") for word in environ["HTTP_IF_NONE_MATCH"].split(",")}
        environ["HTTP_IF_NONE_MATCH"] = file.etag if known & {tag, "*"} else ""
    part = environ.get("HTTP_RANGE", "")
    good = _PART.fullmatch(part) and environ.get("HTTP_IF_RANGE", tag) in (tag, given["Last-Modified"])
    with suppress(ValueError):
        first, last = file.get_byte_range(part, int(given["Content-Length"]))
        good = good and first != last
    if not good:
        environ.pop("HTTP_RANGE", None)
    return environ, tag


def regular(folder: str) -> Iterator[str]:
    """Paths of the files below a folder. No link is followed: it may lead out."""
    for entry in os.scandir(folder):
        if entry.is_dir(follow_symlinks=False):
            yield from regular(entry.path)
        elif entry.is_file(follow_symlinks=False):
            yield entry.path


def fronted(application: Application, settings: Mapping[str, Any], root: str) -> Application:
    """The application behind the static files of web2py's folder `root`; it sees no request for one of them."""
    module: Any = importlib.import_module("whitenoise")

    policy = settings["policy"]
    pages = {path[1:4]: text.encode() for path, text in settings["pages"].items()}

    class Files(module.WhiteNoise):  # type: ignore[misc]
        """WhiteNoise, which would follow links, and has its own idea of types and tags."""

        def update_files_dictionary(self, folder: str, prefix: str) -> None:
            known = {path: os.stat(path) for path in regular(folder)}
            for path in known:
                self.add_file_to_dictionary(prefix + path[len(folder) :], path, stat_cache=known)

        def add_mime_headers(self, headers: Any, path: str, _url: str) -> None:
            headers["Content-Type"] = policy["types"].get(path.rpartition(".")[2].lower(), "application/octet-stream")

        @staticmethod
        def serve(file: Any, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
            environ, tag = asked(file, environ, read(environ, policy["twins"]))

            def start(status: str, headers: Headers) -> None:
                start_response(status, [(name, tag if name == "ETag" else value) for name, value in headers])

            return module.WhiteNoise.serve(file, environ, start)  # type: ignore[no-any-return]

    files: Any = Files(missing, max_age=None, allow_all_origins=False)
    for name in settings["applications"]:
        folder = os.path.realpath(f"{root}/applications/{name}/static")
        if os.path.isdir(folder):
            files.add_files(folder, prefix=f"/{name}/static/")
    static, versioned = re.compile(policy["static"], re.DOTALL), re.compile(policy["static_versioned"])
    pages_only = compressed(application, policy) if policy["compress_pages"] else application

    def answer(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        found = static.match(path)
        if not found:
            return pages_only(environ, start_response)
        told: list[Any] = []
        place = f"/{found[1]}/static/{found[2]}"
        parts: Iterable[bytes] = files({**environ, "PATH_INFO": place}, lambda *words: told.extend(words))
        status, headers = told
        if status[:3] in ("200", "206", "304"):
            cache = policy["cache_versioned" if versioned.match(path) else "cache"]
            start_response(status, [*headers, ("Cache-Control", cache)])
            return parts
        page = pages[status[:3]]
        rows = [("Content-Type", "text/html; charset=utf-8"), ("Content-Length", str(len(page)))]
        start_response(status, [row for row in headers if row[0] in ("Allow", "Content-Range")] + rows)
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [page]

    return heard_out(answer)


def heard_out(application: Application) -> Application:
    """No request is answered to its end before all of its body is read, also by an application that wants none of it.

    A server that hangs up with something unread takes along what it has said.
    """

    def answer(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        length = int(environ.get("CONTENT_LENGTH") or 0)
        if not length:
            return application(environ, start_response)
        body = io.BufferedReader(Body(environ["wsgi.input"].read, length))
        return _heard(application({**environ, "wsgi.input": body}, start_response), body)

    return answer


def _heard(parts: Iterable[bytes], body: BinaryIO) -> Iterator[bytes]:
    try:
        yield from parts
    finally:
        close = getattr(parts, "close", None)
        if close:
            close()
        # Who sends it may be gone.
        with suppress(OSError):
            hear_out(body)


def compressed(application: Application, policy: Mapping[str, Any]) -> Application:
    """Pages of text go compressed to who can read them."""
    texts = {"text/html", *policy["text_types"]}

    def answer(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        packs: list[Any] = []
        reads = "gzip" in read(environ, policy["twins"])

        def start(status: str, headers: Headers, *rest: Any) -> Any:
            told = {name.lower(): value for name, value in headers}
            is_text = told.get("content-type", "").partition(";")[0].strip() in texts
            whole = status[:3] == "200" and "content-encoding" not in told
            if not is_text or not whole or int(told.get("content-length", SMALLEST)) < SMALLEST:
                return start_response(status, headers, *rest)
            headers = [*headers, ("Vary", "Accept-Encoding")]
            if reads and environ.get("REQUEST_METHOD") != "HEAD":
                packs.append(zlib.compressobj(6, zlib.DEFLATED, 31))
                headers = [row for row in headers if row[0].lower() not in ("content-length", "etag", "accept-ranges")]
                headers.append(("Content-Encoding", "gzip"))
            return start_response(status, headers, *rest)

        parts = application(environ, start)
        return _packed(parts, packs)

    return answer


def _packed(parts: Iterable[bytes], packs: list[Any]) -> Iterator[bytes]:
    try:
        for part in parts:
            yield packs[0].compress(part) if packs else part
        if packs:
            yield packs[0].flush()
    finally:
        close = getattr(parts, "close", None)
        if close:
            close()
