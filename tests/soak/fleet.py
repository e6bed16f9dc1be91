"""An API and some workers, each a process of its own; whoever dies is started anew."""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter, deque
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from dictograph.runtime.crash import Point
from scripts.machine import free_port
from tests.service import Service, eventually

OF_API = (Point.UPLOAD_STORED, Point.JOB_CREATED)
#: Reached only with a broker.
OF_BROKER = (Point.INTAKE_STORED, Point.OFFSET_COMMITTING)
#: Reached only with a bucket; `e2e/test_bucket.py` does.
OF_BUCKET = (Point.PART_UPLOADED, Point.OBJECT_COPIED)
OF_WORKER = tuple(point for point in Point if point not in OF_API + OF_BROKER + OF_BUCKET)

#: How long a process that is to die at a named point is left in peace to get there, in seconds.
PATIENCE_S = 20.0

#: One in so many may be killed before it is up.
EARLY = 6

#: Who dies there has a job, and has not ended it.
MID_ATTEMPT = frozenset(OF_WORKER) - {Point.JOB_COMPLETED, Point.MESSAGE_SENDING, Point.MESSAGE_ACKED}


class Member:
    """A process of the fleet, and the points at which it is still to die."""

    def __init__(self, service: Service, points: Iterable[Point], rng: random.Random) -> None:
        self.service = service
        self.points = deque(points)
        self.deaths = Counter[str]()
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
        self.service.start(crash_at=f"{self._armed}:{self._rng.randint(1, 3)}" if self._armed else "")

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
            raise AssertionError(f"{self.service.name} ended by itself:\n{self.service.words_of_log()[-3000:]}")
        if self._killed or self._armed is None:
            assert self._killed, f"somebody else has killed {self.service.name}"
            self.deaths["random"] += 1
        else:
            self.deaths[self._armed] += 1
            self.points.remove(self._armed)
        return True


class Fleet:
    """`service` is what all its processes share: folder, database, settings."""

    def __init__(
        self, folder: Path, rng: random.Random, *, workers: int, points: Iterable[Point], **settings: Any
    ) -> None:
        base = Service(folder, **{**settings, "listen": f"127.0.0.1:{free_port()}"})
        self.url = f"http://{base.settings['listen']}"
        self.service = base
        self._rng = rng
        wanted = list(points)
        self.api = Member(base.beside("api", "api"), [point for point in wanted if point in OF_API], rng)
        of_workers = [point for point in wanted if point in OF_WORKER]
        self.workers = [
            Member(base.beside(f"worker{number}", "worker"), of_workers[number::workers], rng)
            for number in range(workers)
        ]
        self.members = [self.api, *self.workers]

    @property
    def deaths(self) -> Counter[str]:
        return sum((member.deaths for member in self.members), Counter())

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


def freeze(member: Member) -> None:
    """SIGSTOP, but not while it holds SQLite's one lock: nobody could take its jobs then."""
    eventually(lambda: _frozen_outside_of_a_write(member), 60, "it is always writing")


def thaw(member: Member) -> None:
    with suppress(ProcessLookupError):
        os.kill(member.pid, signal.SIGCONT)


def _frozen_outside_of_a_write(member: Member) -> bool:
    os.kill(member.pid, signal.SIGSTOP)
    if not member.service.database.startswith("sqlite") or _can_be_written(member.service.database):
        return True
    thaw(member)
    return False


def _can_be_written(url: str) -> bool:
    import sqlite3
    from contextlib import closing

    with closing(sqlite3.connect(url.removeprefix("sqlite:///"), timeout=2, isolation_level=None)) as database:
        try:
            database.execute("BEGIN IMMEDIATE")
            database.rollback()
        except sqlite3.OperationalError:
            return False
    return True
