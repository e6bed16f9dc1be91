"""Every knob, in one typed model, and where each value came from.

Values are taken, strongest first, from: the command line, the file that it names with `--config`, the environment
(`DICTOGRAPH_*`), the file `.env` in the working folder, a TOML file (`DICTOGRAPH_CONFIG`, else `dictograph.toml` in the
working folder), the names that older systems had for them, the defaults of profiles (`dictograph.settings.profiles`
for both), the built-in defaults. An unknown name or a bad value is an error that names it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import ConfigDict, Field, ValidationError

from dictograph.blobs.kinds import folder_of
from dictograph.errors import SettingsError
from dictograph.runtime.redaction import redacted
from dictograph.settings.compat import ContractSettings
from dictograph.settings.layers import DEFAULT, PREFIX, Layer, Sources, merged, own_layers, variable
from dictograph.settings.profiles.layers import with_profiles
from dictograph.settings.urls import DatabaseUrl, QueueUrl, StorageUrl
from dictograph.settings.values import Addresses, Bytes, Folder, Folders, Listed, Paired, Seconds

__all__ = ["PREFIX", "Loaded", "Settings", "load", "variable"]


def _default_data_dir() -> Path:
    base = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(base) / "dictograph"


class Settings(ContractSettings):
    """The effective settings. Every field is read from `DICTOGRAPH_` and its name in capitals."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    # --- where things are
    listen: Addresses = Field(
        ["127.0.0.1:8000"],
        description="Addresses to serve on, separated by commas. A contract before an `@` wins where several claim a "
        "path, as in `gateway@127.0.0.1:5000`.",
    )
    data_dir: Folder = Field(
        default_factory=_default_data_dir,
        description="The folder for everything that is not elsewhere by its own setting.",
    )
    database_url: DatabaseUrl = Field(
        "",
        description="`sqlite:///FILE` or `postgresql://USER:PASSWORD@HOST/NAME`; empty: SQLite in the data folder.",
    )
    database_pool: int = Field(
        10, ge=2, le=500, description="Connections of a process to PostgreSQL, at most; one more listens for news."
    )
    storage_url: StorageUrl = Field(
        "",
        description="A folder (`./NAME` if its name has a colon), or `file:///FOLDER`; empty: `blobs` in the data "
        "folder.",
    )
    queue_url: QueueUrl = Field("database:", description="How workers hear of jobs: `database:`.")
    scratch_dir: Folder | None = Field(
        None, description="Decoded audio while a job runs; empty: `scratch` in the data folder."
    )
    models_dir: Folder | None = Field(None, description="Where weights are kept; empty: Hugging Face's own cache.")

    # --- engines
    engine: str = Field(
        "auto", description="`whisper`, `sphinx`, or `auto`: whisper where its weights can be had, else sphinx."
    )
    model: str = Field(
        "small", description="Whisper size, repository id, or the path of a folder with a converted model."
    )
    models: Listed = Field([], description="Further models that may be asked for over HTTP, separated by commas.")
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="Where models run.")
    compute_type: str = Field("auto", description="CTranslate2's compute type; `auto`: int8 on CPU, float16 on a GPU.")
    engine_threads: int = Field(
        0, ge=0, le=256, description="Threads of one engine process; 0: the cores of the machine, or of its container."
    )
    batch_size: int = Field(0, ge=0, le=64, description="Windows decoded together; 0: what suits the device.")
    engine_idle: Seconds = Field(900, description="A model unused for so long is unloaded; 0: never.")
    engine_memory: Bytes = Field(
        0,
        description="Resident memory of an engine process; 0: three quarters of the machine's, or of its container's.",
    )
    models_memory: Bytes = Field(
        0,
        description="Resident memory of all processes with a model together; 0: three quarters of the machine's, or of "
        "its container's. Where the next model does not fit, the one unused for longest is unloaded.",
    )
    engine_timeout: Seconds = Field(
        120, description="The least time that a batch is given; long batches get more, by measured speed."
    )
    extra_engines: Paired = Field(
        {}, description="Engines of your own: NAME=package.module:factory, separated by commas."
    )

    # --- limits
    max_upload: Bytes = Field(4 * 2**30, gt=0, description="The largest upload or download.")
    max_audio: Seconds = Field(24 * 3600, gt=0, description="The longest audio, measured on decoded samples.")
    fetch_allow: Listed = Field(
        [], description="Networks (`10.0.0.0/8`) and `HOST:PORT` that URLs may lead to beside public addresses."
    )
    fetch_timeout: Seconds = Field(
        1800, gt=0, description="The longest that one download may take, or the copy of a file named by its path."
    )
    path_roots: Folders = Field(
        [], description="Folders whose files may be named by `path`, separated by commas; none: no path is taken."
    )
    allowed_hosts: Listed = Field(
        [], description="Host names, beside the loopback ones and those listened on, that requests may be addressed to."
    )
    allowed_origins: Listed = Field(
        [], description="Origins of web pages that may call this service, as in `https://app.example.org`."
    )
    storage_reserve: Bytes = Field(
        32 * 2**20, description="So much of each disk is left free by uploads and decoded audio: the database needs it."
    )
    header_timeout: Seconds = Field(20, gt=0, description="The time that a client has for the headers of a request.")
    unread_timeout: Seconds = Field(
        60, gt=0, description="A client that takes next to nothing of what it is sent for so long is given up."
    )
    upload_idle_timeout: Seconds = Field(
        60, gt=0, description="A client that sends nothing for so long in the middle of a body is given up."
    )
    upload_min_rate: Bytes = Field(
        1024, description="Bytes a second that a client must send while it is waited for, over 30 s; 0: any rate."
    )
    max_connections_per_client: int = Field(
        0, ge=0, description="Connections that one address may have at once; 0: as many as there is room for."
    )
    decoder_memory: Bytes = Field(2**30, gt=0, description="Resident memory of a decoder process.")
    decoder_timeout: Seconds = Field(60, gt=0, description="A decoder without progress for so long is ended.")
    sandbox: Literal["auto", "required", "off"] = Field(
        "auto",
        description="Whether child processes are confined: `auto` as far as this kernel can, with a warning about what "
        "it cannot; `required` decodes nothing without Landlock and seccomp; `off` not at all.",
    )

    # --- how jobs are run
    concurrency: int = Field(8, ge=1, le=256, description="Jobs that one worker runs at once; they share the engine.")
    lease: Seconds = Field(30, ge=1, description="A worker that has not been heard of for so long has lost its jobs.")
    poll_interval: Seconds = Field(2, gt=0, description="How often a worker with free slots looks for jobs unasked.")
    max_attempts: int = Field(
        3, ge=1, le=100, description="Failed attempts without a new window in between before a job is dead."
    )
    retry_base: Seconds = Field(2, description="Wait before the second attempt; it doubles with each.")
    retry_max: Seconds = Field(300, description="The longest wait between two attempts.")
    weights_patience: Seconds = Field(
        600,
        description="Jobs wait so long for weights that cannot be had for a reason that may pass (a hub that does not "
        "answer, a full disk), before they fail; and the attempts of those that found no room in the storage, or not "
        "their audio, are spread over it. 0: nothing waits, not for room either.",
    )
    shutdown_grace: Seconds = Field(20, description="Time for a stopping service to reach the next window of its jobs.")

    # --- how long things are kept
    audio_retention: Seconds = Field(7 * 86400, description="Audio is removed so long after its job ended; 0: kept.")
    result_retention: Seconds = Field(
        0, description="Jobs are removed with all they have so long after they ended; 0: kept."
    )
    event_retention: Seconds = Field(
        7 * 86400, description="Events are removed so long after their job ended; 0: kept."
    )
    orphan_age: Seconds = Field(
        3600,
        gt=0,
        description="Stored objects are removed when they are so old, and it has been known for as long that no job "
        "names them.",
    )

    # --- what is said
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="The least level that is logged."
    )
    log_format: Literal["text", "json"] = Field("text", description="Log lines for people, or one JSON object a line.")

    # --- for tests
    crash_at: str = Field(
        "",
        description="For tests: the crash point to die at, as `window.committed`, or `window.committed:3`.",
    )

    @property
    def database(self) -> str:
        """The database's URL, with the default filled in."""
        return self.database_url or f"sqlite:///{self.data_dir / 'dictograph.db'}"

    @property
    def objects_url(self) -> str:
        """The URL of the storage, or its folder, with the default filled in."""
        return self.storage_url or str(self.data_dir / "blobs")

    @property
    def storage(self) -> Path:
        """The folder of stored objects."""
        return folder_of(self.objects_url)

    @property
    def scratch(self) -> Path:
        """The folder of decoded audio."""
        return self.scratch_dir or self.data_dir / "scratch"

    @property
    def path_uploads(self) -> Path:
        """The folder of the path contract's uploads."""
        return self.path_upload_dir or self.data_dir / "uploads"

    @property
    def processes(self) -> Path:
        """The folder of lock files, one for each live process."""
        return self.data_dir / "processes"

    @property
    def offered_models(self) -> list[str]:
        """The models that may be named over HTTP, the configured one first."""
        return list(dict.fromkeys([self.model, *self.models]))


