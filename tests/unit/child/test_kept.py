"""A process that is kept running."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest

from dictograph.child import kept
from dictograph.child.kept import Heartbeat, KeptProcess, KeptSpec

#: Writes its id into a file, then does what the test says.
PROGRAM = "import os, sys, time; open({file!r}, 'a').write(str(os.getpid()) + chr(10)); {then}"
FOREVER = "time.sleep(600)"
BEATS = (
    "fd = int(os.environ['BEATS'].partition(':')[0]); [(os.write(fd, b'a\\n'), time.sleep(0.05)) for _ in range({n})]"
)


class Place:
    def __init__(self, folder: Path) -> None:
        self.file = folder / "pids"

    def spec(self, then: str, heartbeat: Heartbeat | None = None) -> KeptSpec:
        command = [sys.executable, "-c", PROGRAM.format(file=str(self.file), then=then)]
        return KeptSpec("program", command, heartbeat=heartbeat)

    def pids(self) -> list[int]:
        return [int(line) for line in self.file.read_text().split()] if self.file.exists() else []

    async def begun(self, number: int) -> int:
        async with asyncio.timeout(60):
            while len(self.pids()) < number:
                await asyncio.sleep(0.02)
        return self.pids()[number - 1]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.setattr(kept, "_AGAIN_S", 0.05)
    return Place(tmp_path)


@asynccontextmanager
async def running(process: KeptProcess) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(process.run())
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def test_it_is_started_anew_when_it_ends(place: Place) -> None:
    async def scenario() -> None:
        async with running(KeptProcess(place.spec(FOREVER), grace=30)):
            os.kill(await place.begun(1), signal.SIGKILL)
            second = await place.begun(2)
        assert not psutil.pid_exists(second), "it ends with the agent"

    asyncio.run(scenario())


def test_one_that_says_nothing_is_killed_and_one_that_beats_is_not(place: Place) -> None:
    async def scenario() -> None:
        heartbeat = Heartbeat("BEATS", first=30, silence=0.5)
        then = f"{BEATS.format(n=40)}; time.sleep(600)"
        async with running(KeptProcess(place.spec(then, heartbeat), grace=30)):
            first = await place.begun(1)
            loop = asyncio.get_running_loop()
            began = loop.time()
            await place.begun(2)
            assert loop.time() - began > 2, "it beat for two seconds"
            assert not psutil.pid_exists(first)

    asyncio.run(scenario())


def test_a_proper_end_may_be_the_end(place: Place) -> None:
    async def scenario() -> None:
        await asyncio.wait_for(KeptProcess(place.spec("sys.exit(0)"), grace=30).run(until_well=True), 60)
        assert len(place.pids()) == 1

    asyncio.run(scenario())


def test_one_that_does_not_end_is_killed(place: Place) -> None:
    async def scenario() -> None:
        then = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); open({!r}, 'w'); time.sleep(600)"
        ready = place.file.with_name("ready")
        process = KeptProcess(place.spec(then.format(str(ready))), grace=0.3)
        async with running(process) as task:
            pid = await place.begun(1)
            async with asyncio.timeout(60):
                while not ready.exists():
                    await asyncio.sleep(0.02)
            await process.stop()
            assert not psutil.pid_exists(pid)
            await asyncio.wait_for(task, 60)

    asyncio.run(scenario())


def test_a_stop_does_not_wait_for_the_next_start(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "_AGAIN_S", 600)

    async def scenario() -> None:
        process = KeptProcess(place.spec("sys.exit(3)"), grace=30)
        async with running(process) as task:
            await place.begun(1)
            await process.stop()
            await asyncio.wait_for(task, 60)

    asyncio.run(scenario())


def test_a_program_that_is_not_there_is_told_and_tried_again(caplog: pytest.LogCaptureFixture, place: Place) -> None:
    async def scenario() -> None:
        async with running(KeptProcess(KeptSpec("program", ["/no/such/program"]), grace=30)):
            async with asyncio.timeout(60):
                while caplog.text.count("cannot be started") < 2:
                    await asyncio.sleep(0.02)

    asyncio.run(scenario())
