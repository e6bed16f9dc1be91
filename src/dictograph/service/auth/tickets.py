"""Tickets: a right to read that is good for a minute, for what can carry no header: WebSockets and EventSources
of a browser. They may stand in a URL, where a key must not: what leaks from a log is worth nothing soon after.

A ticket is signed, not stored: `dt_`, what it says, and an HMAC over that with a secret that all processes on
the database share.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from dictograph.store.clock import as_datetime, read_clock
from dictograph.store.database import Database
from dictograph.store.secrets import server_secret

#: How long a ticket is good for (s).
LIFETIME_S = 60

_PREFIX = "dt_"
_LENGTH = 512
#: The name of the secret that they are signed with.
_SIGNED_WITH = "tickets"


@dataclass(frozen=True, slots=True)
class Ticket:
    """What a client gets."""

    text: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class TicketClaims:
    """What a ticket says. `key_id` is that of the key it was got with, None where none is needed; `job_id` is the
    one job it is good for, None for all; `expires_at` is by the database's clock (s since 1970)."""

    key_id: str | None
    job_id: str | None
    expires_at: int


class Tickets:
    """Gives tickets and reads them."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._secret: bytes | None = None

    async def issue(self, key_id: str | None, job_id: str | None) -> Ticket:
        """A ticket for whoever has this key."""
        secret = await self._signing()
        now = await self._database.read(read_clock)
        stub = TicketClaims(key_id, job_id, int(now) + LIFETIME_S)
        said = json.dumps([stub.key_id, stub.job_id, stub.expires_at], separators=(",", ":")).encode()
        return Ticket(f"{_PREFIX}{_text(said)}.{_text(_sign(secret, said))}", as_datetime(stub.expires_at))

    async def read(self, text: str) -> TicketClaims | None:
        """What a ticket says; None if it is not one of ours. Whether it is still good is for the caller to see."""
        secret = await self._signing()
        said, _, signature = text[: _LENGTH + 1].removeprefix(_PREFIX).partition(".")
        given, right = _bytes(said), _bytes(signature)
        if len(text) > _LENGTH or not hmac.compare_digest(_sign(secret, given), right):
            return None
        key_id, job_id, expires_at = json.loads(given)
        return TicketClaims(key_id, job_id, expires_at)

    async def _signing(self) -> bytes:
        if self._secret is None:
            self._secret = (await self._database.write(_own_secret)).encode()
        return self._secret


def _own_secret(conn: Connection) -> str:
    return server_secret(conn, _SIGNED_WITH)


def _sign(secret: bytes, said: bytes) -> bytes:
    return hmac.digest(secret, b"ticket:" + said, hashlib.sha256)


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (ValueError, binascii.Error):
        return b""
