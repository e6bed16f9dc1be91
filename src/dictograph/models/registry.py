"""The registry of engines and models that the settings offer: it checks names without waiting."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from dictograph.contract import Contract
from dictograph.engine.names import AUTO, SPHINX, WHISPER
from dictograph.errors import InvalidOption, ModelNotAllowed, SettingsError
from dictograph.models.configured_models import ConfiguredModel, configured_by, list_configured
from dictograph.models.hf_cache import Cache, cache_folder, folder_of, is_folder, repository
from dictograph.models.managed_model import ManagedModel, When
from dictograph.models.packaged import BASE
from dictograph.settings.model import Settings, variable
from dictograph.settings.profiles.log_lines import model_failed
from dictograph.settings.profiles.selection import names_of

__all__ = ["AUTO", "SPHINX", "WHISPER", "ModelRegistry", "OwnModel"]

_SPHINX_FACTORY = "dictograph.engine.sphinx:load"
_SPHINX_MODEL = "en-us"
_SOONEST: tuple[When, ...] = ("at once", "when asked", "never")
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,31}")
_FACTORY = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


@dataclass(frozen=True, slots=True)
class OwnModel:
    """An engine that includes its one model, so that it is always ready."""

    engine: str
    factory: str
    model: str
    revision: str = ""
    languages: tuple[str, ...] | None = None


class ModelRegistry:
    """The engines and models of the settings.

    `own` are the engines that include their model, by name. `models` are Whisper's models, by their name in the
    settings, the default first. `substitute` is the model for jobs that name none while the default cannot be had.

    Raises:
        SettingsError: an engine, model or factory in the settings is not valid.
    """

    def __init__(self, settings: Settings) -> None:
        self.own = {own.engine: own for own in _own_models(settings)}
        self.models = {managed.name: managed for managed in _whisper_models(settings)}
        self.default = self.models[settings.model]
        self.substitute = next(one for one in self.models.values() if one.repository == BASE.repository)
        self._for = {contract: self._named_by(configured_by(settings, contract)) for contract in Contract}
        if settings.engine not in self.engines:
            raise SettingsError(
                f"{variable('engine')} cannot be {settings.engine!r}: there are {', '.join(self.engines)}."
            )

    @property
    def engines(self) -> tuple[str, ...]:
        """The names of engines that `resolve` accepts."""
        return (AUTO, WHISPER, *self.own)

    def resolve(self, engine: str, model: str | None, contract: Contract | None = None) -> tuple[str, str]:
        """Return the engine, and the model as the settings name it ("" when none was named).

        `auto` with a model is `whisper`, since only Whisper's models can be named. `contract` is the contract of the
        request, which has its own models; None: the models of all contracts.

        Raises:
            InvalidOption: there is no such engine, or it has no such model.
            ModelNotAllowed: the model is not among those in the settings.
        """
        if engine not in self.engines:
            raise InvalidOption(f"There is no engine {engine!r}. This service has {', '.join(self.engines)}.")
        if not model:
            return engine, ""
        if engine not in self.own:
            return WHISPER, self.find(model, contract).name
        if model != self.own[engine].model:
            raise InvalidOption(f"The engine {engine} has one model, {self.own[engine].model}; leave `model` out.")
        return engine, model

    def find(self, model: str, contract: Contract | None = None) -> ManagedModel:
        """Return one of Whisper's models by any of its names; the default when `model` is "".

        Raises:
            ModelNotAllowed: it is not offered, or not by this contract.
        """
        if not model:
            return self.default
        offered = [self.models[name] for name in self._for[contract]] if contract else list(self.models.values())
        for managed in offered:
            if model in managed.names:
                return managed
        raise ModelNotAllowed(
            f"The model {model!r} is not offered by this service. It has {', '.join(one.name for one in offered)}; "
            f"the operator can add more with {variable('models')}."
        )

    def is_native(self, managed: ManagedModel) -> bool:
        """Return whether every client may name the model, not only those of one contract."""
        return managed.name in self._for[Contract.NATIVE]

    def _named_by(self, names: Iterable[str]) -> list[str]:
        named = set(names)
        return [managed.name for managed in self.models.values() if managed.names & named]


def _own_models(settings: Settings) -> Iterator[OwnModel]:
    yield OwnModel(SPHINX, _SPHINX_FACTORY, _SPHINX_MODEL, _release("pocketsphinx"), ("en",))
    for name, factory in settings.extra_engines.items():
        if not _NAME.fullmatch(name) or name in (AUTO, WHISPER, SPHINX):
            raise SettingsError(f"{variable('extra_engines')}: {name!r} cannot be the name of an engine.")
        if not _FACTORY.fullmatch(factory):
            raise SettingsError(f"{variable('extra_engines')}: {factory!r} is not of the form package.module:factory.")
        yield OwnModel(name, factory, name)


def _whisper_models(settings: Settings) -> Iterator[ManagedModel]:
    cache, one_fetch = Cache(cache_folder(settings.models_dir)), asyncio.Semaphore(1)
    grouped = _by_weights(settings)
    if BASE.repository not in grouped:  # a job may have begun with it under other settings
        grouped[BASE.repository] = [ConfiguredModel(BASE.name, "models_from", "never")]
    for names in grouped.values():
        yield ManagedModel(
            names[0].name,
            cache,
            fetches=min((one.fetches for one in names), key=_SOONEST.index),
            one_fetch=one_fetch,
            sources=settings.models_from,
            confined=settings.sandbox,
            also=[one.name for one in names],
            failed=model_failed(settings.profile),
        )


def _by_weights(settings: Settings) -> dict[str, list[ConfiguredModel]]:
    """Return the models of the settings in their order, those with the same weights together, by these weights."""
    found: dict[str, list[ConfiguredModel]] = {}
    for one in list_configured(settings):
        try:
            weights = str(folder_of(one.name)) if is_folder(one.name) else repository(one.name)
        except InvalidOption as error:
            raise SettingsError(f"{names_of(one.field, settings.profile)}: {error.message}") from error
        found.setdefault(weights, []).append(one)
    return found


def _release(package: str) -> str:
    try:
        return f"{package}-{version(package)}"
    except PackageNotFoundError:
        return package
