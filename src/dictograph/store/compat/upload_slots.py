"""Objects that somebody was given an address to upload to, before there is a job of them."""

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
    """Room for one object. `expires_at` is seconds since 1970; `audio` is None until the object is there."""

    id: str
    owner: str
    contract: Contract | str
    filename: str
    content_type: str
    announced_size: int
    expires_at: float
    audio: StoredAudio | None = None


@dataclass(frozen=True, slots=True)
class NewUploadSlot:
    """What is known of an upload before it comes. `lifetime` in seconds."""

    id: str
    owner: str
    contract: Contract
    filename: str
    content_type: str
    announced_size: int
    lifetime: float


def create_slot(conn: Connection, new: NewUploadSlot) -> UploadSlot:
    """Make room for an object."""
    now = read_clock(conn)
    values = {
        "id": new.id,
        "owner": new.owner,
        "contract": new.contract.value,
        "filename": new.filename,
        "content_type": new.content_type,
        "announced_size": new.announced_size,
        "object_name": f"{new.id}/upload",
        "created_at": now,
        "expires_at": now + new.lifetime,
    }
    return _as_slot(conn.execute(insert(upload_slot).values(values).returning(upload_slot)).one())


def find_slot(conn: Connection, slot_id: str) -> tuple[UploadSlot, float] | None:
    """The slot, and the time now in seconds since 1970; None when there is none."""
    row = conn.execute(select(upload_slot).where(upload_slot.c.id == slot_id)).one_or_none()
    return None if row is None else (_as_slot(row), read_clock(conn))


def fill_slot(conn: Connection, slot_id: str, audio: StoredAudio) -> UploadSlot | None:
    """Say that the object is there. The first one stays: whoever comes later gets the slot with that one.

    None when the slot is gone.
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
    return UploadSlot(
        row.id, row.owner, contract, row.filename, row.content_type, row.announced_size, row.expires_at, audio
    )
