"""One run: jobs come in, processes are killed and frozen, then there is peace, and all is counted."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.combinations import Servers
from tests.service import Service, eventually
from tests.soak.fleet import Fleet
from tests.soak.freezing import Freezer
from tests.soak.jobs import Jobs
from tests.soak.member import Member
from tests.soak.outages import Outages
from tests.soak.plan import Plan
from tests.soak.scenario import Scenario
from tests.soak.sources import Sources
from tests.soak.stale_lease_writer import StaleLeaseWriter
from tests.soak.stored import stored_of, unnamed_files
from tests.soak.summary import RunSummary

MAX_BATCH = 2
WORKERS = 2

#: How often it is told how far a run is, in seconds.
SAY_EVERY_S = 20

#: Short, so that a frozen worker loses its jobs soon. The dead are noticed without it, since they are of this host.
LEASE_S = 4

_SETTINGS: dict[str, Any] = {
    "max_attempts": 100,
    "stt_max_attempts": 100,
    "concurrency": 3,
    "orphan_age": "10s",
    "lease": f"{LEASE_S}s",
    "kafka_session": "3s",
    "backend_vad_filter": "false",
    "backend_word_timestamps": "false",
}


class Run:
    """A run of a scenario on its servers, in a folder of its own."""

    def __init__(
        self,
        folder: Path,
        scenario: Scenario,
        servers: Servers,
        plan: Plan,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.scenario = scenario
        self.plan = plan
        self._say = say
        self._random_mid_attempt = self._struck = 0
        self._rng = rng = random.Random(plan.seed)
        self.sources = Sources(folder, scenario, servers, plan.seed)
        self.service = Service(folder, **{**_SETTINGS, **servers.settings(), **self.sources.settings()})
        self.stored = stored_of(self.service, servers.s3)
        self.jobs = Jobs(self.service.database)
        self.outages = Outages(servers.by_name(), plan.outages, plan.seed)
        self.fleet = Fleet(
            self.service, rng, workers=WORKERS, points=plan.points or scenario.points, http=scenario.http,
            may_fail_to_start=lambda: plan.outages > 0 and servers.cluster is not None,
        )  # fmt: skip
        self._victim = self.fleet.anybody()
        self.freezer = Freezer(self.fleet, self.jobs, rng)
        self.service.behave(delay=0.15, max_batch=MAX_BATCH)

    def go(self) -> RunSummary:
        began = time.monotonic()
        self.fleet.start()
        eventually(self.fleet.is_up, 60, "the fleet does not start")
        stale_writer = StaleLeaseWriter(self.service.database)
        self.sources.start(lambda: self.jobs.unended, lambda point: point in self.fleet.points_left)
        self.outages.start()
        try:
            self._trouble(stale_writer)
            self._say(f"peace; {self._how_far()}")
            self.outages.stop()
            self.fleet.make_peace()
            self.sources.finish()
            self._wait_until_all_is_done()
            stale_writer.look()
            stale_writer.strike(100)
        finally:
            self.outages.stop()
            self.sources.give_up()
            self.fleet.end()
            self.sources.end()
            stale_writer.close()
        return RunSummary.of(self, stale_writer, time.monotonic() - began)

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
                next_kill = now + (self._pause() if self._kill() else 0)
            if self._is_time_to_freeze():
                self.freezer.freeze_one()
            time.sleep(0.02)

    def _pause(self) -> float:
        """The time until the next kill, in seconds."""
        self._struck += 1
        return self._rng.uniform(*self.plan.pause) + (0 if self._struck % self.plan.burst else self.plan.rest)

    @property
    def _kills(self) -> int:
        return self.fleet.deaths["random"]

    def _enough(self) -> bool:
        self.sources.check()
        return (
            self.outages.over
            and self._killed_enough()
            and not self.fleet.points_left
            and self.freezer.workers >= self.plan.freezes
            and self.sources.promised >= self.plan.jobs
        )

    def _killed_enough(self) -> bool:
        return self._kills >= self.plan.kills and self.mid_attempt >= self.plan.mid_attempt

    def _how_far(self) -> str:
        outages = ", ".join(f"{name} {times}" for name, times in self.outages.killed.items())
        return (
            f"{self.sources.promised} jobs promised, {self.jobs.unended} not ended, {self._kills} random kills,"
            f" {self.mid_attempt} of all kills mid-attempt, {self.freezer.workers} frozen, killed servers:"
            f" {outages or 'none'}; still to die at {', '.join(self.fleet.points_left) or 'no named place'}"
        )

    def _look(self, stale_writer: StaleLeaseWriter) -> None:
        stale_writer.look()
        stale_writer.strike(1)
        self.jobs.count_unended()

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
        return {} if member.is_api else self.jobs.run_by(member.pid)

    def _is_time_to_freeze(self) -> bool:
        """They are spread evenly over the kills."""
        done = self.freezer.workers
        return done < self.plan.freezes and self._kills >= self.plan.kills * (done + 1) // (self.plan.freezes + 1)

    def _wait_until_all_is_done(self) -> None:
        eventually(self._all_have_ended, 300, "not all jobs end")
        eventually(lambda: not self._unnamed(), 90, f"files that no row names: {self._unnamed()}")
        eventually(lambda: self.service.rows("SELECT count(*) FROM outbox") == [(0,)], 60, "the outbox is not emptied")
        self.sources.wait_until_done()
        self.fleet.stop()

    def _all_have_ended(self) -> bool:
        self.sources.check()
        self.fleet.raise_the_dead()
        return self.jobs.count_unended() == 0

    def _unnamed(self) -> list[str]:
        return unnamed_files(self.service, self.stored)
