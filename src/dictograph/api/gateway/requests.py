"""The requests of this contract, each by its id, which nobody can guess: whoever knows it may read."""

from __future__ import annotations

from dictograph.contract import Contract
from dictograph.errors import NotFound
from dictograph.job import Job
from dictograph.service.jobs import Jobs
from dictograph.service.single_flight import SingleFlight

#: So many requests that are not there may be waited for in all: anybody can make up ids, and each costs some memory.
MOST_AWAITED = 4096


class Requests:
    """Looks requests up. Those who look for the same one at the same time share the answer.

    `awaited` is how many are waited for that were not there when somebody joined them.
    """

    def __init__(self, jobs: Jobs) -> None:
        self.awaited = 0
        self._reading: SingleFlight[str, Job] = SingleFlight(lambda request_id: jobs.get(None, request_id))

    async def find(self, request_id: str) -> Job | None:
        """The job, whoever owns it; None when there is none, or it came in another way."""
        try:
            job = await self._reading(request_id)
        except NotFound:
            return None
        return job if job.contract is Contract.GATEWAY else None
