"""The kinds of queue there are, by the URL. Nothing else asks which one is in use."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from dictograph.runtime.url_scheme import scheme_of, unknown

if TYPE_CHECKING:
    from dictograph.queue import Queue
    from dictograph.store.database import Database


def open_queue(url: str, database: Database) -> Queue:
    """Return the queue at a URL. Raises ValueError when there is no such kind, or the URL cannot be one of it."""
    return _kind_of(url)(database)


def check_queue_url(url: str) -> str:
    """Return the URL as it is. Raises ValueError, as `open_queue`."""
    _kind_of(url)
    return url


def _in_database(database: Database) -> Queue:
    from dictograph.queue.database import DatabaseQueue  # settings are checked by commands that need no queue

    return DatabaseQueue(database)


#: A further kind is entered here, and in what a person is told.
_KINDS: Mapping[str, Callable[[Database], Queue]] = {"database": _in_database}
_WAYS = ("`database:`",)


def _kind_of(url: str) -> Callable[[Database], Queue]:
    scheme = scheme_of(url)
    if scheme not in _KINDS:
        raise unknown(scheme or url.strip(), "queue", _WAYS)
    if url.strip().partition(":")[2]:
        raise ValueError("nothing stands behind `database:`, which is the database of the settings")
    return _KINDS[scheme]
