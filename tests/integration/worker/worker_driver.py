"""An application with a worker on the digest engine, in this process, and the database beside it."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

from dictograph.bootstrap import Application, open_application
from dictograph.job import Job, Options
from dictograph.service.request import JobRequest
from dictograph.settings.loading import load

PLAIN = JobRequest(Options.model_validate({"vad_filter": False}))


def behave(folder: Path, **behaviour: object) -> None:
    """How the digest engine behaves from its next batch on."""
    part = folder / "digest.part"
    part.write_text(json.dumps(behaviour))
    part.replace(folder / "digest.json")


@asynccontextmanager
async def application(folder: Path, **settings: Any) -> AsyncIterator[Application]:
    values = {
        "data_dir": folder / "data",
        "engine": "digest",
        "extra_engines": "digest=tests.engines.digest:DigestEngine",
        "path_roots": [folder],
        "poll_interval": 0.1,
        "retry_base": 0.05,
        **settings,
    }
    async with open_application(load(values, environment={}, folder=folder).settings, worker=True) as opened:
        yield opened


async def upload(opened: Application, file: Path, order: JobRequest = PLAIN) -> Job:
    with file.open("rb") as data:
        return (await opened.services.intake.upload(order, file.name, data)).job


async def until(query: Callable[[], Awaitable[object]], seconds: float = 60) -> None:
    async with asyncio.timeout(seconds):
        while not await query():
            await asyncio.sleep(0.02)


def rows(folder: Path, query: str) -> list[tuple[Any, ...]]:
    """Ask the database, which may be in use or not."""
    with closing(sqlite3.connect(folder / "data" / "dictograph.db", timeout=30)) as connection:
        return connection.execute(query).fetchall()
