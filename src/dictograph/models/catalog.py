"""Which engines and models this process offers, in what state they are, and which one a job gets."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from dictograph.contract import Contract
from dictograph.engine.protocol import EngineSpec
from dictograph.errors import ModelNotAllowed, ModelOutOfReach, ModelUnavailable
from dictograph.job import FrozenEngine
from dictograph.models.configured_models import needed, own_model
from dictograph.models.hardware import Hardware, find_hardware
from dictograph.models.managed_model import Checking, Fetching, ManagedModel, OnDemand, Ready, Unavailable
from dictograph.models.registry import AUTO, SPHINX, WHISPER, ModelRegistry
from dictograph.models.selection import EngineSelection, Pending, own_choice, whisper_choice
from dictograph.settings.model import Settings
from dictograph.transcript import JobWarning

__all__ = ["Catalog", "EngineSelection", "Pending"]

log = logging.getLogger(__name__)


class Catalog:
    """The engines and models of the settings. `run` has to run for Whisper's to become ready."""

    def __init__(self, settings: Settings, offer: ModelRegistry) -> None:
        self._settings = settings
        self._offer = offer
        self._hardware: Hardware | None = None
        self._change = asyncio.Event()
        self._told: set[str] = set()

    @classmethod
    def from_settings(cls, settings: Settings) -> Catalog:
        """The catalogue of the settings.

        Raises:
            SettingsError: an engine, model or factory in them cannot be.
        """
        return cls(settings, ModelRegistry(settings))

    @property
    def notice(self) -> str | None:
        """What a person should know: that `auto` now means sphinx, and why."""
        shelf = self._offer.default
        if self._settings.engine != AUTO or not isinstance(shelf.state, Unavailable):
            return None
        return (
            f"Transcribing with {SPHINX}, which knows only English and makes many mistakes: the Whisper model "
            f"{shelf.name} is unavailable ({shelf.state.reason})."
        )

    def resolve(self, engine: str, model: str | None, contract: Contract = Contract.NATIVE) -> tuple[str, str]:
        """Check what a client asks for, without waiting for anything; weights that nobody needed yet are now fetched.

        Raises:
            InvalidOption, ModelNotAllowed: as Offer.resolve, or it is known that these weights cannot be had. Those of
                the contract's own model are let pass: nobody named it, so the job fails and says so.
        """
        engine, model = self._offer.resolve(engine, model, contract)
        if engine == WHISPER:
            shelf = self._offer.shelf(model)
            shelf.ask()
            is_own = own_model(self._settings, contract) in shelf.names
            if isinstance(shelf.state, Unavailable) and not shelf.state.may_pass and not is_own:
                raise ModelNotAllowed(f"The model {shelf.name} is unavailable here: {shelf.state.reason}.")
        return engine, model

    async def prepare(self, on_change: Callable[[], None]) -> None:
        """`run`, with a call after each change of what `runnable`, `describe` and `choose` say."""

        def changed() -> None:
            self._tell()
            self._change.set()
            self._change = asyncio.Event()
            on_change()

        await self._found_hardware()
        async with asyncio.TaskGroup() as tasks:
            for shelf in self._offer.shelves.values():
                tasks.create_task(shelf.keep(changed), name=f"weights of {shelf.name}")

    async def run(self) -> None:
        """Find or fetch the weights of every Whisper model, and go on trying; returns only when cancelled."""
        await self.prepare(lambda: None)

    async def choose(self, engine: str, model: str | None) -> EngineSelection | Pending:
        """What a job that asks for `engine` and `model` is done with.

        Raises:
            InvalidOption, ModelNotAllowed: as `resolve`.
            ModelUnavailable: it cannot be done, and nothing else was allowed; ModelOutOfReach if that may pass.
        """
        engine, model = self._offer.resolve(engine, model)
        falls_back = engine == AUTO and self._settings.engine == AUTO
        if own := self._offer.own.get(self._settings.engine if engine == AUTO else engine):
            return own_choice(self._settings, own)
        shelf = self._offer.shelf(model)
        if snapshot := await shelf.current():
            return whisper_choice(self._settings, await self._found_hardware(), shelf.name, snapshot)
        match shelf.state:
            case Unavailable() if falls_back:
                warning = JobWarning("engine_fallback", self.notice or "")
                return own_choice(self._settings, self._offer.own[SPHINX], warning)
            case Unavailable(reason, may_pass):
                kind = ModelOutOfReach if may_pass else ModelUnavailable
                raise kind(f"The model {shelf.name} is unavailable: {reason}.")
            case Fetching(progress):
                return Pending(f"The weights of {shelf.name} are being fetched ({progress.part:.0%}).")
            case OnDemand():
                shelf.ask()
                return Pending(f"The weights of {shelf.name} are now fetched.")
            case _:
                return Pending(f"The weights of {shelf.name} are being looked for.")

    async def decide(self, engine: str, model: str | None) -> EngineSelection:
        """`choose`, waiting until it is known; `run` or `prepare` has to run meanwhile."""
        while True:
            change = self._change
            choice = await self.choose(engine, model)
            if isinstance(choice, EngineSelection):
                return choice
            await change.wait()

    async def spec_for(self, frozen: FrozenEngine) -> EngineSpec:
        """How to start the very engine that a job began with.

        Weights of a revision that was replaced since are fetched again, which may take its time.

        Raises:
            ModelUnavailable: it cannot be had any more.
        """
        if own := self._offer.own.get(frozen.engine):
            if frozen.revision != own.revision:
                raise ModelUnavailable(
                    f"The job began with {frozen.engine} of {frozen.revision}, and here is {own.revision}: "
                    "send the audio again."
                )
            return own_choice(self._settings, own).spec
        try:
            shelf = self._offer.shelf(frozen.model)
            snapshot = await shelf.exactly(frozen.revision)
        except ModelNotAllowed as error:
            raise ModelUnavailable(f"The model {frozen.model} is no longer offered by this service.") from error
        except ModelUnavailable as error:
            raise type(error)(f"The model {frozen.model} is unavailable: {error.message}.") from error
        return whisper_choice(self._settings, await self._found_hardware(), shelf.name, snapshot).spec

    def runnable(self) -> frozenset[tuple[str, str]]:
        """The (engine, model) pairs of rows that can be claimed now; model "" is a row that named none.

        What cannot be had is among them, so that its job fails by name, and what is fetched only when a job needs
        it. What is still being looked for or fetched is not, so that its job waits, and nor for `weights_patience`
        is what is out of reach for a reason that may pass.
        """
        pairs = {(own.engine, model) for own in self._offer.own.values() for model in ("", own.model)}
        for shelf in self._offer.shelves.values():
            if self._is_settled(shelf):
                pairs |= {(engine, name) for engine in (WHISPER, AUTO) for name in shelf.names}
                if shelf is self._offer.default:
                    pairs.add((WHISPER, ""))
        default = WHISPER if self._settings.engine == AUTO else self._settings.engine
        return frozenset(pairs | {(AUTO, "")}) if (default, "") in pairs or self.notice else frozenset(pairs)

    def _is_settled(self, shelf: ManagedModel) -> bool:
        if isinstance(shelf.state, Unavailable):
            return shelf.state.lasts(self._settings.weights_patience)
        return isinstance(shelf.state, (Ready, OnDemand))

    def warnings(self) -> list[str]:
        """What a person should know: the notice, and each contract of the profiles whose model cannot be had."""
        told = [self.notice] if self.notice else []
        for contract, name in needed(self._settings):
            shelf = self._offer.shelf(name)
            if isinstance(shelf.state, Unavailable):
                told.append(
                    f"Jobs of the {contract.value} contract need the model {name}, which is unavailable: "
                    f"{shelf.state.reason}."
                )
        return told

    def describe(self) -> list[dict[str, Any]]:
        """Each model that everybody may name, for people and `GET /v1/models`.

        Each has id, engine, default, state, progress, reason, languages. `default`: what a request that names
        nothing gets now. `state`: ready, fetching, checking or unavailable. `progress` (0–1) is None but while
        fetching, `languages` None when they are many.
        """
        default = SPHINX if self.notice else WHISPER if self._settings.engine == AUTO else self._settings.engine
        shapes = []
        for shelf in filter(self._offer.is_native, self._offer.shelves.values()):
            languages = ["en"] if shelf.name.endswith(".en") else None
            is_default = default == WHISPER and shelf is self._offer.default
            shape = {"id": shelf.name, "engine": WHISPER, "default": is_default, "languages": languages}
            shapes.append(shape | _state_shape(shelf))
        for own in self._offer.own.values():
            shape = {"id": own.model, "engine": own.engine, "default": default == own.engine}
            shape["languages"] = list(own.languages) if own.languages else None
            shapes.append(shape | {"state": "ready", "progress": None, "reason": None})
        return shapes

    async def _found_hardware(self) -> Hardware:
        if self._hardware is None:
            self._hardware = await find_hardware(self._settings)
        return self._hardware

    def _tell(self) -> None:
        now = self.warnings()
        for text in now:
            if text not in self._told:
                log.warning(text)
        self._told = set(now)


def _state_shape(shelf: ManagedModel) -> dict[str, Any]:
    match shelf.state:
        case Ready():
            return {"state": "ready", "progress": None, "reason": None}
        case Fetching(progress):
            return {"state": "fetching", "progress": round(progress.part, 4), "reason": None}
        case Unavailable(reason):
            return {"state": "unavailable", "progress": None, "reason": reason}
        case Checking() | OnDemand():
            return {"state": "checking", "progress": None, "reason": None}
