"""Check that a place of stored files belongs to this database before files that no row names are removed from it.

A wrong, empty database names no files. The database of another service names other files. A restored database does
not name the newest files. So both the database and the place carry an identity and a counter. Each sweep raises the
counter, in the database first. If the process is killed in between, the database is one ahead, which is harmless. The
place must never be ahead.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from dictograph.blobs.marker import OWNER, Marker, is_other, other_name
from dictograph.blobs.protocol import Blobs
from dictograph.errors import StorageFull
from dictograph.service.storage_places import Place, places_of
from dictograph.settings.model import Settings
from dictograph.store import storage_marks, strays
from dictograph.store.database import Database
from dictograph.store.storage_marks import Mark

log = logging.getLogger(__name__)

#: The check that rows name all files in a place without a marker reads all files, so it runs at most this often (s).
_SCAN_S = 600.0

_BATCH = 500

#: The advice to the operator.
ADOPT = "Look with `dictograph storage show`; if it shall be this one's, run `dictograph storage adopt`."


@dataclass(frozen=True, slots=True)
class Standing:
    """The relation of a database and a place. `trouble` is the reason why nothing is removed; empty: there is none.
    `foreign`: the place belongs to another database."""

    mark: Mark
    marker: Marker | None = None
    trouble: str = ""
    foreign: bool = False


class StorageGuard:
    """Checks that a place belongs to this database, and counts its sweeps."""

    def __init__(self, database: Database, place: Place, clock: Callable[[], float] = time.monotonic) -> None:
        self.place = place
        self._database = database
        self._clock = clock
        self._next_scan = -math.inf
        self._sweep = 0
        self.trouble = ""

    async def stamp_if_new(self) -> None:
        """Mark the place as this database's own if it has no marker and no stored files: then no other database loses
        anything."""
        if not await self.place.notes.notes() and await self._is_new():
            await self._stamp()

    async def check(self) -> bool:
        """Return whether the place is this database's own. If not, the reason is logged once, and `trouble` keeps it
        while it lasts.

        Raises:
            DatabaseUnavailable, StorageUnavailable, OSError: the database or the place cannot be read.
        """
        standing = await self.standing()
        if standing.trouble and not standing.marker and not await self._has_notes() and await self._may_stamp():
            await self._stamp()
            standing = await self.standing()
        if standing.foreign and await self.place.has_named(self._database):
            await self._warn_its_owner(standing.mark)
        self._tell(standing.trouble)
        return not standing.trouble

    async def standing(self) -> Standing:
        """Return the relation of the database and the place; nothing is changed.

        Raises:
            DatabaseUnavailable, StorageUnavailable, OSError: the database or the place cannot be read.
        """
        notes = await self.place.notes.notes()  # read first: a sweep raises the row first, so it cannot seem behind
        mark = await self._database.read(lambda conn: storage_marks.mark_of(conn, self.place.name))
        return self._compared(mark, notes)

    async def begin_sweep(self, interval_s: float) -> bool:
        """Count a sweep, in the database and in the place. Return False if the place is not this database's own, or if
        a sweep began in the last `interval_s` seconds."""
        if not await self.check():
            return False
        mark = await self._database.write(lambda c: storage_marks.begin_sweep(c, self.place.name, interval_s))
        if mark is None:
            return False
        self._sweep = mark.counter
        try:
            await self._write(mark)
        except StorageFull:
            log.debug("the marker could not be written: a full disk needs the sweep")
        except BaseException:
            await self.sweep_again()
            raise
        return True

    async def sweep_again(self) -> None:
        """Have the interrupted sweep made again at the next interval."""
        number = self._sweep
        await self._database.write(lambda c: storage_marks.sweep_again(c, self.place.name, number))

    async def adopt(self) -> None:
        """Mark the place as this database's own, whatever its marker is. The age of files that no row names is counted
        from the beginning again."""
        standing = await self.standing()
        counter = standing.marker.counter if standing.marker else 0
        name = self.place.name
        await self._database.write(lambda conn: strays.forget_all(conn, name))
        mark = await self._database.write(lambda conn: storage_marks.raise_above(conn, name, counter))
        await self._write(mark)
        for note in await self.place.notes.notes():
            if note != OWNER:
                await self.place.notes.remove_note(note)

    async def unnamed(self, names: list[str]) -> list[str]:
        """Return which of these files in the place no row names."""
        return [
            name
            for first in range(0, len(names), _BATCH)
            for name in await self.place.unnamed(self._database, names[first : first + _BATCH])
        ]

    def _compared(self, mark: Mark, notes: Mapping[str, bytes]) -> Standing:
        where = f"{self.place.title} {self.place.where}"
        marker, damaged = _marker_in(notes)
        others = [name for name in notes if is_other(name)]
        if damaged:
            return Standing(mark, None, f"the marker in the {where} is damaged")
        if marker is None and not others:
            what = "has no marker, and what it holds is not what this database names"
            return Standing(mark, None, f"the {where} {what}")
        if marker is not None and marker.identity != mark.identity:
            told = f"belongs to another database ({_who(marker)})"
            return Standing(mark, marker, f"the {where} {told}", foreign=True)
        if marker is not None and marker.counter > mark.counter:
            told = (
                f"is ahead of its database ({marker.counter} sweeps to {mark.counter}), which was restored, or copied"
            )
            return Standing(mark, marker, f"the {where} {told}", foreign=True)
        if others:
            by = _who(_marker_in({OWNER: notes[others[0]]})[0])
            told = f"is used by another database too ({by}): give that a place of its own"
            return Standing(mark, marker, f"the {where} {told}")
        return Standing(mark, marker)

    async def _has_notes(self) -> bool:
        return bool(await self.place.notes.notes())

    async def _is_empty(self) -> bool:
        async for _ in self.place.objects():
            return False
        return True

    async def _is_new(self) -> bool:
        """Return whether the place holds nothing, and should hold nothing. Where it should, its disk is not mounted."""
        return await self._is_empty() and not await self.place.must_hold_files(self._database)

    async def _may_stamp(self) -> bool:
        """Return whether the place has no stored files, or rows name them: the service is new, or was upgraded."""
        if await self._is_empty():
            return not await self.place.must_hold_files(self._database)
        if self._clock() < self._next_scan:
            return False
        ours = await self.place.are_ours(self._database)
        self._next_scan = self._clock() + _SCAN_S
        return ours

    async def _stamp(self) -> None:
        mark = await self._database.read(lambda conn: storage_marks.mark_of(conn, self.place.name))
        await self._write(mark)
        log.info("the %s %s is now marked as that of this database", self.place.title, self.place.where)

    async def _write(self, mark: Mark, name: str = OWNER) -> None:
        await self.place.notes.write_note(name, Marker.now(mark.identity, mark.counter).encode())

    async def _warn_its_owner(self, mark: Mark) -> None:
        """Leave a note for the database that owns the place: this database stores files there too."""
        name = other_name(mark.identity)
        if name not in await self.place.notes.notes():
            await self._write(mark, name)

    def _tell(self, trouble: str) -> None:
        if trouble and _kind(trouble) != _kind(self.trouble):
            log.error("%s", _in_words(trouble))
        if self.trouble and not trouble:
            log.info("the %s %s is this database's own again", self.place.title, self.place.where)
        self.trouble = trouble


def guards_of(settings: Settings, database: Database, blobs: Blobs) -> tuple[StorageGuard, StorageGuard]:
    """Return the guards of the storage and of the path contract's uploads."""
    storage, uploads = places_of(settings, blobs)
    return StorageGuard(database, storage), StorageGuard(database, uploads)


def troubles(guards: Iterable[StorageGuard]) -> list[str]:
    """Return a sentence for the operator for each place that is not this database's own."""
    return [_in_words(guard.trouble) for guard in guards if guard.trouble]


def _in_words(trouble: str) -> str:
    return f"Nothing that no job names is removed: {trouble}. {ADOPT}"


def _kind(trouble: str) -> str:
    """Return a trouble without its figures. The figures change with each sweep of the other database, but the trouble
    is the same."""
    return trouble.rpartition(" (")[0] or trouble


def _marker_in(notes: Mapping[str, bytes]) -> tuple[Marker | None, bool]:
    """Return the owner's marker, and whether there is a marker that cannot be read."""
    if OWNER not in notes:
        return None, False
    try:
        return Marker.decode(notes[OWNER]), False
    except (ValueError, RecursionError):
        return None, True


def _who(marker: Marker | None) -> str:
    if marker is None:
        return "which left a damaged note"
    return f"{marker.identity[:8]}, last there from {marker.host or '?'} at {marker.written_at or '?'}"
