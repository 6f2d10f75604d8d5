# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection: what every front end holds to, stated once and rendered by each in its own words."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from itertools import product
from typing import Any

from ansible_collections.web2py.deploy.plugins.module_utils._acme import acme

# Patterns on the decoded, normalised path. PCRE, which all front ends speak; matched in whatever case.
# The administrative interface, also below a language or a route.
CLOSED = r"^/(?:admin|(?:.*/)?appadmin)(?:[/.]|$)"
# A login form: Auth's pages in any application.
LOGIN = r"^/(?:.*/)?user(?:[/.]|$)"
# A password in a query, however its letters are written.
PASSWORD = "".join(f"(?:{letter}|%{ord(letter):02x})" for letter in "password")
# What lies among static files by mistake.
HIDDEN = r"^/[^/]+/static/(?:.*/)?(?:\.|[^/]*(?:~|\.(?:bak|ini|pyc?|sqlite3?|swp))(?:/|$))"
# web2py decodes once more what was decoded already; nothing honest is encoded twice.
ENCODED_TWICE = r"%[0-9A-Fa-f]{2}"
# Where an ACME authority looks for its challenge, by plain http, and what it may be called there.
ACME_PATH = "/.well-known/acme-challenge/"
ACME_TOKEN = "[A-Za-z0-9_-]+"  # noqa: S105  a pattern, no secret
# The part of a static URL that `response.static_version` adds.
VERSION = r"_\d+\.\d+\.\d+"
# Files of the default application that everybody asks for at the top.
TOP_FILES = ("favicon.ico", "robots.txt")

TEXT_TYPES = (
    "application/javascript",
    "application/json",
    "application/manifest+json",
    "application/xml",
    "image/svg+xml",
    "text/css",
    "text/csv",
    "text/javascript",
    "text/markdown",
    "text/plain",
    "text/xml",
)
# Names of files and their types: the same on every front end, whatever its distribution's list says.
TYPES = {
    "avif": "image/avif",
    "bmp": "image/bmp",
    "css": "text/css; charset=utf-8",
    "csv": "text/csv; charset=utf-8",
    "eot": "application/vnd.ms-fontobject",
    "gif": "image/gif",
    "gz": "application/gzip",
    "htm": "text/html; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "ico": "image/x-icon",
    "jpeg": "image/jpeg",
    "jpg": "image/jpeg",
    "js": "text/javascript; charset=utf-8",
    "json": "application/json",
    "map": "application/json",
    "md": "text/markdown; charset=utf-8",
    "mjs": "text/javascript; charset=utf-8",
    "mp3": "audio/mpeg",
    "mp4": "video/mp4",
    "ogg": "audio/ogg",
    "otf": "font/otf",
    "pdf": "application/pdf",
    "png": "image/png",
    "svg": "image/svg+xml",
    "ttf": "font/ttf",
    "txt": "text/plain; charset=utf-8",
    "wasm": "application/wasm",
    "wav": "audio/wav",
    "webm": "video/webm",
    "webmanifest": "application/manifest+json",
    "webp": "image/webp",
    "woff": "font/woff",
    "woff2": "font/woff2",
    "xml": "application/xml",
    "xsl": "application/xml",
    "zip": "application/zip",
}
# Those that are compressed beforehand.
PACKED = tuple("css csv htm html ico js json map md mjs svg ttf txt wasm webmanifest xml xsl".split())
# Their twins, the better first: what `Accept-Encoding` calls each, and its ending.
TWINS = {"br": "br", "gzip": "gz"}
# What the front end itself answers; the application's own answers pass.
ERRORS = {
    400: ("Not understood", "The request is not valid."),
    403: ("Not allowed", "This page is not open to you."),
    404: ("Not found", "There is no such page here."),
    405: ("Not possible", "This page cannot be used that way."),
    413: ("Too large", "What was sent is larger than this site accepts."),
    416: ("Not that long", "The file has no such part."),
    429: ("Too many requests", "Please wait a minute and try again."),
    500: ("Something went wrong", "Please try again later."),
    502: ("Back in a moment", "The site is being restarted. Please try again in a few seconds."),
    503: ("Back in a moment", "The site is busy. Please try again in a few seconds."),
    504: ("This takes too long", "The site did not answer in time. Please try again later."),
}
# Mozilla's guidelines 6.0, "intermediate".
TLS = {
    "protocols": ("TLSv1.2", "TLSv1.3"),
    "ciphers": (
        "ECDHE-ECDSA-AES128-GCM-SHA256",
        "ECDHE-RSA-AES128-GCM-SHA256",
        "ECDHE-ECDSA-AES256-GCM-SHA384",
        "ECDHE-RSA-AES256-GCM-SHA384",
        "ECDHE-ECDSA-CHACHA20-POLY1305",
        "ECDHE-RSA-CHACHA20-POLY1305",
    ),
    "curves": ("X25519", "prime256v1", "secp384r1"),
}
# Of TLS 1.3, for each new visitor. OpenSSL's two are for two connections at once; each is a tenth of the handshake.
TLS_TICKETS = 1
# The curve that OpenSSL knows from 3.5 on.
TLS_CURVE_OF_TODAY = "X25519MLKEM768"
YEAR = 31536000
# What cannot start is given up, with the state "failed" for all to see: it tries every second or two. Hung pages, which
# visitors can ask for all day, end a server every seven seconds at most: that is no reason to give it up.
START_LIMIT = ("StartLimitIntervalSec=120", "StartLimitBurst=20")
# Of a front end's unit, for systemd. What it may write, its capabilities and its own words stand in its role.
UNIT = """
Restart=on-failure
RestartSec=300ms
TimeoutStopSec=5
LimitNOFILE=16384
ProtectSystem=strict
PrivateTmp=yes
PrivateDevices=yes
DevicePolicy=closed
ProtectHome=yes
ProtectProc=invisible
ProcSubset=pid
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectKernelLogs=yes
ProtectControlGroups=yes
ProtectClock=yes
ProtectHostname=yes
NoNewPrivileges=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@resources
SystemCallErrorNumber=EPERM
RemoveIPC=yes
KeyringMode=private
""".strip().splitlines()

