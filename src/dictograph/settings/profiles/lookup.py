"""Where the old systems' names were found: in the environment, in .env, in config.ini."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dictograph.errors import SettingsError
from dictograph.settings.files import read_ini
from dictograph.settings.layers import DOTENV, PREFIX, Sources, variable
from dictograph.settings.profiles.selection import PROFILES
from dictograph.settings.profiles.table import CONFIG_INI, PORT, Alias, Profile

#: A value of the file that stands for that of a variable.
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*_ENV")

#: What the old file's later form has beside: a section for each model's queue, one for mail, and a key.
_QUEUES, _MAIL, _MIGRATION = "celery:queues:", "email", "alembic_migration"

Ini = Mapping[tuple[str, str], str]


@dataclass(frozen=True, slots=True)
class Found:
    """A name with its text. `rank` orders the places, the strongest first; `origin` is the place in words; `unset` the
    variable that it stands for, if that is not set."""

    alias: Alias
    text: str
    origin: str
    rank: int
    unset: str = ""

    def value(self) -> Any:
        """What the setting takes. Raises SettingsError, naming the place."""
        if self.unset:
            raise SettingsError(f"{self.origin} stands for the variable {self.unset}, which is not set.")
        try:
            return self.alias.convert(self.text)
        except ValueError as error:
            raise SettingsError(f"{self.origin} cannot be {self.text[:200]!r}: {error}.") from error


def find(profiles: Sequence[Profile], sources: Sources, ini: Ini) -> list[Found]:
    """All names of these profiles that something stands behind, the strongest first."""
    everything = [one for profile in profiles for alias in profile.aliases if (one := find_one(alias, sources, ini))]
    return sorted(everything, key=lambda one: one.rank)


def find_one(alias: Alias, sources: Sources, ini: Ini) -> Found | None:
    """What stands behind a name at the strongest place that has it. What is empty counts as not given."""
    name = alias.variable
    if text := sources.environment.get(name, "").strip():
        return Found(alias, text, f"{name} in the environment", 0)
    if text := sources.dotenv.get(name, ""):
        return Found(alias, text, f"{name} in {DOTENV}", 1)
    if alias.key and (text := ini.get(alias.key, "")):
        return _of_file(alias, text, sources)
    return None


def read_file(profiles: Sequence[Profile], sources: Sources) -> Ini:
    """The old system's file, if one of the profiles has such. Raises SettingsError."""
    return read_ini(sources.folder / CONFIG_INI) if any(profile.reads_ini for profile in profiles) else {}


def foreign(profiles: Sequence[Profile], sources: Sources, ini: Ini) -> Iterator[str]:
    """A warning for each name in the files that means nothing here."""
    if not profiles:
        yield from _not_selected(sources)
    known = {alias.variable for profile in profiles for alias in profile.aliases}
    for name in sources.dotenv:
        if name not in known and not name.startswith(PREFIX) and name != PORT.variable:
            yield f"{name} in {DOTENV} {_whose(name)}, and is ignored."
    keys = {alias.key for profile in profiles for alias in profile.aliases}
    unknown = [one for one in ini if one not in keys]
    yield from dict.fromkeys(_unheard(section, key) for section, key in unknown)


def _unheard(section: str, key: str) -> str:
    """Why a key of the old file means nothing here. One sentence for a whole section where that says all."""
    if key == _MIGRATION:
        return f"{CONFIG_INI} [{section}] {key} has no effect: each start brings the database up to date."
    if section.startswith(_QUEUES):
        return f"{CONFIG_INI} [{section}] has no effect: one queue serves all models here."
    if section == _MAIL:
        return f"{CONFIG_INI} [{section}] has no effect: mail is sent as {variable('smtp_url')} says."
    return f"{CONFIG_INI} [{section}] {key} is no setting of Dictograph, and is ignored."


def _not_selected(sources: Sources) -> Iterator[str]:
    """What to select, where no profile is, and a file has names of one: the one whose names are most."""
    counts = {
        name: sum(alias.variable in sources.dotenv for alias in profile.aliases) for name, profile in PROFILES.items()
    }
    most = max(counts.values())
    if most:
        likely = [f"`--profile {name}`" for name, count in counts.items() if count == most]
        yield (
            f"{DOTENV} has names of an older system, and no profile is selected. "
            f"If they are meant, start with {' or '.join(likely)} (or {variable('profile')})."
        )


def _whose(name: str) -> str:
    for profile in PROFILES.values():
        if any(alias.variable == name for alias in profile.aliases):
            return f"counts with the profile {profile.name} alone, which is not selected"
    return "is no setting of Dictograph"


def _of_file(alias: Alias, text: str, sources: Sources) -> Found | None:
    origin = f"{CONFIG_INI} {alias.shown}"
    if not _VARIABLE.fullmatch(text):
        return Found(alias, text, origin, 2)
    value = sources.environment.get(text, "").strip() or sources.dotenv.get(text, "")
    if value:
        return Found(alias, value, f"{origin}, which is {text}", 2)
    return None if alias.optional else Found(alias, "", origin, 2, unset=text)
