"""The real application on a real socket, with a real database and folder; and a worker played by hand.

`python -m tests.integration.api.live FOLDER [NAME=VALUE…]` runs it as a process of its own.
"""

from __future__ import annotations

import asyncio
import shutil
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI

from dictograph.api.app import create_app
from dictograph.api.server.connection import ConnectionLimits
from dictograph.api.server.serve import serve
from dictograph.blobs.folder import FolderBlobs
from dictograph.blobs.protocol import Blobs
from dictograph.contract import Contract
from dictograph.errors import InvalidOption, ModelNotAllowed
from dictograph.job import ErrorRecord, FrozenEngine, Lease
from dictograph.runtime.crash import CrashPoints
from dictograph.service.services import Services
from dictograph.service.status import Readiness
from dictograph.settings.model import Settings
from dictograph.store.database import Database
from dictograph.store.jobs import control, finish, progress
from dictograph.store.jobs.claim import Claim, Claimant, claim_job
from dictograph.store.jobs.lease import RetryPolicy
from dictograph.store.jobs.progress import PlannedWindow
from dictograph.store.migrate import upgrade
from dictograph.store.tail import Tail
from dictograph.transcript import Segment, Word
from tests.files import files_below
from tests.service import NO_TLS

MODELS = (
    {"id": "small", "engine": "whisper", "default": True, "state": "ready", "progress": None, "reason": None},
    {"id": "en-us", "engine": "sphinx", "default": False, "state": "ready", "progress": None, "reason": None},
)


class OfferOfTwo:
    """Two engines, one model each."""

    def resolve(self, engine: str, model: str | None, contract: Contract = Contract.NATIVE) -> tuple[str, str]:
        del contract
        if engine not in ("auto", "whisper", "sphinx"):
            raise InvalidOption(f"There is no engine {engine!r}.")
        if model not in (None, "", "small", "en-us"):
            raise ModelNotAllowed(f"The model {model!r} is not offered.")
        return engine, model or ""


class Live:
    """The application while it runs. `ready` can be set to try the other answer of /ready."""

    def __init__(self, settings: Settings, blobs: Blobs | None = None) -> None:
        self.settings = settings
        self.readiness = Readiness(True, "", MODELS)
        self.blobs = blobs or FolderBlobs(settings.data_dir / "blobs")
        self.base = ""
        self.tail: Tail
        self.services: Services
        self.app: FastAPI
        self.loop: asyncio.AbstractEventLoop
        self.stop_event: asyncio.Event
        self.started = threading.Event()

    async def run(self) -> None:
        settings = self.settings
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        if not (settings.data_dir / "dictograph.db").exists():
            upgrade(settings.database)
        database = Database.open(settings.database)
        self.loop, self.stop_event = asyncio.get_running_loop(), asyncio.Event()
        self.tail = Tail(database, poll_interval=0.05)
        await self.tail.start()
        self.services = Services.build(
            database=database,
            blobs=self.blobs,
            tail=self.tail,
            models=OfferOfTwo(),
            settings=settings,
            crash=CrashPoints(settings.crash_at),
            process_id="test",
            readiness=lambda: self.readiness,
            stopping=self.stop_event,
        )
        try:
            limits = ConnectionLimits(
                settings.header_timeout,
                settings.max_connections_per_client,
                unread_timeout=settings.unread_timeout,
            )
            self.app = create_app(self.services, settings)
            await serve(self.app, settings.listen, self._on_started, self.stop_event, limits)
        finally:
            await self.tail.stop()
            await database.close()

    def stop(self) -> None:
        self.loop.call_soon_threadsafe(self.stop_event.set)

    def _on_started(self, addresses: list[str]) -> None:
        self.base = f"http://{addresses[0]}"
        self.started.set()

    def client(self, **more: Any) -> httpx.Client:
        return httpx.Client(base_url=self.base, timeout=20, verify=NO_TLS, **more)

    @property
    def ws_base(self) -> str:
        return self.base.replace("http:", "ws:")

    def files(self) -> list[str]:
        """Everything in the blob folder."""
        folder = self.settings.data_dir / "blobs"
        return sorted(str(path.relative_to(folder)) for path in files_below(folder))