# What a client may not say about itself.
CLAIMS = (
    "Client-IP",
    "Forwarded",
    "Proxy",
    "X-Forwarded-For",
    "X-Forwarded-Host",
    "X-Forwarded-Port",
    "X-Forwarded-Prefix",
    "X-Forwarded-Proto",
    "X-Forwarded-Scheme",
    "X-Forwarded-Server",
    "X-Forwarded-Ssl",
    "X-HTTP-Method-Override",
    "X-Original-URL",
    "X-Real-IP",
    "X-Rewrite-URL",
)


def spellings(name: str) -> list[str]:
    """A header's name as it may be written: to a server in Python a hyphen and an underscore are one."""
    first, *parts = name.split("-")
    return [
        first + "".join(mark + part for mark, part in zip(marks, parts)) for marks in product("-_", repeat=len(parts))
    ]


def accepting(encoding: str) -> str:
    """The pattern of an `Accept-Encoding` that names an encoding, and does not refuse it; in whatever case."""
    return rf"(?:^|[\s,]){encoding}(?=[\s;,]|$)(?!\s*;\s*q=0(?:\.0*)?\s*(?:,|$))"


def policy(choices: Mapping[str, Any], applications: Iterable[str], curve_of_today: bool) -> dict[str, Any]:
    """The front end's part of the resolved site. `applications` are the names whose static files it serves."""
    secure = choices["web2py_tls"]["provider"] != "none"
    names = "|".join(re.escape(name) for name in applications)
    headers = {"X-Content-Type-Options": "nosniff"}
    if secure:
        headers["Strict-Transport-Security"] = f"max-age={choices['web2py_hsts_seconds']}"
    authority = acme(choices)
    curves = ([TLS_CURVE_OF_TODAY] if curve_of_today else []) + list(TLS["curves"])
    return {
        "closed": CLOSED,
        "login": LOGIN,
        "password": PASSWORD,
        "hidden": HIDDEN,
        "encoded_twice": ENCODED_TWICE,
        # Served by plain http under every name of the site, from `folder` and nowhere else. None without ACME.
        "challenge": authority and {"path": ACME_PATH, "token": ACME_TOKEN, "folder": authority["challenges"]},
        # Group 1 is the application, group 2 the file.
        "static": rf"^/({names})/static/(?:{VERSION}/)?(.+)$",
        "static_packed": rf"^/({names})/static/(?:{VERSION}/)?(.+\.(?i:{'|'.join(PACKED)}))$",
        "static_versioned": rf"^/(?:{names})/static/{VERSION}/",
        "static_any": rf"^/(?:{names})/static/",
        "top_files": list(TOP_FILES),
        "cache_versioned": f"public, max-age={YEAR}, immutable",
        "cache": f"public, max-age={choices['web2py_static_seconds']}",
        "text_types": list(TEXT_TYPES),
        "types": dict(TYPES),
        "packed": list(PACKED),
        "twins": [
            {"encoding": encoding, "ending": ending, "accepted": accepting(encoding)}
            for encoding, ending in TWINS.items()
        ],
        "compress_pages": choices["web2py_compress_pages"],
        "headers": headers,
        # Kept as the application sets them, if it does.
        "headers_unless_set": {
            "X-Frame-Options": "SAMEORIGIN",
            "Referrer-Policy": "strict-origin-when-cross-origin",
        },
        "headers_dropped": ["X-Powered-By"],
        # Headers of a request that say what only a front end may.
        "claims": [spelling for name in CLAIMS for spelling in spellings(name)],
        "start_limit": list(START_LIMIT),
        "unit": list(UNIT),
        # With an answer 502, 503 or 504 that says nothing itself.
        "retry_after_seconds": 5,
        "errors": {str(code): list(words) for code, words in ERRORS.items()},
        "tls": {
            "protocols": list(TLS["protocols"]),
            "ciphers": list(TLS["ciphers"]),
            "curves": curves,
            "tickets": TLS_TICKETS,
        },
    }


PAGE = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>
  body {{ font: 1.1rem/1.5 system-ui, sans-serif; margin: 0 2rem; text-align: center }}
  body {{ display: grid; place-content: center; min-height: 90vh }}
  h1 {{ font-weight: 600; margin: 0 }}
  p {{ margin: .5rem 0; opacity: .8 }}
  small {{ opacity: .5 }}
</style>
<main>
  <h1>{title}</h1>
  <p>{text}</p>
  <small>{code}</small>
</main>
</html>
"""


def error_pages(errors: Mapping[str, Iterable[str]], folder: str) -> list[dict[str, str]]:
    """The pages of `policy()['errors']` as files in a folder, in the words of the module checked_files."""
    files = [{"path": folder, "state": "directory", "owner": "root", "group": "root", "mode": "0755"}]
    for code, words in errors.items():
        title, text = words
        content = PAGE.format(title=title, text=text, code=code)
        files.append(
            {"path": f"{folder}/{code}.html", "content": content, "owner": "root", "group": "root", "mode": "0644"}
        )
    return files
