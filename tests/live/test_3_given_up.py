"""A server that cannot start is given up; status says so, and the playbook brings it back once the cause is mended."""

from __future__ import annotations

import time

from desk import Desk

FILE, KEPT = "/srv/web2py/current/runtime.json", "/run/kept.json"


def state(desk: Desk) -> str:
    return desk.on_host("systemctl show -p ActiveState --value web2py.service").strip()


def test_a_crash_loop_is_told_and_mended(desk: Desk) -> None:
    assert desk.play("site").status == 0
    desk.on_host(f"cp {FILE} {KEPT} && echo '{{' > {FILE}")
    try:
        desk.on_host("systemctl restart web2py.service", check=False)
        limit = time.monotonic() + 240
        while state(desk) != "failed":
            assert time.monotonic() < limit, "not given up"
            time.sleep(1)
        status = desk.play("status")
        assert status.status != 0 and "web2py.service is failed" in status.output, status.output
        run = desk.play("site")
        assert run.status != 0 and "JSONDecodeError" in run.output, run.output
    finally:
        desk.on_host(f"cat {KEPT} > {FILE} && rm {KEPT}")
    run = desk.play("site")
    assert run.status == 0 and "https://www.example.org answers 200" in run.output, run.output
    again = desk.play("site")
    assert (again.status, again.changed) == (0, 0), again.output
