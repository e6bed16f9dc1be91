"""The messages on the gateway's topic: one for each upload, enqueued in the transaction that makes its job; and those
that an old gateway has put there."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from dictograph.blobs.kinds import folder_of
from dictograph.broker import Incoming, Outgoing
from dictograph.broker.envelope import as_payload
from dictograph.contract import Contract
from dictograph.settings.model import Settings
from dictograph.store import changes, outbox
from dictograph.store.clock import read_clock
from dictograph.store.jobs.accept import NewJob
from dictograph.store.storage_marks import STORAGE, mark_of

#: The header that says in which database the job of a message is. An old gateway's messages have none.
DATABASE = "dictograph-database"

#: Where an old gateway put its files when nothing was said.
_OLD_FOLDER = Path("/tmp/audio")  # noqa: S108 - only files there that messages name are read


class BadMessage(Exception):
    """A message is none of an old gateway; the text says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class OldUpload:
    """An upload of an old gateway. `request_id` is the id that its client knows."""

    request_id: str
    path: str
    filename: str


def on_topic(settings: Settings) -> bool:
    """Return whether uploads through the gateway are put on its topic."""
    return Contract.GATEWAY in settings.profile and bool(settings.brokers)


def announce(conn: Connection, settings: Settings, new: NewJob) -> None:
    """Enqueue the message for an upload, in the transaction that makes its job."""
    if new.contract is not Contract.GATEWAY or new.audio is None:
        return
    now = read_clock(conn)
    value = {
        "file_path": f"{settings.objects_url.rstrip('/')}/{new.audio.name}",
        "original_filename": new.filename,
        "request_id": new.id,
        "timestamp": datetime.fromtimestamp(now, UTC).replace(tzinfo=None).isoformat(),
        "file_size_bytes": new.audio.size,
    }
    message = Outgoing(
        settings.gateway_topic,
        new.id.encode(),
        json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"),
        ((DATABASE, mark_of(conn, STORAGE).identity.encode()),),
    )
    changes.of_message(conn)
    outbox.enqueue(
        conn,
        now,
        job_id=new.id,
        destination=outbox.ANNOUNCE,
        message_id=f"{new.id}:{outbox.ANNOUNCE}",
        payload=as_payload(message),
        available_at=now,
    )


def old_upload(message: Incoming) -> OldUpload:
    """Return what an old gateway asks for. A relative path starts at the working folder. Raises BadMessage."""
    given = _read(message.value)
    path, request_id = _text(given, "file_path"), _text(given, "request_id")
    try:
        request_id = str(UUID(request_id))
    except ValueError as error:
        raise BadMessage("its `request_id` is no UUID") from error
    filename = given.get("original_filename")
    named = filename if isinstance(filename, str) and filename.strip() else Path(path).name
    return OldUpload(request_id, str(Path.cwd() / path), named)


def old_folder(settings: Settings) -> Path:
    """Return the folder under which files of an old gateway must lie."""
    folder = folder_of(settings.storage_url) if settings.storage_url else None
    return folder or _OLD_FOLDER  # with a bucket, files of this machine have the old place


def _read(value: bytes | None) -> Mapping[str, Any]:
    try:
        given = json.loads(value or b"")
    except (ValueError, RecursionError) as error:
        raise BadMessage("it is no JSON") from error
    if not isinstance(given, dict):
        raise BadMessage("it is no JSON object")
    return given


def _text(given: Mapping[str, Any], name: str) -> str:
    value = given.get(name)
    if not isinstance(value, str) or not value or "\0" in value:
        raise BadMessage(f"its `{name}` is missing or no text")
    return value
