"""Addresses to upload to: made for one object each, signed, good for a while; the object waits for a job to be made.

The signature covers what the upload was announced as. Whoever has an address may upload to it; all processes on a
database sign with the same secret, so that each knows the addresses of the others.
"""

from __future__ import annotations

import hashlib
import hmac
from uuid import uuid4

from dictograph.blobs.objects import Blobs
from dictograph.contract import Contract
from dictograph.errors import JobStateConflict, NotFound, RequestError
from dictograph.job import StoredAudio
from dictograph.service.naming import display_name
from dictograph.service.shielded import run_to_completion
from dictograph.service.upload_session import UploadSession
from dictograph.settings.model import Settings
from dictograph.store.compat.upload_slots import NewUploadSlot, UploadSlot, create_slot, fill_slot, find_slot
from dictograph.store.database import Database
from dictograph.store.secrets import server_secret

_PURPOSE = "uploads"
_GONE = "There is no upload of this address, or no longer."


class UploadForbidden(RequestError):
    """The address to upload to is not one of ours, was changed, or has expired."""

    code = "upload_forbidden"
    status = 403


class UploadSizeMismatch(RequestError):
    """The upload has not as many bytes as were announced for its address."""

    code = "upload_size_mismatch"
    status = 400


class Uploads:
    """Makes addresses, takes in what is uploaded to them, and finds it again.

    All methods raise DatabaseUnavailable, and those that store StorageFull and StorageUnavailable.
    """

    def __init__(self, database: Database, blobs: Blobs, settings: Settings) -> None:
        self._database = database
        self._blobs = blobs
        self._lifetime = settings.backend_upload_expiry
        self._secret: bytes | None = None

    async def offer(
        self, owner: str, contract: Contract, filename: str, content_type: str, size: int
    ) -> tuple[UploadSlot, str]:
        """Room for one object of so many bytes, and the signature of its address."""
        new = NewUploadSlot(str(uuid4()), owner, contract, display_name(filename), content_type, size, self._lifetime)
        slot = await self._database.write(lambda conn: create_slot(conn, new))
        return slot, await self._signature(slot)

    async def find(self, owner: str, slot_id: str) -> UploadSlot:
        """An address of this owner, or one that somebody without a key has got: of theirs the id is the right to them.

        Raises NotFound when there is no such address.
        """
        found = await self._database.read(lambda conn: find_slot(conn, slot_id))
        if found is None or found[0].owner not in (owner, found[0].contract):
            raise NotFound(_GONE)
        return found[0]

    async def open(self, slot_id: str, expires: str, signature: str) -> UploadSlot:
        """The slot of a signed address.

        Raises:
            UploadForbidden: the address is not one that was given, or not any more.
        """
        found = await self._database.read(lambda conn: find_slot(conn, slot_id))
        given = signature.encode("utf-8", "backslashreplace")
        if (
            found is None
            or expires != expiry(found[0])
            or not hmac.compare_digest((await self._signature(found[0])).encode(), given)
        ):
            raise UploadForbidden("The signature of this address is not right: use the address as it was given.")
        slot, now = found
        if now > slot.expires_at:
            raise UploadForbidden("This address has expired: ask for another one.")
        return slot

    def begin_upload(self, slot: UploadSlot, max_bytes: int) -> SlotUpload:
        """Begin the slot's object: bytes first, then `fill`. What fills no slot is removed at the end."""
        return SlotUpload(slot, self._blobs, max_bytes)

    async def fill(self, upload: SlotUpload) -> StoredAudio:
        """Put the object, whose bytes are all here, into the slot: it is there for all to see, at once and whole. The
        same upload may come again.

        Raises:
            EmptyUpload: there were no bytes.
            UploadSizeMismatch: there were fewer than were announced.
            JobStateConflict: another file was uploaded before.
            NotFound: the slot is gone.
        """
        return await run_to_completion(self._fill(upload))

    async def _fill(self, upload: SlotUpload) -> StoredAudio:
        audio = await upload.store()
        with upload.writing_row():
            slot = await self._database.write(lambda conn: fill_slot(conn, upload.slot.id, audio))
        upload.decide(kept=slot is not None and slot.audio is not None and slot.audio.name == audio.name)
        if slot is None or slot.audio is None:
            raise NotFound(_GONE)
        if slot.audio.sha256 != audio.sha256:
            raise JobStateConflict("Another file was uploaded to this address before: ask for another one.")
        return slot.audio

    async def _signature(self, slot: UploadSlot) -> str:
        if self._secret is None:
            self._secret = (await self._database.write(lambda conn: server_secret(conn, _PURPOSE))).encode()
        said = ["PUT", slot.id, slot.content_type, str(slot.announced_size), expiry(slot)]
        return hmac.new(self._secret, "\n".join(said).encode(), hashlib.sha256).hexdigest()


def expiry(slot: UploadSlot) -> str:
    """When its address expires, as it stands in it: seconds since 1970."""
    return f"{slot.expires_at:.0f}"


def check_announced(slot: UploadSlot, size: int) -> None:
    """Raise UploadSizeMismatch when an upload of so many bytes is not the one that was announced."""
    if size != slot.announced_size:
        raise UploadSizeMismatch(
            f"The upload has {size} bytes, and {slot.announced_size} were announced for this address. Send exactly the "
            "file that was announced, or ask for another address."
        )


class SlotUpload(UploadSession):
    """One upload on its way into its slot: exactly as many bytes as were announced."""

    def __init__(self, slot: UploadSlot, blobs: Blobs, max_bytes: int) -> None:
        super().__init__(blobs, f"{slot.id}/{uuid4().hex[:12]}-upload", max_bytes)
        self.slot = slot

    async def write(self, data: bytes) -> None:
        """Take some bytes.

        Raises:
            UploadTooLarge, UploadSizeMismatch: these are too many.
        """
        announced = self.slot.announced_size
        if self.size + len(data) > announced:
            raise UploadSizeMismatch(f"The upload has more than the {announced} bytes that were announced.")
        await super().write(data)

    async def store(self) -> StoredAudio:
        """Give the object its name. Raises UploadSizeMismatch when there are fewer bytes than were announced."""
        if self.size:
            check_announced(self.slot, self.size)
        return await super().store()
