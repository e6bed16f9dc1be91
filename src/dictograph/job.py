"""A job and its state machine.

pending ──claim──▶ processing ──complete──▶ completed
   ▲ │                 │ │ └────fail──────▶ failed ──retry──▶ pending
   │ └────cancel───────┼─┴────cancel──────▶ cancelled ─retry─▶ pending
   └── release, retry ─┘
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from itertools import combinations
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from dictograph.contract import Contract, JobLimits
from dictograph.languages import languages_in

LOCAL_OWNER = "local"

LanguageCode = Annotated[str, StringConstraints(pattern=r"^[a-z]{2,3}$")]

#: What some options ask of a worker, sorted: that it knows how to choose tracks and channels, and among languages.
_FEATURES = ("channels", "languages")

#: The needs of rows that this version supports; "" means nothing beyond what every version supports.
KNOWN_NEEDS = frozenset(",".join(some) for n in range(len(_FEATURES) + 1) for some in combinations(_FEATURES, n))


class JobStatus(StrEnum):
    """The states of a job."""

    PENDING = "pending"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        return self in (JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED)


#: All changes of state.
TRANSITIONS: Mapping[JobStatus, frozenset[JobStatus]] = {
    JobStatus.PENDING: frozenset({JobStatus.PROCESSING, JobStatus.CANCELLED, JobStatus.FAILED}),
    JobStatus.PROCESSING: frozenset({JobStatus.PENDING, JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED}),
    JobStatus.COMPLETED: frozenset(),
    JobStatus.FAILED: frozenset({JobStatus.PENDING}),
    JobStatus.CANCELLED: frozenset({JobStatus.PENDING}),
}


class Options(BaseModel):
    """The options of a transcription. They are frozen with the job when it is created.

    This is the one list of options: the command line, HTTP, the OpenAPI document, `dictograph.transcribe` and the
    tables of the documentation are made from it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    engine: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,31}$")] = Field(
        "auto",
        description="`whisper`, `sphinx`, or `auto`: the engine of the service's settings; there, `auto` means whisper "
        "where its weights can be had, else sphinx.",
    )
    model: Annotated[str, StringConstraints(min_length=1, max_length=200)] | None = Field(
        None, description="A model that this service offers (`GET /v1/models`); by default the configured one."
    )
    language: Annotated[
        LanguageCode | Annotated[list[LanguageCode], Field(min_length=1, max_length=20)] | None,
        BeforeValidator(languages_in),
    ] = Field(
        None,
        description="The language's code (`en`, `de`, …), or several (a list, or `en,de`): the most probable of them. "
        "Left out, or `auto`, it is found from the speech.",
    )
    multilingual: bool = Field(
        False,
        description="Find the language of each part of the speech, among those of `language` where it names several; "
        "segments carry theirs.",
    )
    track: Annotated[str, StringConstraints(pattern=r"^([1-9][0-9]{0,2}|[a-z]{2,3}|each)$")] | None = Field(
        None,
        description="Of a file with several audio tracks: the number of one (`1` is the first audio track), its "
        "language (`en`), `all` (mixed), or `each` (side by side, segments carry the number as `channel`); left out, "
        "the best one that has sound is taken.",
    )
    channels: Literal["mix", "split", "left", "right", "1", "2", "3", "4", "5", "6", "7", "8"] = Field(
        "mix",
        description="What is read of a track with several channels: their `mix`, one of them, or with `split` each by "
        "itself (segments carry `channel`), as calls with a channel for each party need it.",
    )
    task: Literal["transcribe", "translate"] = Field(
        "transcribe", description="`translate` gives English, whatever is spoken."
    )
    prompt: Annotated[str, StringConstraints(max_length=2000)] | None = Field(
        None, description="Text that sets style and spelling; given to every window."
    )
    hotwords: Annotated[str, StringConstraints(max_length=1000)] | None = Field(
        None, description="Words to expect, separated by spaces."
    )
    beam_size: int = Field(5, ge=1, le=10, description="Hypotheses kept while decoding; 1 is greedy and quickest.")
    temperature: float = Field(0.0, ge=0.0, le=1.0, description="Above 0 words are sampled, and two runs may differ.")
    word_timestamps: bool = Field(False, description="Give every word its times and probability, in the JSON formats.")
    vad_filter: bool = Field(True, description="Leave out what is not speech before transcribing.")
    vad_threshold: float = Field(0.5, ge=0.05, le=0.95, description="Speech begins above this probability.")
    vad_min_silence_duration_ms: int = Field(
        500, ge=50, le=10_000, description="A pause of this many milliseconds ends a stretch of speech."
    )
    vad_min_speech_duration_ms: int = Field(
        50, ge=0, le=10_000, description="Sounds of fewer milliseconds are no speech."
    )
    vad_speech_pad_ms: int = Field(200, ge=0, le=2_000, description="Milliseconds kept before and after speech.")

    @property
    def candidates(self) -> tuple[str, ...]:
        """Return the languages of which one is spoken; empty if it may be any."""
        named = self.language
        return () if named is None else (named,) if isinstance(named, str) else tuple(named)

    @property
    def needs(self) -> str:
        """Return what a worker must support to honour the options; "" for what every version supports."""
        asked = {
            "channels": self.track is not None or self.channels != "mix",
            "languages": self.multilingual or len(self.candidates) > 1,
        }
        return ",".join(feature for feature in _FEATURES if asked[feature])

    def normalised(self) -> dict[str, Any]:
        """Return the options as a canonical JSON object: equal requests have equal objects."""
        return self.model_dump(mode="json")

    def asked(self) -> dict[str, Any]:
        """Return the options that differ from their default, as a canonical JSON object.

        So a request that uses no new option is the same to every version. A default is never changed without a new
        version of the rules (`audio.rules`).
        """
        return self.model_dump(mode="json", exclude_defaults=True)


