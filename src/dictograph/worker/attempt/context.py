"""The parts of a worker that every attempt uses."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from dictograph.audio.decoder_client import DecodeLimits
from dictograph.audio.vad_client import VadClient
from dictograph.blobs.protocol import Blobs
from dictograph.child.fork_server_client import ForkServerClient
from dictograph.models.catalog import Catalog
from dictograph.runtime.crash import CrashPoints
from dictograph.store.database import Database
from dictograph.store.jobs.lease import RetryPolicy
from dictograph.worker.attempt.observer import AttemptObserver, NobodyObserves
from dictograph.worker.engines import Engines
from dictograph.worker.fetching import SourceRules


@dataclass(frozen=True, slots=True)
class WorkerContext:
    """The parts of the worker that every attempt uses."""

    database: Database
    blobs: Blobs
    catalog: Catalog
    engines: Engines
    vad_client: VadClient
    decoders: ForkServerClient | None  # None: each decoder starts a new Python process
    crash: CrashPoints
    scratch: Path
    sources: SourceRules
    decoding: DecodeLimits
    policy: RetryPolicy
    observer: AttemptObserver = field(default_factory=NobodyObserves)
