"""Saves a service with all its data, and restores it.

The database is copied first, then the objects that its rows name. An object is on the disk before a row names it, and
never changes. So every row of the copy has its object, except for jobs that were removed, or lost their audio to the
retention, in between.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, astuple, dataclass, field
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from types import ModuleType

from dictograph import __version__
from dictograph.backup import markers, postgres, sqlite
from dictograph.backup.bucket import bucket_of, download, upload
from dictograph.backup.objects import Damaged, copy_object, names_in, remove_object
from dictograph.blobs.protocol import Blobs
from dictograph.errors import BackupFailed, NotFound
from dictograph.runtime.fsync import sync_file, sync_folder
from dictograph.runtime.private_files import group_rights, make_private_folder, private, rights_given
from dictograph.settings.model import Settings
from dictograph.store import migrate
from dictograph.store.backends.dialects import file_of, is_there
from dictograph.store.database import Database
from dictograph.store.jobs.prune import unnamed
from dictograph.store.jobs.read import stored_audio
from dictograph.store.storage_marks import PATH_UPLOADS, STORAGE, mark_of

MANIFEST = "manifest.json"
_OBJECTS = "blobs"
_PAGE = 500


@dataclass(slots=True)
class Summary:
    """The result of saving or restoring: all objects, of which `copied` were new in the target.

    `missing` names the objects that a row names but the storage does not have, or has with other bytes.
    """

    objects: int = 0
    copied: int = 0
    bytes: int = 0
    missing: int = 0


@dataclass(frozen=True, slots=True)
class _Object:
    name: str
    size: int
    sha256: str | None


@dataclass(frozen=True, slots=True)
class Manifest:
    """The description of a backup. It is written last: a folder without it is not a complete backup."""

    dictograph: str
    revision: str
    database: str
    taken_at: str
    marks: dict[str, tuple[str, int]] = field(default_factory=dict)
    """For each place of stored files: the database's identity there, and its counter of sweeps, or a later value."""


def save(settings: Settings, folder: Path) -> Summary:
    """Save the service of the settings into a folder, whether it runs or not.

    A folder with an earlier backup of it is brought up to date.

    Raises:
        BackupFailed: why it is impossible. The database of an earlier backup is then still complete.
    """
    tool = _tool(settings.database)
    if not is_there(settings.database) or (revision := migrate.current(settings.database)) is None:
        raise BackupFailed("There is no database to save; name its folder with --data-dir.")
    with _disk_errors():
        database = Database.open(settings.database)
        try:
            _check_same(folder, _marks(database, revision))
            make_private_folder(folder)
            tool.save(settings.database, folder)
            marks = _marks(database, revision)  # after the copy, so that the counters are not behind those in it
            summary = _save_objects(settings, _named(database), folder / _OBJECTS)
            _remove_unnamed(database, folder / _OBJECTS)
        finally:
            database.close_now()
        now = datetime.now(UTC).isoformat(timespec="seconds")
        _write(folder, Manifest(__version__, revision, tool.NAME, now, marks))
    return summary


def restore(settings: Settings, folder: Path) -> Summary:
    """Restore a saved service to the places in the settings. There must be no database yet.

    The database is restored last, so that an interrupted restore can begin again. A new storage is marked as the
    database's own. A storage that was swept before may hold objects from after the backup. Its marker is put ahead of
    the database, and nothing in it is removed until the operator adopts it.

    Raises:
        BackupFailed: why it is impossible.
    """
    manifest = _read(folder)
    tool = _tool(settings.database)
    if manifest.database != tool.NAME:
        raise BackupFailed(
            "The backup is of another kind of database; DICTOGRAPH_DATABASE_URL must name one of its kind."
        )
    if not migrate.knows(manifest.revision):
        raise BackupFailed(
            f"The backup has revision {manifest.revision}, which this version does not know; "
            f"it was made by Dictograph {manifest.dictograph}: install that or a newer one."
        )
    if not tool.is_free(settings.database):
        raise BackupFailed("There is a database already; a backup is restored only where there is none.")
    with _disk_errors():
        make_private_folder(settings.data_dir)
        new = asyncio.run(markers.put_ahead(settings, manifest.marks))
        summary = _restore_objects(settings, folder / _OBJECTS)
        tool.load(folder, settings.database)
        asyncio.run(markers.mark_as_own(new, manifest.marks))
    return summary


