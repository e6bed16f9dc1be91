"""The settings of access and of older systems' contracts: part of the settings, and read like all of them.

Their own variables and files (`dictograph.settings.profiles`) are other names for these, and for native settings.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from dictograph.settings.celery import CelerySettings
from dictograph.settings.kafka import NAME, KafkaSettings
from dictograph.settings.stt import SttSettings
from dictograph.settings.values import Bytes, Folder, Listed, Rates, Seconds, comma_list, names

Profile = Literal["gateway", "backend", "path", "stt-worker"]
Anonymous = Literal["gateway-read", "backend", "path"]


class ContractSettings(KafkaSettings, CelerySettings, SttSettings):
    """The settings of access, and those of single contracts."""

    # --- contracts
    profile: Annotated[list[Profile], BeforeValidator(comma_list)] = Field(
        [], description="Older systems whose addresses, limits and names to take over, separated by commas."
    )
    anonymous: Annotated[list[Anonymous], BeforeValidator(names)] = Field(
        [],
        description="Contracts whose own routes need no key: `gateway-read`, `backend`, `path`, separated by commas. "
        "`none`: all routes need one, also those that a profile opens.",
    )
    insecure: bool = Field(
        False, description="Whether to serve addresses other than loopback although there are no keys."
    )
    key: str = Field("", description="The key that commands with `--server` send to that service.")

    # --- the gateway's contract
    gateway_api_key: str = Field(
        "", description="A key for uploads through the gateway, in addition to those of `dictograph keys`."
    )
    gateway_max_upload: Bytes = Field(100 * 2**20, gt=0, description="The largest upload through the gateway.")
    gateway_model: str = Field(
        "", description="The model of the gateway's jobs, with engine `whisper`; empty: the configured one."
    )
    gateway_topic: str = Field(
        "audio-transcription",
        min_length=1,
        pattern=NAME,
        description="With a queue on Kafka, the topic on which each upload through the gateway puts a message, and "
        "where messages of an old gateway are taken.",
    )
    gateway_group: str = Field(
        "transcription-workers",
        min_length=1,
        pattern=NAME,
        description="The consumer group of the workers that read that topic.",
    )
    prompts_dir: Folder | None = Field(
        None,
        description="The folder of your own prompt templates. They add to the included templates, or replace them; "
        "empty: only the included ones.",
    )

    # --- the backend's contract
    backend_max_upload: Bytes = Field(10 * 2**20, gt=0, description="The largest file through the backend.")
    backend_extensions: Listed = Field(
        ["mp3", "wav", "flac", "mp4", "m4a", "aac", "ogg", "webm", "opus", "mpeg", "mpga"],
        description="Extensions of the files that the backend accepts, separated by commas.",
    )
    backend_model: str = Field(
        "", description="The model of the backend's jobs that name no `mode`; empty: the configured one."
    )
    backend_modes: Listed = Field(
        [],
        description="Models that `mode` may name, in addition to `DICTOGRAPH_MODEL` and `DICTOGRAPH_MODELS`; their "
        "weights are downloaded when a job needs them. `none`: `mode` is ignored.",
    )
    backend_max_attempts: int = Field(
        0, ge=0, le=100, description="`DICTOGRAPH_MAX_ATTEMPTS` for the backend's jobs; 0: the same as for all jobs."
    )
    backend_beam_size: int = Field(
        5, ge=1, le=10, description="The number of hypotheses that are kept while the backend's jobs are transcribed."
    )
    backend_word_timestamps: bool = Field(True, description="Whether the backend's jobs have the times of words.")
    backend_vad_filter: bool = Field(True, description="Whether the backend's jobs leave out audio without speech.")
    backend_vad_min_silence_duration_ms: int = Field(
        500,
        ge=50,
        le=10_000,
        description="A pause of this many milliseconds ends a section of speech in the backend's jobs.",
    )
    backend_upload_expiry: Seconds = Field(3600, gt=0, description="How long an upload address is valid.")
    public_url: str = Field(
        "",
        pattern=r"^(https?://[^\s/?#@]+)?/?$",
        description="The address at which clients reach this service, as in `https://stt.example.org`. Upload "
        "addresses begin with it. Needed if requests arrive with another address, as behind a proxy that speaks TLS.",
    )
    backend_origins: Listed = Field(
        [],
        description="Origins of web pages that may call the backend, in addition to those of "
        "`DICTOGRAPH_ALLOWED_ORIGINS`; separated by commas.",
    )
    backend_docs: bool = Field(
        True, description="Whether `/docs`, `/redoc` and `/openapi.json` are served; if not, the answer is 403."
    )
    backend_require_origin: bool = Field(
        False,
        description="Whether calls under `/api/v1` must come from a page of an allowed origin; others are refused "
        "with 403.",
    )
    backend_requests_per_minute: int = Field(
        0, ge=0, description="The most calls of one address to the backend in a minute; 0: any number."
    )
    backend_requests_per_hour: int = Field(
        0, ge=0, description="The most calls of one address to the backend in an hour; 0: any number."
    )
    smtp_url: str = Field(
        "",
        description="The mail server that sends transcripts, as in `smtp://USER:PASSWORD@HOST:587`; empty: no mail is "
        "sent.",
    )
    smtp_from: str = Field("", description="The sender's address of mail with transcripts.")

    # --- the path service's contract
    path_upload_dir: Folder | None = Field(
        None,
        description="The folder of the path service's uploads, whose files may always be named by `path`; empty: "
        "`uploads` in the data folder.",
    )
    path_model: str = Field("", description="The model of the path service's jobs; empty: the configured one.")

    # --- OpenAI's contract
    openai_keep_alive: Seconds = Field(
        15,
        gt=0,
        description="How often a call that waits for its transcript gets a space, so that its client does not give up.",
    )

    # --- how much one client may do
    rate_limit: Rates = Field(
        [],
        description="The most requests of one key or address, as in `600/minute`; several limits are separated by "
        "commas; empty: any number.",
    )
    create_rate_limit: Rates = Field(
        [], description="The most jobs that one key or address may create, as in `100/hour`; empty: any number."
    )
    max_pending: int = Field(
        0, ge=0, description="The most jobs of one owner that may wait or run at once; 0: any number."
    )

    max_queued: int = Field(
        0,
        ge=0,
        description="The most jobs of all owners together that may wait; 0: any number. Beyond it the service accepts "
        "no job by HTTP, and says when to try again. Jobs from a broker stay there.",
    )

    # --- webhooks
    webhook_allow: Listed = Field(
        [],
        description="Networks and `HOST:PORT` to which webhooks may be sent, in addition to public addresses; "
        "separated by commas.",
    )
    webhook_timeout: Seconds = Field(15, gt=0, description="The most time for the receiver of a webhook to answer.")

    def is_closed(self, routes: Anonymous) -> bool:
        """Return whether `anonymous` was set without these routes."""
        return "anonymous" in self.model_fields_set and routes not in self.anonymous
