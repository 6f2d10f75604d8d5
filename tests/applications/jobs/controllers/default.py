# ruff: noqa: F821  (web2py itself gives these names)
"""Tasks are queued and looked at over HTTP."""

import json


def index():
    session.forget(response)
    return "jobs"


def queue():
    """/jobs/default/queue/FUNCTION/GROUP?args=[1,2]"""
    session.forget(response)
    told = scheduler.queue_task(
        request.args(0),
        json.loads(request.vars.args or "[]"),
        group_name=request.args(1) or "main",
        timeout=120,
        immediate=True,
    )
    return response.json({"id": told.id, "errors": told.errors})


def task():
    """/jobs/default/task/ID"""
    session.forget(response)
    row = db.scheduler_task(request.args(0))
    runs = db(db.scheduler_run.task_id == row.id).select(orderby=db.scheduler_run.id)
    return response.json(
        {
            "status": row.status,
            "runs": [{"status": run.status, "result": run.run_result, "worker": run.worker_name} for run in runs],
        }
    )


def workers():
    session.forget(response)
    rows = db(db.scheduler_worker).select()
    return response.json({row.worker_name: row.group_names for row in rows})
