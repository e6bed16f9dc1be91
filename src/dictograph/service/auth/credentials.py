"""The credentials of a connection, before they are checked."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RequestCredentials:
    """The credentials of a connection.

    Args:
        client: its address, or its network where one client has a whole network.
        loopback: whether it was made to an address that only this machine reaches.
        keys: the given keys; all must be equal.
        ticket: the given ticket, where one may be used.
        job_id: the job that is requested, if there is one.
    """

    client: str
    loopback: bool
    keys: frozenset[str] = frozenset()
    ticket: str | None = None
    job_id: str | None = None

    @property
    def has_key_or_ticket(self) -> bool:
        """Return whether a key or ticket was given, valid or not."""
        return bool(self.keys) or self.ticket is not None
