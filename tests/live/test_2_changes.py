"""What a change of choices does, and what it does not."""

from __future__ import annotations

import time

from desk import Desk

CHOICES = {
    "web2py_aliases": ["tags.example.org"],
    "web2py_applications": [{"name": "starter", "source": {"type": "starter"}, "private_files": {"tags.ini": "x\n"}}],
    "web2py_request_timeout_seconds": 31,
}
STAGED = "readlink /srv/web2py/current; ls /srv/web2py/parts /var/lib/web2py/applications/starter/private"
SETTINGS = "sha256sum /etc/nginx/sites-available/* /etc/web2py/uwsgi.ini /etc/web2py/tls/*"


def test_the_purposes_share_the_work(desk: Desk) -> None:
    """Each does its part and no more; together they do all."""
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
    assert desk.play("site").status == 0


def test_tags_of_roles_put_new_code_live(desk: Desk) -> None:
    """The words of README.md: the release and its server, and nothing of the front end."""
    staged, settings = desk.on_host(STAGED), desk.on_host(SETTINGS)
    run = desk.play("site", "--tags", "applications,uwsgi", **CHOICES)
    assert run.status == 0 and run.changed > 0, run.output
    assert desk.on_host(STAGED) != staged and desk.on_host("sha256sum /etc/nginx/sites-available/*") in settings
    assert desk.play("site").status == 0


def test_a_reload_is_told_once(desk: Desk) -> None:
    """Not by writing the settings and by a signal; there is a file to touch all the same."""
    journal = "journalctl -u web2py -o cat | grep -c 'binary reloading uWSGI'"
    before = int(desk.on_host(journal))
    desk.on_host("touch /etc/web2py/uwsgi.ini")
    time.sleep(3)
    assert int(desk.on_host(journal)) == before
    desk.on_host("touch /run/web2py/reload")
    time.sleep(3)
    assert int(desk.on_host(journal)) == before + 1
