"""Wake-ups: a worker learns that there may be a job. It then claims the best one from the database."""

from __future__ import annotations

from typing import Any, Protocol


class Queue(Protocol):
    """A way to wake workers. A lost wake-up delays a job by the poll interval; no job is lost."""

    async def send(self, message_id: str, payload: dict[str, Any]) -> None:
        """Wake a worker. Raises PublishError when this can never succeed; after any other error the caller retries."""
        ...

    async def heard(self, timeout: float) -> None:
        """Wait for a wake-up, at most `timeout` seconds."""
        ...

    async def close(self) -> None: ...
