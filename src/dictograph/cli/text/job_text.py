"""Jobs as text for people: the lines of a list, a page about one job, its events as they arrive."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from dictograph.cli.text.text_table import clipped, length, table

#: A job as the API returns it.
Shape = dict[str, Any]

_NAME_WIDTH = 40
_ERROR_WIDTH = 70


def job_list(jobs: Sequence[Shape]) -> str:
    """Return a line for each job."""
    rows = [
        (
            job["id"],
            job["status"],
            f"{job['progress']:.0%}",
            length(job["duration"]),
            when(job["created_at"]),
            _name(job),
        )
        for job in jobs
    ]
    return table(("ID", "STATUS", "DONE", "LENGTH", "CREATED", "FILE"), rows)


def dead_list(jobs: Sequence[Shape]) -> str:
    """Return a line for each dead job, with its error."""
    rows = [
        (
            job["id"],
            when(job["finished_at"]),
            (job["error"] or {}).get("code", ""),
            _name(job),
            clipped(_error(job), _ERROR_WIDTH),
        )
        for job in jobs
    ]
    return table(("ID", "DIED", "CODE", "FILE", "ERROR"), rows)


def job_page(job: Shape) -> str:
    """Return all that is known about a job, with a line for each fact."""
    known = [(name, text) for name, text in _facts(job) if text]
    width = max(len(name) for name, _ in known)
    return "\n".join(f"{name:<{width}}  {text}" for name, text in known)


def when(moment: str | None) -> str:
    """Return a time of the API as local time."""
    return datetime.fromisoformat(moment).astimezone().strftime("%Y-%m-%d %H:%M:%S") if moment else ""


def _facts(job: Shape) -> Iterator[tuple[str, str]]:
    yield "id", job["id"]
    yield "status", job["status"] + (" (dead: its retries are spent)" if job["dead"] else "")
    yield "file", clipped(job["filename"], 200)
    yield "source", " ".join(filter(None, (job["source"]["kind"], job["source"]["url"] or job["source"]["path"])))
    yield "progress", f"{job['progress']:.1%} of {length(job['duration'])}"
    yield "left", length(job["eta_seconds"]) if job["eta_seconds"] is not None else ""
    yield "in queue", str(job["queue_position"] or "")
    yield "waits for", f"a worker that knows {job['waits_for']}" if job.get("waits_for") else ""
    yield "engine", " ".join(filter(None, (job["engine"], job["model"], job["revision"])))
    yield "language", job["language"] or ""
    yield "attempts", f"{job['attempt']}, {job['failures']} of {job['max_attempts']} failures"
    yield "error", _error(job)
    for warning in job["warnings"]:
        yield "warning", clipped(str(warning.get("message") or warning.get("code") or ""), 300)
    for name in ("created", "started", "finished"):
        yield name, when(job[f"{name}_at"])
    yield "worked", f"{job['processing_seconds']:.1f} s" if job["processing_seconds"] else ""
    yield "options", ", ".join(f"{name}={value}" for name, value in job["options"].items() if value is not None)
    yield "metadata", clipped(str(job["metadata"] or ""), 300)


def _name(job: Shape) -> str:
    return clipped(job["filename"], _NAME_WIDTH)


def _error(job: Shape) -> str:
    error = job["error"]
    return clipped(f"{error['message']} ({error['code']})", 500) if error else ""