class SourceKind(StrEnum):
    """The source of a job's audio."""

    UPLOAD = "upload"
    URL = "url"
    PATH = "path"
    OBJECT = "object"


@dataclass(frozen=True, slots=True)
class Source:
    """A job's audio: `location` is the URL or path as the client gave it (empty for an upload), or the name of an
    object in storage that the job does not own. A kind that this version does not know is plain text."""

    kind: SourceKind | str
    location: str = ""


@dataclass(frozen=True, slots=True)
class StoredAudio:
    """A job's bytes in storage: the object's name, its SHA-256 in hexadecimal (None until a worker has read a copy that
    the storage made itself), its size in bytes."""

    name: str
    sha256: str | None
    size: int


@dataclass(frozen=True, slots=True)
class FrozenEngine:
    """The engine and exact model that a job's first claim decided on."""

    engine: str
    model: str
    revision: str


@dataclass(frozen=True, slots=True)
class Lease:
    """A worker's right to a job. `attempt` is the fence and only grows; `token` is its secret."""

    job_id: str
    attempt: int
    token: str


@dataclass(frozen=True, slots=True)
class ErrorRecord:
    """The error that ended a job, or its last attempt."""

    code: str
    message: str
    stage: str | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """A job as the store has it. Times are aware and in UTC, lengths in seconds.

    Values of a later version that this one does not know are kept as they are stored: options and limits by their
    names in `unknown_options` and `unknown_limits`, a contract and a kind of source as plain text. `needs` names the
    features that its worker must support. `put_off_for` names those that the last worker that put it off did not know.
    """

    id: str
    owner: str
    filename: str
    status: JobStatus
    source: Source
    options: Options
    created_at: datetime
    updated_at: datetime
    metadata: dict[str, Any] = field(default_factory=dict)
    contract: Contract | str = Contract.NATIVE
    limits: JobLimits = field(default_factory=JobLimits)
    description: str | None = None
    key_id: str | None = None
    webhook_url: str | None = None
    priority: int = 0
    audio: StoredAudio | None = None
    attempt: int = 0
    failures: int = 0
    max_attempts: int = 3
    last_seq: int = 0
    frozen: FrozenEngine | None = None
    language: str | None = None
    language_probability: float | None = None
    duration: float | None = None
    seconds_done: float = 0.0
    speech_seconds: float | None = None
    covered_seconds: float | None = None
    windows_done: int = 0
    windows_planned: int = 0
    plan_complete: bool = False
    rules: str | None = None
    processing_seconds: float | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    error: ErrorRecord | None = None
    warnings: tuple[dict[str, Any], ...] = ()
    unknown_options: Mapping[str, Any] = field(default_factory=dict)
    unknown_limits: Mapping[str, Any] = field(default_factory=dict)
    needs: str = ""
    put_off_for: str | None = None

    @property
    def unsupported(self) -> list[str]:
        """Return in words what this version does not know of the request; empty when it can run the job."""
        found = [f"the option {name}" for name in sorted(self.unknown_options)]
        found += [f"the limit {name}" for name in sorted(self.unknown_limits)]
        if self.audio is None and not isinstance(self.source.kind, SourceKind):
            found.append(f"the source {self.source.kind}")
        return found

    @property
    def waits_for(self) -> str | None:
        """Return the needs of a waiting job that the workers that checked it, or this version, do not know."""
        if self.status is not JobStatus.PENDING:
            return None
        return self.put_off_for or (None if self.needs in KNOWN_NEEDS else self.needs)

    @property
    def all_options(self) -> dict[str, Any]:
        """Return the options with their defaults, and those that this version does not know."""
        return {**self.options.normalised(), **self.unknown_options}

    @property
    def progress(self) -> float:
        """Return the done part of the audio, 0–1; 1 only when the job is completed."""
        if self.status is JobStatus.COMPLETED:
            return 1.0
        if not self.duration:
            return 0.0
        return round(min(self.seconds_done / self.duration, 0.999), 4)

    @property
    def dead(self) -> bool:
        """Return whether the retry budget is spent."""
        return self.status is JobStatus.FAILED and self.failures >= self.max_attempts


def backoff_seconds(failures: int, base: float, cap: float, chance: random.Random) -> float:
    """Return the seconds to wait before the next attempt: exponential, capped, with full jitter above a half.

    The jitter keeps jobs that failed together from coming back together (Brooker, "Exponential
    Backoff and Jitter", AWS Architecture Blog, 2015: "equal jitter").
    """
    ceiling = min(cap, base * 2.0 ** min(max(failures - 1, 0), 32))
    return ceiling / 2 + chance.uniform(0, ceiling / 2)
