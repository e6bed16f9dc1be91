"""One run: jobs come in, processes are killed and frozen, then there is peace, and all is counted."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from dictograph.runtime.crash import Point
from tests.audio_files import write_noise
from tests.service import Service, ask, eventually
from tests.soak.clients import Clients, Follower
from tests.soak.faults import unnamed_files
from tests.soak.fleet import OF_API, OF_WORKER, Fleet, Member, freeze, thaw
from tests.soak.stale_lease_writer import StaleLeaseWriter
from tests.soak.summary import RunSummary

MAX_BATCH = 2
WORKERS = 2

#: Seconds of the audio files: a few windows each.
LENGTHS = (30, 65, 100)

#: Clients wait while so many jobs have not ended.
ROOM = 12

#: How often it is told how far a run is, in seconds.
SAY_EVERY_S = 20

#: Short, so that a frozen worker loses its jobs soon. The dead are noticed without it, since they are of this host.
LEASE_S = 4


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is done to whom. `kills` are those at a random time, of any process; of these and of those at named
    `points` at least `mid_attempt` have to meet a worker that has a job. `freezes` are of a worker, past its leases.
    `pause` is the time from one kill to the next, in seconds, at least and at most. `relentless`: it is killed on
    until all jobs are there, however many kills that makes."""

    jobs: int
    kills: int
    mid_attempt: int
    freezes: int
    points: Sequence[Point] = OF_API + OF_WORKER
    pause: tuple[float, float] = (1.0, 3.0)
    relentless: bool = False
    seed: int = 20261121
    limit_s: float = 1800


@dataclass(slots=True)
class Frozen:
    """What became of workers that were stopped past their leases, and went on."""

    workers: int = 0
    attempts_taken: int = 0
    attempts_noticed: int = 0


