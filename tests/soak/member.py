"""A process of the fleet: it dies where it is told to, or when it is killed, and never by itself."""

from __future__ import annotations

import random
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable

from dictograph.runtime.crash import Point
from tests.service import Service

#: How long a process that is to die at a named point is left in peace to get there, in seconds.
PATIENCE_S = 20.0

#: A process seldom comes by here, so it dies there the first time.
RARE = frozenset([Point.OFFSET_COMMITTING, Point.PART_UPLOADED])

#: One in so many may be killed before it is up.
EARLY = 6


class Member:
    """A process of the fleet, and the points at which it is still to die."""

    def __init__(
        self, service: Service, points: Iterable[Point], rng: random.Random, may_fail_to_start: Callable[[], bool]
    ) -> None:
        """`may_fail_to_start` says whether servers are killed: without a database a process ends with a sentence, and
        its supervisor starts it again."""
        self.service = service
        self._may_fail_to_start = may_fail_to_start
        self.points = deque(points)
        self.deaths = Counter[str]()
        self.failed_starts = 0
        self._rng = rng
        self._armed: Point | None = None
        self._patient_until = 0.0
        self._killed = self._up = self._may_die_early = False

    @property
    def pid(self) -> int:
        assert self.service.process is not None
        return self.service.process.pid

    @property
    def is_api(self) -> bool:
        return self.service.command == ("api",)

    @property
    def may_be_killed(self) -> bool:
        """Not while it is on its way to a named point; and before it is up only now and then, else on a busy
        machine nobody would ever come to work."""
        if not self.service.running or (self._armed is not None and time.monotonic() < self._patient_until):
            return False
        return self.is_up or self._may_die_early

    @property
    def is_up(self) -> bool:
        """Whether it has said since its start that it is ready."""
        self._up = self._up or self._sign in self.service.words_of_log()
        return self._up

    @property
    def _sign(self) -> str:
        return "listens on" if self.is_api else "readiness: ready"

    def start(self) -> None:
        """Start it; if it has still to die somewhere, it will die there the first to third time it comes by."""
        self._armed = self.points[0] if self.points else None
        self._patient_until = time.monotonic() + PATIENCE_S
        self._killed = self._up = False
        self._may_die_early = self._rng.randrange(EARLY) == 0
        times = 1 if self._armed in RARE else self._rng.randint(1, 3)
        self.service.start(crash_at=f"{self._armed}:{times}" if self._armed else "")

    def kill(self) -> None:
        self._killed = True
        self.service.kill()
        if self._armed is not None:
            self.points.rotate(-1)  # it did not get there; another point is tried first

    def bury(self) -> bool:
        """Whether it is dead; then it is noted what of. Raises when it died of itself."""
        if self.service.running:
            return False
        if not self.service.was_killed:
            said = self.service.words_of_log()
            if self.is_up or not self._may_fail_to_start() or "Traceback" in said:
                raise AssertionError(f"{self.service.name} ended by itself:\n{said[-3000:]}")
            self.failed_starts += 1
            return True
        if self._killed or self._armed is None:
            assert self._killed, f"somebody else has killed {self.service.name}"
            self.deaths["random"] += 1
        else:
            self.deaths[self._armed] += 1
            self.points.remove(self._armed)
        return True
