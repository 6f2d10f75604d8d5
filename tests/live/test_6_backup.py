"""Backups on a live host: made, proven, restored; red where they must be; gone without a trace but the repository."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from typing import Any

import pytest
from desk import Desk, Run

PASSWORD = "the word of the repository"
REPOSITORY = "/srv/backups/web2py"
DATABASE = "/var/lib/web2py/applications/starter/databases/storage.sqlite"
UPLOAD = "/var/lib/web2py/applications/starter/uploads/picture"
CHOICES: dict[str, Any] = {
    "web2py_backup": {"repository": REPOSITORY, "keep": {"last": 3}},
    "web2py_backup_password": PASSWORD,
    "web2py_backup_environment": {"AWS_SECRET_ACCESS_KEY": "the word of a store"},
}
# Its arguments are statements, which the site's user gives to the site's database.
PROGRAM = """import sqlite3, sys
database = sqlite3.connect(sys.argv[1])
print(*[row[0] for words in sys.argv[2:] for row in database.execute(words)])
database.commit()
"""


def play(desk: Desk, playbook: str = "site", *words: str) -> Run:
    return desk.play(playbook, *words, **CHOICES)


def told(desk: Desk) -> dict[str, Any]:
    return dict(json.loads(desk.on_host("cat /var/lib/web2py_backup/status.json")))


def sql(desk: Desk, *statements: str) -> str:
    words = ["python3", "-c", PROGRAM, DATABASE, *statements]
    return desk.on_host(f"setpriv --reuid web2py --regid web2py --clear-groups {shlex.join(words)}").strip()


@pytest.fixture(scope="module")
def site(desk: Desk) -> Run:
    run = desk.play()
    assert run.status == 0, run.output
    sql(desk, "CREATE TABLE thing (name)", "INSERT INTO thing VALUES ('one'), ('two')")
    desk.on_host(f"echo a picture > /tmp/picture && install -o web2py -g web2py -m 0640 /tmp/picture {UPLOAD}")
    return run


@pytest.fixture(scope="module")
def first(desk: Desk, site: Run) -> Run:
    """The run that brings backups, in the inventory from now on."""
    planned = play(desk, "site", "--check", "--diff")
    assert planned.status == 0, planned.output
    assert PASSWORD not in planned.output and "the word of a store" not in planned.output
    assert desk.on_host("ls -d /etc/web2py_backup", check=False) == ""
    return play(desk, "site", "--diff")


def test_the_first_run_makes_a_backup(desk: Desk, first: Run) -> None:
    assert first.status == 0, first.output
    assert PASSWORD not in first.output and "the word of a store" not in first.output
    assert any("Last good backup" in line and "none is proven yet" in line for line in first.summary), first.output
    done = told(desk)["backup"]
    assert done["databases"] == 1 and done["rows"] == 2 and done["files"] > 1


def test_a_second_run_changes_nothing(desk: Desk, first: Run) -> None:
    again = play(desk)
    assert (again.status, again.changed) == (0, 0), again.output


def test_secrets_are_roots(desk: Desk, first: Run) -> None:
    listed = desk.on_host("stat --format '%a %U %n' /etc/web2py_backup/* /etc/web2py_backup /srv/backups/web2py")
    modes = {line.split()[2].rpartition("/")[2]: line.split()[:2] for line in listed.splitlines()}
    for name in ("password", "environment.json", "settings.json"):
        assert modes[name] == ["600", "root"], listed
    assert modes["web2py"] == ["700", "root"], listed
    seen = desk.on_host(
        "setpriv --reuid web2py --regid web2py --clear-groups find /etc/web2py_backup /var/lib/web2py_backup "
        "/var/cache/web2py_backup /srv/backups -type f -readable 2>/dev/null",
        check=False,
    ).split()
    assert [path for path in seen if not path.startswith("/etc/web2py_backup/program/")] == []
    for secret in (PASSWORD, "the word of a store"):
        assert desk.on_host(f"journalctl --no-pager | grep -c '{secret}'", check=False).strip() == "0"
        assert desk.on_host(
            f"grep -rl '{secret}' /etc /var/lib/web2py /srv/web2py 2>/dev/null", check=False
        ).split() in (
            ["/etc/web2py_backup/password"],
            ["/etc/web2py_backup/environment.json"],
        )


def test_no_secret_is_among_the_arguments(desk: Desk, first: Run) -> None:
    """Every program that a backup starts is looked at while it runs."""
    desk.on_host("systemctl start --no-block web2py-backup.service")
    watch = "for n in $(seq 200); do cat /proc/[0-9]*/cmdline 2>/dev/null; done | tr '\\0' '\\n'"
    seen = desk.on_host(watch)
    assert "site_backup" in seen or "web2py_backup/program" in seen
    assert PASSWORD not in seen and "the word of a store" not in seen
    desk.on_host("systemctl start web2py-backup.service")


@pytest.mark.parametrize("unit", ["web2py-backup", "web2py-drill"])
def test_the_units_are_closed(desk: Desk, first: Run, unit: str) -> None:
    text = desk.on_host(f"systemd-analyze security --no-pager {unit}.service | tail -1")
    assert float(text.split("Overall exposure level for")[1].split(":")[1].split()[0]) <= 3.0, text
    assert desk.on_host(f"systemctl is-enabled {unit}.timer").strip() == "enabled"
    assert desk.on_host(f"systemctl is-active {unit}.timer").strip() == "active"


def test_the_newest_backup_is_proven(desk: Desk, first: Run) -> None:
    run = play(desk, "restore_drill")
    assert run.status == 0 and "came back as it was" in run.output, run.output
    done = told(desk)["drill"]
    assert (done["rows"], done["databases"], done["moving"]) == (2, 1, 0)
    assert desk.on_host("ls /var/lib/web2py_backup").split() == ["lock", "status.json"]
    status = play(desk, "status")
    assert status.status == 0 and re.search(r"last one proven by a restore\W+\d", status.output), status.output


def test_lost_data_come_back(desk: Desk, first: Run) -> None:
    sql(desk, "DROP TABLE thing")
    desk.on_host(f"rm {UPLOAD}; echo later > {UPLOAD}2")
    listed = play(desk, "restore")
    assert listed.status == 0 and listed.changed == 0, listed.output
    run = play(desk, "restore", "-e", "web2py_restore=latest")
    assert run.status == 0 and "is in place" in run.output, run.output
    assert sql(desk, "SELECT count(*) FROM thing") == "2"
    assert desk.on_host(f"cat {UPLOAD}; stat --format %U:%a {UPLOAD}").split() == ["a", "picture", "web2py:640"]
    assert desk.on_host(f"ls {UPLOAD}2", check=False) == ""
    assert desk.on_host("cat /var/lib/web2py/before-restore-*/starter/uploads/picture2").strip() == "later"
    status = play(desk, "status")
    assert status.status == 0, status.output
    again = play(desk)
    assert (again.status, again.changed) == (0, 0), again.output


def test_a_scratch_folder_holds_all_of_it(desk: Desk, first: Run) -> None:
    started = desk.on_host("systemctl show --property=ActiveEnterTimestamp web2py.service")
    run = play(desk, "restore", "-e", "web2py_restore_to=/srv/scratch")
    assert run.status == 0 and "is in /srv/scratch" in run.output, run.output
    assert desk.on_host(f"cat /srv/scratch{UPLOAD}; ls /srv/scratch{DATABASE} /srv/scratch/etc/web2py/site.json")
    assert desk.on_host("stat --format %a /srv/scratch").strip() == "700"
    assert desk.on_host("systemctl show --property=ActiveEnterTimestamp web2py.service") == started


def test_a_dump_that_fails_is_a_failed_unit_and_keeps_the_last_good_one(desk: Desk, first: Run) -> None:
    good = told(desk)["backup"]
    count = f"ls {REPOSITORY}/snapshots | wc -l"
    before = desk.on_host(count)
    desk.on_host(
        f"cp -a {DATABASE} /var/tmp/kept && head -c 3000 {DATABASE} > /var/tmp/cut && cat /var/tmp/cut > {DATABASE}"
    )
    run = play(desk, "backup")
    assert run.status != 0 and "storage.sqlite was not copied" in run.output, run.output
    assert desk.on_host("systemctl is-failed web2py-backup.service").strip() == "failed"
    assert told(desk)["backup"] == good and desk.on_host(count) == before
    status = play(desk, "status")
    assert status.status != 0 and "the last backup failed" in status.output, status.output
    # The next run tries again, and succeeds once the cause is mended.
    desk.on_host(f"cat /var/tmp/kept > {DATABASE}")
    run = play(desk)
    assert run.status == 0 and told(desk)["troubles"] == {}, run.output
    assert told(desk)["backup"]["snapshot"] != good["snapshot"]


def test_a_damaged_repository_is_red(desk: Desk, first: Run) -> None:
    pack = desk.on_host(f"find {REPOSITORY}/data -type f -printf '%s %p\\n' | sort -n | tail -1").split()[1]
    desk.on_host(
        f"cp -a {pack} /var/tmp/pack && chmod u+w {pack} && printf 'damaged!' | dd of={pack} bs=1 seek=100 conv=notrunc"
    )
    desk.on_host("rm -rf /var/cache/web2py_backup/*")
    run = play(desk, "restore_drill")
    assert run.status != 0 and "The newest backup is not proven" in run.output, run.output
    status = play(desk, "status")
    assert status.status != 0 and "the last drill failed" in status.output, status.output
    running = desk.on_host("systemctl show --property=ActiveEnterTimestamp web2py.service")
    put = play(desk, "restore", "-e", "web2py_restore=latest")
    assert put.status != 0, put.output
    # It was not even stopped.
    assert desk.on_host("systemctl show --property=ActiveEnterTimestamp web2py.service") == running
    desk.on_host(f"cp -a /var/tmp/pack {pack}")
    assert play(desk, "restore_drill").status == 0
    assert play(desk, "status").status == 0


def test_a_repository_that_is_gone_is_not_made_anew(desk: Desk, first: Run) -> None:
    desk.on_host(f"mv {REPOSITORY} /srv/elsewhere && mkdir -m 0700 {REPOSITORY}")
    run = play(desk, "backup")
    assert run.status != 0 and "is it mounted?" in run.output, run.output
    assert desk.on_host(f"ls {REPOSITORY}") == ""
    desk.on_host(f"rmdir {REPOSITORY} && mv /srv/elsewhere {REPOSITORY}")
    assert play(desk, "backup").status == 0


def test_retention_keeps_what_was_asked(desk: Desk, first: Run) -> None:
    assert int(desk.on_host(f"ls {REPOSITORY}/snapshots | wc -l")) == 3


def test_another_host_is_reached_by_sftp(desk: Desk, first: Run) -> None:
    """The host itself plays the other one: its user keeper holds the repository."""
    key = desk.folder / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    public = key.with_suffix(".pub").read_text().strip()
    desk.on_host(f"echo {shlex.quote(public)} >> ~keeper/.ssh/authorized_keys")
    known = "localhost " + " ".join(desk.on_host("cat /etc/ssh/ssh_host_ed25519_key.pub").split()[:2])
    chosen = {"repository": "sftp:keeper@localhost:/home/keeper/backups", "known_hosts": [known]}
    told_of = {**CHOICES, "web2py_backup": chosen, "web2py_backup_ssh_key": key.read_text()}
    run = desk.play("site", "--diff", **told_of)
    assert run.status == 0 and "PRIVATE KEY" not in run.output, run.output
    assert desk.on_host("ls /home/keeper/backups/snapshots | wc -l").strip() == "1"
    again = desk.play(**told_of)
    assert (again.status, again.changed) == (0, 0), again.output
    drill = desk.play("restore_drill", **told_of)
    assert drill.status == 0, drill.output
    assert desk.on_host("stat --format '%a %U' /etc/web2py_backup/ssh_key").split() == ["600", "root"]
    # Whoever answers with another key gets nothing.
    told_of["web2py_backup"] = {**chosen, "known_hosts": [f"localhost {public.rpartition(' ')[0]}"]}
    assert desk.play(**told_of).status == 0
    refused = desk.play("backup", **told_of)
    assert refused.status != 0 and "The backup was not made" in refused.output, refused.output


def test_without_the_choice_all_but_the_repository_is_gone(desk: Desk, first: Run) -> None:
    run = desk.play()
    assert run.status == 0, run.output
    left = desk.on_host(
        "ls -d /etc/web2py_backup /var/*/web2py_backup /etc/systemd/system/web2py-{backup,drill}*", check=False
    )
    assert left == ""
    assert desk.on_host(f"ls {REPOSITORY}/config").strip()
    again = desk.play()
    assert (again.status, again.changed) == (0, 0), again.output
    refused = desk.play("backup")
    assert refused.status != 0 and "has no backups" in refused.output
