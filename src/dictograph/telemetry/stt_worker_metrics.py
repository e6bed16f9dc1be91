"""The metrics of contract K, under the names that its dashboards know."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from dictograph.job import Job

#: Upper bounds (s) of the histograms: from a voice note on a fast machine to the longest attempt that is usual.
_BUCKETS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600)


class SttWorkerMetrics:
    """Counts jobs of contract K as the worker ends them, and times their parts. A time is that of one attempt."""

    def __init__(self, counts: Callable[[Job], bool], code_of: Callable[[str], str]) -> None:
        """`counts` tells the jobs to count from others; `code_of` translates our error codes into the contract's."""
        self._counts = counts
        self._code_of = code_of
        self._registry = CollectorRegistry()
        self._jobs = Counter("stt_jobs", "Jobs that have ended.", ["status"], registry=self._registry)
        self._failures = Counter("stt_failures", "Jobs that have failed for good.", ["code"], registry=self._registry)
        self._download, self._transcribe, self._processing = (
            Histogram(f"stt_{name}_seconds", f"Seconds of {what}.", registry=self._registry, buckets=_BUCKETS)
            for name, what in (("download", "a download"), ("transcribe", "a transcription"), ("processing", "a job"))
        )
        for status in ("completed", "failed"):
            self._jobs.labels(status)  # a rate needs a zero to begin at

    def exposition(self) -> bytes:
        """Return all metrics in Prometheus' text format."""
        return generate_latest(self._registry)

    def fetched(self, job: Job, seconds: float) -> None:
        if self._counts(job):
            self._download.observe(seconds)

    def transcribed(self, job: Job, seconds: float) -> None:
        if self._counts(job):
            self._transcribe.observe(seconds)

    def ended(self, job: Job, seconds: float, code: str | None) -> None:
        if not self._counts(job):
            return
        self._processing.observe(seconds)
        self._jobs.labels("completed" if code is None else "failed").inc()
        if code is not None:
            self._failures.labels(self._code_of(code)).inc()
