"""The state machine under any sequence of questions, stale writers included (property-based)."""

from __future__ import annotations

import itertools
import shutil
import tempfile
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from sqlalchemy import select

from dictograph.errors import DictographError, JobStateConflict, LeaseLost
from dictograph.job import TRANSITIONS, JobStatus, Lease
from dictograph.store.database import Database
from dictograph.store.events import TERMINAL
from dictograph.store.jobs import control, finish, lease, progress, read
from dictograph.store.tables import outbox
from dictograph.store.text_type import clean
from tests.integration.store.store_driver import AT_ONCE, OOPS, StoreDriver, emptied, result

JOBS = st.sampled_from(["a", "b"])
WAKING = {"created", "released", "retrying", "retried"}


class StoreMachine(RuleBasedStateMachine):
    """Two jobs, every lease that was ever given, and what must hold after each step."""

    template: ClassVar[Path]

    @initialize()
    def open(self) -> None:
        self.database = Database.open(self.prepare())
        self.driver = StoreDriver(self.database)
        self.seen: dict[str, JobStatus] = {}
        self.committed: dict[str, list[Any]] = {}
        self.failures: dict[str, int] = {}
        self.alone: set[str] = set()
        self.leases: list[Lease] = []
        self._create("a", 0, 3)

    def teardown(self) -> None:
        if hasattr(self, "database"):
            self.database.close_now()
            self.clear_up()

    def prepare(self) -> str:
        """The URL of an empty database."""
        self.folder = Path(tempfile.mkdtemp(prefix="dictograph-machine-"))
        shutil.copy(self.template, self.folder / "db")
        return f"sqlite:///{self.folder / 'db'}"

    def clear_up(self) -> None:
        shutil.rmtree(self.folder)

    # --- clients

    @rule(id=JOBS, priority=st.integers(0, 1), budget=st.integers(1, 3))
    def create(self, id: str, priority: int, budget: int) -> None:
        if id not in self.seen:
            self._create(id, priority, budget)

    @rule(id=JOBS)
    def cancel(self, id: str) -> None:
        if id in self.seen:
            self._allowed(id, JobStatus.CANCELLED, lambda: self.driver.cancel(id))

    @rule(id=JOBS)
    def retry(self, id: str) -> None:
        if id in self.seen and self.seen[id] is not JobStatus.PROCESSING:
            allowed = self.seen[id] in (JobStatus.FAILED, JobStatus.CANCELLED)
            if self._try(allowed, lambda: self.driver.retry(id)):
                self.failures[id] = 0
                self.alone.discard(id)

    @rule(id=JOBS)
    def remove(self, id: str) -> None:
        if self.seen.pop(id, None):
            self.driver.write(control.remove, None, id)
            self.committed.pop(id)

    # --- workers

    @rule(busy=st.booleans())
    def claim(self, busy: bool) -> None:
        claim = self.driver.try_claim(busy=busy)
        if claim is not None:
            assert self.seen[claim.job.id] is JobStatus.PENDING
            assert claim.exclusive == (claim.job.id in self.alone)
            assert not (busy and claim.exclusive)
            self.leases.append(claim.lease)

    @precondition(lambda self: self.leases)
    @rule(data=st.data(), count=st.integers(1, 3))
    def plan(self, data: st.DataObject, count: int) -> None:
        held = self._lease(data)
        planned = self._job(held).windows_planned if self._owns(held) else 0
        complete = self._owns(held) and self._job(held).plan_complete
        self._fenced(held, lambda: self.driver.plan(held, count, planned), mistake=complete)

    @precondition(lambda self: self.leases)
    @rule(data=st.data(), skip=st.integers(0, 1), text=st.text(max_size=3))
    def commit(self, data: st.DataObject, skip: int, text: str) -> None:
        held = self._lease(data)
        owns = self._owns(held)
        index = (self._job(held).windows_done if owns else 0) + skip
        mistake = owns and (skip > 0 or index >= self._job(held).windows_planned)
        done = self._fenced(
            held, lambda: self.driver.write(progress.commit_windows, held, [(index, result(text))]), mistake=mistake
        )
        if done:
            self.committed[held.job_id].append(result(clean(text)))
            self.failures[held.job_id] = 0
            self.alone.discard(held.job_id)

    @precondition(lambda self: self.leases)
    @rule(data=st.data())
    def finish_plan(self, data: st.DataObject) -> None:
        held = self._lease(data)
        self._fenced(held, lambda: self.driver.finish_plan(held))

    @precondition(lambda self: self.leases)
    @rule(data=st.data())
    def restart(self, data: st.DataObject) -> None:
        held = self._lease(data)
        if self._fenced(
            held, lambda: self.driver.write(progress.restart_windows, held, "audio_changed", "other samples")
        ):
            self.committed[held.job_id] = []

    @precondition(lambda self: self.leases)
    @rule(data=st.data())
    def complete(self, data: st.DataObject) -> None:
        held = self._lease(data)
        owns = self._owns(held)
        job = self._job(held) if owns else None
        mistake = job is not None and not (job.plan_complete and job.windows_done == job.windows_planned)
        self._fenced(held, lambda: self.driver.write(finish.complete, held), mistake=mistake)

    @precondition(lambda self: self.leases)
    @rule(data=st.data(), retryable=st.booleans())
    def fail(self, data: st.DataObject, retryable: bool) -> None:
        held = self._lease(data)
        if self._fenced(held, lambda: self.driver.write(finish.fail, held, OOPS, retryable, AT_ONCE)):
            self.failures[held.job_id] += 1
            if not retryable:
                assert self._job(held).status is JobStatus.FAILED

    @precondition(lambda self: self.leases)
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        held = self._lease(data)
        self._fenced(held, lambda: self.driver.write(finish.release, held))

    @precondition(lambda self: self.leases)
    @rule(data=st.data())
    def renew(self, data: st.DataObject) -> None:
        held = self._lease(data)
        expected = {held.job_id} if self._owns(held) else set()
        assert self.driver.write(lease.renew, [held], 60.0) == expected

    @rule()
    def expire(self) -> None:
        """Every worker is silent for too long."""
        silent = [id for id, status in self.seen.items() if status is JobStatus.PROCESSING]
        for id in silent:
            self.driver.expire_lease(id)
            self.failures[id] += 1
            self.alone.add(id)
        assert sorted(self.driver.lose()) == sorted(silent)

    # --- what must hold

    @invariant()
    def states_change_only_as_drawn(self) -> None:
        for id, before in getattr(self, "seen", {}).items():
            now = self.driver.status(id)
            assert now is before or now in TRANSITIONS[before], f"{before} → {now}"
            self.seen[id] = now

    @invariant()
    def the_log_has_no_gap_and_one_end_per_run(self) -> None:
        for id in getattr(self, "seen", {}):
            job, log = self.driver.job(id), self.driver.events(id)
            assert [event.seq for event in log] == list(range(1, job.last_seq + 1))
            types = [event.type for event in log]
            for event_type, following in itertools.pairwise(types):
                assert (event_type in TERMINAL) == (following == "retried"), types
            assert (types[-1] in TERMINAL) == job.status.ended
            assert job.status.ended == (job.finished_at is not None)
            if job.status.ended:
                assert types[-1] == job.status.value

    @invariant()
    def the_budget_is_kept(self) -> None:
        for id in getattr(self, "seen", {}):
            job = self.driver.job(id)
            assert job.failures == self.failures[id] <= job.max_attempts
            assert job.dead == (job.failures == job.max_attempts)
            if job.status is JobStatus.FAILED:
                assert self.driver.events(id)[-1].data["dead"] is job.dead

    @invariant()
    def windows_are_committed_in_order_and_never_lost(self) -> None:
        for id in getattr(self, "seen", {}):
            job, stored = self.driver.job(id), self.driver.read(read.windows, id, limit=1000)
            assert [window.index for window in stored] == list(range(job.windows_planned))
            results = [window.result for window in stored]
            assert results[: job.windows_done] == self.committed[id]
            assert all(result is None for result in results[job.windows_done :])

    @invariant()
    def only_a_running_job_has_a_lease(self) -> None:
        for id in getattr(self, "seen", {}):
            held = self.driver.column(id, "lease_token")
            assert (held is not None) == (self.driver.status(id) is JobStatus.PROCESSING)

    @invariant()
    def every_wake_up_is_in_the_outbox(self) -> None:
        if not hasattr(self, "seen"):
            return
        for id in self.seen:
            waking = [event.seq for event in self.driver.events(id) if event.type in WAKING]
            assert self._wake_ups(id) == [f"{id}:dispatch:{seq}" for seq in waking]

    # --- how

    def _lease(self, data: st.DataObject) -> Lease:
        """A lease that holds, if there is one, or any that was ever given."""
        held = [lease for lease in self.leases[-3:] if self._owns(lease)]
        return data.draw(st.sampled_from(held or self.leases) | st.sampled_from(self.leases))

    def _job(self, held: Lease) -> Any:
        return self.driver.job(held.job_id)

    def _owns(self, held: Lease) -> bool:
        return held.job_id in self.seen and self.driver.column(held.job_id, "lease_token") == held.token

    def _fenced(self, held: Lease, write: Any, mistake: bool = False) -> bool:
        owned = self._owns(held)
        try:
            write()
        except LeaseLost:
            assert not owned
            return False
        except DictographError:
            assert mistake
            return False
        assert owned
        assert not mistake
        return True

    def _allowed(self, id: str, target: JobStatus, change: Any) -> None:
        self._try(target in TRANSITIONS[self.seen[id]], change)

    def _try(self, allowed: bool, change: Any) -> bool:
        try:
            change()
        except JobStateConflict:
            assert not allowed
            return False
        assert allowed
        return True

    def _create(self, id: str, priority: int, budget: int) -> None:
        self.driver.create(id, priority=priority, max_attempts=budget)
        self.seen[id], self.committed[id], self.failures[id] = JobStatus.PENDING, [], 0
        self.alone.discard(id)

    def _wake_ups(self, id: str) -> list[str]:
        query = select(outbox.c.message_id).where(outbox.c.job_id == id).order_by(outbox.c.id)
        return list(self.database.read_now(lambda conn: conn.execute(query).scalars().all()))


class PostgresMachine(StoreMachine):
    """The same on PostgreSQL."""

    url: ClassVar[str]

    def prepare(self) -> str:
        return emptied(self.url)

    def clear_up(self) -> None:
        """It is emptied before it is used again."""


class TestStoreMachine(StoreMachine.TestCase):  # type: ignore[misc, valid-type]
    settings = settings(
        max_examples=30,
        stateful_step_count=30,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
    )

    @pytest.fixture(autouse=True)
    def _database(self, sqlite_template: Path) -> None:
        StoreMachine.template = sqlite_template


class TestPostgresMachine(PostgresMachine.TestCase):  # type: ignore[misc, valid-type]
    settings = settings(TestStoreMachine.settings, max_examples=15)

    @pytest.fixture(autouse=True)
    def _database(self, postgres_url: str) -> None:
        PostgresMachine.url = postgres_url
