"""The JSON that clients see. One shape of a job, wherever it appears."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit, urlunsplit

from pydantic import BaseModel, ConfigDict, Field, GetJsonSchemaHandler, PlainSerializer, WithJsonSchema
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from dictograph import __version__
from dictograph.job import ErrorRecord, Job, JobStatus, Options, Source, SourceKind
from dictograph.runtime.redaction import without_folders
from dictograph.service.queue_estimate import QueueEstimate
from dictograph.service.status import QueueState, Readiness, Status
from dictograph.store.workers import WorkerState


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


Moment = Annotated[
    datetime, PlainSerializer(_iso, return_type=str), WithJsonSchema({"type": "string", "format": "date-time"})
]

#: The day on which a model was made is not known here, but OpenAI's clients need a number. This is 2022-09-21.
MODELS_CREATED = 1_663_718_400

_EXAMPLE_ID = "0b5a3a3e-6c0c-4f5e-9d35-0d6f0f6f2f57"


class ErrorView(BaseModel):
    """What went wrong."""

    code: str = Field(description="Stable; to be tested for.", examples=["not_found"])
    message: str = Field(description="For people.", examples=["There is no such job."])
    stage: str | None = Field(
        None, description="Where on the job's way: VALIDATION, DOWNLOAD, DECODE, TRANSCRIBE, PUBLISH."
    )
    param: str | None = Field(None, description="The option, field or header at fault.")


class ProblemView(BaseModel):
    """The one shape of every error."""

    error: ErrorView


class SourceView(BaseModel):
    """Where the audio comes from."""

    kind: SourceKind | str
    url: str | None = Field(None, description="Without its query, which may hold secrets.")
    path: str | None = None


class LinksView(BaseModel):
    """Where more is to be had."""

    self: str
    events: str
    transcript: str


class OptionsView(Options):
    """Options with their defaults. What a later version of the service knows beside is there as it was given."""

    model_config = ConfigDict(extra="allow")


class _AsOptionsView:
    """Describes stored options, which are shown as they are, whatever they hold."""

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        del schema
        return handler(OptionsView.__pydantic_core_schema__)


class JobView(BaseModel):
    """A job."""

    id: str = Field(examples=[_EXAMPLE_ID])
    status: JobStatus
    filename: str = Field(examples=["talk.mp3"])
    source: SourceView
    options: Annotated[dict[str, Any], _AsOptionsView()]
    metadata: dict[str, Any] = Field(description="As it was given.")
    engine: str | None = Field(description="The engine that was decided on.", examples=["whisper"])
    model: str | None = Field(examples=["small"])
    revision: str | None = Field(description="The model's exact revision.")
    language: str | None = Field(examples=["en"])
    language_probability: float | None
    duration: float | None = Field(description="Seconds of audio; it grows while the file is still read.")
    progress: float = Field(ge=0, le=1, description="1 only when the job is completed.")
    seconds_done: float = Field(description="Seconds of audio that are transcribed.")
    speech_seconds: float | None = Field(
        description="Seconds in which somebody speaks, of those that are transcribed; null before the first."
    )
    covered_seconds: float | None = Field(description="Seconds of that speech for which there are words.")
    eta_seconds: float | None = Field(description="Seconds to the end; null when there is nothing to tell it from.")
    queue_position: int | None = Field(description="1 for the next one; null when the job does not wait.")
    waits_for: str | None = Field(
        description="What it asks of its worker that those which looked at it do not know; null when nothing is."
    )
    attempt: int
    failures: int = Field(description="Failed attempts since the last progress.")
    max_attempts: int
    dead: bool = Field(description="Whether all attempts are spent.")
    error: ErrorView | None = Field(description="What the job, or its last attempt, failed with.")
    warnings: list[dict[str, Any]] = Field(description="Each with `code`, `message`, and `start`, `end` in seconds.")
    created_at: Moment
    updated_at: Moment
    started_at: Moment | None
    finished_at: Moment | None
    processing_seconds: float | None
    links: LinksView


class JobListView(BaseModel):
    """A page of jobs, newest first."""

    data: list[JobView]
    next_cursor: str | None = Field(description="Give it as `cursor` for the next page; null on the last.")


class HealthView(BaseModel):
    """The process lives."""

    status: Literal["ok"] = "ok"
    version: str = Field(__version__, description="Of Dictograph.")


class PromptsView(BaseModel):
    """What a language model can be asked about a transcript."""

    language: str = Field(description="The language that they are written in.", examples=["de"])
    prompts: dict[str, str] = Field(description="Each by the name of its template.")


class ModelView(BaseModel):
    """A model that can be asked for. `object`, `created` and `owned_by` are for clients of OpenAI's."""

    id: str = Field(examples=["small"])
    object: Literal["model"] = "model"
    created: int = Field(MODELS_CREATED, description="The day on which Whisper came out, in seconds since 1970.")
    owned_by: Literal["dictograph"] = "dictograph"
    engine: str = Field(examples=["whisper"])
    default: bool = Field(description="Whether a request that names nothing gets it now.")
    state: str = Field(description="ready, fetching, checking or unavailable.", examples=["ready"])
    progress: float | None = Field(None, description="How much of it has been fetched, 0–1.")
    reason: str | None = Field(None, description="Why it is unavailable.")
    languages: list[str] | None = Field(None, description="null: many.")


class ModelListView(BaseModel):
    """The models that this service offers."""

    object: Literal["list"] = "list"
    data: list[ModelView]


class ReadyView(BaseModel):
    """Whether inference has been proved to work."""

    ready: bool
    reason: str = Field(description="Why not; empty when ready.")
    warnings: list[str] = Field(description="What works otherwise than it should: models that cannot be had.")
    models: list[ModelView]


