# ruff: noqa: F821  (web2py itself gives these names)
"""What tests ask of a served site: each function shows one property, as JSON where there is something to say."""

import hashlib
import os
import time
from pathlib import Path

LONGEST_WAIT_SECONDS = 30
LARGEST_BODY_KB = 20 * 1024
LARGEST_MEMORY_MB = 4096

session.forget(response)


def index():
    return "probe"


def echo():
    """What reached the application: web2py's own view of the request, and what it was made from."""
    env = request.env
    return response.json(
        {
            "client": request.client,
            "is_https": request.is_https,
            "is_local": request.is_local,
            "method": env.request_method,
            "url": URL("echo", host=True),
            "arguments": list(request.args),
            "host": env.http_host,
            "remote_addr": env.remote_addr,
            "server_name": env.server_name,
            "server_port": str(env.server_port),
            "server_software": env.server_software,
            "scheme": env.wsgi_url_scheme,
            "path": env.path_info,
            "query": env.query_string,
            "multiprocess": bool(env.wsgi_multiprocess),
            "multithread": bool(env.wsgi_multithread),
            "headers": {key[5:]: str(value) for key, value in env.items() if key.startswith("http_")},
            "https": env.https,
            "web2py": str(env.web2py_version),
        }
    )


def body():
    """The body as it arrived and as web2py understood it."""
    sent = request.vars
    request.body.seek(0)
    content = request.body.read()
    return response.json(
        {
            "method": request.env.request_method,
            "type": request.env.content_type,
            "length": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
            "vars": {key: value if isinstance(value, (str, int, list)) else str(value) for key, value in sent.items()},
        }
    )


def worker():
    return response.json({"pid": os.getpid(), "parent": os.getppid(), "uid": os.getuid()})


def cache_ram():
    value = cache.ram(request.args(0) or "key", time.time, time_expire=60)
    return response.json({"pid": os.getpid(), "value": value})


def cache_disk():
    value = cache.disk(request.args(0) or "key", time.time, time_expire=60)
    return response.json({"pid": os.getpid(), "value": value})


def slow():
    seconds = min(float(request.args(0) or 1), LONGEST_WAIT_SECONDS)
    (Path(request.folder) / "cache" / "slow").write_text(str(os.getpid()))
    time.sleep(seconds)
    return response.json({"pid": os.getpid(), "seconds": seconds})


def big():
    return "0123456789abcdef" * 64 * min(int(request.args(0) or 1), LARGEST_BODY_KB)


def memory():
    size = min(int(request.args(0) or 1), LARGEST_MEMORY_MB) << 20
    held = bytearray(size)
    for page in range(0, size, 4096):
        held[page] = 1
    return response.json({"pid": os.getpid(), "bytes": len(held)})


def fail():
    raise RuntimeError("words of a traceback that no visitor may read")


def missing():
    raise HTTP(404, "the application says: not here")


def forbidden():
    raise HTTP(403, "the application says: not you")


def elsewhere():
    redirect(URL("index"))


def translated():
    return T("Good morning")


def untranslated():
    """A text no language file holds: web2py would like to write it there."""
    return T("A text from %s" % (request.args(0) or "nowhere"))


def cookie():
    response.cookies["probe"] = "1"
    response.cookies["probe"]["path"] = "/"
    return "A cookie was set"


def settings():
    """A digest of the application's private settings, which nobody may read through it."""
    path = Path(request.folder) / "private" / "appconfig.ini"
    if not path.exists():
        raise HTTP(404, "no private settings")
    return response.json({"sha256": hashlib.sha256(path.read_bytes()).hexdigest()})


def writable():
    """The folders of the application in which its own process can make a file."""
    folders = [path for path in Path(request.folder).iterdir() if path.is_dir()]
    return response.json({"folders": sorted(path.name for path in folders if os.access(path, os.W_OK))})
