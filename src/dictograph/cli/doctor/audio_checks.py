"""Checks of `dictograph doctor` for audio: decode a file, transcribe with the engine of the settings."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from dictograph.audio.decoder_client import Decoded, DecodeLimits, decode, forks_of_decoders
from dictograph.cli.doctor.findings import Result, Verdict
from dictograph.cli.doctor.write_probe import existing, try_to_write
from dictograph.cli.text.text_table import size
from dictograph.engine.client import EngineChild
from dictograph.engine.probe import prove, sample
from dictograph.engine.protocol import SAMPLE_RATE
from dictograph.engine.sizing import engine_memory, sizing
from dictograph.errors import DecodeError, ModelUnavailable
from dictograph.models.catalog import Catalog
from dictograph.models.configured_models import needed
from dictograph.models.hf_cache import Cache, cache_folder
from dictograph.models.inventory import ModelInfo, list_models
from dictograph.models.packaged import BASE
from dictograph.models.registry import AUTO, SPHINX, WHISPER
from dictograph.models.selection import EngineSelection
from dictograph.samples import hello
from dictograph.settings.model import Settings, variable

_LOAD_S = 300.0
_FIND_S = 30.0

#: In bytes. The smallest weights, those of `tiny`, take 75 MB.
_SMALLEST = 75 * 10**6


async def decoding(settings: Settings) -> Result:
    """Decode the mp3 file that ships with Dictograph, in the same kind of process as all files."""
    limits = DecodeLimits(
        settings.max_audio, settings.decoder_memory, settings.decoder_timeout, confined=settings.sandbox
    )
    seconds, fork_server = 0.0, forks_of_decoders(settings.sandbox)
    try:
        with tempfile.TemporaryDirectory(prefix="dictograph-") as folder, hello() as file:
            async for step in decode(file, Path(folder) / "pcm", limits, fork_server=fork_server):
                if isinstance(step, Decoded):
                    seconds = step.samples / SAMPLE_RATE
    finally:
        if fork_server is not None:
            await fork_server.close()
    if not seconds:
        raise DecodeError("The sample was decoded to nothing.")
    return Verdict.OK, f"an mp3 file of {seconds:.1f} s was decoded", ""


async def models(settings: Settings) -> Result:
    """Check that the weights of the default model and of the profiles' contracts are here. Nothing is fetched."""
    verdict, detail, advice = _default_here(settings)
    here = {model.name for model in list_models(settings) if model.snapshot}
    missing = {contract.value: name for contract, name in needed(settings) if name not in here}
    if not missing:
        return verdict, detail, advice
    told = [f"jobs of the {contract} contract need {name}, which is not here" for contract, name in missing.items()]
    lacking = dict.fromkeys([*missing.values(), *([settings.model] if verdict is Verdict.WARN else [])])
    return Verdict.WARN, "; ".join([*told, detail]), _how_to_get(settings, *lacking)


def _default_here(settings: Settings) -> Result:
    if settings.engine not in (AUTO, WHISPER):
        return Verdict.OK, f"the engine {settings.engine} brings its own model", ""
    if (model := _default(settings)).snapshot:
        return Verdict.OK, f"{model.name} is here: {model.snapshot.path}", ""
    other = f"Whisper's {BASE.name}" if _base_is_here(settings) else SPHINX
    until_then = f" (until then `auto` means {other} in a service if they cannot be had)" * (settings.engine == AUTO)
    return Verdict.WARN, f"the weights of {model.name} are not here{until_then}", _how_to_get(settings, model.name)


def _base_is_here(settings: Settings) -> bool:
    return Cache(cache_folder(settings.models_dir)).snapshot(BASE.repository) is not None


def _how_to_get(settings: Settings, *names: str) -> str:
    pull = f"run `dictograph models pull {' '.join(names)}`."
    if hindrance := _hindrance(cache_folder(settings.models_dir)):
        return f"The service cannot fetch them: {hindrance}. Change that or {variable('models_dir')}, and {pull}"
    return f"The service fetches them when it starts; or {pull}"


def _hindrance(folder: Path) -> str:
    """Return why nothing can be fetched into a folder; "" if no obstacle is visible from here."""
    try:
        try_to_write(folder)
    except OSError as error:
        return f"{error.filename}: {error.strerror}"
    free = shutil.disk_usage(existing(folder)).free
    return f"{size(free)} free at {folder}" if free < _SMALLEST else ""


async def inference(settings: Settings) -> Result:
    """Transcribe three seconds with the engine that jobs would get now."""
    choice = await _choose(_with_what_is_here(settings))
    begun = time.monotonic()
    memory = engine_memory(settings.engine_memory)
    child = await EngineChild.start(choice.spec, memory, _LOAD_S, confined=settings.sandbox)
    try:
        loaded = time.monotonic()
        await prove(child)
        done = time.monotonic()
    finally:
        await child.kill()
    name = " ".join(dict.fromkeys((choice.frozen.engine, choice.frozen.model)))
    audio = len(sample().samples) / SAMPLE_RATE
    speed = f"loaded in {loaded - begun:.1f} s, {audio:.0f} s of speech in {done - loaded:.1f} s"
    given = f"{_sized(choice, child)}; memory at most: {memory / 2**30:.1f} GiB"
    return Verdict.OK, f"{name} transcribes: {speed}{given}", ""


def _sized(choice: EngineSelection, child: EngineChild) -> str:
    """Return what the engine was given, if that can be chosen."""
    if choice.frozen.engine != WHISPER:
        return ""
    spec = choice.spec
    chosen = sizing(spec.device, spec.threads)
    together = child.capabilities.max_batch
    threads = f"threads: {chosen.threads}, decoders side by side: {chosen.decoders}"
    return f"; {spec.compute_type} on {spec.device}, {threads}, windows at once: {together}"


def _with_what_is_here(settings: Settings) -> Settings:
    if settings.engine == AUTO and not _default(settings).snapshot:
        other = {"engine": WHISPER, "model": BASE.name} if _base_is_here(settings) else {"engine": SPHINX}
        return settings.model_copy(update=other)
    if settings.engine == WHISPER and not _default(settings).snapshot:
        raise ModelUnavailable(f"The weights of {settings.model} are not here: nothing can be transcribed with them.")
    return settings


def _default(settings: Settings) -> ModelInfo:
    return next(model for model in list_models(settings) if model.default)


async def _choose(settings: Settings) -> EngineSelection:
    catalog = Catalog.from_settings(settings)
    finding = asyncio.create_task(catalog.run())  # an earlier check has shown that the weights exist
    try:
        async with asyncio.timeout(_FIND_S):
            return await catalog.decide(AUTO, None)
    finally:
        finding.cancel()
        with suppress(asyncio.CancelledError):
            await finding
