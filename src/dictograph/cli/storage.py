"""`dictograph storage`: to which database the stored audio belongs."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

import click

from dictograph.blobs.kinds import open_blobs
from dictograph.blobs.marker import Marker
from dictograph.cli.options import option
from dictograph.cli.service_database import check_database, service_settings
from dictograph.runtime.redaction import redacted
from dictograph.service.storage_guard import ADOPT, StorageGuard, guards_of
from dictograph.settings.model import Settings, variable
from dictograph.store.database import Database
from dictograph.store.storage_marks import STORAGE, Mark

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Seen:
    """The state of a storage place. `marker`: the marker in it; `unnamed`: the number of files that no job names."""

    place: str
    where: str
    database: Mark
    marker: Marker | None
    trouble: str
    files: int
    unnamed: int


@click.group()
def storage() -> None:
    """Show or adopt the stored audio.

    A storage belongs to one database. Stored files without a job in this database are removed after
    DICTOGRAPH_ORPHAN_AGE. If the storage belongs to another database, or this database was restored from a backup,
    no such file is removed until you say with `adopt` that the storage belongs to this database.
    """


@storage.command()
@option("as_json", "profile", "data_dir")
def show(as_json: bool, profile: str | None, data_dir: Path | None) -> None:
    """Show to which database the storage belongs, and how many of its files have no job. Nothing is changed.

    Exit code 1: the storage does not belong to this database.
    """
    settings = service_settings(profile=profile, data_dir=data_dir)
    seen = _with_guards(settings, _look)
    click.echo(
        json.dumps([asdict(one) for one in seen], indent=2)
        if as_json
        else "\n".join([f"database {redacted(settings.database)}", *(_told(one) for one in seen)])
    )
    if any(one.trouble for one in seen):
        raise click.exceptions.Exit(1)


@storage.command()
@option("profile", "data_dir")
def adopt(profile: str | None, data_dir: Path | None) -> None:
    """Make the storage belong to this database.

    Do this after a restore, or when another database used the storage and no longer does. From then on files without
    a job in this database are removed after DICTOGRAPH_ORPHAN_AGE: first copy those that you need.
    """
    settings = service_settings(profile=profile, data_dir=data_dir)
    for one in _with_guards(settings, _adopt):
        click.echo(f"The {one.where} now belongs to {redacted(settings.database)}.")
        if one.place == STORAGE and one.unnamed:
            after = f"{settings.orphan_age:g} s ({variable('orphan_age')})"
            click.echo(f"{one.unnamed} of its {one.files} files have no job, and are removed after {after}.")


async def _look(guard: StorageGuard) -> _Seen:
    standing = await guard.standing()
    files = unnamed = 0
    async for names in guard.place.objects():
        files += len(names)
        unnamed += len(await guard.unnamed(names))
    place = guard.place
    return _Seen(
        place.name, f"{place.title} {place.where}", standing.mark, standing.marker, standing.trouble, files, unnamed
    )


async def _adopt(guard: StorageGuard) -> _Seen:
    await guard.adopt()
    return await _look(guard)


def _told(seen: _Seen) -> str:
    lines = [
        seen.where,
        f"  files     {seen.files}, {seen.unnamed} of them without a job",
        f"  database  {seen.database.identity}, {seen.database.counter} sweeps",
        f"  marker    {_marker_in_words(seen.marker)}",
    ]
    if seen.trouble:
        lines += [f"  Nothing that no job names is removed: {seen.trouble}.", f"  → {ADOPT}"]
    return "\n".join(lines)


def _marker_in_words(marker: Marker | None) -> str:
    if marker is None:
        return "none"
    return f"{marker.identity}, {marker.counter} sweeps; from {marker.host or '?'} at {marker.written_at or '?'}"


def _with_guards(settings: Settings, work: Callable[[StorageGuard], Awaitable[T]]) -> list[T]:
    async def run() -> list[T]:
        async with _guards(settings) as guards:
            return [await work(guard) for guard in guards]

    return asyncio.run(run())


@asynccontextmanager
async def _guards(settings: Settings) -> AsyncIterator[tuple[StorageGuard, ...]]:
    await asyncio.to_thread(check_database, settings)
    database = Database.open(settings.database)
    try:
        yield guards_of(settings, database, open_blobs(settings.objects_url, settings.storage_options))
    finally:
        await database.close()
