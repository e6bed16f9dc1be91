"""What a worker counts, where its metrics have an address. Without one nobody counts, and nothing is loaded for it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from dictograph.contract import Contract
from dictograph.parts.resources import Resources
from dictograph.settings.model import Settings
from dictograph.stt.codes import contract_code
from dictograph.worker.attempt.observer import AttemptObserver, NobodyObserves

Exposition = Callable[[], Awaitable[bytes]]


async def nothing() -> bytes:
    """Return the metrics of a process that counts nothing."""
    return b""


def observed(settings: Settings) -> tuple[AttemptObserver, Callable[[], bytes]]:
    """Return who counts the worker's attempts, and what gives the figures."""
    if not settings.worker_listen:
        return NobodyObserves(), bytes
    from dictograph.telemetry.stt_worker_metrics import SttWorkerMetrics

    metrics = SttWorkerMetrics(lambda job: job.contract == Contract.STT_WORKER, contract_code)
    return metrics, metrics.exposition


def exposition_of(
    resources: Resources, attempts: Callable[[], bytes], broker: Callable[[], Mapping[str, Any]]
) -> Exposition:
    """Return what gives all figures: those of the attempts, and of the queue. `broker` describes the worker's part in a
    group of consumers."""
    if not resources.settings.worker_listen:
        return nothing
    from dictograph.telemetry.queue_metrics import QueueMetrics

    queue = QueueMetrics(
        resources.database, lambda: resources.queue_state().messages, lambda: dict(broker().get("lag", {}))
    )

    async def exposition() -> bytes:
        return attempts() + await queue.exposition()

    return exposition
