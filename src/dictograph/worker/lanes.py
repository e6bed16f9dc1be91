"""Whose turn it is: windows of several jobs on their way to one engine.

Every job has a lane. A batch is filled one window at a time: first the highest priority, then the
owner that was served longest ago, then the job that was served longest ago. So a short note waits
for one batch, whatever else runs, and nobody's hundred jobs hold up another's one. Nor does a job's
first text wait for windows of those that had theirs: a batch that begins with a newcomer's window
carries only newcomers', and no more of them than can be decoded side by side. While newcomers come to
an engine that is busy, all batches are that small: who comes next waits for the one under way. However
many come, every few batches one is for a job that had its first text: it goes on, if slowly.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Awaitable, Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field

from dictograph.engine.protocol import Window, WindowOptions, WindowResult
from dictograph.errors import DictographError

#: For so long after a newcomer came to a busy engine another one is reckoned with, in seconds.
_LATELY_S = 30.0

#: How long a job that was told its language may take to send its first window: a commit on a busy machine (s).
_ANSWER_S = 0.5

#: So many batches of newcomers may go before the others in a row.
_IN_A_ROW = 4


@dataclass(frozen=True, slots=True)
class Detect:
    """The wish to know a window's language."""


@dataclass(slots=True, eq=False)
class Item:
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
class Lane:
    """A job's windows, in order. While `held`, none of them is taken: results wait to be committed.

    `begun`: a window was taken to be transcribed. `answered`: its language was told, and its first
    window has not come yet, but is about to.
    """

    job_id: str
    owner: str
    priority: int
    waiting: deque[Item] = field(default_factory=deque)
    held: bool = False
    closed: bool = False
    served: int = 0
    begun: bool = False
    answered: bool = False

    @property
    def ready(self) -> bool:
        return bool(self.waiting) and not self.held and not self.closed


