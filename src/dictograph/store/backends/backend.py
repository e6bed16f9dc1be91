"""What differs between databases, as the rest of the store sees it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import Protocol, TypeVar

from sqlalchemy import Connection, Engine

T = TypeVar("T")

#: How many connections a process has, where nobody says otherwise.
POOL = 10


class Backend(Protocol):
    """A kind of database. Questions run in threads of its own, each in a transaction of its own.

    What goes wrong with the database itself comes as DatabaseUnavailable or StorageFull.
    """

    @property
    def engine(self) -> Engine:
        """Where its connections come from."""
        ...

    def inspect(self) -> None:
        """See whether the database can be used at all."""
        ...

    def check(self) -> Future[None]:
        """See whether the database can be used now: by reading what is in it, not what is remembered."""
        ...

    def write(self, query: Callable[[Connection], T]) -> Future[T]:
        """Run a question that writes; it is committed when its answer is there."""
        ...

    def read(self, query: Callable[[Connection], T]) -> Future[T]:
        """Run a question that only reads, on one snapshot."""
        ...

    def changed(self) -> Future[bool]:
        """Whether another process may have committed since this was last asked; true the first time."""
        ...

    def listen(self) -> None:
        """Begin to tell the ears of other processes, where the database can. May be called again."""
        ...

    def close(self) -> None:
        """Finish what was asked, then close all connections. May be called again."""
        ...
