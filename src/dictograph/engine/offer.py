"""What the settings offer: the names of engines and models, checked without waiting for anything."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from dictograph.engine.hub import Cache, cache_folder
from dictograph.engine.shelf import Shelf
from dictograph.errors import InvalidOption, ModelNotAllowed, SettingsError
from dictograph.settings import Settings, variable

AUTO, WHISPER, SPHINX = "auto", "whisper", "sphinx"

_SPHINX_FACTORY = "dictograph.engine.sphinx:load"
_SPHINX_MODEL = "en-us"
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,31}")
_FACTORY = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


@dataclass(frozen=True, slots=True)
class OwnModel:
    """An engine that brings its one model along, so that it is always ready."""

    engine: str
    factory: str
    model: str
    revision: str = ""
    languages: tuple[str, ...] | None = None


class Offer:
    """The engines and models of the settings.

    `own` are the engines that bring their model, by name; `shelves` Whisper's models, by their name
    in the settings, the default first.

    Raises:
        SettingsError: an engine, model or factory in the settings cannot be.
    """

    def __init__(self, settings: Settings) -> None:
        self.own = {own.engine: own for own in _own_models(settings)}
        self.shelves = {shelf.name: shelf for shelf in _shelves(settings)}
        self.default = self.shelves[settings.model]
        if settings.engine not in self.engines:
            raise SettingsError(
                f"{variable('engine')} cannot be {settings.engine!r}: there are {', '.join(self.engines)}."
            )

    @property
    def engines(self) -> tuple[str, ...]:
        """The names that `resolve` takes."""
        return (AUTO, WHISPER, *self.own)

    def resolve(self, engine: str, model: str | None) -> tuple[str, str]:
        """The engine, and the model as the settings name it ("" when none was named).

        `auto` with a model is `whisper`, since only Whisper's models can be named.

        Raises:
            InvalidOption: there is no such engine, or it has no such model.
            ModelNotAllowed: the model is not among those in the settings.
        """
        if engine not in self.engines:
            raise InvalidOption(f"There is no engine {engine!r}. This service has {', '.join(self.engines)}.")
        if not model:
            return engine, ""
        if engine not in self.own:
            return WHISPER, self.shelf(model).name
        if model != self.own[engine].model:
            raise InvalidOption(f"The engine {engine} has one model, {self.own[engine].model}; leave `model` out.")
        return engine, model

    def shelf(self, model: str) -> Shelf:
        """The shelf of one of Whisper's models by any of its names; of the default when `model` is ""."""
        if not model:
            return self.default
        for shelf in self.shelves.values():
            if model in shelf.names:
                return shelf
        raise ModelNotAllowed(
            f"The model {model!r} is not offered by this service. It has {', '.join(self.shelves)}; "
            f"the operator can add more with {variable('models')}."
        )


def _own_models(settings: Settings) -> Iterator[OwnModel]:
    yield OwnModel(SPHINX, _SPHINX_FACTORY, _SPHINX_MODEL, _release("pocketsphinx"), ("en",))
    for name, factory in settings.extra_engines.items():
        if not _NAME.fullmatch(name) or name in (AUTO, WHISPER, SPHINX):
            raise SettingsError(f"{variable('extra_engines')}: {name!r} cannot be the name of an engine.")
        if not _FACTORY.fullmatch(factory):
            raise SettingsError(f"{variable('extra_engines')}: {factory!r} is not of the form package.module:factory.")
        yield OwnModel(name, factory, name)


def _shelves(settings: Settings) -> Iterator[Shelf]:
    cache, turn = Cache(cache_folder(settings.models_dir)), asyncio.Semaphore(1)
    known: set[str] = set()
    for name in settings.offered_models:
        # What nobody named beside another engine is offered if it is here, but not worth a download.
        may_fetch = name in settings.models or settings.engine in (AUTO, WHISPER)
        try:
            shelf = Shelf(name, cache, may_fetch=may_fetch, turn=turn, confined=settings.sandbox)
        except InvalidOption as error:
            field = "model" if name == settings.model else "models"
            raise SettingsError(f"{variable(field)}: {error.message}") from error
        if not shelf.names & known:
            known |= shelf.names
            yield shelf


def _release(package: str) -> str:
    try:
        return f"{package}-{version(package)}"
    except PackageNotFoundError:
        return package
