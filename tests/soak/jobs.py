"""What a run asks the database of its jobs, which may be away."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from sqlalchemy.exc import DBAPIError

from tests.service import ask


class Jobs:
    """`unended` is the last count of jobs that have not ended."""

    def __init__(self, url: str) -> None:
        self.unended = 0
        self._url = url

    def count_unended(self) -> int:
        found = self._ask("SELECT count(*) FROM transcription_job WHERE status IN ('pending', 'processing')")
        if found is not None:
            self.unended = int(found[0][0])
        return self.unended

    def run_by(self, pid: int) -> dict[str, int]:
        """The jobs that the worker in this process runs, with their attempts."""
        query = (
            "SELECT j.id, j.attempt FROM transcription_job j JOIN worker w ON w.id = j.worker_id"
            " WHERE w.pid = ? AND j.status = 'processing'"
        )
        return dict(self._ask(query, pid) or [])

    def attempts(self) -> dict[str, tuple[int, bool]] | None:
        """Of each job, the attempt, and whether it has ended; None while nobody answers."""
        found = self._ask("SELECT id, attempt, finished_at IS NOT NULL FROM transcription_job")
        return None if found is None else {job: (attempt, bool(ended)) for job, attempt, ended in found}

    def _ask(self, query: str, *values: object) -> list[tuple[Any, ...]] | None:
        with suppress(DBAPIError):
            return ask(self._url, query, *values)
        return None
