"""The queue of one job: its windows that wait for an engine."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from dictograph.engine.protocol import Window, WindowOptions, WindowResult


@dataclass(frozen=True, slots=True)
class Detect:
    """A request to detect the language of a window."""


@dataclass(slots=True, eq=False)
class WindowRequest:
    """A request to process one window. `read` reads its samples when its batch has been taken, not before.

    `what` is a `WindowOptions` (transcribe) or `Detect`: only requests with an equal `what` share a batch. `alone`
    marks a window whose batch failed: it is tried in a batch of one, so that only the job that is at fault fails.
    """

    index: int
    seconds: float
    what: WindowOptions | Detect
    read: Callable[[], Awaitable[Window]]
    done: asyncio.Future[WindowResult | dict[str, float]]
    alone: bool = False

    @property
    def single(self) -> bool:
        # CTranslate2 ignores a seed after a model's first call: a window that is sampled is decoded alone.
        return self.alone or (isinstance(self.what, WindowOptions) and self.what.temperature > 0)


@dataclass(slots=True, eq=False)
class JobQueue:
    """A job's windows, in order.

    `held`: none of them is taken, since earlier results are not committed yet. `started`: a window of the job was
    transcribed; before that the job is new. `answered`: the engine has answered which language the job has, and the
    job's first window is about to come. `served`: when the job was served last, as a number that the scheduler counts.
    """

    job_id: str
    owner: str
    priority: int
    waiting: deque[WindowRequest] = field(default_factory=deque)
    held: bool = False
    closed: bool = False
    served: int = 0
    started: bool = False
    answered: bool = False

    @property
    def ready(self) -> bool:
        return bool(self.waiting) and not self.held and not self.closed


Batch = list[tuple[JobQueue, WindowRequest]]
