"""Contract K's receiver over a real database: when an offset is done, and what a rebalance leaves behind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from sqlalchemy import func, select

from dictograph.broker import Partition
from dictograph.errors import DatabaseUnavailable
from dictograph.runtime.crash import CrashPoints
from dictograph.service.compat.stt_jobs import SttJobs
from dictograph.settings.model import Settings
from dictograph.store import outbox
from dictograph.store.database import Database
from dictograph.store.jobs import control
from dictograph.store.migrate import upgrade
from dictograph.store.outbox import BROKER
from dictograph.store.tables import job
from dictograph.stt.decision import OffsetRule
from dictograph.worker.stt_intake import SttIntake
from tests.unit.stt.jobs import message, value

pytestmark = pytest.mark.anyio

HERE = [Partition("stt.jobs", 0)]


class FakeConsumer:
    """Writes down what is done."""

    joined, trouble = True, None

    def __init__(self) -> None:
        self.offsets: list[int] = []
        self.uncounted: list[int] = []

    def uncount(self, topic: str, partition: int, offset: int) -> None:
        self.uncounted.append(offset)

    def done(self, topic: str, partition: int, offset: int) -> None:
        self.offsets.append(offset)

    def lag(self) -> dict[Partition, int]:
        return {}

    async def run(self) -> None: ...


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    file = tmp_path_factory.mktemp("template") / "d.db"
    upgrade(f"sqlite:///{file}")
    return file.read_bytes()


class World:
    """A receiver, its consumer, and what a relay and a worker would do."""

    def __init__(self, database: Database, intake: SttIntake, consumer: FakeConsumer) -> None:
        self.database = database
        self.intake = intake
        self.consumer = consumer

    async def jobs(self) -> list[str]:
        return list(await self.database.read(lambda c: c.execute(select(job.c.id).order_by(job.c.id)).scalars().all()))

    async def end(self, job_id: str) -> None:
        await self.database.write(lambda c: control.cancel(c, None, job_id))

    async def publish(self) -> int:
        found = await self.database.write(lambda c: outbox.take(c, BROKER, 100, 60.0))
        await self.database.write(lambda c: outbox.mark_sent(c, [one.id for one in found]))
        self.intake.answers_sent()
        return len(found)

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(60):
            while not condition():
                await asyncio.sleep(0.01)

    async def quiet(self) -> None:
        """The agent has looked once more, and found nothing."""
        await asyncio.sleep(0.1)


@asynccontextmanager
async def world(
    folder: Path, template: bytes, rule: OffsetRule, can_run: Callable[[], bool] = lambda: True
) -> AsyncIterator[World]:
    (folder / "d.db").write_bytes(template)
    database = Database.open(f"sqlite:///{folder / 'd.db'}")
    consumer = FakeConsumer()
    intake = SttIntake(database, SttJobs(Settings(), lambda: 1_000_000), rule, CrashPoints(), 0.02, can_run)
    intake.serve(consumer)
    agent = asyncio.create_task(intake.run())
    try:
        yield World(database, intake, consumer)
    finally:
        agent.cancel()
        await asyncio.gather(agent, return_exceptions=True)
        await database.close()


async def test_on_a_shared_database_a_job_is_done_with_its_row(tmp_path: Path, template: bytes) -> None:
    async with world(tmp_path, template, OffsetRule.ROW) as one:
        await one.intake.received([message(value()), message(value(), offset=8), message(None, offset=9)])
        assert one.consumer.offsets == [7, 8, 9]
        assert len(await one.jobs()) == 1
        await one.intake.revoked(HERE)
        assert len(await one.jobs()) == 1, "the row is everyone's"


async def test_on_its_own_database_a_job_is_done_when_its_result_is_acknowledged(
    tmp_path: Path, template: bytes
) -> None:
    async with world(tmp_path, template, OffsetRule.ANSWER) as one:
        await one.intake.received([message(value()), message(value(), offset=8)])
        assert one.consumer.offsets == [8], "the repetition at once, whatever becomes of the first"
        [job_id] = await one.jobs()
        await one.end(job_id)
        await one.quiet()
        assert one.consumer.offsets == [8], "its result has not gone out"
        assert await one.publish() == 1
        await one.until(lambda: one.consumer.offsets == [8, 7])


@pytest.mark.parametrize("rule", list(OffsetRule))
async def test_what_is_no_job_is_done_when_its_letter_is_acknowledged(
    tmp_path: Path, template: bytes, rule: OffsetRule
) -> None:
    async with world(tmp_path, template, rule) as one:
        await one.intake.received([message(b"no job")])
        await one.quiet()
        assert (one.consumer.offsets, one.consumer.uncounted) == ([], [7])
        assert await one.publish() == 1
        await one.until(lambda: one.consumer.offsets == [7])


async def test_after_a_restart_the_same_offset_waits_for_its_own_row(tmp_path: Path, template: bytes) -> None:
    async with world(tmp_path, template, OffsetRule.ANSWER) as one:
        await one.intake.received([message(value())])
        await one.intake.lost(HERE)
        await one.intake.received([message(value())])
        [job_id] = await one.jobs()
        assert one.consumer.offsets == []
        await one.end(job_id)
        await one.publish()
        await one.until(lambda: one.consumer.offsets == [7])


async def test_a_partition_that_is_revoked_takes_unfinished_jobs_with_it_and_finishes_the_others(
    tmp_path: Path, template: bytes
) -> None:
    async with world(tmp_path, template, OffsetRule.ANSWER) as one:
        await one.intake.received([message(value()), message(value(jobId="j-2"), offset=8)])
        ended = await one.database.read(
            lambda c: c.execute(select(job.c.id).order_by(job.c.creation_date).limit(1)).scalar_one()
        )
        await one.end(ended)
        revoked = asyncio.create_task(one.intake.revoked(HERE))
        await one.quiet()
        assert not revoked.done(), "what has ended is published first"
        assert await one.publish() == 1
        async with asyncio.timeout(60):
            await revoked
        assert len(one.consumer.offsets) == 1
        assert await one.jobs() == [ended], "the other one is given up"
        assert await one.publish() == 0, "and nothing is published of it"


async def test_nothing_is_taken_while_no_job_could_be_run(tmp_path: Path, template: bytes) -> None:
    ready = False
    async with world(tmp_path, template, OffsetRule.ROW, lambda: ready) as one:
        taking = asyncio.create_task(one.intake.received([message(value())]))
        await one.quiet()
        assert await one.jobs() == []
        ready = True
        async with asyncio.timeout(60):
            await taking
        assert one.consumer.offsets == [7]


async def test_a_database_that_is_away_only_delays(
    tmp_path: Path, template: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with world(tmp_path, template, OffsetRule.ROW) as one:
        write, failures = one.database.write, 0

        async def away(query: object) -> object:
            nonlocal failures
            failures += 1
            if failures < 3:
                raise DatabaseUnavailable("away")
            return await write(query)  # type: ignore[arg-type] # as it came

        monkeypatch.setattr(one.database, "write", away)
        async with asyncio.timeout(60):
            await one.intake.received([message(value())])
        assert one.consumer.offsets == [7]
        count = await one.database.read(lambda c: c.execute(select(func.count()).select_from(job)).scalar_one())
        assert count == 1


async def test_what_was_revoked_while_it_was_being_stored_is_given_up(
    tmp_path: Path, template: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with world(tmp_path, template, OffsetRule.ANSWER) as one:
        write, stored, go_on = one.database.write, asyncio.Event(), asyncio.Event()

        async def slow(query: object) -> object:
            answer: object = await write(query)  # type: ignore[arg-type] # as it came
            stored.set()
            await go_on.wait()
            return answer

        monkeypatch.setattr(one.database, "write", slow)
        taking = asyncio.create_task(one.intake.received([message(value())]))
        async with asyncio.timeout(60):
            await stored.wait()
            monkeypatch.setattr(one.database, "write", write)
            await one.intake.revoked(HERE)
            go_on.set()
            await taking
        assert await one.jobs() == []
        assert one.consumer.offsets == []


async def test_many_messages_are_stored_a_few_at_a_time_and_in_order(tmp_path: Path, template: bytes) -> None:
    async with world(tmp_path, template, OffsetRule.ROW) as one:
        await one.intake.received([message(value(jobId=f"j-{n}"), offset=n) for n in range(120)])
        assert one.consumer.offsets == list(range(120))
        assert len(await one.jobs()) == 120


async def test_what_was_revoked_while_it_waited_is_not_stored(tmp_path: Path, template: bytes) -> None:
    ready = False
    async with world(tmp_path, template, OffsetRule.ANSWER, lambda: ready) as one:
        taking = asyncio.create_task(one.intake.received([message(value())]))
        await one.quiet()
        await one.intake.revoked(HERE)
        ready = True
        async with asyncio.timeout(60):
            await taking
        assert await one.jobs() == []
        assert one.consumer.offsets == []
