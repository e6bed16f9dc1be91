"""Whether this database may remove what it does not name from a place of stored files: only from its own.

A wrong, empty database names nothing; that of another service names other files; one that was restored does not know
the newest. So both the database and the place carry an identity and a counter, raised at each sweep, in the database
first: killed in between, the database is one ahead, and that is well. It is the place that must never be ahead.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from dictograph.blobs.marker import OWNER, Marker, is_other, other_name
from dictograph.blobs.objects import Blobs
from dictograph.errors import StorageFull
from dictograph.service.storage_places import Place, places_of
from dictograph.settings.model import Settings
from dictograph.store import storage_marks, strays
from dictograph.store.database import Database
from dictograph.store.storage_marks import Mark

log = logging.getLogger(__name__)

#: To look whether rows name all that lies in a place without a marker is to look at all there is (s).
_SCAN_S = 600.0

_BATCH = 500

#: What an operator can do.
ADOPT = "Look with `dictograph storage show`; if it shall be this one's, run `dictograph storage adopt`."


@dataclass(frozen=True, slots=True)
class Standing:
    """How a database and a place stand to each other. `trouble` says why nothing is removed; empty: all is well.
    `foreign`: the place is somebody else's."""

    mark: Mark
    marker: Marker | None = None
    trouble: str = ""
    foreign: bool = False


class StorageGuard:
    """Knows whether a place belongs to this database, and counts its sweeps."""

    def __init__(self, database: Database, place: Place, clock: Callable[[], float] = time.monotonic) -> None:
        self.place = place
        self._database = database
        self._clock = clock
        self._next_scan = -math.inf
        self._sweep = 0
        self.trouble = ""

    async def stamp_if_new(self) -> None:
        """Call the place this database's own if it has no marker and holds nothing of ours: nobody is harmed then."""
        if not await self.place.notes.notes() and await self._is_new():
            await self._stamp()

    async def check(self) -> bool:
        """Look whether the place is this database's own; what is not is said once, and by `trouble` as long as it is.

        Raises:
            DatabaseUnavailable, StorageUnavailable, OSError: it cannot be told.
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
        """Return how the database and the place stand to each other; nothing is changed.

        Raises:
            DatabaseUnavailable, StorageUnavailable, OSError: it cannot be told.
        """
        notes = await self.place.notes.notes()  # first: the row is raised first, and must not seem to be behind
        mark = await self._database.read(lambda conn: storage_marks.mark_of(conn, self.place.name))
        return self._compared(mark, notes)

    async def begin_sweep(self, interval_s: float) -> bool:
        """Count a sweep, here and there; False: the place is not ours, or a sweep began in the last `interval_s`."""
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
        """Have the sweep that was begun made again at the next turn: it was broken off."""
        number = self._sweep
        await self._database.write(lambda c: storage_marks.sweep_again(c, self.place.name, number))

    async def adopt(self) -> None:
        """Call the place this database's own, whatever it says. All that nothing names has its whole time anew."""
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
        """Whether nothing of ours lies there, or rows name it: the service is new, or was upgraded."""
        if await self._is_empty():
            return await self._is_new()
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
        """Say to the database that the place belongs to, if it lives, that files of this one lie there too."""
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
    """Return what an operator should hear of: a sentence for each place that is not this database's own."""
    return [_in_words(guard.trouble) for guard in guards if guard.trouble]


def _in_words(trouble: str) -> str:
    return f"Nothing that no job names is removed: {trouble}. {ADOPT}"


def _kind(trouble: str) -> str:
    """A trouble without its figures: they change with each sweep of the other database, and it is the same trouble."""
    return trouble.rpartition(" (")[0] or trouble


def _marker_in(notes: Mapping[str, bytes]) -> tuple[Marker | None, bool]:
    """The owner's marker, and whether there is one that cannot be read."""
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
