"""Which engines and models this process offers, in what state they are, and which one a job gets."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from dictograph.engine.hardware import Hardware, find_hardware
from dictograph.engine.hub import Cache, Snapshot, cache_folder
from dictograph.engine.protocol import EngineSpec
from dictograph.engine.shelf import Fetching, Ready, Shelf, Unavailable
from dictograph.errors import InvalidOption, ModelNotAllowed, ModelUnavailable, SettingsError
from dictograph.job import FrozenEngine
from dictograph.settings import Settings
from dictograph.transcript import Warning

log = logging.getLogger(__name__)

AUTO, WHISPER, SPHINX = "auto", "whisper", "sphinx"

_WHISPER_FACTORY = "dictograph.engine.whisper:load"
_SPHINX_FACTORY = "dictograph.engine.sphinx:load"
_SPHINX_MODEL = "en-us"
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,31}")
_FACTORY = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


@dataclass(frozen=True, slots=True)
class Choice:
    """What a job is done with: how to start the engine, what to freeze, what to tell the reader."""

    spec: EngineSpec
    frozen: FrozenEngine
    warnings: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class NotYet:
    """It is not known yet, or the weights are on their way: the job waits."""

    reason: str


@dataclass(frozen=True, slots=True)
class _Own:
    """An engine that brings its one model along: always ready."""

    engine: str
    factory: str
    model: str
    revision: str = ""
    languages: tuple[str, ...] | None = None


class Catalog:
    """The engines and models of the settings. `prepare` has to run for Whisper's to become ready."""

    def __init__(self, settings: Settings, shelves: Mapping[str, Shelf], own: Mapping[str, _Own]) -> None:
        self._settings = settings
        self._shelves = shelves
        self._own = own
        self._hardware: Hardware | None = None
        self._change = asyncio.Event()
        self._fallback_told = False

    @classmethod
    def from_settings(cls, settings: Settings) -> Catalog:
        """The catalogue of the settings.

        Raises:
            SettingsError: an engine, model or factory in them cannot be.
        """
        own = {engine.engine: engine for engine in _own_engines(settings)}
        if settings.engine not in {AUTO, WHISPER, *own}:
            raise SettingsError(
                f"DICTOGRAPH_ENGINE cannot be {settings.engine!r}: there are {', '.join([AUTO, WHISPER, *own])}."
            )
        return cls(settings, dict(_shelves(settings)), own)

    @property
    def engines(self) -> tuple[str, ...]:
        """The names that `resolve` takes."""
        return (AUTO, WHISPER, *self._own)

    @property
    def notice(self) -> str | None:
        """What a person should know: that `auto` now means sphinx, and why."""
        state = self._default.state
        if self._settings.engine != AUTO or not isinstance(state, Unavailable):
            return None
        return (
            f"Transcribing with {SPHINX}, which knows English only and makes many mistakes: the Whisper model "
            f"{self._default.name} is unavailable ({state.reason})."
        )

    def resolve(self, engine: str, model: str | None) -> tuple[str, str]:
        """Check what a client asks for, without waiting for anything.

        Returns:
            The engine and the model as the settings name it; "" when none was named. `auto` with a
            model is `whisper`, since only Whisper's models can be named.

        Raises:
            InvalidOption: there is no such engine, or it has no such model.
            ModelNotAllowed: the model is not among those in the settings.
        """
        if engine not in self.engines:
            raise InvalidOption(f"There is no engine {engine!r}. This service has {', '.join(self.engines)}.")
        if not model:
            return engine, ""
        if engine in self._own:
            if model != self._own[engine].model:
                raise InvalidOption(f"The engine {engine} has one model, {self._own[engine].model}; leave `model` out.")
            return engine, model
        return WHISPER, self._shelf(model).name

    async def prepare(self, on_change: Callable[[], None] = lambda: None) -> None:
        """Find or fetch the weights of every Whisper model, and go on trying; returns only when cancelled.

        `on_change` is called after each change of what `runnable`, `describe` and `choose` say.
        """

        def changed() -> None:
            self._tell_fallback()
            self._change.set()
            self._change = asyncio.Event()
            on_change()

        await self._found_hardware()
        async with asyncio.TaskGroup() as tasks:
            for shelf in self._shelves.values():
                tasks.create_task(shelf.keep(changed), name=f"weights of {shelf.name}")

    async def choose(self, engine: str, model: str | None) -> Choice | NotYet:
        """What a job that asks for `engine` and `model` is done with.

        Raises:
            ModelUnavailable: it cannot be done now, and nothing else was allowed.
        """
        engine, model = self.resolve(engine, model)
        fallback = engine == AUTO and self._settings.engine == AUTO
        if engine == AUTO:
            engine = WHISPER if self._settings.engine == AUTO else self._settings.engine
        if engine in self._own:
            return self._own_choice(engine)
        shelf = self._shelf(model)
        if snapshot := await shelf.current():
            return await self._whisper_choice(shelf.name, snapshot)
        if not isinstance(shelf.state, Unavailable):
            return NotYet(f"the weights of {shelf.name} are {_doing(shelf)}")
        if fallback:
            return self._own_choice(SPHINX, Warning("engine_fallback", self.notice or ""))
        raise ModelUnavailable(_sentence(shelf.name, shelf.state.reason))

    async def decide(self, engine: str, model: str | None) -> Choice:
        """`choose`, waiting until it is known; `prepare` has to run meanwhile."""
        while True:
            change = self._change
            choice = await self.choose(engine, model)
            if isinstance(choice, Choice):
                return choice
            await change.wait()

    async def spec_for(self, frozen: FrozenEngine) -> EngineSpec:
        """How to start the very engine that a job began with; weights of an older revision are fetched.

        Raises:
            ModelUnavailable: it cannot be had any more.
        """
        if own := self._own.get(frozen.engine):
            if frozen.revision != own.revision:
                raise ModelUnavailable(
                    f"The job began with {frozen.engine} of {frozen.revision}; here is {own.revision}. "
                    "Send the audio again to have it done anew."
                )
            return self._own_choice(frozen.engine).spec
        try:
            shelf = self._shelf(frozen.model)
            snapshot = await shelf.exactly(frozen.revision)
        except ModelNotAllowed as error:
            raise ModelUnavailable(f"The model {frozen.model} is no longer offered by this service.") from error
        except ModelUnavailable as error:
            raise ModelUnavailable(_sentence(frozen.model, error.message)) from error
        return (await self._whisper_choice(shelf.name, snapshot)).spec

    def runnable(self) -> frozenset[tuple[str, str]]:
        """The (engine, model) pairs of rows that can be claimed now; model "" is a row that named none.

        What is definitely unavailable is among them, so that its job fails by name; what is still
        being looked for or fetched is not, so that its job waits.
        """
        pairs = {(own.engine, model) for own in self._own.values() for model in ("", own.model)}
        for shelf in self._shelves.values():
            if isinstance(shelf.state, (Ready, Unavailable)):
                models = shelf.names | ({""} if shelf is self._default else frozenset())
                pairs |= {(WHISPER, model) for model in models} | {(AUTO, model) for model in shelf.names}
        default = WHISPER if self._settings.engine == AUTO else self._settings.engine
        return frozenset(pairs | ({(AUTO, "")} if (default, "") in pairs else set()))

    def describe(self) -> list[dict[str, Any]]:
        """Each model for people and `GET /v1/models`: id, engine, default, state, progress, reason, languages.

        `default`: what a request that names nothing gets now. `state`: ready, fetching, checking or
        unavailable. `progress` (0–1) is None but while fetching, `languages` None when many.
        """
        shapes = [self._described(shelf) for shelf in self._shelves.values()]
        for own in self._own.values():
            default = own.engine == (SPHINX if self.notice else self._settings.engine)
            shapes.append(_shape(own.model, own.engine, default, "ready", languages=own.languages))
        return shapes

    @property
    def _default(self) -> Shelf:
        return self._shelves[self._settings.model]

    def _shelf(self, model: str) -> Shelf:
        if not model:
            return self._default
        for shelf in self._shelves.values():
            if model in shelf.names:
                return shelf
        raise ModelNotAllowed(
            f"The model {model!r} is not offered by this service. It has {', '.join(self._shelves)}; "
            "the operator can add more with DICTOGRAPH_MODELS."
        )

    def _own_choice(self, engine: str, *warnings: Warning) -> Choice:
        own = self._own[engine]
        spec = EngineSpec(
            name=engine,
            factory=own.factory,
            model=own.model,
            revision=own.revision,
            threads=self._settings.engine_threads,
            batch_size=self._settings.batch_size,
        )
        frozen = FrozenEngine(engine, own.model, own.revision)
        return Choice(spec, frozen, tuple(warning.as_dict() for warning in warnings))

    async def _whisper_choice(self, model: str, snapshot: Snapshot) -> Choice:
        hardware = await self._found_hardware()
        spec = EngineSpec(
            name=WHISPER,
            factory=_WHISPER_FACTORY,
            model=model,
            model_path=str(snapshot.path),
            revision=snapshot.revision,
            device=hardware.device,
            compute_type=hardware.compute_type,
            threads=self._settings.engine_threads,
            batch_size=self._settings.batch_size,
        )
        return Choice(spec, FrozenEngine(WHISPER, model, snapshot.revision))

    async def _found_hardware(self) -> Hardware:
        if self._hardware is None:
            self._hardware = await find_hardware(self._settings)
        return self._hardware

    def _tell_fallback(self) -> None:
        notice = self.notice
        if notice and not self._fallback_told:
            log.warning(notice)
        self._fallback_told = notice is not None

    def _described(self, shelf: Shelf) -> dict[str, Any]:
        default = shelf is self._default and self._settings.engine in (AUTO, WHISPER) and not self.notice
        languages = ("en",) if shelf.name.endswith(".en") else None
        match shelf.state:
            case Ready():
                return _shape(shelf.name, WHISPER, default, "ready", languages=languages)
            case Fetching(progress):
                return _shape(shelf.name, WHISPER, default, "fetching", round(progress.part, 4), languages=languages)
            case Unavailable(reason):
                return _shape(shelf.name, WHISPER, default, "unavailable", reason=reason, languages=languages)
            case _:
                return _shape(shelf.name, WHISPER, default, "checking", languages=languages)


def _shape(
    id: str,
    engine: str,
    default: bool,
    state: str,
    progress: float | None = None,
    reason: str | None = None,
    languages: tuple[str, ...] | None = None,
) -> dict[str, Any]:
    shape: dict[str, Any] = {"id": id, "engine": engine, "default": default, "state": state}
    return shape | {"progress": progress, "reason": reason, "languages": list(languages) if languages else None}
