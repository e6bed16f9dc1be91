"""The limits that a contract freezes into its jobs, in force in the worker: time to fetch, time of an attempt."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from dictograph.contract import JobLimits
from dictograph.job import ErrorRecord, Job, JobStatus
from tests.audio_files import write_noise
from tests.integration.worker.worker_driver import PLAIN, application, behave, upload

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def silent_server() -> AsyncIterator[str]:
    """A server that takes a request and never answers."""
    streams: list[asyncio.StreamWriter] = []

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        streams.append(writer)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for writer in streams:
            writer.close()


def failed(job: Job) -> tuple[JobStatus, str, int]:
    error = job.error or ErrorRecord("", "")
    return job.status, error.code, job.failures


async def test_an_attempt_that_takes_too_long_fails(folder: Path) -> None:
    behave(folder, delay=5, max_batch=1)
    limits = JobLimits(attempt_timeout=1.5, all_attempts=2, backoff_base=0.01, backoff_cap=0.01)
    async with application(folder) as opened:
        job = await upload(opened, write_noise(folder / "a.wav", 150, 1), replace(PLAIN, limits=limits))
        ended = await opened.services.jobs.wait_until_ended(None, job.id, 120)
        assert failed(ended) == (JobStatus.FAILED, "attempt_timeout", 2)
        behave(folder)
        unhurried = await upload(opened, write_noise(folder / "b.wav", 5, 2))
        ended = await opened.services.jobs.wait_until_ended(None, unhurried.id, 120)
        assert ended.status is JobStatus.COMPLETED, "the engine goes on with others"


async def test_a_download_that_takes_too_long_fails(tmp_path: Path) -> None:
    limits = JobLimits(download_timeout=0.3, all_attempts=2, backoff_base=0.01, backoff_cap=0.01)
    async with silent_server() as host, application(tmp_path, fetch_allow=[host]) as opened:
        order = replace(PLAIN, limits=limits)
        job = (await opened.services.intake.url(order, f"http://{host}/a.mp3")).job
        ended = await opened.services.jobs.wait_until_ended(None, job.id, 120)
        assert failed(ended) == (JobStatus.FAILED, "fetch_timeout", 2)
