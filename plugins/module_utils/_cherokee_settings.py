# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE to the collection: a site in the words of Cherokee. Its settings are a tree: `vserver!1!match = tls`."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.web2py.deploy.plugins.module_utils._policy import VERSION

# A value, and what stands below it: {"": "redir", "rewrite": {...}}.
Tree = Mapping[Any, Any]

PAGES = "/.web2py_deploy"
HANDLERS = {"fastcgi": "fcgi", "scgi": "scgi"}
# Every version of a static file is served as this one.
_VERSION = "_0.0.0"
# What no path holds: it would end a line of an answer.
_UNSOUND = r"[\x00-\x1f\x7f]"
# A header that comes twice before the first empty line. Possessive: nothing is tried again, however long the head is.
_LINES = r"(?:(?!{name}[ \t]*:)[^\r\n][^\n]*\n)*+{name}[ \t]*:"
_TWICE = rf"(?i)^[^\n]*\n{_LINES}[^\n]*\n{_LINES}"
# A part of a file in words that are none, for which Cherokee would give some bytes.
_PART = r"(?:[0-9]+-[0-9]*|-[0-9]+)[ \t]*"
_NO_PART = rf"(?i)^[^\n]*\n{_LINES.format(name='Range')}[ \t]*bytes[ \t]*=(?![ \t]*{_PART}(?:,[ \t]*{_PART})*\r?\n)"
# Two of these are meant to be understood in two ways.
_SINGLE = ("Host", "(?:Content-Length|Transfer-Encoding)")
# Who reads what is compressed, and does not refuse it.
_READABLE = r"(?i)(?:^|,)[ \t]*gzip[ \t]*(?:;[ \t]*q=(?:1|0?\.0*[1-9])[0-9.]*[ \t]*)?(?:,|$)"
# Errors without a page of their own.
_NOT_UNDERSTOOD = ("411", "414", "501", "505")


def flat(tree: Tree, prefix: str = "") -> list[str]:
    """The lines of a tree."""
    lines = []
    for key, value in tree.items():
        path = "!".join(filter(None, (prefix, str(key))))
        if isinstance(value, Mapping):
            lines += flat(value, path)
        else:
            text = str(int(value)) if isinstance(value, bool) else str(value)
            if not text or re.search(r"[\r\n]", path + text):
                raise ValueError(f"{path}: not a line of Cherokee's settings")
            lines.append(f"{path} = {text}")
    return lines


def number(name: str) -> int:
    """The number of a site's first server. Cherokee counts those of all sites together; 1 is that of no site."""
    return int(hashlib.sha256(name.encode()).hexdigest()[:6], 16) * 100 + 100


def before_query(pattern: str) -> str:
    """A pattern on the path, for Cherokee, which asks it of the path with the query behind it."""
    return pattern.replace(".*", "[^?]*").replace("[^/]", "[^/?]").replace("|$)", r"|\?|$)")


def _asked(pattern: str) -> Tree:
    return {"": "request", "request": pattern}


def _not(tree: Tree) -> Tree:
    return {"": "not", "right": tree}


def _any(trees: Iterable[Tree]) -> Tree:
    first, *others = trees
    return {"": "or", "left": first, "right": _any(others)} if others else first


def _and(left: Tree, right: Tree) -> Tree:
    return {"": "and", "left": left, "right": right}


def _methods(names: Iterable[str]) -> Tree:
    return _any([{"": "method", "method": name.lower()} for name in names])


def _directory(path: str) -> Tree:
    return {"": "directory", "directory": path}


def _redirect(pattern: str, target: str, show: bool) -> Tree:
    return {"": "redir", "rewrite": {1: {"show": show, "regex": pattern, "substring": target}}}


