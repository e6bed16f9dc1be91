"""The check of `dictograph doctor` for the owner of the stored files."""

from __future__ import annotations

import asyncio

from dictograph.blobs.kinds import open_blobs
from dictograph.cli.doctor.findings import Result, Verdict
from dictograph.cli.doctor.service_checks import is_there
from dictograph.errors import DatabaseUnavailable
from dictograph.service.storage_guard import ADOPT, Standing, StorageGuard, guards_of
from dictograph.settings.model import Settings
from dictograph.store.database import Database


def owner(settings: Settings) -> Result:
    """Check that the storage belongs to this database, so that no files of another database are removed."""
    try:
        if not is_there(settings):
            return Verdict.OK, "not known before there is a database of this version", ""
        found = asyncio.run(_standings(settings))
    except DatabaseUnavailable:
        return Verdict.WARN, "not known while the database cannot be asked", ""
    if troubles := [standing.trouble for _, standing in found if standing.trouble]:
        return Verdict.FAIL, f"nothing that no job names is removed: {'; '.join(troubles)}", ADOPT
    marked = [f"the {guard.place.title}" for guard, standing in found if standing.marker]
    return Verdict.OK, f"this database's own: {', '.join(marked) or 'nothing yet'}", ""


async def _standings(settings: Settings) -> list[tuple[StorageGuard, Standing]]:
    database = Database.open(settings.database)
    try:
        guards = guards_of(settings, database, open_blobs(settings.objects_url, settings.storage_options))
        return [(guard, await guard.standing()) for guard in guards]
    finally:
        await database.close()
