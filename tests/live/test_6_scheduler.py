"""Workers of the scheduler come, take new code, and go with the choice."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from desk import ROOT, Desk

LIST = "systemctl list-units --plain --no-legend 'web2py-scheduler@*' | awk '{print $1, $3, $4}'; true"
TEMPLATE = "/etc/systemd/system/web2py-scheduler@.service"
# A task by hand, run as any other: what it says of the code that ran it.
RESULT = "cd /var/lib/web2py/applications/jobs/databases && python3 - <<'END'\n{}\nEND"
QUEUE = """
import datetime, sqlite3, time, uuid
base = sqlite3.connect("jobs.sqlite", timeout=20)
now = datetime.datetime.now().isoformat(" ", "seconds")
row = {"application_name": "jobs/default", "task_name": "version", "group_name": "main", "status": "QUEUED",
       "function_name": "version", "uuid": str(uuid.uuid4()), "args": "[]", "vars": "{}", "enabled": "T",
       "broadcast": "F", "start_time": now, "next_run_time": now, "repeats": 1, "retry_failed": 0, "period": 60,
       "timeout": 60, "sync_output": 0, "times_run": 0, "times_failed": 0, "assigned_worker_name": ""}
words = ", ".join(row), ", ".join("?" * len(row))
number = base.execute("insert into scheduler_task(%s) values(%s)" % words, list(row.values())).lastrowid
base.commit()
for _try in range(300):
    found = base.execute("select run_result from scheduler_run where task_id = ? and status = 'COMPLETED'", (number,))
    result = found.fetchone()
    if result:
        break
    time.sleep(0.2)
print(result and result[0])
"""


def choices(source: Path, **scheduler: Any) -> dict[str, Any]:
    jobs: dict[str, Any] = {"name": "jobs", "source": {"type": "directory", "path": str(source)}, **scheduler}
    return {"web2py_applications": [{"name": "starter", "source": {"type": "starter"}}, jobs]}


def test_workers_follow_the_choices(desk: Desk, tmp_path: Path) -> None:
    source = tmp_path / "jobs"
    shutil.copytree(ROOT / "tests/applications/jobs", source)
    chosen = choices(source, scheduler={"groups": ["main", "mail"], "workers": 1})

    run = desk.play("site", "--check", **chosen)
    assert run.status == 0, run.output
    run = desk.play("site", **chosen)
    assert run.status == 0, run.output
    assert desk.on_host(LIST).split("\n")[:2] == [
        "web2py-scheduler@jobs-mail-1.service active running",
        "web2py-scheduler@jobs-main-1.service active running",
    ]
    assert "web2py-scheduler@jobs-main-1.service active" in run.output
    assert desk.on_host(RESULT.format(QUEUE)).strip() == '"first"'
    run = desk.play("site", **chosen)
    assert (run.status, run.changed) == (0, 0), run.output

    model = source / "models/tasks.py"
    model.write_text(model.read_text().replace("first", "second"))
    run = desk.play("site", "--tags", "applications,uwsgi,scheduler", **chosen)
    assert run.status == 0 and run.changed > 0, run.output
    assert desk.on_host(RESULT.format(QUEUE)).strip() == '"second"'

    fewer = choices(source, scheduler={"groups": ["main"]})
    assert desk.play("site", **fewer).status == 0
    assert desk.on_host(LIST).strip() == "web2py-scheduler@jobs-main-1.service active running"
    run = desk.play("site", **fewer)
    assert (run.status, run.changed) == (0, 0), run.output

    assert desk.play("site", **choices(source)).status == 0
    assert desk.on_host(LIST).strip() == ""
    assert desk.on_host(f"ls {TEMPLATE} /etc/systemd/system/*.wants/web2py-scheduler* 2>/dev/null; true").strip() == ""
    run = desk.play("site", **choices(source))
    assert (run.status, run.changed) == (0, 0), run.output


def test_an_uninstalled_site_leaves_no_worker(desk: Desk, tmp_path: Path) -> None:
    source = tmp_path / "jobs"
    shutil.copytree(ROOT / "tests/applications/jobs", source)
    assert desk.play("site", **choices(source, scheduler={})).status == 0
    run = desk.play("uninstall", **choices(source))
    assert run.status == 0, run.output
    assert desk.on_host(LIST).strip() == "" and desk.on_host(f"ls {TEMPLATE} 2>/dev/null; true").strip() == ""
    assert desk.play("site").status == 0
