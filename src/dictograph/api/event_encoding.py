"""Events as clients get them: frames of a WebSocket, records of an SSE stream."""

from __future__ import annotations

import json
from typing import Any

from dictograph.api.views import job_view
from dictograph.service.queue_estimate import QueueEstimate
from dictograph.service.streams.event_stream import Snapshot, StreamEvent, StreamItem

#: Milliseconds after which a browser that lost its stream connects again.
_RETRY_MS = 2000

SSE_HEAD = f"retry: {_RETRY_MS}\n\n".encode()
SSE_ALIVE = b": alive\n\n"


def sse(item: StreamItem) -> bytes:
    """Return an event's record. One without a number has no id: the client resumes after the last that had one."""
    event = _event(item)
    if event is None:
        return SSE_ALIVE
    id = f"id: {event.seq}\n" if event.seq is not None else ""
    return f"{id}event: {event.type}\ndata: {_json(event.data)}\n\n".encode("utf-8", "backslashreplace")


def frame(item: StreamItem) -> str | None:
    """Return the text of a WebSocket frame; None when there is no event, since pings keep the connection alive."""
    event = _event(item)
    if event is None:
        return None
    text = _json({"seq": event.seq, "type": event.type, "data": event.data})
    return text.encode("utf-8", "backslashreplace").decode()


def _event(item: StreamItem) -> StreamEvent | None:
    if isinstance(item, Snapshot):
        view = job_view(item.job, QueueEstimate()).model_dump(mode="json")
        return StreamEvent(item.seq, "snapshot", {"job": view})
    return item


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
