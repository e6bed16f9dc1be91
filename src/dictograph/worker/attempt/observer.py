"""Learn how the attempts of a worker go, for whoever counts them."""

from __future__ import annotations

from typing import Protocol

from dictograph.job import Job


class AttemptObserver(Protocol):
    """Is told of every attempt. Called in the event loop; it must be quick and raise nothing."""

    def fetched(self, job: Job, seconds: float) -> None:
        """A job's audio was brought into the storage."""
        ...

    def transcribed(self, job: Job, seconds: float) -> None:
        """All windows that were left of a job are committed."""
        ...

    def ended(self, job: Job, seconds: float, code: str | None) -> None:
        """A job has ended for good: completed, or failed with the error `code`. `seconds` is the attempt's time."""
        ...


class NobodyObserves:
    """An observer that does nothing."""

    def fetched(self, job: Job, seconds: float) -> None:
        pass

    def transcribed(self, job: Job, seconds: float) -> None:
        pass

    def ended(self, job: Job, seconds: float, code: str | None) -> None:
        pass
