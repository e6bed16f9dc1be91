"""Compares Dictograph with faster-whisper: the same weights, audio and number of threads, in alternating runs."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from bench.room import Room
from dictograph.engine.sizing import cores
from tests.service import Service

#: The number of runs of each; the median counts.
RUNS = 3

_LIMIT_S = 3600.0
_LOOK_S = 0.1


@dataclass(frozen=True, slots=True)
class Run:
    """One transcription of the whole file: its seconds, the number of recognized words, and its text."""

    seconds: float
    words: int
    text: str = ""


class FasterWhisper:
    """faster-whisper with a loaded model. It takes a file, decodes it, detects speech and transcribes."""

    def __init__(self, model: Path) -> None:
        from faster_whisper import WhisperModel

        self._model = WhisperModel(str(model), device="cpu", compute_type="int8", cpu_threads=cores())

    def sequential(self, audio: Path, **options: Any) -> Run:
        return _read(lambda: self._model.transcribe(str(audio), **options))

    def batched(self, audio: Path, **options: Any) -> Run:
        from faster_whisper import BatchedInferencePipeline

        return _read(lambda: BatchedInferencePipeline(self._model).transcribe(str(audio), **options))


def _read(start: Callable[[], tuple[Any, Any]]) -> Run:
    began = time.monotonic()
    segments, _ = start()
    text = " ".join(segment.text.strip() for segment in segments)
    return Run(time.monotonic() - began, len(text.split()), text)


def settings(model: Path) -> dict[str, object]:
    """Return the settings of a service that uses these weights. All other settings are the defaults."""
    return {"engine": "whisper", "model": model, "device": "cpu", "compute_type": "int8"}


def ours(service: Service, audio: Path, **options: object) -> Run:
    """Run a job by HTTP: upload, store, decode, detect speech, transcribe, commit, fetch the transcript."""
    began = time.monotonic()
    job = service.submit(audio, **options)
    completed(service, job)
    text = service.transcript(job, "txt")
    return Run(time.monotonic() - began, len(text.split()), text)


def completed(service: Service, job_id: str, look_s: float = _LOOK_S) -> dict[str, Any]:
    """Return a job when it is completed, looking every `look_s` seconds. Each look takes time from the job.

    Raises TimeoutError after an hour, RuntimeError where it ended otherwise.
    """
    end = time.monotonic() + _LIMIT_S
    while (job := service.job(job_id))["status"] not in ("completed", "failed", "cancelled"):
        if time.monotonic() > end:
            raise TimeoutError(f"a job took longer than {_LIMIT_S:.0f} s")
        time.sleep(look_s)
    if job["status"] != "completed":
        raise RuntimeError(f"a job ended as {job['status']}: {job['error']}")
    return job


def contest(room: Room, runners: Mapping[str, Callable[[], Run]], runs: int) -> dict[str, list[Run]]:
    """Run every runner `runs` times in alternation, so that other load of the machine affects all of them."""
    results: dict[str, list[Run]] = {name: [] for name in runners}
    for turn in range(runs):
        order = list(runners) if turn % 2 == 0 else list(runners)[::-1]
        for name in order:
            run = runners[name]()
            results[name].append(run)
            room.say(f"{name}: {run.seconds:.1f} s, {run.words} words")
    return results


def middle(runs: Sequence[Run]) -> float:
    """Return the median of the seconds."""
    return median(run.seconds for run in runs)
