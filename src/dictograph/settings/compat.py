"""What the contracts of older systems can be told: part of the settings, read like all of them.

Their own variables and files (`dictograph.settings.profiles`) are other names for these, and for native settings.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, Field

from dictograph.settings.values import Bytes, Folder, Listed, Rates, Seconds, comma_list, names

Profile = Literal["gateway", "backend", "path"]
Anonymous = Literal["gateway-read", "backend", "path"]


class ContractSettings(BaseModel):
    """The settings of access, and those of single contracts."""

    # --- contracts
    profile: Annotated[list[Profile], BeforeValidator(comma_list)] = Field(
        [], description="Older systems to stand in for, with their addresses and limits, separated by commas."
    )
    anonymous: Annotated[list[Anonymous], BeforeValidator(names)] = Field(
        [],
        description="Contracts whose own routes need no key: `gateway-read`, `backend`, `path`; `none`: not even those "
        "that a profile opens.",
    )
    insecure: bool = Field(
        False, description="Whether other addresses than loopback are served although there are no keys."
    )
    key: str = Field("", description="The key that commands with `--server` show to that service.")

    # --- the gateway's contract
    gateway_api_key: str = Field(
        "", description="A key that uploads of the gateway's contract may carry, beside those of `dictograph keys`."
    )
    gateway_max_upload: Bytes = Field(100 * 2**20, gt=0, description="The largest upload through the gateway.")
    gateway_model: str = Field("", description="The model of its jobs, with engine `whisper`; empty: as configured.")
    prompts_dir: Folder | None = Field(
        None, description="Your own prompt templates, beside or in place of those that ship; empty: only those."
    )

    # --- the backend's contract
    backend_max_upload: Bytes = Field(10 * 2**20, gt=0, description="The largest file through the backend.")
    backend_extensions: Listed = Field(
        ["mp3", "wav", "flac", "mp4", "m4a", "aac", "ogg", "webm", "opus", "mpeg", "mpga"],
        description="Extensions of the files it takes.",
    )
    backend_model: str = Field("", description="The model of jobs that name no `mode`; empty: as configured.")
    backend_modes: Listed = Field(
        [],
        description="Models that `mode` may name, beside `DICTOGRAPH_MODEL` and `DICTOGRAPH_MODELS`; their weights are "
        "fetched when a job needs them. `none`: `mode` is not heeded.",
    )
    backend_max_attempts: int = Field(
        0, ge=0, le=100, description="In place of `DICTOGRAPH_MAX_ATTEMPTS` for its jobs; 0: as that says."
    )
    backend_beam_size: int = Field(5, ge=1, le=10, description="Hypotheses kept while decoding its jobs.")
    backend_word_timestamps: bool = Field(True, description="Whether its jobs give words their times.")
    backend_vad_filter: bool = Field(True, description="Whether its jobs leave out what is not speech.")
    backend_vad_min_silence_duration_ms: int = Field(
        500, ge=50, le=10_000, description="A pause this long ends a stretch of speech in its jobs."
    )
    backend_upload_expiry: Seconds = Field(3600, gt=0, description="How long an address to upload to is good for.")
    public_url: str = Field(
        "",
        pattern=r"^(https?://[^\s/?#@]+)?/?$",
        description="Where clients reach this service, if that is not what their requests say, as behind a proxy that "
        "speaks TLS: `https://stt.example.org`. Addresses to upload to are made of it.",
    )
    backend_origins: Listed = Field(
        [], description="Origins of web pages that may call the backend; beside those of `DICTOGRAPH_ALLOWED_ORIGINS`."
    )
    backend_docs: bool = Field(True, description="Whether `/docs`, `/redoc` and `/openapi.json` are shown, or 403.")
    backend_require_origin: bool = Field(
        False, description="Whether calls under `/api/v1` must come from a page of an allowed origin, else 403."
    )
    backend_requests_per_minute: int = Field(0, ge=0, description="Calls of one address in a minute; 0: any number.")
    backend_requests_per_hour: int = Field(0, ge=0, description="Calls of one address in an hour; 0: any number.")
    smtp_url: str = Field(
        "", description="A mail server for transcripts, as `smtp://USER:PASSWORD@HOST:587`; empty: none is sent."
    )
    smtp_from: str = Field("", description="The sender's address of such mail.")

    # --- the path service's contract
    path_upload_dir: Folder | None = Field(
        None, description="Where its uploads are put, always a root; empty: `uploads` in the data folder."
    )
    path_model: str = Field("", description="The model of its jobs; empty: as configured.")

    # --- OpenAI's contract
    openai_keep_alive: Seconds = Field(
        15, gt=0, description="After so long a call that waits for its transcript gets a sign of life, again and again."
    )

    # --- how much one client may do
    rate_limit: Rates = Field(
        [], description="Requests of one key or address, as `600/minute`, several with commas; none: any number."
    )
    create_rate_limit: Rates = Field(
        [], description="Jobs that one key or address may create, as `100/hour`; none: any number."
    )
    max_pending: int = Field(0, ge=0, description="Jobs of one owner that may wait or run at once; 0: any number.")

    # --- webhooks
    webhook_allow: Listed = Field(
        [], description="Networks and `HOST:PORT` that webhooks may be sent to beside public addresses."
    )
    webhook_timeout: Seconds = Field(15, gt=0, description="How long the receiver of a webhook may take.")

    def is_closed(self, routes: Anonymous) -> bool:
        """Whether it was said who needs no key, and these routes were not among them."""
        return "anonymous" in self.model_fields_set and routes not in self.anonymous
