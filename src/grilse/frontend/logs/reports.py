"""What ran, what failed and why it took so long: reports about one past session.

Knows records; each report is plain data, and a text made of it.
"""

from __future__ import annotations

from typing import Any

from ..display.model import Done, critical_path, duration
from .record import Record

Rows = list[dict[str, Any]]


def what_ran(record: Record) -> Rows:
    """Every job: element, action, status, seconds, when it began after the session's start, its log.

    Jobs that had not ended when the log did come last; they are "running", or "killed" with their session.
    """
    return [*(_job(job, record) for job in record.model.done), *_unfinished(record)]


def _unfinished(record: Record) -> Rows:
    return [
        {
            "element": job.element,
            "key": job.key,
            "action": job.action,
            "status": record.state,
            "start": job.started - record.started,
            "seconds": record.ended - job.started,
            "log": job.log,
        }
        for job in record.model.running.values()
    ]


def what_ran_text(rows: Rows) -> str:
    """One line for each job."""
    if not rows:
        return "No job ran.\n"
    return "".join(
        f"{_clock(row['start'])}  {row['seconds']: >9.2f}s  {row['action']: <11} {row['status']: <9} {row['element']}\n"
        for row in rows
    )


def what_failed(record: Record) -> Rows:
    """Failures, grouped by cause: the cause, and the jobs that failed of it."""
    causes: dict[str, list[Done]] = {}
    for job in record.model.done:
        if job.status in ("failed", "lost"):
            causes.setdefault(job.message or "the worker died", []).append(job)
    rows: Rows = [{"cause": cause, "jobs": [_job(job, record) for job in jobs]} for cause, jobs in causes.items()]
    error = record.model.error
    # An error of the session as a whole only says that jobs have failed, when some have.
    if error is not None and not (rows and error.domain == "STREAM"):
        rows.append({"cause": error.message, "domain": error.domain, "reason": error.reason, "jobs": []})
    if record.state == "killed":
        rows.append({"cause": "The session was killed before it could end", "jobs": _unfinished(record)})
    if record.model.unhandled is not None:
        bug = record.model.unhandled
        rows.append({"cause": f"A bug of grilse: {bug.message}", "domain": None, "reason": "bug", "jobs": []})
    return rows


def what_failed_text(rows: Rows) -> str:
    """Each cause, and below it the elements and their logs."""
    if not rows:
        return "Nothing failed.\n"
    lines = []
    for row in rows:
        lines.append(row["cause"])
        for job in row["jobs"]:
            lines.append(f"    {job['action']: <7} {job['element']}")
            if job["log"]:
                lines.append(f"            {job['log']}")
    return "\n".join(lines) + "\n"


def path_report(record: Record) -> dict[str, Any]:
    """The critical path: its steps, their seconds in all, and those of the session."""
    steps = critical_path(record.model.pipeline, record.model.done)
    return {
        "steps": [_job(job, record) for job in steps],
        "seconds": sum(job.seconds for job in steps),
        "session_seconds": record.ended - record.started,
    }


def path_text(report: dict[str, Any]) -> str:
    """One line for each step."""
    if not report["steps"]:
        return "No job ran.\n"
    lines = [
        f"{_clock(step['start'])}  {step['seconds']: >9.2f}s  {step['action']: <11} {step['element']}"
        for step in report["steps"]
    ]
    share = 100 * report["seconds"] / report["session_seconds"] if report["session_seconds"] > 0 else 100
    total = f"{duration(report['seconds'])} of {duration(report['session_seconds'])} ({share:.0f} %)"
    return "\n".join([*lines, f"These {len(lines)} jobs took {total}."]) + "\n"


def _job(job: Done, record: Record) -> dict[str, Any]:
    return {
        "element": job.element,
        "key": job.key,
        "action": job.action,
        "status": job.status,
        "start": job.started - record.started,
        "seconds": job.seconds,
        "log": job.log,
    }


def _clock(seconds: float) -> str:
    whole = max(0, int(seconds))
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"
