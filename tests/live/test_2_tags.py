"""Each purpose does its part of a change and no more; together they do all of it."""

from __future__ import annotations

from desk import Desk

CHOICES = {
    "web2py_aliases": ["tags.example.org"],
    "web2py_applications": [{"name": "starter", "source": {"type": "starter"}, "private_files": {"tags.ini": "x\n"}}],
    "web2py_request_timeout_seconds": 31,
}
STAGED = "readlink /srv/web2py/current; ls /srv/web2py/parts /var/lib/web2py/applications/starter/private"
SETTINGS = "sha256sum /etc/nginx/sites-available/* /etc/web2py/uwsgi.ini /etc/web2py/tls/*"


def test_the_purposes_share_the_work(desk: Desk) -> None:
    assert desk.play("site").status == 0
    staged, settings = desk.on_host(STAGED), desk.on_host(SETTINGS)

    run = desk.play("site", "--tags", "install", **CHOICES)
    assert (run.status, run.changed) == (0, 0), run.output

    run = desk.play("site", "--tags", "content", **CHOICES)
    assert run.status == 0 and run.changed > 0, run.output
    assert desk.on_host(STAGED) != staged and desk.on_host(SETTINGS) == settings
    staged = desk.on_host(STAGED)

    run = desk.play("site", "--tags", "configure", **CHOICES)
    assert run.status == 0 and run.changed > 0, run.output
    assert desk.on_host(STAGED) == staged and desk.on_host(SETTINGS) != settings

    run = desk.play("site", **CHOICES)
    assert (run.status, run.changed) == (0, 0), run.output
