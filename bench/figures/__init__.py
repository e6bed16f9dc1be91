"""The figures, one module each, in the order of the page."""

from __future__ import annotations

from importlib import import_module
from typing import cast

from bench.figure import Figure

#: Names of modules in this folder; each has NAME (the module's own), TITLE, GOAL and measure(room).
MODULES: tuple[str, ...] = (
    "word_error",
    "word_times",
    "early_endings",
    "no_words",
    "throughput_real",
    "note_latency_real",
    "throughput_sequential",
    "throughput_batched",
    "memory_length",
    "first_text",
    "note_latency",
    "claims",
    "jobs_per_second",
    "kafka_queue",
    "kafka_claim",
    "kafka_relay",
    "stt_jobs",
    "celery_queue",
    "celery_results",
    "celery_memory",
    "celery_restart",
    "celery_idle",
    "upload_memory",
    "s3_upload",
    "s3_first_text",
    "subscribers",
)


def figures() -> list[Figure]:
    """Return every figure whose module exists."""
    return [cast("Figure", import_module(f"bench.figures.{name}")) for name in MODULES]