@dataclass(frozen=True, slots=True)
class Loaded:
    """Settings with the origin of each value ("default", "environment", the name of a file, …).

    Args:
        warnings: a sentence for each name in a file that means nothing here.
        later: names of older systems that are accepted, and wait for parts which are not there yet.
    """

    settings: Settings
    origins: Mapping[str, str]
    warnings: Sequence[str] = ()
    later: Sequence[str] = ()


def load(
    overrides: Mapping[str, Any] | None = None,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
    named_file: Path | None = None,
) -> Loaded:
    """Read the settings.

    Args:
        overrides: values of the command line, by field name; None values count as not given.
        environment: variables to use in place of `os.environ`.
        folder: where `.env`, `dictograph.toml` and `config.ini` are looked for, by default the working folder.
        named_file: a file of variables that go before those of the environment, or a TOML file.

    Raises:
        SettingsError: for an unknown name or a bad value, naming it and where it stands.
    """
    sources = Sources.of(os.environ if environment is None else environment, folder or Path.cwd(), named_file)
    stated = merged(own_layers(overrides or {}, sources, Settings.model_fields))
    theirs = with_profiles(stated, sources)
    origins = {**dict.fromkeys(Settings.model_fields, DEFAULT), **theirs.layer.origins, **theirs.yielded}
    return Loaded(_validated(theirs.layer, stated), origins, theirs.warnings, theirs.later)


def _validated(layer: Layer, stated: Layer) -> Settings:
    try:
        return Settings(**layer.values)
    except ValidationError as error:
        first = error.errors()[0]
        field = str(first["loc"][0])
        reason = first["msg"].removeprefix("Value error, ")
        origin = layer.origins[field]
        # What an older system's name says is told by that name.
        name = f"{variable(field)} (from {origin})" if field in stated.values else origin
        raise SettingsError(f"{name} cannot be {redacted(repr(first['input']))}: {reason}.") from error
