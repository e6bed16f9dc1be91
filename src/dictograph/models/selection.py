"""The engine and model chosen for a job: how to start it, the frozen names, the warnings."""

from __future__ import annotations

from dataclasses import dataclass

from dictograph.engine.protocol import EngineSpec
from dictograph.job import FrozenEngine
from dictograph.models.hardware import Hardware
from dictograph.models.hf_cache import Snapshot
from dictograph.models.registry import WHISPER, OwnModel
from dictograph.settings.model import Settings
from dictograph.transcript import JobWarning

_WHISPER_FACTORY = "dictograph.engine.whisper.engine:load"


@dataclass(frozen=True, slots=True)
class EngineSelection:
    """An engine for a job, with warnings for the transcript."""

    spec: EngineSpec
    frozen: FrozenEngine
    warnings: tuple[JobWarning, ...] = ()


@dataclass(frozen=True, slots=True)
class Pending:
    """The choice is not known yet, or the weights are being fetched: the job waits."""

    reason: str


def own_choice(settings: Settings, own: OwnModel, *warnings: JobWarning) -> EngineSelection:
    """Choose an engine that includes its model."""
    spec = EngineSpec(
        name=own.engine,
        factory=own.factory,
        model=own.model,
        revision=own.revision,
        threads=settings.engine_threads,
        batch_size=settings.batch_size,
    )
    return EngineSelection(spec, FrozenEngine(own.engine, own.model, own.revision), warnings)


def whisper_choice(
    settings: Settings, hardware: Hardware, model: str, snapshot: Snapshot, *warnings: JobWarning
) -> EngineSelection:
    """Choose Whisper with the weights of one exact revision."""
    spec = EngineSpec(
        name=WHISPER,
        factory=_WHISPER_FACTORY,
        model=model,
        model_path=str(snapshot.path),
        revision=snapshot.revision,
        device=hardware.device,
        compute_type=hardware.compute_type,
        context=settings.encoder_context,
        threads=settings.engine_threads,
        batch_size=settings.batch_size,
    )
    return EngineSelection(spec, FrozenEngine(WHISPER, model, snapshot.revision), warnings)
