"""List the models that the settings name, the contracts that may use them, and when their weights are fetched."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from dictograph.contract import Contract
from dictograph.engine.names import AUTO, WHISPER
from dictograph.models.managed_model import When
from dictograph.models.packaged import BASE
from dictograph.settings.model import Settings

#: The setting that names a contract's own model.
_OF_CONTRACT = {
    Contract.GATEWAY: "gateway_model",
    Contract.BACKEND: "backend_model",
    Contract.PATH: "path_model",
    Contract.STT_WORKER: "stt_model",
}


@dataclass(frozen=True, slots=True)
class ConfiguredModel:
    """A model: its name in the settings, the setting that names it, and when it is fetched."""

    name: str
    field: str
    fetches: When


def list_configured(settings: Settings) -> Iterator[ConfiguredModel]:
    """Return all models, the default first."""
    yield from _native(settings)
    for contract in _OF_CONTRACT:
        yield from _own(settings, contract)


def configured_by(settings: Settings, contract: Contract) -> Iterator[str]:
    """Return the models that a request through a contract may name."""
    return (one.name for one in (*_native(settings), *_own(settings, contract)))


def fetched_at_once(settings: Settings) -> list[str]:
    """Return the models that a service fetches when it starts, the default first."""
    return list(dict.fromkeys(one.name for one in list_configured(settings) if one.fetches == "at once"))


def needed(settings: Settings) -> Iterator[tuple[Contract, str]]:
    """Return the contracts of the selected profiles that have their own model, each with that model."""
    for contract in _OF_CONTRACT:
        if contract.value in settings.profile and (name := own_model(settings, contract)):
            yield contract, name


def own_model(settings: Settings, contract: Contract) -> str:
    """Return the model for a contract's jobs that name none; "" when the contract does not have its own."""
    field = _OF_CONTRACT.get(contract)
    return str(getattr(settings, field)) if field else ""


def _native(settings: Settings) -> Iterator[ConfiguredModel]:
    # With another engine the default model is offered if it is here, but not worth a download.
    yield ConfiguredModel(settings.model, "model", "at once" if settings.engine in (AUTO, WHISPER) else "never")
    for name in settings.models:
        yield ConfiguredModel(name, "models", "at once")
    if "registry" in settings.models_from and settings.engine in (AUTO, WHISPER):
        yield ConfiguredModel(BASE.name, "models_from", "when asked")  # where the default cannot be had


def _own(settings: Settings, contract: Contract) -> Iterator[ConfiguredModel]:
    field = _OF_CONTRACT.get(contract)
    if field and (name := own_model(settings, contract)):
        yield ConfiguredModel(name, field, "at once" if contract.value in settings.profile else "when asked")
    if contract is Contract.BACKEND and settings.backend_modes != ["none"]:
        for name in settings.backend_modes:
            yield ConfiguredModel(name, "backend_modes", "when asked")