class Run:
    """A run on the database with this URL (empty: SQLite), in a folder of its own."""

    def __init__(self, folder: Path, url: str, plan: Plan, say: Callable[[str], None] = lambda _: None) -> None:
        self.plan = plan
        self._say = say
        self._random_mid_attempt = 0
        self.frozen = Frozen()
        self.unended = 0
        self._rng = rng = random.Random(plan.seed)
        audio = [write_noise(folder / f"{s}s.wav", s, seed, rate=4_000) for seed, s in enumerate(LENGTHS)]
        settings: dict[str, object] = {"database_url": url} if url else {}
        self.fleet = Fleet(
            folder, rng, workers=WORKERS, points=plan.points,
            max_attempts=100, concurrency=3, path_roots=folder, orphan_age="10s", lease=f"{LEASE_S}s", **settings,
        )  # fmt: skip
        self._victim = self.fleet.anybody()
        self.service: Service = self.fleet.service
        self.service.behave(delay=0.15, max_batch=MAX_BATCH)
        self.clients = Clients(self.fleet.url, audio, lambda: self.unended < ROOM, plan.seed)
        self.follower = Follower(self.fleet.url, lambda: list(self.clients.promised))

    def go(self) -> RunSummary:
        began = time.monotonic()
        self.fleet.start()
        eventually(self._is_up, 60, "the fleet does not start")
        stale_writer = StaleLeaseWriter(self.service.database)
        self.clients.start()
        self.follower.start()
        try:
            self._trouble(stale_writer)
            self._say(f"peace; {self._how_far()}")
            self.fleet.make_peace()
            self.clients.finish()
            self._wait_until_all_is_done()
            stale_writer.look()
            stale_writer.strike(100)
        finally:
            self.clients.give_up()
            self.fleet.end()
            self.follower.stop()
            stale_writer.close()
        return RunSummary.of(self, stale_writer, time.monotonic() - began)

    def _is_up(self) -> bool:
        self.fleet.raise_the_dead()
        return self.fleet.api.is_up

    def _trouble(self, stale_writer: StaleLeaseWriter) -> None:
        deadline = time.monotonic() + self.plan.limit_s
        next_kill, next_look, next_word = time.monotonic() + 2, 0.0, time.monotonic() + SAY_EVERY_S
        while not self._enough():
            now = time.monotonic()
            assert now < deadline, f"not done in {self.plan.limit_s} s: {self._how_far()}"
            self.fleet.raise_the_dead()
            if now >= next_word:
                next_word = now + SAY_EVERY_S
                self._say(self._how_far())
            if now >= next_look:
                next_look = now + 0.5
                self._look(stale_writer)
            if now >= next_kill and (self.plan.relentless or not self._killed_enough()):
                next_kill = now + (self._rng.uniform(*self.plan.pause) if self._kill() else 0)
            if self._is_time_to_freeze():
                self._freeze_one()
            time.sleep(0.02)

    @property
    def _kills(self) -> int:
        return self.fleet.deaths["random"]

    def _enough(self) -> bool:
        self.clients.check()
        return (
            self._killed_enough()
            and not self.fleet.points_left
            and self.frozen.workers >= self.plan.freezes
            and len(self.clients.promised) >= self.plan.jobs
        )

    def _killed_enough(self) -> bool:
        return self._kills >= self.plan.kills and self.mid_attempt >= self.plan.mid_attempt

    def _how_far(self) -> str:
        return (
            f"{len(self.clients.promised)} jobs promised, {self.unended} not ended, {self._kills} random kills,"
            f" {self.mid_attempt} of all kills mid-attempt, {self.frozen.workers} frozen;"
            f" still to die at {', '.join(self.fleet.points_left) or 'no named place'}"
        )

    def _look(self, stale_writer: StaleLeaseWriter) -> None:
        stale_writer.look()
        stale_writer.strike(1)
        self._count_unended()

    def _count_unended(self) -> None:
        self.unended = self._count("status IN ('pending', 'processing')")

    def _count(self, condition: str) -> int:
        return int(ask(self.service.database, f"SELECT count(*) FROM transcription_job WHERE {condition}")[0][0])

    def _kill(self) -> bool:
        """Kill whoever's turn it is, if that can be done now."""
        if not self._victim.may_be_killed:
            return False
        running = self._jobs_of(self._victim)
        self._victim.kill()
        self._random_mid_attempt += bool(running)
        self._victim = self.fleet.anybody()
        return True

    @property
    def mid_attempt(self) -> int:
        """How many kills, at random and at named places, met a worker that had a job."""
        return self._random_mid_attempt + self.fleet.named_mid_attempt

    def _jobs_of(self, member: Member) -> dict[str, int]:
        """The jobs that a process runs, with their attempts."""
        if member.is_api:
            return {}
        query = (
            "SELECT j.id, j.attempt FROM transcription_job j JOIN worker w ON w.id = j.worker_id"
            " WHERE w.pid = ? AND j.status = 'processing'"
        )
        return dict(ask(self.service.database, query, member.pid))

    def _is_time_to_freeze(self) -> bool:
        """They are spread evenly over the kills."""
        done = self.frozen.workers
        return done < self.plan.freezes and self._kills >= self.plan.kills * (done + 1) // (self.plan.freezes + 1)

    def _freeze_one(self) -> None:
        """Stop a worker that runs jobs until others have them, and let it go on."""
        member = self._rng.choice(self.fleet.workers)
        if not (member.may_be_killed and member.is_up) or not self._jobs_of(member):
            return
        freeze(member)
        jobs = self._jobs_of(member)
        eventually(lambda: self._are_over(jobs), 120, f"nobody takes what {member.service.name} had")
        taken = [job for job, (attempt, _) in self._attempts().items() if attempt > jobs.get(job, attempt)]
        thaw(member)
        eventually(lambda: self._noticed(member, taken) == len(taken), 60, f"{member.service.name} does not notice")
        self.frozen.workers += bool(taken)
        self.frozen.attempts_taken += len(taken)
        self.frozen.attempts_noticed += self._noticed(member, taken)

    def _are_over(self, jobs: dict[str, int]) -> bool:
        """Whether these attempts are: another has begun, or the write that ended it was under way already."""
        self.fleet.raise_the_dead()
        self._count_unended()
        now = self._attempts()
        return all(now[job][0] > attempt or now[job][1] for job, attempt in jobs.items())

    def _attempts(self) -> dict[str, tuple[int, bool]]:
        """Of each job, the attempt, and whether it has ended."""
        query = "SELECT id, attempt, finished_at IS NOT NULL FROM transcription_job"
        return {job: (attempt, bool(ended)) for job, attempt, ended in ask(self.service.database, query)}

    def _noticed(self, member: Member, jobs: Sequence[str]) -> int:
        """How many of the jobs it says to have lost."""
        said = set(re.findall(r"job (\S+): (?:attempt \d+ was )?no longer ours", member.service.words_of_log()))
        return len(said & set(jobs))

    def _wait_until_all_is_done(self) -> None:
        service = self.service
        eventually(lambda: self._count("finished_at IS NULL") == 0, 300, "not all jobs end")
        eventually(lambda: not unnamed_files(service), 90, f"files that no row names: {unnamed_files(service)}")
        eventually(lambda: service.rows("SELECT count(*) FROM outbox") == [(0,)], 30, "the outbox is not emptied")
        self.follower.stop()
        self.fleet.stop()
