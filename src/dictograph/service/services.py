"""All service functions together, for the API, the compatible surfaces and the command line."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from dictograph.blobs.protocol import Blobs
from dictograph.prompts.library import Library
from dictograph.runtime.crash import CrashPoints
from dictograph.service.auth.authentication import Authentication
from dictograph.service.compat.backend_mail import Mailer
from dictograph.service.compat.backend_uploads import Uploads
from dictograph.service.compat.contract_stats import ContractStats
from dictograph.service.compat.path_jobs import Paths
from dictograph.service.compat.transcript_report import TranscriptReports
from dictograph.service.intake import Intake, ModelResolver
from dictograph.service.jobs import Jobs
from dictograph.service.queue_estimate import QueueEstimates
from dictograph.service.status import QueueState, Readiness, StatusService
from dictograph.service.streams.event_stream import EventStreams
from dictograph.service.streams.transcript_stream import TranscriptStream
from dictograph.service.transcripts import Transcripts
from dictograph.service.webhooks import Webhooks
from dictograph.settings.model import Settings
from dictograph.store.database import Database
from dictograph.store.tail import Tail


@dataclass(frozen=True, slots=True)
class Services:
    """The native service functions."""

    authentication: Authentication
    intake: Intake
    jobs: Jobs
    transcripts: Transcripts
    transcript_stream: TranscriptStream
    event_streams: EventStreams
    queue_estimates: QueueEstimates
    status: StatusService
    transcript_reports: TranscriptReports
    contract_stats: ContractStats
    uploads: Uploads
    mailer: Mailer
    paths: Paths
    webhooks: Webhooks
    broker_word: Callable[[], str]

    @classmethod
    def build(
        cls,
        *,
        database: Database,
        blobs: Blobs,
        tail: Tail,
        models: ModelResolver,
        settings: Settings,
        crash: CrashPoints,
        process_id: str,
        readiness: Callable[[], Readiness],
        stopping: asyncio.Event,
        broker_word: Callable[[], str] = lambda: "disconnected",
        queue: Callable[[], QueueState] = QueueState,
    ) -> Services:
        """Build all services. `models` is the engines' catalogue, `process_id` the id of this process's lock. Setting
        `stopping` ends all streams and waits at once. `broker_word` is the state of the gateway's topic, in one of its
        three words, `queue` that of the queue."""
        queue_estimates = QueueEstimates(database)
        intake = Intake(database, blobs, models, settings, crash, process_id)
        return cls(
            authentication=Authentication(database, settings),
            intake=intake,
            jobs=Jobs(database, blobs, tail, stopping, settings.max_pending, settings.max_queued),
            transcripts=Transcripts(database),
            transcript_stream=TranscriptStream(database, tail, stopping),
            event_streams=EventStreams(database, tail, queue_estimates, stopping),
            queue_estimates=queue_estimates,
            status=StatusService(database, blobs, readiness, queue),
            transcript_reports=TranscriptReports(database, Library.load(settings.prompts_dir)),
            contract_stats=ContractStats(database),
            uploads=Uploads(database, blobs, settings),
            mailer=Mailer(settings.smtp_url, settings.smtp_from),
            paths=Paths(database, intake, settings),
            webhooks=Webhooks(database),
            broker_word=broker_word,
        )