class Words:
    """The rules of one site."""

    def __init__(self, site: Mapping[str, Any], pages: str) -> None:
        self.site, self.pages, self.policy = site, pages, site["policy"]
        self.secure = site["ports"]["https"] is not None
        self.headers = {**self.policy["headers"], **self.policy["headers_unless_set"]}

    def rule(
        self,
        match: Tree | str,
        handler: Tree | str,
        more: Mapping[str, Any] | None = None,
        dropped: Iterable[str] = (),
        **words: Any,
    ) -> Tree:
        """A rule that answers, with the headers of every answer and more, and without those that are dropped."""
        headers = sorted({**self.headers, **(more or {})}.items())
        operations: list[Tree] = [{"type": "add", "header": name, "value": value} for name, value in headers]
        operations += [{"type": "del", "header": name} for name in dropped]
        return {"match": match, **words, "handler": handler, "header_op": dict(enumerate(operations, 1))}

    def refuse(self, match: Tree, code: int) -> Tree:
        return self.rule(match, {"": "custom_error", "error": code})

    def tls(self) -> Tree:
        if not self.secure:
            return {}
        return {
            "ssl_certificate_file": self.site["tls"]["certificate"],
            "ssl_certificate_key_file": self.site["tls"]["key"],
            "ssl_ciphers": ":".join(self.policy["tls"]["ciphers"]),
            "ssl_cipher_server_preference": False,
            "ssl_compression": False,
        }

    def server(self, nick: str, names: Iterable[str], rules: Iterable[Tree]) -> Tree:
        """A virtual server. Of its rules the first that matches counts; Cherokee numbers them from below."""
        site = self.site
        errors = {code: {"url": f"{PAGES}/{code}.html", "show": False} for code in self.policy["errors"]}
        errors |= {code: {"url": f"{PAGES}/400.html", "show": False} for code in _NOT_UNDERSTOOD}
        found = [*self.pages_of_errors(), *self.sound(), *self.challenge(), *rules]
        return {
            # Cherokee takes it for a host name, too: no visitor's begins with a dot.
            "nick": f".{nick}",
            "match": {"": "rehost", "regex": {1: f"(?i)^(?:{'|'.join(map(re.escape, names))})$"}},
            "document_root": self.pages,
            "keepalive": True,
            "post_max_len": site["limits"]["body_mb"] * 1024 * 1024,
            "logger": {
                "": "combined",
                "access": {"type": "file", "filename": f"/var/log/cherokee_web2py/{site['name']}-access.log"},
            },
            "error_writer": {"type": "stderr"},
            "error_handler": {"": "error_redir", **errors},
            **self.tls(),
            "rule": dict(zip(range(len(found), 0, -1), found)),
        }

    def pages_of_errors(self) -> list[Tree]:
        later = {"Retry-After": self.policy["retry_after_seconds"]}
        match = _directory(PAGES)
        # A range that a visitor asked of a file would be told of its error page.
        words: dict[str, Any] = {"document_root": self.pages, "dropped": ["Content-Range"]}
        # Unlike `file` it also answers what was posted.
        handler = {"": "common", "allow_dirlist": False, "allow_pathinfo": False}
        return [
            self.rule(_and(_asked("50[234]"), match), handler, later, **words),
            self.rule(match, handler, **words),
        ]

    def sound(self) -> list[Tree]:
        twice = [{"": "header", "complete": True, "match": _TWICE.replace("{name}", name)} for name in _SINGLE]
        # Such a body would be lost on its way to web2py.
        unmeasured = {"": "header", "header": "Transfer-Encoding", "type": "provided"}
        no_part = {"": "header", "complete": True, "match": _NO_PART}
        return [
            self.refuse(_any(twice), 400),
            self.refuse(_asked(_UNSOUND), 400),
            self.refuse(unmeasured, 411),
            self.refuse(no_part, 416),
        ]

    def redirect(self, match: Tree | str, host: str) -> Tree:
        scheme = "https" if self.secure else "http"
        return self.rule(match, _redirect("^(.*)$", f"{scheme}://{host}$1", True))

    def challenge(self) -> list[Tree]:
        """What an ACME authority looks for, by plain http, before any redirect."""
        challenge = self.policy["challenge"]
        if not challenge:
            return []
        path = challenge["path"].rstrip("/")
        plain = _not({"": "tls"})
        token = _asked(rf"^{re.escape(challenge['path'])}{challenge['token']}(?:\?|$)")
        handler = {"": "file", "symlinks": False}
        return [
            self.rule(_and(plain, _and(token, _directory(path))), handler, document_root=challenge["folder"]),
            self.refuse(_and(plain, _directory(path)), 404),
        ]

    def closed(self) -> Tree:
        match: Tree = _asked("(?i)" + before_query(self.policy["closed"]))
        if self.site["admin"]["mode"] == "https":
            # To Cherokee the length of a whole IPv6 address is that of none.
            networks = dict(enumerate((row.removesuffix("/128") for row in self.site["admin"]["networks"]), 1))
            match = _and(match, _not({"": "from", "from": networks}))
        return self.refuse(match, 404)

    def refusals(self) -> list[Tree]:
        policy = self.policy
        hidden = f"(?i){before_query(policy['hidden'])}|^[^?]*{policy['encoded_twice']}"
        top = "|".join(map(re.escape, policy["top_files"]))
        files = _asked(rf"{policy['static_any']}|^/(?:{top})(?:\?|$)")
        return [
            self.refuse(_not(_methods(self.site["limits"]["methods"])), 405),
            self.refuse(_asked(hidden), 404),
            # A file is no folder; Cherokee would take that for a fault of its own.
            self.refuse(_asked(rf"{policy['static_any']}(?:[^?]*/)?(?:\?|$)"), 404),
            self.closed(),
            self.refuse(_and(files, _not(_methods(["GET", "HEAD"]))), 405),
        ]

    def files(self, path: str, folder: str, cache: str) -> list[Tree]:
        """Text is packed on the way out, in any case for who can read it."""
        text = _asked(rf"\.(?:{'|'.join(self.policy['packed'])})(?:\?|$)")
        handler = {"": "file", "symlinks": False}
        more = {"Cache-Control": cache}
        packed = {**more, "Vary": "Accept-Encoding"}
        words: dict[str, Any] = {"document_root": folder}
        # Cherokee itself would send it compressed also to who refuses that.
        readable = {"": "header", "header": "Accept-Encoding", "type": "regex", "match": _READABLE}
        return [
            self.rule(
                _and(readable, _and(text, _directory(path))), handler, packed, encoder={"gzip": "allow"}, **words
            ),
            self.rule(_and(text, _directory(path)), handler, packed, **words),
            self.rule(_directory(path), handler, more, **words),
        ]

    def static(self, application: Mapping[str, Any]) -> list[Tree]:
        path, folder = f"/{application['name']}/static", application["static"]
        version = rf"^{path}/{VERSION}/"
        one = _redirect(f"{version}(.*)$", f"{path}/{_VERSION}/$1", False)
        return [
            *self.files(f"{path}/{_VERSION}", folder, self.policy["cache_versioned"]),
            {"match": _asked(version), "handler": one},
            *self.files(path, folder, self.policy["cache"]),
        ]

    def top_files(self, application: str) -> Tree:
        paths = {place: f"/{name}" for place, name in enumerate(self.policy["top_files"], 1)}
        folder = f"{self.site['paths']['code']}/applications/{application}/static"
        more = {"Cache-Control": self.policy["cache"]}
        handler = {"": "file", "symlinks": False}
        return self.rule({"": "fullpath", "fullpath": paths}, handler, more, document_root=folder)

    def pages_of_web2py(self) -> Tree:
        handler = {
            "": HANDLERS[self.site["server"]["backend"]["protocol"]],
            "balancer": {"": "round_robin", "source": {1: number(self.site["name"])}},
            "check_file": False,
            "error_handler": True,
            "pass_req_headers": True,
            "xsendfile": False,
        }
        packed = {"encoder": {"gzip": "allow"}} if self.policy["compress_pages"] else {}
        return self.rule("default", handler, timeout=self.site["limits"]["request_seconds"] + 5, **packed)


def settings(site: Mapping[str, Any], pages: str) -> str:
    """Everything that Cherokee reads of one site, as text. `pages` is the folder of the error pages."""
    words, first = Words(site, pages), number(site["name"])
    servers: dict[int, Tree] = {}
    static = [rule for application in site["applications"] for rule in words.static(application)]
    for place, host in enumerate(site["hosts"]):
        rules = [words.redirect(_not({"": "tls"}), host["name"])] if words.secure else []
        rules += [*words.refusals(), *static, words.top_files(host["application"]), words.pages_of_web2py()]
        name = f"{site['name']}-{place}"
        servers[first + 2 * place] = words.server(name, [host["name"]], rules)
        if host["aliases"]:
            redirect = words.redirect("default", host["name"])
            servers[first + 2 * place + 1] = words.server(f"{name}-aliases", host["aliases"], [redirect])
    # The server of names that no site has wants a certificate, and never shows it.
    servers[1] = words.tls()
    source = {"type": "host", "nick": site["name"], "host": site["server"]["backend"]["path"]}
    return "\n".join(flat({"source": {first: source}, "vserver": servers}))
