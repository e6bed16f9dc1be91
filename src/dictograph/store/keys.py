"""API keys: their owners, scopes and lifetimes. The database keeps only the hash of a key.

No row is ever removed: a service that once had a key must not fall back to open access.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, case, exists, insert, or_, select, update

from dictograph.errors import KeyNotUsable, NotFound
from dictograph.store.clock import as_datetime, now_epoch, read_clock
from dictograph.store.tables import api_key as table

#: `last_used_at` is written no more often than this (s): a key in use must not cost a write for each request.
TOUCHED_EVERY_S = 60.0

_ANY = select(exists(select(table.c.id)))


@dataclass(frozen=True, slots=True)
class KeyRates:
    """The rate limits of a key, which replace those of the settings; None: no change. Example: `600/minute`."""

    requests: tuple[str, ...] | None = None
    jobs: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key to be stored. `lives` is how long it is valid (s); None: for ever."""

    id: str
    hash: str
    owner: str
    name: str
    scopes: Sequence[str]
    rates: KeyRates = field(default_factory=KeyRates)
    webhook_url: str | None = None
    lives: float | None = None


@dataclass(frozen=True, slots=True)
class Key:
    """A stored key. `live`: neither revoked nor expired when it was read."""

    id: str
    owner: str
    name: str
    scopes: tuple[str, ...]
    rates: KeyRates
    webhook_url: str | None
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None
    replaced_by: str | None
    live: bool


def create_key(conn: Connection, new: NewKey, **columns: Any) -> Key:
    """Store a key, which is valid at once. `columns` override the values of `new`."""
    now = read_clock(conn)
    values = {
        "id": new.id,
        "hash": new.hash,
        "owner": new.owner,
        "name": new.name,
        "scopes": list(new.scopes),
        "rate_limits": _rates_as_json(new.rates),
        "webhook_url": new.webhook_url,
        "created_at": as_datetime(now),
        "expires_at": None if new.lives is None else now + new.lives,
    }
    return _as_key(conn.execute(insert(table).values(values | columns).returning(table)).one(), now)


def any_keys(conn: Connection) -> bool:
    """Return whether there is a key, or ever was one."""
    return bool(conn.execute(_ANY).scalar_one())


def find_key(conn: Connection, hash: str) -> Key | None:
    """Return the key with this hash, live or not; None when it is unknown."""
    row = conn.execute(select(table).where(table.c.hash == hash)).one_or_none()
    now = read_clock(conn)  # read in any case: the answer for an unknown key takes as long as for a known one
    return None if row is None else _as_key(row, now)


def look_up(conn: Connection, id: str) -> Key | None:
    """Return the key with this id, live or not; None when it is unknown."""
    row = conn.execute(select(table).where(table.c.id == id)).one_or_none()
    return None if row is None else _as_key(row, read_clock(conn))


def list_keys(conn: Connection, owner: str | None = None) -> list[Key]:
    """Return all keys, or those of an owner, oldest first. Revoked and expired keys are included."""
    query = select(table).order_by(table.c.created_at, table.c.id)
    if owner is not None:
        query = query.where(table.c.owner == owner)
    now = read_clock(conn)
    return [_as_key(row, now) for row in conn.execute(query)]


def revoke_key(conn: Connection, id: str) -> Key:
    """Revoke the key, from the next request on. May be repeated. Raises NotFound."""
    now = read_clock(conn)
    _row(conn, id)
    conn.execute(update(table).where(table.c.id == id, table.c.revoked_at.is_(None)).values(revoked_at=now))
    return _as_key(_row(conn, id), now)


def rotate_key(conn: Connection, id: str, new: NewKey, overlap: float) -> Key:
    """Replace a key by `new`; returns the new key. The old key stays valid for another `overlap` seconds.

    The new key has the owner, scopes and limits of the old one. Of `new`, the id, the hash and `lives` are used; when
    `lives` is None, the new key lives as long as the old one did.

    Raises:
        NotFound: there is no such key.
        KeyNotUsable: it is revoked, expired or replaced already.
    """
    now = read_clock(conn)
    row = _row(conn, id)
    old = _as_key(row, now)
    if not old.live or old.replaced_by is not None:
        raise KeyNotUsable(f"Key {id} {_why(old)}, so there is nothing to rotate: create a new one.")
    lives = new.lives
    if lives is None and row.expires_at is not None:
        lives = row.expires_at - row.created_at.timestamp()
    same = NewKey(new.id, new.hash, old.owner, old.name, old.scopes, old.rates, old.webhook_url, lives)
    made = create_key(conn, same, rate_limits=row.rate_limits)  # as they are stored: a later version may know more
    ends = now + overlap
    sooner = case((or_(table.c.expires_at.is_(None), table.c.expires_at > ends), ends), else_=table.c.expires_at)
    conn.execute(update(table).where(table.c.id == id).values(expires_at=sooner, replaced_by=made.id))
    return made


def touch_key(conn: Connection, id: str) -> None:
    """Record that the key was used now, at most once in TOUCHED_EVERY_S seconds."""
    stale = or_(table.c.last_used_at.is_(None), table.c.last_used_at < now_epoch() - TOUCHED_EVERY_S)
    conn.execute(update(table).where(table.c.id == id, stale).values(last_used_at=now_epoch()))


def _row(conn: Connection, id: str) -> Row[Any]:
    """Return the key's row, locked until the end of the transaction."""
    row = conn.execute(select(table).where(table.c.id == id).with_for_update()).one_or_none()
    if row is None:
        raise NotFound(f"There is no key {id}.")
    return row


def _as_key(row: Row[Any], now: float) -> Key:
    return Key(
        id=row.id,
        owner=row.owner,
        name=row.name,
        scopes=tuple(row.scopes),
        rates=_rates_of(row.rate_limits),
        webhook_url=row.webhook_url,
        created_at=row.created_at,
        expires_at=_moment(row.expires_at),
        revoked_at=_moment(row.revoked_at),
        last_used_at=_moment(row.last_used_at),
        replaced_by=row.replaced_by,
        live=row.revoked_at is None and (row.expires_at is None or row.expires_at > now),
    )


def _why(key: Key) -> str:
    if key.revoked_at is not None:
        return "is revoked"
    return f"was replaced by {key.replaced_by}" if key.replaced_by is not None else "has expired"


def _moment(epoch: float | None) -> datetime | None:
    return None if epoch is None else as_datetime(epoch)


def _rates_as_json(rates: KeyRates) -> dict[str, list[str]]:
    given = {"requests": rates.requests, "jobs": rates.jobs}
    return {name: list(value) for name, value in given.items() if value is not None}


def _rates_of(given: Mapping[str, Any]) -> KeyRates:
    """Return the rates that this version knows. Rates of a later version are left out."""
    return KeyRates(**{name: tuple(given[name]) for name in KeyRates.__dataclass_fields__ if given.get(name)})
