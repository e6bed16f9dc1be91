"""The supported kinds of queue, chosen by the URL. No other module depends on which one is in use."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from dictograph.runtime.url_scheme import scheme_of, unknown

if TYPE_CHECKING:
    from dictograph.queue import Queue
    from dictograph.store.database import Database


def open_queue(url: str, database: Database) -> Queue:
    """Return the queue at a URL. Raises ValueError when there is no such kind, or the URL does not fit it."""
    return _kind_of(url)(database)


def check_queue_url(url: str) -> str:
    """Return the URL unchanged. Raises ValueError like `open_queue`."""
    _kind_of(url)
    return url


def _in_database(database: Database) -> Queue:
    from dictograph.queue.database import DatabaseQueue  # settings are checked by commands that need no queue

    return DatabaseQueue(database)


#: To add a kind, add it here and to `_WAYS`, the list for error messages.
_KINDS: Mapping[str, Callable[[Database], Queue]] = {"database": _in_database}
_WAYS = ("`database:`",)


def _kind_of(url: str) -> Callable[[Database], Queue]:
    scheme = scheme_of(url)
    if scheme not in _KINDS:
        raise unknown(scheme or url.strip(), "queue", _WAYS)
    if url.strip().partition(":")[2]:
        raise ValueError("nothing stands behind `database:`, which is the database of the settings")
    return _KINDS[scheme]
