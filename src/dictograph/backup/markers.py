"""The markers of the places to which a backup is restored.

A new place belongs to the restored database at once. A place that was swept before may hold objects from after the
backup, which the restored database does not name. Its marker is put ahead of that database, so that nothing is removed
before the operator adopts it.
"""

from __future__ import annotations

from collections.abc import Mapping

from dictograph.blobs.kinds import open_blobs
from dictograph.blobs.marker import OWNER, Marker
from dictograph.service.storage_places import Place, places_of
from dictograph.settings.model import Settings

#: For each place: the identity of a database there, and its counter of sweeps.
Marks = Mapping[str, tuple[str, int]]


async def put_ahead(settings: Settings, marks: Marks) -> list[Place]:
    """Put the markers of places that belong to the saved database ahead of it. Return the places that are new.

    Raises:
        StorageFull, StorageUnavailable: a place cannot be read or written.
    """
    blobs = open_blobs(settings.objects_url, settings.storage_options)
    await blobs.prepare()
    places = places_of(settings, blobs)
    return [place for place in places if place.name in marks and await _is_new(place, *marks[place.name])]


async def mark_as_own(places: list[Place], marks: Marks) -> None:
    """Mark new places as belonging to the saved database, which has not swept them yet.

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
        return  # a damaged marker also prevents every sweep
    if marker.identity == identity:
        higher = max(marker.counter, counter) + 1
        await place.notes.write_note(OWNER, Marker.now(identity, higher).encode())
