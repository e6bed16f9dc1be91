"""The path contract's pool: bounded, and a worker that hangs or crashes is replaced and its job tried again."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.e2e.contracts.test_path_calls import SAMPLES, ended, status, transcribe
from tests.service import Service, eventually, service

_AT_ONCE = 3


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("service")
    contract = {"listen": "path@127.0.0.1:0", "anonymous": "path", "path_roots": folder}
    with service(folder, **contract, concurrency=_AT_ONCE, engine_timeout="1s", max_attempts=10) as up:
        yield up.wait_until_ready()


def copies(one: Service, name: str, count: int) -> list[Path]:
    paths = [one.folder / f"{name}-{number}.wav" for number in range(count)]
    for path in paths:
        shutil.copy(SAMPLES / "count.wav", path)
    return paths


def worker(one: Service) -> dict[str, Any]:
    found: list[dict[str, Any]] = one.get("/v1/workers").json()["data"]
    return found[0]


def engine(one: Service) -> int:
    """The process of its engine; 0 while there is none."""
    engines = worker(one)["engines"]
    return int(engines[0]["pid"] or 0) if engines else 0


@pytest.mark.contract("path", "POST /transcribe", "many at once, through a pool that is bounded")
def test_many_at_once_are_taken_and_run_a_few_at_a_time(one: Service) -> None:
    one.behave(delay=0.4, max_batch=1)
    paths = copies(one, "many", 12)
    with ThreadPoolExecutor(12) as clients:
        assert {answer.status_code for answer in clients.map(lambda path: transcribe(one, path), paths)} == {202}
    eventually(lambda: worker(one)["running"] == _AT_ONCE)
    assert worker(one)["slots"] == _AT_ONCE
    assert sum(status(one, path)["status"] == "processing" for path in paths) > _AT_ONCE
    assert worker(one)["running"] <= _AT_ONCE
    one.behave()
    assert {ended(one, path)["status"] for path in paths} == {"completed"}


@pytest.mark.contract("path", "a worker that hangs", "is replaced, and its job is tried again")
def test_an_engine_that_hangs_is_replaced_and_its_job_completed(one: Service) -> None:
    [first, second] = copies(one, "hanging", 2)
    transcribe(one, first)
    text = ended(one, first)["transcription"]
    before = eventually(lambda: engine(one))
    one.behave(hang_on=[text])
    transcribe(one, second)
    eventually(lambda: not psutil.pid_exists(before), 20, "the engine that hangs is not ended")
    one.behave()
    assert ended(one, second) == {"status": "completed", "transcription": text}
    assert eventually(lambda: engine(one) not in (0, before))


@pytest.mark.contract("path", "a worker that crashes", "is replaced, and its job is tried again")
def test_an_engine_that_is_killed_is_replaced_and_its_job_completed(one: Service) -> None:
    [path] = copies(one, "killed", 1)
    before = eventually(lambda: engine(one))
    one.behave(delay=60)
    transcribe(one, path)
    eventually(lambda: worker(one)["jobs"])
    with contextlib.suppress(ProcessLookupError):  # it hangs, so the service may have ended it already
        os.kill(before, signal.SIGKILL)
    one.behave()
    assert ended(one, path)["status"] == "completed"
    assert eventually(lambda: engine(one) not in (0, before))
