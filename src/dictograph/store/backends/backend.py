"""What differs between databases, as the rest of the store sees it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import Protocol, TypeVar

from sqlalchemy import Connection, Engine

T = TypeVar("T")

#: The default number of connections of a process.
POOL = 10


class Backend(Protocol):
    """A kind of database. Queries run in the backend's threads, each in its own transaction.

    Failures of the database itself are raised as DatabaseUnavailable or StorageFull.
    """

    @property
    def engine(self) -> Engine:
        """Return the engine that makes the connections."""
        ...

    def inspect(self) -> None:
        """Check that the database can be used at all."""
        ...

    def check(self) -> Future[None]:
        """Check that the database can be used now. Rows are read from the database itself, not from a cache."""
        ...

    def write(self, query: Callable[[Connection], T]) -> Future[T]:
        """Run a unit of work that writes. It is committed when the future has its result."""
        ...

    def read(self, query: Callable[[Connection], T]) -> Future[T]:
        """Run a query that only reads, on one snapshot."""
        ...

    def changed(self) -> Future[bool]:
        """Return whether another process may have committed since the last call; true at the first call."""
        ...

    def listen(self) -> None:
        """Begin to receive notifications of other processes, where the database supports it. May be called again."""
        ...

    def close(self) -> None:
        """Finish the submitted work, then close all connections. May be called again."""
        ...