def _marks(database: Database, revision: str) -> dict[str, tuple[str, int]]:
    """Return the database's marks for each place of stored files; nothing for a database of an older version."""
    if revision != migrate.head():
        return {}
    return database.read_now(lambda conn: {place: astuple(mark_of(conn, place)) for place in (STORAGE, PATH_UPLOADS)})


def _check_same(folder: Path, marks: Mapping[str, tuple[str, int]]) -> None:
    """Raise BackupFailed if the folder holds the backup of another service: all its audio would be removed."""
    if not (folder / MANIFEST).exists():
        return
    for place, (identity, _) in _read(folder).marks.items():
        if place in marks and marks[place][0] != identity:
            raise BackupFailed(f"{folder} holds the backup of another database; name another folder.")


def _tool(url: str) -> ModuleType:
    return sqlite if file_of(url) else postgres


def _named(database: Database) -> Iterator[_Object]:
    """Yield the objects that rows name; reads a page of rows at a time."""
    last = ""
    while page := database.read_now(lambda conn, after=last: stored_audio(conn, after, _PAGE)):  # type: ignore[misc] # bound in the loop on purpose
        for audio in page:
            yield _Object(audio.name, audio.size, audio.sha256)
        last = page[-1].name


def _saved(folder: Path) -> Iterator[_Object]:
    for name in names_in(folder):
        yield _Object(name, (folder / name).stat().st_size, None)


def _save_objects(settings: Settings, objects: Iterator[_Object], target: Path) -> Summary:
    if settings.storage is not None:
        return _copy_all(objects, settings.storage, target)
    return asyncio.run(_download_all(bucket_of(settings), objects, target))


def _restore_objects(settings: Settings, source: Path) -> Summary:
    if settings.storage is not None:
        return _copy_all(_saved(source), source, settings.storage)
    return asyncio.run(_upload_all(bucket_of(settings), _saved(source), source))


async def _download_all(blobs: Blobs, objects: Iterator[_Object], target: Path) -> Summary:
    summary = Summary()
    await asyncio.to_thread(make_private_folder, target)
    group = group_rights(target)
    for one in objects:
        try:
            summary.copied += await download(blobs, one.name, target / one.name, one.size, one.sha256, group)
        except (NotFound, Damaged):
            summary.missing += 1
            continue
        summary.objects += 1
        summary.bytes += one.size
    return summary


async def _upload_all(blobs: Blobs, objects: Iterator[_Object], source: Path) -> Summary:
    summary = Summary()
    for one in objects:
        summary.copied += await upload(blobs, one.name, source / one.name, one.size)
        summary.objects += 1
        summary.bytes += one.size
    return summary


def _copy_all(objects: Iterator[_Object], source: Path, target: Path) -> Summary:
    summary = Summary()
    make_private_folder(target)
    group = group_rights(target)
    for one in objects:
        try:
            summary.copied += copy_object(source / one.name, target / one.name, one.size, one.sha256, group)
        except (FileNotFoundError, Damaged):
            summary.missing += 1
            continue
        summary.objects += 1
        summary.bytes += one.size
    return summary


def _remove_unnamed(database: Database, folder: Path) -> None:
    names = names_in(folder)
    while some := list(islice(names, _PAGE)):
        for name in database.read_now(lambda conn, asked=some: unnamed(conn, asked)):  # type: ignore[misc] # as above
            remove_object(folder, name)


def _write(folder: Path, manifest: Manifest) -> None:
    part = folder / f"{MANIFEST}.part"
    with open(part, "w", encoding="utf-8", opener=private(rights_given(folder))) as file:
        file.write(json.dumps(asdict(manifest), indent=2) + "\n")
    sync_file(part)
    os.replace(part, folder / MANIFEST)
    sync_folder(folder)


def _read(folder: Path) -> Manifest:
    try:
        return Manifest(**json.loads((folder / MANIFEST).read_text(encoding="utf-8")))
    except FileNotFoundError as error:
        raise BackupFailed(f"{folder} holds no whole backup: there is no {MANIFEST} in it.") from error
    except (ValueError, TypeError) as error:
        raise BackupFailed(f"{folder / MANIFEST} cannot be read: {error}.") from error


class _disk_errors:  # noqa: N801 - reads as a statement
    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, OSError):
            where = f" ({error.filename})" if error.filename else ""
            raise BackupFailed(f"A file cannot be read or written{where}: {error.strerror or error}.") from error
