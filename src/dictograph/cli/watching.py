"""A job's events, shown to a person as they come."""

from __future__ import annotations

import json
from contextlib import aclosing

from dictograph.cli.client.job_client import JobClient
from dictograph.cli.text.job_text import Shape
from dictograph.cli.text.progress_bars import ProgressBars

_ENDS = {"completed", "failed", "cancelled", "deleted"}


async def watch_job(client: JobClient, job_id: str, *, as_json: bool) -> bool:
    """Show the events until the job has ended, and return whether it is completed."""
    end = ""
    with ProgressBars() as bars:
        async with aclosing(client.events(job_id)) as events:
            async for kind, data in events:
                if as_json:
                    bars.print(json.dumps({"type": kind, "data": data}))
                else:
                    _show(bars, job_id, kind, data)
                end = kind if kind in _ENDS else "" if kind == "retried" else end
    if not end:  # the stream was cut, or began after the end
        end = (await client.show(job_id))["status"]
    return end == "completed"


def _show(bars: ProgressBars, job_id: str, kind: str, data: Shape) -> None:
    match kind:
        case "segments":
            for segment in data["segments"]:
                bars.print(segment["text"].strip())
            bars.show(job_id, data["progress"], "")
        case "queue":
            bars.show(job_id, 0.0, f"number {data['position']} in the queue")
        case "started":
            bars.show(job_id, note=f"attempt {data['attempt']}")
        case "warning":
            bars.say(f"dictograph: {data['message']}")
        case "retrying" | "failed":
            bars.say(f"dictograph: {kind}: {data['error']['message']}")
        case "restarted":
            bars.say(f"dictograph: the text so far is invalid, the job starts again: {data['reason']}")
        case "cancelled" | "deleted":
            bars.say(f"dictograph: the job is {kind}")