class WorkerView(BaseModel):
    """A process that runs jobs."""

    id: str
    host: str
    pid: int
    started_at: Moment
    seen_at: Moment | None
    state: dict[str, Any]


class ModelsMemoryView(BaseModel):
    """Memory of the processes with a model, in bytes."""

    budget: int = Field(description="What they may have together: `DICTOGRAPH_MODELS_MEMORY`.")
    used: int = Field(description="What they have, or are expected to need.")
    waiting: int = Field(description="Models that wait until there is room for them.")


class QueueView(BaseModel):
    """How workers are notified of jobs. Jobs wait in the database, and are done without it."""

    kind: str = Field(description="database, kafka or redis.")
    reachable: bool
    reason: str = Field(description="Why its broker cannot be used; empty when it can, or there is none.")
    messages: int | None = Field(description="Celery's messages in Redis; null where that is not known.")


class StatusView(BaseModel):
    """How the service does."""

    version: str
    uptime_seconds: float
    ready: bool
    reason: str
    queue_length: int = Field(description="Jobs that wait.")
    oldest_wait_seconds: float = Field(description="How long the one has waited that waits longest; 0 without any.")
    unsupported: int = Field(description="Those of them that ask for what no worker supports.")
    running: int = Field(description="Jobs that are being run.")
    counts: dict[JobStatus, int] = Field(description="Jobs in each state.")
    queue: QueueView | None = Field(description="Null without the scope `admin`.")
    models_memory: ModelsMemoryView | None = Field(description="Of the workers together; null where none is shown.")
    workers: list[WorkerView]


#: What is shown of a job as it is, by its name. A new field of `JobView` with the name of a job's field is one of them.
_AS_IN_THE_JOB = tuple(
    name
    for name in JobView.model_fields
    if hasattr(Job, name) and name not in ("source", "options", "error", "warnings")
)


def job_view(job: Job, queue_estimate: QueueEstimate) -> JobView:
    """Return a job as clients see it."""
    frozen, here = job.frozen, f"/v1/transcriptions/{job.id}"
    return JobView(
        source=_source_view(job.source),
        options=job.all_options,
        engine=frozen.engine if frozen else None,
        model=frozen.model if frozen else None,
        revision=frozen.revision if frozen else None,
        eta_seconds=queue_estimate.eta,
        queue_position=queue_estimate.position,
        error=_error_view(job.error) if job.error else None,
        warnings=list(job.warnings),
        **{name: getattr(job, name) for name in _AS_IN_THE_JOB},
        links=LinksView(self=here, events=f"{here}/events", transcript=f"{here}/transcript"),
    )


def models_view(readiness: Readiness) -> list[ModelView]:
    """Return the models. Clients learn no folder of the machine from the reasons; the log has them."""
    return [ModelView.model_validate(dict(model) | {"reason": _shown(model["reason"])}) for model in readiness.models]


def _shown(reason: str | None) -> str | None:
    return without_folders(reason) if reason else reason


def ready_view(readiness: Readiness) -> ReadyView:
    models = models_view(readiness)
    warnings = [without_folders(warning) for warning in readiness.warnings]
    return ReadyView(ready=readiness.ready, reason=without_folders(readiness.reason), warnings=warnings, models=models)


def status_view(status: Status, version: str) -> StatusView:
    return StatusView(
        version=version,
        uptime_seconds=round(status.uptime, 1),
        ready=status.readiness.ready,
        reason=without_folders(status.readiness.reason),
        queue_length=status.counts[JobStatus.PENDING],
        oldest_wait_seconds=round(status.oldest_wait, 1),
        unsupported=status.unsupported,
        running=status.counts[JobStatus.PROCESSING],
        counts=dict(status.counts),
        queue=None if status.queue is None else _queue_view(status.queue),
        models_memory=models_memory_view(worker.state for worker in status.workers),
        workers=[_worker_view(worker) for worker in status.workers],
    )


def _queue_view(queue: QueueState) -> QueueView:
    return QueueView(
        kind=queue.kind, reachable=not queue.trouble, reason=without_folders(queue.trouble), messages=queue.messages
    )


def models_memory_view(states: Iterable[Mapping[str, Any]]) -> ModelsMemoryView | None:
    """Return the memory of these workers together; None when none of them reports it."""
    reported = [memory for state in states if isinstance(memory := state.get("models_memory"), Mapping)]
    if not reported:
        return None
    sums = {name: sum(int(memory.get(name, 0)) for memory in reported) for name in ModelsMemoryView.model_fields}
    return ModelsMemoryView(**sums)


def _worker_view(worker: WorkerState) -> WorkerView:
    return WorkerView(
        id=worker.id,
        host=worker.host,
        pid=worker.pid,
        started_at=worker.started_at,
        seen_at=worker.seen_at,
        state=worker.state,
    )


def _source_view(source: Source) -> SourceView:
    if source.kind is SourceKind.URL:
        return SourceView(kind=source.kind, url=without_secrets(source.location), path=None)
    # An object's name is internal to the storage.
    return SourceView(kind=source.kind, url=None, path=source.location if source.kind is SourceKind.PATH else None)


def _error_view(error: ErrorRecord) -> ErrorView:
    return ErrorView(code=error.code, message=error.message, stage=error.stage, param=None)


def without_secrets(url: str) -> str:
    """Return the URL without user, query and fragment. A signature is in the query: only the worker needs it."""
    try:
        parts = urlsplit(url)
    except ValueError:  # an older system's URL, which was never checked
        return url.partition("?")[0].partition("#")[0].rpartition("@")[2]
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
