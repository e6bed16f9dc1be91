"""The markers of places that a backup is restored to.

A new place is the restored database's own at once. One that was swept before may hold what came after the backup, which
the restored database does not name: it is put ahead of that database, so that nothing is removed before somebody
adopts it.
"""

from __future__ import annotations

from collections.abc import Mapping

from dictograph.blobs.kinds import open_blobs
from dictograph.blobs.marker import OWNER, Marker
from dictograph.service.storage_places import Place, places_of
from dictograph.settings.model import Settings

#: By place, the identity of a database there, and its counter of sweeps.
Marks = Mapping[str, tuple[str, int]]


async def put_ahead(settings: Settings, marks: Marks) -> list[Place]:
    """Put places that belong to the saved database ahead of it, and return those that are new.

    Raises:
        StorageFull, StorageUnavailable: a place cannot be read or written.
    """
    places = places_of(settings, open_blobs(settings.objects_url))
    return [place for place in places if place.name in marks and await _is_new(place, *marks[place.name])]


async def mark_as_own(places: list[Place], marks: Marks) -> None:
    """Mark new places as those of the saved database, which has not swept them yet.

    Raises:
        StorageFull, StorageUnavailable: a place cannot be written.
    """
    for place in places:
        await place.notes.write_note(OWNER, Marker.now(marks[place.name][0], 0).encode())


async def _is_new(place: Place, identity: str, counter: int) -> bool:
    async for _ in place.objects():
        notes = await place.notes.notes()
        if OWNER in notes:
            await _raise(place, notes[OWNER], identity, counter)
        return False
    return True


async def _raise(place: Place, data: bytes, identity: str, counter: int) -> None:
    try:
        marker = Marker.decode(data)
    except ValueError:
        return  # a damaged one lets nobody sweep either
    if marker.identity == identity:
        higher = max(marker.counter, counter) + 1
        await place.notes.write_note(OWNER, Marker.now(identity, higher).encode())
