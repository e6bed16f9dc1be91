"""The layers below the settings' own names: what the old systems' names say, and what profiles take by default."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dictograph.settings.layers import Layer, Sources, merged, variable
from dictograph.settings.profiles.addresses import addresses, with_port
from dictograph.settings.profiles.lookup import Found, find, foreign, read_file
from dictograph.settings.profiles.selection import selected
from dictograph.settings.profiles.table import Profile
from dictograph.settings.profiles.values import database_url, redis_url

#: A model by its contract; they yield where the settings' own names say what to transcribe with.
_MODELS = ("gateway_model", "backend_model", "path_model", "stt_model")

_COMPOSED = {"database_url": database_url, "queue_url": redis_url}

#: Names that count for a queue on Redis alone.
_OF_REDIS = ("celery_", "redis_")


@dataclass(frozen=True, slots=True)
class LegacyLayer:
    """What the profiles add to what was `stated` under the settings' own names.

    Args:
        layer: all settings, what was stated among them.
        yielded: by field, why a contract's model does not count.
        warnings: one for each name that means nothing here, or is overruled by another.
    """

    layer: Layer
    yielded: Mapping[str, str] = field(default_factory=dict)
    warnings: Sequence[str] = ()


def with_profiles(stated: Layer, sources: Sources) -> LegacyLayer:
    """What was stated, and below it what the profiles named there add.

    Raises:
        SettingsError: a name of theirs has a value that cannot be, or a file of theirs cannot be read.
    """
    profiles = selected(stated.values.get("profile", []))
    ini = read_file(profiles, sources)
    found = find(profiles, sources, ini)
    counting = [one for one in found if one.alias.setting not in stated.values]  # others need not even make sense
    below, overruled = _named(counting)
    layer = merged([stated, _listening(profiles, counting), below, *_defaults(profiles)])
    layer = merged([with_port(layer, profiles, sources), layer])
    layer, yielded = _yielding(stated, layer)
    return LegacyLayer(
        layer,
        yielded,
        [*foreign(profiles, sources, ini), *overruled, *_told(below, yielded), *_idle(counting, layer)],
    )


def _listening(profiles: Sequence[Profile], found: Sequence[Found]) -> Layer:
    anonymous = [name for profile in profiles for name in profile.anonymous]
    names = ", ".join(profile.name for profile in profiles)
    guests = Layer.of(f"profile {names}", {"anonymous": anonymous} if anonymous else {})
    return merged([addresses(profiles, found), guests])


def _defaults(profiles: Sequence[Profile]) -> Iterator[Layer]:
    """The first profile that was named goes before the others."""
    return (Layer.of(f"profile {profile.name}", profile.defaults) for profile in profiles)


def _named(found: Sequence[Found]) -> tuple[Layer, list[str]]:
    """What the old names say, by setting; and a warning where two of them say different things of one."""
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    overruled: list[str] = []
    for one in found:
        value = one.value()  # what has no setting is checked all the same
        if not one.alias.setting or one.alias.piece:
            continue
        for name, said in {one.alias.setting: value, **one.alias.also}.items():
            if values.setdefault(name, said) != said:
                overruled.append(f"{one.origin} yields to {origins[name]}: both say what {variable(name)} is.")
            origins.setdefault(name, one.origin)
    for name, compose in _COMPOSED.items():
        pieces = {one.alias.piece: one for one in reversed(found) if one.alias.setting == name and one.alias.piece}
        if pieces:
            origin = ", ".join(one.origin for one in pieces.values())
            if name in values:
                overruled.append(f"{origin} yields to {origins[name]}: both say what {variable(name)} is.")
                continue
            values[name] = compose({piece: str(one.value()) for piece, one in pieces.items()})
            origins[name] = origin
    return Layer(values, origins), overruled


def _yielding(stated: Layer, layer: Layer) -> tuple[Layer, Mapping[str, str]]:
    """Without the contracts' models where it was stated what to transcribe with: jobs then get that."""
    why = _stated_model(stated)
    gone = [name for name in _MODELS if why and name in layer.values and name not in stated.values]
    yielded = {name: f"default; {layer.origins[name]} yields to {why}" for name in gone}
    kept = {name: value for name, value in layer.values.items() if name not in gone}
    return Layer(kept, {name: layer.origins[name] for name in kept}), yielded


def _told(named: Layer, yielded: Mapping[str, str]) -> Iterator[str]:
    """A sentence for each model that somebody named under an old name, and does not get."""
    return (f"{yielded[name].partition('; ')[2]}." for name in named.values if name in yielded)


def _idle(found: Sequence[Found], layer: Layer) -> Iterator[str]:
    """A sentence that names what counts for Celery alone, where the queue is not on Redis."""
    idle = [one.origin for one in found if one.alias.setting.startswith(_OF_REDIS)]
    if idle and not str(layer.values.get("queue_url", "")).strip().lower().startswith("redis"):
        verb = "has" if len(idle) == 1 else "have"
        yield f"{', '.join(idle)} {verb} no effect: the queue is not on Redis ({variable('queue_url')}, [redis] host)."


def _stated_model(stated: Layer) -> str:
    """The setting that says what to transcribe with, "" for none. The engine that models named by a contract mean
    anyway says nothing against them."""
    if "model" in stated.values:
        return f"{variable('model')} ({stated.origins['model']})"
    if stated.values.get("engine", "whisper") != "whisper":
        return f"{variable('engine')} ({stated.origins['engine']})"
    return ""