class Lanes:
    """All lanes of one engine."""

    def __init__(self) -> None:
        self._lanes: list[Lane] = []
        self._owner_served: dict[str, int] = {}
        self._turn = 0
        self._in_a_row = 0  # batches of newcomers
        self._yields = False
        self._crowded_until = 0.0
        self._changed = asyncio.Event()

    def open(self, job_id: str, owner: str, priority: int) -> Lane:
        lane = Lane(job_id, owner, priority)
        if self._lanes:
            self._crowded_until = time.monotonic() + _LATELY_S
        self._lanes.append(lane)
        return lane

    def close(self, lane: Lane) -> None:
        """The job is over: what it still had waiting is dropped."""
        lane.closed = True
        lane.answered = False
        for item in lane.waiting:
            item.done.cancel()
        lane.waiting.clear()
        if lane in self._lanes:
            self._lanes.remove(lane)
        if not any(other.owner == lane.owner for other in self._lanes):
            self._owner_served.pop(lane.owner, None)
        self._changed.set()

    def put(self, lane: Lane, item: Item) -> None:
        lane.waiting.append(item)
        lane.answered = False
        self._changed.set()

    def put_back(self, items: Iterable[tuple[Lane, Item]], *, alone: bool) -> None:
        """Return what was taken, to the front and in order."""
        for lane, item in reversed(list(items)):
            if not lane.closed:
                item.alone = item.alone or alone
                lane.waiting.appendleft(item)
        self._changed.set()

    def let_go(self, lane: Lane) -> None:
        """The lane's results are committed: its next windows may be taken."""
        lane.held = False
        self._changed.set()

    def fail(self, error: DictographError) -> None:
        """Nothing can be done for anybody who waits now."""
        for lane in self._lanes:
            while lane.waiting:
                _fail(lane.waiting.popleft(), error)

    @property
    def idle(self) -> bool:
        return not self._lanes

    async def something(self) -> None:
        """Wait until a batch could be taken."""
        while not any(lane.ready for lane in self._lanes):
            self._changed.clear()
            await self._changed.wait()

    async def gather(self, most: int, seconds: float) -> None:
        """Wait a moment for windows that are about to come, unless there are `most`.

        For a job that was told its language in any case: everything else would go before its first
        window, and take much longer.
        """
        await self._while(self._is_answered, _ANSWER_S)
        for lane in self._lanes:
            lane.answered = False
        await self._while(lambda: self._about_to_come(most), seconds)

    async def _while(self, condition: Callable[[], bool], seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while condition():
                    self._changed.clear()
                    await self._changed.wait()

    def _is_answered(self) -> bool:
        return any(lane.answered and not lane.waiting for lane in self._lanes)

    def _about_to_come(self, most: int) -> bool:
        ready = sum(len(lane.waiting) for lane in self._lanes if lane.ready)
        return ready < most and any(lane.held for lane in self._lanes)

    def take(self, most: int, small: int = 0) -> list[tuple[Lane, Item]]:
        """The next batch: at most `most` windows that may be decoded together; empty if none waits.

        Of newcomers it carries `small` windows (0: `most`), but one of each in any case; of others as many if
        newcomers have come lately. A lane that gave a window is held until `let_go`.
        """
        small = small or most
        crowded = time.monotonic() < self._crowded_until
        batch: list[tuple[Lane, Item]] = []
        kind: Hashable = None
        newcomers = False
        while len(batch) < most:
            enough = isinstance(kind, WindowOptions) and len(batch) >= small
            if enough and crowded and not newcomers:
                break
            given = [lane for lane, _ in batch] if enough and newcomers else []
            lane = self._next_lane(kind, newcomers=newcomers, given=given) if batch else self._first_lane()
            if lane is None:
                break
            newcomers = newcomers or (not batch and not lane.begun)
            item = lane.waiting.popleft()
            batch.append((lane, item))
            kind = item.what
            self._served(lane, item)
            if item.single:
                break
        self._taken(batch, newcomers=newcomers)
        return batch

    @property
    def yields(self) -> bool:
        """Whether a newcomer may go before the batch that was taken last: not before one of newcomers, or one that they
        let go before them."""
        return self._yields

    def newcomer_before(self, batch: Iterable[tuple[Lane, Item]]) -> bool:
        """Whether a newcomer has come that goes before the batch under way, were that put back."""
        best = min((lane for lane in self._lanes if lane.ready), key=self._rank, default=None)
        if best is None or best.begun or not self._yields:
            return False
        return all(self._rank(best) < self._rank(lane) for lane, _ in batch)

    def _first_lane(self) -> Lane | None:
        ready = [lane for lane in self._lanes if lane.ready]
        best = min(ready, key=self._rank, default=None)
        if best is None or best.begun or self._in_a_row < _IN_A_ROW:
            return best
        others = (lane for lane in ready if lane.begun and lane.priority == best.priority)
        return min(others, key=self._rank, default=best)

    def _next_lane(self, kind: Hashable, *, newcomers: bool, given: list[Lane]) -> Lane | None:
        def fits(lane: Lane) -> bool:
            if not lane.ready or (newcomers and lane.begun) or lane in given:
                return False
            return lane.waiting[0].what == kind and not lane.waiting[0].single

        return min(filter(fits, self._lanes), key=self._rank, default=None)

    def _taken(self, batch: Sequence[tuple[Lane, Item]], *, newcomers: bool) -> None:
        self._yields = not newcomers and self._in_a_row < _IN_A_ROW
        transcribed = any(isinstance(item.what, WindowOptions) for _, item in batch)
        if batch and not newcomers:
            self._in_a_row = 0
        elif transcribed:
            self._in_a_row += 1
        for lane, _ in batch:
            lane.held = True
            lane.begun = lane.begun or transcribed

    def _rank(self, lane: Lane) -> tuple[int, int, int]:
        return (-lane.priority, self._owner_served.get(lane.owner, 0), lane.served)

    def _served(self, lane: Lane, item: Item) -> None:
        if isinstance(item.what, Detect):  # else its first text would wait behind others that had theirs
            return
        self._turn += 1
        lane.served = self._owner_served[lane.owner] = self._turn


def _fail(item: Item, error: DictographError) -> None:
    if not item.done.done():
        item.done.set_exception(error)
