"""Two sites on one machine share nothing but the front end."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from desk import Desk, Run

ROOTS = {"web2py": "/srv", "second": "/opt/sites"}


@pytest.fixture(scope="module")
def inventory(desk: Desk) -> str:
    """The quick start's site and a second one on the same machine."""
    second: dict[str, Any] = {
        **desk.login, "web2py_site": "second", "web2py_domain": "second.example.org",
        "web2py_source": {"type": "pypi"}, "web2py_root": "/opt/sites",
    }  # fmt: skip
    first = {"web2py_source": {"type": "pypi"}}
    hosts = {"www.example.org": first, "second": second}
    (desk.folder / "two.yml").write_text(yaml.safe_dump({"web2py_web": {"hosts": hosts}}))
    return "two.yml"


@pytest.fixture(scope="module")
def run(desk: Desk, inventory: str) -> Run:
    return desk.ansible("ansible-playbook", "-i", inventory, "web2py.deploy.site")


def test_both_are_built_in_one_run(run: Run) -> None:
    assert run.status == 0, run.output
    assert (
        "https://www.example.org answers 200" in run.output and "https://second.example.org answers 200" in run.output
    )


def test_a_second_run_changes_neither(run: Run, desk: Desk, inventory: str) -> None:
    again = desk.ansible("ansible-playbook", "-i", inventory, "web2py.deploy.site")
    assert (again.status, again.changed) == (0, 0), again.output


def test_neither_can_read_the_other(run: Run, desk: Desk) -> None:
    for me, other in (("web2py", "second"), ("second", "web2py")):
        command = f"find {ROOTS[other]}/{other}/parts /var/lib/{other} /etc/{other} /run/{other} -type f -readable"
        seen = desk.on_host(
            f"setpriv --reuid {me} --regid {me} --clear-groups {command} 2>/dev/null", check=False
        ).split()
        assert [path for path in seen if "/static/" not in path and "/environment-" not in path] == []


def test_the_server_is_not_taken_from_under_the_other(run: Run, desk: Desk, inventory: str) -> None:
    words = ["-i", inventory, "web2py.deploy.uninstall", "--limit", "second", "-e", "nginx_remove_server=true"]
    gone = desk.ansible("ansible-playbook", *words)
    assert gone.status != 0 and "also serves web2py" in gone.output, gone.output
    assert desk.on_host("ls /etc/nginx/sites-enabled/second.conf").strip()


def test_taking_one_away_leaves_the_other(run: Run, desk: Desk, inventory: str) -> None:
    gone = desk.ansible("ansible-playbook", "-i", inventory, "web2py.deploy.uninstall", "--limit", "second")
    assert gone.status == 0, gone.output
    status = desk.play("status")
    assert status.status == 0, status.output
    assert desk.on_host("ls -d /opt/sites/second /etc/second /etc/systemd/system/second.*", check=False) == ""
    assert desk.on_host("ls -d /var/lib/second/applications/starter").strip()
