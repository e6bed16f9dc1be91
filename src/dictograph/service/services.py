"""All service functions together, as the API, compatible surfaces and the command line use them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from dictograph.blobs import Blobs
from dictograph.crash import CrashPoints
from dictograph.service.follow import Following
from dictograph.service.intake import Intake, Offer
from dictograph.service.jobs import Jobs
from dictograph.service.outlook import Outlooks
from dictograph.service.status import Readiness, StatusBoard
from dictograph.service.transcripts import Transcripts
from dictograph.settings import Settings
from dictograph.store.database import Database
from dictograph.store.tail import Tail


@dataclass(frozen=True, slots=True)
class Services:
    """The native service functions."""

    intake: Intake
    jobs: Jobs
    transcripts: Transcripts
    following: Following
    outlooks: Outlooks
    board: StatusBoard

    @classmethod
    def build(
        cls,
        *,
        database: Database,
        blobs: Blobs,
        tail: Tail,
        offer: Offer,
        settings: Settings,
        crash: CrashPoints,
        process_id: str,
        readiness: Callable[[], Readiness],
        stopping: asyncio.Event,
    ) -> Services:
        """Wire them. `offer` is the engines' catalogue, `process_id` the id of this process's
        presence; setting `stopping` ends all streams and waits at once."""
        outlooks = Outlooks(database)
        return cls(
            intake=Intake(database, blobs, offer, settings, crash, process_id),
            jobs=Jobs(database, blobs, tail, stopping),
            transcripts=Transcripts(database),
            following=Following(database, tail, outlooks, stopping),
            outlooks=outlooks,
            board=StatusBoard(database, blobs, readiness),
        )
