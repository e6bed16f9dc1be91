"""An API and some workers, each a process of its own; whoever dies is started anew."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from dictograph.runtime.crash import Point
from scripts.machine import free_port
from tests.service import Service
from tests.soak.member import Member
from tests.soak.scenario import OF_API, OF_BUCKET, OF_TOPIC, OF_WORKER

#: Who dies there has a job, and has not ended it.
MID_ATTEMPT = frozenset(OF_WORKER) - {Point.JOB_COMPLETED, Point.MESSAGE_SENDING, Point.MESSAGE_ACKED}


class Fleet:
    """The processes that share `service`: its folder, database and settings. `api` is None where there is none."""

    def __init__(
        self,
        service: Service,
        rng: random.Random,
        *,
        workers: int,
        points: Iterable[Point],
        http: bool = True,
        may_fail_to_start: Callable[[], bool] = lambda: False,
    ) -> None:
        self._rng = rng
        wanted = list(points)
        of_api = [point for point in wanted if point in OF_API + OF_BUCKET]
        of_workers = [point for point in wanted if point in OF_WORKER + OF_TOPIC]
        self.api = Member(service.beside("api", "api"), of_api, rng, may_fail_to_start) if http else None
        self.workers = [
            Member(
                service.beside(f"worker{number}", "worker", **_own(service)),
                of_workers[number::workers],
                rng,
                may_fail_to_start,
            )
            for number in range(workers)
        ]
        self.members = [*([self.api] if self.api else []), *self.workers]

    @property
    def deaths(self) -> Counter[str]:
        return sum((member.deaths for member in self.members), Counter())

    @property
    def failed_starts(self) -> int:
        """How often a process gave up its start, since a server was away."""
        return sum(member.failed_starts for member in self.members)

    @property
    def named_mid_attempt(self) -> int:
        """How many died at a named point in the middle of an attempt."""
        return sum(times for point, times in self.deaths.items() if point in MID_ATTEMPT)

    @property
    def points_left(self) -> list[Point]:
        return [point for member in self.members for point in member.points]

    def start(self) -> None:
        for member in self.members:
            member.start()

    def is_up(self) -> bool:
        self.raise_the_dead()
        return all(member.is_up for member in self.members[:1])

    def raise_the_dead(self) -> None:
        for member in self.members:
            if member.bury():
                member.start()

    def anybody(self) -> Member:
        return self._rng.choice(self.members)

    def make_peace(self) -> None:
        """Nobody has to die any more; all run."""
        for member in self.members:
            if member.bury() or member.points:
                member.points.clear()
                if member.service.running:
                    assert member.service.stop() == 0
                member.start()

    def stop(self) -> None:
        """In good order: each ends with 0."""
        for member in self.members:
            if member.service.running:
                assert member.service.stop() == 0, member.service.words_of_log()[-3000:]

    def end(self) -> None:
        """Whatever is left of it goes."""
        for member in self.members:
            if member.service.running:
                member.service.kill()


def _own(service: Service) -> dict[str, Any]:
    """What a worker has for itself: no two of them can have one address."""
    return {"worker_listen": f"127.0.0.1:{free_port()}"} if "worker_listen" in service.settings else {}
