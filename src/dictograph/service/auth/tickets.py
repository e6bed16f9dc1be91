"""Tickets: a right to read that is valid for a minute. WebSockets and EventSources of a browser need them, because
they cannot send a header. A ticket may be part of a URL, where a key must not be: a ticket that leaks from a log is
soon invalid.

A ticket is signed, not stored: `dt_`, its claims, and an HMAC of the claims with a secret that all processes on the
database share.
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

#: How long a ticket is valid (s).
LIFETIME_S = 60

_PREFIX = "dt_"
_LENGTH = 512
#: The name of the secret that signs tickets.
_SIGNED_WITH = "tickets"


@dataclass(frozen=True, slots=True)
class Ticket:
    """A ticket as the client gets it."""

    text: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class TicketClaims:
    """The claims of a ticket. `key_id` is that of the key with which it was requested, None where no key is needed.
    `job_id` is the one job that it is valid for, None for all. `expires_at` is by the database's clock (s since
    1970)."""

    key_id: str | None
    job_id: str | None
    expires_at: int


class Tickets:
    """Issues tickets and reads them."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._secret: bytes | None = None

    async def issue(self, key_id: str | None, job_id: str | None) -> Ticket:
        """Return a ticket for the holder of this key."""
        secret = await self._signing()
        now = await self._database.read(read_clock)
        claims = TicketClaims(key_id, job_id, int(now) + LIFETIME_S)
        payload = json.dumps([claims.key_id, claims.job_id, claims.expires_at], separators=(",", ":")).encode()
        return Ticket(f"{_PREFIX}{_text(payload)}.{_text(_sign(secret, payload))}", as_datetime(claims.expires_at))

    async def read(self, text: str) -> TicketClaims | None:
        """Return the claims of a ticket; None if its signature is not ours. The caller checks that it has not
        expired."""
        secret = await self._signing()
        payload, _, signature = text[: _LENGTH + 1].removeprefix(_PREFIX).partition(".")
        given, right = _bytes(payload), _bytes(signature)
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


def _sign(secret: bytes, payload: bytes) -> bytes:
    return hmac.digest(secret, b"ticket:" + payload, hashlib.sha256)


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (ValueError, binascii.Error):
        return b""
