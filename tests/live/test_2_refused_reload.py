"""A front end that accepts its files when asked and refuses them when told: the run says so, and does not forget."""

from __future__ import annotations

from desk import Desk

PORT = 8099
CHOICES = {"nginx_extra_config": f"listen 127.0.0.1:{PORT};"}


def test_a_refused_reload_fails_until_it_is_taken(desk: Desk) -> None:
    assert desk.play("site").status == 0
    desk.on_host(f"systemd-run --unit squatter python3 -m http.server --bind 127.0.0.1 {PORT}")
    for _ in range(2):  # the second run has nothing to write, and knows all the same
        run = desk.play("site", **CHOICES)
        assert run.status != 0 and "did not take in the reload" in run.output, run.output
        assert "Address already in use" in run.output
    assert desk.play("status").status == 0
    desk.on_host("systemctl stop squatter")
    run = desk.play("site", **CHOICES)
    assert run.status == 0 and run.changed == 1, run.output
    assert desk.play("site").status == 0


def test_a_preview_sees_a_dead_site(desk: Desk) -> None:
    desk.on_host("systemctl stop web2py.socket web2py.service")
    run = desk.play("site", "--check")
    assert run.status != 0 and "web2py.service is inactive" in run.output, run.output
    assert desk.play("site").status == 0


def test_a_port_for_the_tunnel_that_is_taken_is_refused_at_once(desk: Desk) -> None:
    desk.on_host("systemd-run --unit squatter python3 -m http.server --bind 127.0.0.1 8002")
    run = desk.play("site", web2py_admin="tunnel", web2py_admin_password="correct horse")
    desk.on_host("systemctl stop squatter")
    assert run.status != 0 and "port 8002 is held by python3" in run.output, run.output
