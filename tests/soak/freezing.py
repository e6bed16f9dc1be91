"""Workers that are stopped past their leases, and go on: what they write then has to be refused."""

from __future__ import annotations

import os
import random
import re
import signal
import sqlite3
from collections.abc import Sequence
from contextlib import closing, suppress

from tests.service import eventually
from tests.soak.fleet import Fleet
from tests.soak.jobs import Jobs
from tests.soak.member import Member


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
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"), timeout=2, isolation_level=None)) as database:
        try:
            database.execute("BEGIN IMMEDIATE")
            database.rollback()
        except sqlite3.OperationalError:
            return False
    return True


class Freezer:
    """`workers` were stopped, others began `attempts_taken` of their jobs, and of these they noticed
    `attempts_noticed` when they went on."""

    def __init__(self, fleet: Fleet, jobs: Jobs, rng: random.Random) -> None:
        self.workers = 0
        self.attempts_taken = 0
        self.attempts_noticed = 0
        self._fleet = fleet
        self._jobs = jobs
        self._rng = rng

    def freeze_one(self) -> None:
        """Stop a worker that runs jobs until others have them, and let it go on."""
        member = self._rng.choice(self._fleet.workers)
        if not (member.may_be_killed and member.is_up) or not self._jobs.run_by(member.pid):
            return
        freeze(member)
        jobs = self._jobs.run_by(member.pid)
        eventually(lambda: self._are_over(jobs), 120, f"nobody takes what {member.service.name} had")
        taken = [job for job, (attempt, _) in (self._jobs.attempts() or {}).items() if attempt > jobs.get(job, attempt)]
        thaw(member)
        eventually(lambda: _noticed(member, taken) == len(taken), 60, f"{member.service.name} does not notice")
        self.workers += bool(taken)
        self.attempts_taken += len(taken)
        self.attempts_noticed += _noticed(member, taken)

    def _are_over(self, jobs: dict[str, int]) -> bool:
        """Whether these attempts are: another has begun, or the write that ended it was under way already."""
        self._fleet.raise_the_dead()
        self._jobs.count_unended()
        now = self._jobs.attempts()
        return now is not None and all(now[job][0] > attempt or now[job][1] for job, attempt in jobs.items())


def _noticed(member: Member, jobs: Sequence[str]) -> int:
    """How many of the jobs it says to have lost."""
    said = set(re.findall(r"job (\S+): (?:attempt \d+ was )?no longer ours", member.service.words_of_log()))
    return len(said & set(jobs))
