"""The requests of this contract, each by its id. Nobody can guess an id: a client that knows it may read."""

from __future__ import annotations

from dictograph.contract import Contract
from dictograph.errors import NotFound
from dictograph.job import Job
from dictograph.service.jobs import Jobs
from dictograph.service.single_flight import SingleFlight

#: The most requests that clients wait for together and that do not exist: any client can invent ids, and each one
#: uses some memory.
MOST_AWAITED = 4096


class Requests:
    """Looks requests up. Callers that look up the same request at the same time share the answer.

    `awaited` is the number of requests that clients wait for and that did not exist when they were joined.
    """

    def __init__(self, jobs: Jobs) -> None:
        self.awaited = 0
        self._reading: SingleFlight[str, Job] = SingleFlight(lambda request_id: jobs.get(None, request_id))

    async def find(self, request_id: str) -> Job | None:
        """Return the job of any owner; None when there is none, or when it came in by another contract."""
        try:
            job = await self._reading(request_id)
        except NotFound:
            return None
        return job if job.contract is Contract.GATEWAY else None
