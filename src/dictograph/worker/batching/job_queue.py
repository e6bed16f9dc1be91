"""The windows of one job on their way to an engine."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from dictograph.engine.protocol import Window, WindowOptions, WindowResult


@dataclass(frozen=True, slots=True)
class Detect:
    """The wish to know a window's language."""


@dataclass(slots=True, eq=False)
class WindowRequest:
    """One window on its way. `read` brings its samples when its turn has come, not before.

    `what` is a `WindowOptions` (transcribe) or `Detect`: only equal ones share a batch. `alone`
    marks a window whose batch failed: it is tried by itself, so that only the guilty one pays.
    """

    index: int
    seconds: float
    what: WindowOptions | Detect
    read: Callable[[], Awaitable[Window]]
    done: asyncio.Future[WindowResult | dict[str, float]]
    alone: bool = False

    @property
    def single(self) -> bool:
        # CTranslate2 ignores a seed after a model's first call: what is sampled is decoded alone.
        return self.alone or (isinstance(self.what, WindowOptions) and self.what.temperature > 0)


@dataclass(slots=True, eq=False)
class JobQueue:
    """A job's windows, in order. While `held`, none of them is taken: results wait to be committed.

    `begun`: a window was transcribed, before that it is a newcomer's. `answered`: its language was told,
    and its first window has not come yet, but is about to. `served`: the turn it had last.
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
