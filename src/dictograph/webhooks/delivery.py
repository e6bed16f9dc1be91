"""A delivery: one event for one receiver, and the result of sending it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any


class DeliveryState(StrEnum):
    """Where a delivery is. `failed`: given up after three days, or at once where nobody may be called; `gone`: the
    receiver answered 410, it wants no more."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Delivery:
    """A row of the delivery log. `webhook_id` is what the receiver sees, the same however often it is sent.

    Args:
        state: plain text where a later version wrote one that this version does not know.
        attempts: how often it was sent.
        status_code: the HTTP status of the last answer; None when there was none.
        last_error: why the last attempt was none; None when it went well, or there was no attempt yet.
        next_attempt_at: when it is sent next; None when it is not.
    """

    id: str
    job_id: str
    owner: str
    webhook_id: str
    type: str
    url: str
    payload: dict[str, Any]
    state: DeliveryState | str
    attempts: int
    status_code: int | None
    last_error: str | None
    created_at: datetime
    attempted_at: datetime | None
    next_attempt_at: datetime | None = None
