"""How a worker hears that there may be a job. What it then does is claim the best one from the database."""

from __future__ import annotations

from typing import Any, Protocol


class Queue(Protocol):
    """A way to wake workers. A wake-up that is lost delays a job by the poll interval and loses none."""

    async def send(self, message_id: str, payload: dict[str, Any]) -> None:
        """Wake a worker. Raises PublishError when this can never succeed, anything else to be asked again."""
        ...

    async def heard(self, timeout: float) -> None:
        """Wait for a wake-up, at most `timeout` seconds."""
        ...

    async def close(self) -> None: ...
