"""Upload slots: objects that a client may upload before there is a job for them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from dictograph.contract import Contract
from dictograph.job import StoredAudio
from dictograph.store.clock import read_clock
from dictograph.store.tables import upload_slot
from dictograph.store.tolerant import known_or_text


@dataclass(frozen=True, slots=True)
class UploadSlot:
    """A place for one object. `expires_at` is in seconds since 1970; `audio` is None until the object is stored.

    `object_name` is the name to which a client uploads without this service in between; "" where it does not.
    """

    id: str
    owner: str
    contract: Contract | str
    filename: str
    content_type: str
    announced_size: int
    expires_at: float
    audio: StoredAudio | None = None
    object_name: str = ""


@dataclass(frozen=True, slots=True)
class NewUploadSlot:
    """The facts of an upload before it comes. `lifetime` is in seconds; `object_name` as in UploadSlot."""

    id: str
    owner: str
    contract: Contract
    filename: str
    content_type: str
    announced_size: int
    lifetime: float
    object_name: str = ""


def create_slot(conn: Connection, new: NewUploadSlot) -> UploadSlot:
    """Create a slot for an object."""
    now = read_clock(conn)
    values = {
        "id": new.id,
        "owner": new.owner,
        "contract": new.contract.value,
        "filename": new.filename,
        "content_type": new.content_type,
        "announced_size": new.announced_size,
        "object_name": new.object_name or placeholder(new.id),
        "created_at": now,
        "expires_at": now + new.lifetime,
    }
    return _as_slot(conn.execute(insert(upload_slot).values(values).returning(upload_slot)).one())


def placeholder(slot_id: str) -> str:
    """Return the name in the row of an upload that comes through this service, until it has come."""
    return f"{slot_id}/upload"


def find_slot(conn: Connection, slot_id: str) -> tuple[UploadSlot, float] | None:
    """Return the slot, and the time now in seconds since 1970; None when there is no such slot."""
    row = conn.execute(select(upload_slot).where(upload_slot.c.id == slot_id)).one_or_none()
    return None if row is None else (_as_slot(row), read_clock(conn))


def fill_slot(conn: Connection, slot_id: str, audio: StoredAudio) -> UploadSlot | None:
    """Record that the object is stored. The first object stays: a later caller gets the slot with the first one.

    Returns None when the slot is gone.
    """
    conn.execute(
        update(upload_slot)
        .where(upload_slot.c.id == slot_id, upload_slot.c.size.is_(None))
        .values(object_name=audio.name, size=audio.size, sha256=audio.sha256)
    )
    found = find_slot(conn, slot_id)
    return found[0] if found else None


def _as_slot(row: Row[*tuple[Any, ...]]) -> UploadSlot:
    audio = None if row.size is None else StoredAudio(row.object_name, row.sha256, row.size)
    contract = known_or_text(Contract, row.contract)
    direct = row.object_name if audio is None and row.object_name != placeholder(row.id) else ""
    return UploadSlot(
        row.id, row.owner, contract, row.filename, row.content_type, row.announced_size, row.expires_at, audio, direct
    )