@contextmanager
def live(folder: Path, blobs: Blobs | None = None, migrated: Path | None = None, **settings: Any) -> Iterator[Live]:
    """The application in a thread of this process; `migrated` is a database to start from."""
    one = Live(settings_for(folder, settings), blobs)
    if migrated is not None:
        one.settings.data_dir.mkdir()
        shutil.copy(migrated, one.settings.data_dir / "dictograph.db")
    failures: list[BaseException] = []

    def run() -> None:
        try:
            asyncio.run(one.run())
        except BaseException as error:  # noqa: BLE001 - raised in the test's thread
            failures.append(error)
            one.started.set()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        assert one.started.wait(20)
        if failures:
            raise failures[0]
        yield one
    finally:
        if not failures:
            one.stop()
        thread.join(20)
        assert not thread.is_alive(), "the server does not stop"


def settings_for(folder: Path, settings: Mapping[str, Any]) -> Settings:
    return Settings(**{"data_dir": folder / "data", "listen": ["127.0.0.1:0"], **settings})


@dataclass
class FakeWorker:
    """A worker whose every step is a call, on a connection of its own, as another process would have."""

    database: Database
    lease: Lease | None = None

    def claim(self) -> Lease:
        assert self.claim_any()
        return self._lease()

    def claim_any(self) -> bool:
        """Claim the next job, if there is one."""
        pairs = frozenset(
            {
                ("auto", ""),
                ("whisper", ""),
                ("sphinx", ""),
                *((e, m) for e in ("auto", "whisper", "sphinx") for m in ("small", "en-us")),
            }
        )
        claim = self.database.write_now(lambda c: claim_job(c, Claimant("hand", 60, pairs, busy=False)))
        self.lease = claim.lease if isinstance(claim, Claim) else None
        return self.lease is not None

    def freeze(self) -> None:
        lease = self._lease()
        self.database.write_now(lambda c: progress.freeze_engine(c, lease, FrozenEngine("whisper", "small", "r1"), []))
        self.database.write_now(lambda c: progress.freeze_language(c, lease, "en", 0.9))

    def plan(self, windows: int, complete: bool = True) -> None:
        lease = self._lease()
        planned = [PlannedWindow(i, i * 10.0, (i + 1) * 10.0, "0" * 64) for i in range(windows)]
        self.database.write_now(lambda c: progress.plan_windows(c, lease, planned, windows * 10.0))
        if complete:
            self.database.write_now(lambda c: progress.finish_plan(c, lease, windows * 10.0, []))

    def commit(self, *indexes: int) -> None:
        lease = self._lease()
        self.database.write_now(lambda c: progress.commit_windows(c, lease, [(i, result(i)) for i in indexes]))

    def commit_segments(self, index: int, *segments: Segment) -> None:
        lease, stored = self._lease(), {"segments": [one.as_dict() for one in segments], "sampled": False}
        self.database.write_now(lambda c: progress.commit_windows(c, lease, [(index, stored)]))

    def complete(self) -> None:
        lease = self._lease()
        self.database.write_now(lambda c: finish.complete(c, lease))

    def fail(self) -> None:
        lease = self._lease()
        record = ErrorRecord("corrupt_audio", "Nothing in it can be decoded.", "DECODE")
        self.database.write_now(lambda c: finish.fail(c, lease, record, False, RetryPolicy(1, 1)))

    def remove(self, job_id: str) -> None:
        self.database.write_now(lambda c: control.remove(c, None, job_id))

    def finish_one(self, windows: int = 3) -> None:
        """Claim the next job and complete it."""
        self.claim()
        self.freeze()
        self.plan(windows)
        self.commit(*range(windows))
        self.complete()

    def _lease(self) -> Lease:
        assert self.lease is not None
        return self.lease


def result(index: int) -> dict[str, Any]:
    """What a window of ten seconds gives: one segment with one word."""
    start = index * 10.0
    word = Word(start + 1, start + 2, f" word{index}", 0.9)
    segment = Segment(start + 1, start + 2, f" word{index}", (word,), -0.1, 1.0, 0.01, 0.0, (1, 2))
    return {"segments": [segment.as_dict()], "sampled": False}


class Told(Live):
    """Prints where it listens."""

    def _on_started(self, addresses: list[str]) -> None:
        print(addresses[0], flush=True)


def main(folder: str, *pairs: str) -> None:
    asyncio.run(Told(settings_for(Path(folder), dict(pair.split("=", 1) for pair in pairs))).run())


if __name__ == "__main__":
    main(*sys.argv[1:])
