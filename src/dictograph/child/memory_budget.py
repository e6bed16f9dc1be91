"""The memory that all processes with a model share, and which process unloads for another one.

A process asks before it loads its model. The budget first counts the expected need of the model, later the measured
use. If a model does not fit, the process that was idle for the longest time is asked to unload. A process at work is
never interrupted: it is asked only when others wait and its time slice is over, and it unloads between two pieces of
work. Waiting processes are served in order of arrival, so none waits for ever. A waiting process holds no memory, so
two processes cannot wait for each other.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from dictograph.errors import ModelTooLarge

log = logging.getLogger(__name__)

_MIB = 2**20
_STEP = 32 * _MIB

#: The time slice: how long a process may work on while others wait for its memory (s); and the same as a multiple of
#: the loading time, so that most of the time is work where loading is slow.
_TURN_S = 30.0
_TURN_IN_LOADS = 4.0


class NoLongerWanted(Exception):
    """The work for which a model was to be loaded no longer exists."""


@dataclass(frozen=True, slots=True)
class Demand:
    """The memory that a model needs, in bytes: `least` in any case, `likely` at work."""

    least: int
    likely: int


class Resident:
    """A process that keeps a model in memory, or is about to. `busy` returns whether there is work for it.

    `asked` is set while others wait for its memory: the process then unloads as soon as it is between two pieces of
    work.
    """

    def __init__(self, name: str, busy: Callable[[], bool]) -> None:
        self.name = name
        self.busy = busy
        self.asked = asyncio.Event()
        self.expected = self.measured = self.held = 0
        self.granted_at = self.used_at = 0.0
        self.turn_ends = math.inf  # while the model is being loaded


@dataclass(slots=True, eq=False)
class _Request:
    """A process that waits until its model fits. The answer is whether the model is still needed."""

    resident: Resident
    size: int
    answer: asyncio.Future[bool]


class MemoryBudget:
    """A budget of `total` bytes, shared by all processes with a model.

    While others wait, a process may still work for at least `turn` seconds, and for `loads` times its loading time.
    """

    def __init__(self, total: int, turn: float = _TURN_S, loads: float = _TURN_IN_LOADS) -> None:
        self.total = total
        self._turn, self._loads = turn, loads
        self._holders: list[Resident] = []
        self._requests: deque[_Request] = deque()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def used(self) -> int:
        """Return the bytes that are counted now."""
        return sum(holder.held for holder in self._holders)

    def describe(self) -> dict[str, Any]:
        """Return the bytes in total and in use, and the number of processes that wait for memory."""
        return {"budget": self.total, "used": in_steps(self.used), "waiting": len(self._requests)}

    def waits(self, resident: Resident) -> bool:
        """Return whether the process waits until its model fits."""
        return any(request.resident is resident for request in self._requests)

    async def acquire(self, resident: Resident, demand: Demand) -> None:
        """Wait until the model fits beside the others, and count it. The caller must call `release` in any case.

        Raises:
            ModelTooLarge: the model would not fit even alone.
            NoLongerWanted: the work disappeared during the wait.
        """
        if demand.least > self.total:
            raise ModelTooLarge(
                f"The {resident.name} needs at least {_gib(demand.least)} of memory, and all models together may have "
                f"{_gib(self.total)} (DICTOGRAPH_MODELS_MEMORY). Take a smaller model, or allow more."
            )
        request = _Request(resident, min(demand.likely, self.total), asyncio.get_running_loop().create_future())
        self._requests.append(request)
        self.reconsider()
        if not request.answer.done():
            log.info("the %s waits for memory: %s of %s are in use", resident.name, _gib(self.used), _gib(self.total))
        try:
            if not await request.answer:
                raise NoLongerWanted
        finally:
            if request in self._requests:
                self._requests.remove(request)
                self.reconsider()

    def loaded(self, resident: Resident) -> None:
        """Record that the process has loaded its model. Its time slice begins."""
        now = time.monotonic()
        resident.used_at = now
        resident.turn_ends = now + max(self._turn, self._loads * (now - resident.granted_at))
        self.reconsider()

    def worked(self, resident: Resident) -> None:
        """Record that the process has done a piece of work."""
        resident.used_at = time.monotonic()

    def measured(self, resident: Resident, size: int, *, whole: bool) -> None:
        """Record the measured peak memory in bytes. `whole`: measured at work too, so no higher use is expected."""
        if not resident.held or not size:
            return
        resident.measured = max(resident.measured, size)
        held = size if whole else max(size, resident.expected)
        if held != resident.held:
            resident.held = held
            self.reconsider()

    def release(self, resident: Resident) -> None:
        """Record that the process has unloaded its model or has ended."""
        resident.held = 0
        resident.asked.clear()
        if resident in self._holders:
            self._holders.remove(resident)
            self.reconsider()

    def reconsider(self) -> None:
        """Grant free memory to waiting processes, and ask others to unload for the rest."""
        self._drop_unwanted()
        self._grant()
        asked = self._to_be_asked()
        for holder in self._holders:
            if holder in asked:
                holder.asked.set()
            else:
                holder.asked.clear()
        self._look_again_when_a_turn_ends()

    def _drop_unwanted(self) -> None:
        for request in [one for one in self._requests if not one.resident.busy()]:
            self._requests.remove(request)
            _answer(request, wanted=False)

    def _grant(self) -> None:
        while self._requests and self.used + self._requests[0].size <= self.total:
            request = self._requests.popleft()
            resident = request.resident
            resident.expected = resident.held = request.size
            resident.granted_at, resident.turn_ends = time.monotonic(), math.inf
            self._holders.append(resident)
            _answer(request, wanted=True)

    def _to_be_asked(self) -> list[Resident]:
        """Return the processes that shall unload: too much memory is in use, or another process waits."""
        now = time.monotonic()
        idle = sorted((one for one in self._holders if self._is_idle(one)), key=lambda one: one.used_at)
        busy = [one for one in self._holders if one not in idle]
        over = _enough([*idle, *reversed(busy[1:])], self.used - self.total)
        if not self._requests:
            return over
        missing = self.used - sum(one.held for one in over) + self._requests[0].size - self.total
        others = [one for one in (*idle, *busy) if one not in over and (one in idle or one.turn_ends <= now)]
        chosen = _enough(others, missing)
        return over + chosen if sum(one.held for one in chosen) >= missing else over

    def _is_idle(self, holder: Resident) -> bool:
        return holder.turn_ends < math.inf and not holder.busy()

    def _look_again_when_a_turn_ends(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        now = time.monotonic()
        ends = [one.turn_ends for one in self._holders if now < one.turn_ends < math.inf]
        if self._requests and ends:
            self._timer = asyncio.get_running_loop().call_later(min(ends) - now, self.reconsider)


def in_steps(size: int) -> int:
    """Return bytes rounded to steps for display, since every change is written to the database."""
    return round(size / _STEP) * _STEP


def _enough(residents: Sequence[Resident], size: int) -> list[Resident]:
    """Return the first processes that together hold at least `size` bytes; all of them if they hold less."""
    chosen: list[Resident] = []
    for resident in residents:
        if sum(one.held for one in chosen) >= size:
            break
        chosen.append(resident)
    return chosen


def _answer(request: _Request, *, wanted: bool) -> None:
    if not request.answer.done():
        request.answer.set_result(wanted)


def _gib(size: int) -> str:
    return f"{size / 2**30:.1f} GiB" if size >= 2**30 else f"{size / _MIB:.0f} MiB"
