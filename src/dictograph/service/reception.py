"""An upload on its way in, and what comes of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from dictograph.job import Job
from dictograph.service.arrival import Arrival
from dictograph.service.request import Order
from dictograph.service.reserved import Reserved


@dataclass(frozen=True, slots=True)
class Accepted:
    """The job of a request. `created` is False when an earlier request made it: one with the same key, or one that
    this one joins."""

    job: Job
    created: bool


@dataclass(slots=True)
class Reception:
    """One upload on its way in.

    `undecided` says that its row is being written: if that is cut off (the loop is closing, the database goes away),
    nobody knows whether it was, and its audio must stay; the sweeper removes it if there is no row.
    """

    reserved: Reserved
    arrival: Arrival
    _accept: Callable[[Reception, str, Order], Awaitable[Accepted]]
    accepted: Accepted | None = None
    undecided: bool = False

    @property
    def job_id(self) -> str:
        return self.reserved.job_id

    async def write(self, data: bytes) -> None:
        """Take some bytes. Raises UploadTooLarge as soon as there are too many."""
        await self.arrival.write(data)

    async def accept(self, filename: str, order: Order) -> Accepted:
        """All bytes are here: make the job, or find the one that the same request made before.

        Raises:
            EmptyUpload: there were none.
        """
        return await self._accept(self, filename, order)
