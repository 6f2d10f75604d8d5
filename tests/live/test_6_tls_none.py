"""A site that gives up TLS leaves no key and no open port behind."""

from __future__ import annotations

from desk import Desk

LEFT = "ls -d /etc/web2py/tls /etc/nginx/conf.d/web2py_deploy_https.conf /etc/nginx/snippets/web2py_deploy_tls.conf"
LISTENING = "ss -Hltn sport = :443"


def test_nothing_of_tls_stays(desk: Desk) -> None:
    run = desk.play("site")
    assert run.status == 0, run.output
    run = desk.play("site", web2py_tls={"provider": "none"})
    assert run.status == 0 and "http://www.example.org answers 200" in run.output, run.output
    assert desk.on_host(LEFT, check=False) == ""
    assert desk.on_host(LISTENING) == ""
    again = desk.play("site", web2py_tls={"provider": "none"})
    assert (again.status, again.changed) == (0, 0), again.output


def test_it_comes_back_by_a_word(desk: Desk) -> None:
    run = desk.play("site")
    assert run.status == 0 and "https://www.example.org answers 200" in run.output, run.output
