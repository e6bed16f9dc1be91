"""What a connection shows of itself, before anybody knows who it is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RequestCredentials:
    """What a connection shows of itself.

    Args:
        client: its address, or its network where one client has a whole one.
        loopback: whether it came to an address that only this machine reaches.
        keys: the keys that it gave; all must be the same.
        ticket: a ticket, where one may be used.
        job_id: the job that it asks for, if it asks for one.
    """

    client: str
    loopback: bool
    keys: frozenset[str] = frozenset()
    ticket: str | None = None
    job_id: str | None = None

    @property
    def shows_something(self) -> bool:
        """Whether it gave a key or ticket, good or not."""
        return bool(self.keys) or self.ticket is not None
