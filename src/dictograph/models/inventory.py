"""List, pull and verify the models on this machine."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from dictograph.errors import InvalidOption, ModelUnavailable
from dictograph.models.checksum import FolderDigests, matches
from dictograph.models.configured_models import fetched_at_once
from dictograph.models.hf_cache import (
    Cache,
    Snapshot,
    cache_folder,
    folder_of,
    is_folder,
    missing_files,
    repository,
)
from dictograph.models.sources import Source, fetch_from
from dictograph.models.weights import Progress
from dictograph.settings.model import Settings

#: A person waits for `pull`: the hub may take longer than when a service starts (s).
_PATIENCE_S = 30.0


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """A Whisper model: offered by the settings, or found in the cache.

    `snapshot` is None when its weights are not here; `size` is in bytes.
    """

    name: str
    repository: str | None
    snapshot: Snapshot | None
    size: int
    offered: bool
    default: bool


@dataclass(frozen=True, slots=True)
class FileCheck:
    """A file of a model. `unchecked`: its checksum is not known here."""

    name: str
    size: int
    verdict: Literal["ok", "damaged", "unchecked"]


@dataclass(frozen=True, slots=True)
class Verified:
    """A model whose files are complete and, where a checksum is known, undamaged."""

    name: str
    snapshot: Snapshot
    files: tuple[FileCheck, ...]


def list_models(settings: Settings) -> list[ModelInfo]:
    """Return the models that the settings offer, then others whose weights are in the cache."""
    cache = _cache(settings)
    names = list(dict.fromkeys([*settings.offered_models, *fetched_at_once(settings)]))
    known = {repository(name) for name in names if not is_folder(name)}
    others = [name for name in cache.repositories() if name not in known]
    return [_info(name, cache, settings) for name in [*names, *others]]


async def pull(
    settings: Settings,
    model: str,
    on_progress: Callable[[Progress], None] = lambda _: None,
    sources: Sequence[Source] = (),
) -> Snapshot:
    """Fetch a model's newest weights into the cache; go on where an earlier fetch from the hub ended.

    They come from the first of `sources` that has them; without any, from those of the settings. Damaged files in the
    cache are fetched again.

    Raises:
        InvalidOption: the name is that of a folder, or of no model.
        ModelUnavailable: no source can be reached or has such a model, or the disk is full.
    """
    if is_folder(model):
        raise InvalidOption(f"{model} is a folder; there is nothing to pull.")
    cache, name = _cache(settings), repository(model)
    try:
        fetching = fetch_from(
            sources or settings.models_from, name, cache, patience=_PATIENCE_S, check=True, confined=settings.sandbox
        )
        async with aclosing(fetching) as reports:
            async for progress in reports:
                on_progress(progress)
    except ModelUnavailable as error:
        raise ModelUnavailable(f"The model {model} cannot be pulled: {error.message}.") from error
    snapshot = cache.snapshot(name)
    if snapshot is None:
        raise ModelUnavailable(f"The weights of {model} vanished from {cache.folder} while they were pulled.")
    return snapshot


async def verify(settings: Settings, model: str) -> Verified:
    """Read every byte of a model's files and compare them with the hub's checksums, without the network.

    A folder's files have no known checksums: they are `unchecked`, and the revision is their digest.

    Raises:
        InvalidOption: there is no model of this name.
        ModelUnavailable: files are missing or damaged; the message names them, and what to do.
    """
    return await asyncio.to_thread(_verify, settings, model)


def _verify(settings: Settings, model: str) -> Verified:
    snapshot = _here(model, _cache(settings))
    if snapshot is None:
        raise ModelUnavailable(f"The model {model} is not complete here: {_describe_missing(settings, model)}.")
    files = tuple(_check(path) for path in sorted(snapshot.path.iterdir()) if path.is_file())
    if damaged := [file.name for file in files if file.verdict == "damaged"]:
        raise ModelUnavailable(
            f"The model {model} is damaged: {', '.join(damaged)} in {snapshot.path} is not what the hub gave. "
            f"`dictograph models pull {model}` fetches it again."
        )
    return Verified(model, snapshot, files)


def _describe_missing(settings: Settings, model: str) -> str:
    if is_folder(model):
        return f"{folder_of(model)} has no {', '.join(missing_files(folder_of(model)))}"
    return f"there is no whole copy in {_cache(settings).folder}; `dictograph models pull {model}` fetches it"


def _check(path: Path) -> FileCheck:
    blob = path.resolve()
    size = blob.stat().st_size
    if blob.parent.name != "blobs":  # a blob is named by its checksum; of other files the checksum is not known
        return FileCheck(path.name, size, "unchecked")
    return FileCheck(path.name, size, "ok" if matches(blob, blob.name) else "damaged")


def _info(name: str, cache: Cache, settings: Settings) -> ModelInfo:
    snapshot = _here(name, cache)
    return ModelInfo(
        name=name,
        repository=None if is_folder(name) else repository(name),
        snapshot=snapshot,
        size=sum(path.stat().st_size for path in snapshot.path.iterdir() if path.is_file()) if snapshot else 0,
        offered=name in (*settings.offered_models, *fetched_at_once(settings)),
        default=name == settings.model,
    )


def _here(model: str, cache: Cache) -> Snapshot | None:
    if not is_folder(model):
        return cache.snapshot(repository(model))
    folder = folder_of(model)
    return None if missing_files(folder) else Snapshot(folder, FolderDigests().digest(folder))


def _cache(settings: Settings) -> Cache:
    return Cache(cache_folder(settings.models_dir))
