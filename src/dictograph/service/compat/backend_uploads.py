"""Upload addresses: each is made for one object, signed, and valid for a limited time. The object waits for its job.

The signature covers the announced upload. Each client that has an address may upload to it. All processes on a
database sign with the same secret, so each accepts the addresses of the others.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from uuid import uuid4

from dictograph.blobs.protocol import UPLOAD, Blobs, DirectUpload
from dictograph.contract import Contract
from dictograph.errors import JobStateConflict, NotFound, RequestError
from dictograph.job import StoredAudio
from dictograph.service.intake import FoundObject
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
    """The upload address is not one of ours, was changed, or has expired."""

    code = "upload_forbidden"
    status = 403


class UploadSizeMismatch(RequestError):
    """The upload does not have the number of bytes that was announced for its address."""

    code = "upload_size_mismatch"
    status = 400


@dataclass(frozen=True, slots=True)
class Offered:
    """Where an upload may go: `direct` into the storage, else to an address of this service with this signature."""

    slot: UploadSlot
    direct: DirectUpload | None
    signature: str


class Uploads:
    """Makes addresses, stores the uploads to them, and finds the uploads again.

    All methods raise DatabaseUnavailable. Methods that store also raise StorageFull and StorageUnavailable.
    """

    def __init__(self, database: Database, blobs: Blobs, settings: Settings) -> None:
        self._database = database
        self._blobs = blobs
        self._lifetime = settings.backend_upload_expiry
        self._secret: bytes | None = None

    async def offer(self, owner: str, contract: Contract, filename: str, content_type: str, size: int) -> Offered:
        """Return a slot for one object of `size` bytes, and where to upload it: past this service into the storage, or
        to an address of this service, of which the signature is given. `content_type` is signed as it was announced."""
        slot_id = str(uuid4())
        name = f"{slot_id}/{uuid4().hex}-upload"
        direct = await self._blobs.offer_upload(name, content_type, size, self._lifetime)
        kind = "".join(content_type.lower().split())
        new = NewUploadSlot(
            slot_id, owner, contract, display_name(filename), kind, size, self._lifetime, name if direct else ""
        )
        slot = await self._database.write(lambda conn: create_slot(conn, new))
        return Offered(slot, direct, "" if direct else await self._signature(slot))

    async def find(self, owner: str, slot_id: str) -> UploadSlot:
        """Return a slot of this owner, or one that was requested without a key: for those the id is enough.

        Raises NotFound when there is no such slot.
        """
        found = await self._database.read(lambda conn: find_slot(conn, slot_id))
        if found is None or found[0].owner not in (owner, found[0].contract):
            raise NotFound(_GONE)
        return found[0]

    async def look(self, owner: str, slot_id: str) -> FoundObject:
        """Look at the object that was uploaded to a slot.

        Raises:
            NotFound: there is no such slot, or nothing was uploaded to it.
            UploadSizeMismatch: the upload broke off, or is another file.
        """
        slot = await self.find(owner, slot_id)
        name = slot.audio.name if slot.audio else slot.object_name
        head = await self._blobs.head(name) if name else None
        if head is None:
            raise NotFound(_GONE)
        check_announced(slot, head.size)
        return FoundObject(name, head)

    def slot_of(self, url: str) -> str | None:
        """Return the slot whose object in the storage a URL names; None for any other URL.

        Raises InvalidRequest: the URL is in the storage, and names nothing that a client may name.
        """
        found = UPLOAD.fullmatch(self._blobs.find(url) or "")
        return found[1] if found else None

    def is_stored(self, url: str) -> bool:
        """Return whether a URL is read through the storage, and not fetched. Raises as `slot_of` does."""
        return self._blobs.find(url) is not None

    async def open(self, slot_id: str, expires: str, signature: str) -> UploadSlot:
        """Return the slot of a signed address.

        Raises:
            UploadForbidden: the address was not issued by us, or has expired.
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
        """Begin the slot's object: the bytes first, then `fill`. An object that fills no slot is removed at the end."""
        return SlotUpload(slot, self._blobs, max_bytes)

    async def fill(self, upload: SlotUpload) -> StoredAudio:
        """Put the object into the slot after all bytes were written. Other processes see it complete or not at all. The
        same upload may be sent again.

        Raises:
            EmptyUpload: no bytes were written.
            UploadSizeMismatch: fewer bytes were written than announced.
            JobStateConflict: another file was uploaded before.
            NotFound: the slot was removed.
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
        signed = ["PUT", slot.id, slot.content_type, str(slot.announced_size), expiry(slot)]
        return hmac.new(self._secret, "\n".join(signed).encode(), hashlib.sha256).hexdigest()


def expiry(slot: UploadSlot) -> str:
    """Return when the slot's address expires, in the form that the address has: seconds since 1970."""
    return f"{slot.expires_at:.0f}"


def check_announced(slot: UploadSlot, size: int) -> None:
    """Raise UploadSizeMismatch when an upload of `size` bytes differs from the announced size."""
    if size != slot.announced_size:
        raise UploadSizeMismatch(
            f"The upload has {size} bytes, and {slot.announced_size} were announced for this address. Send exactly the "
            "file that was announced, or ask for another address."
        )


class SlotUpload(UploadSession):
    """One upload to a slot: exactly the announced number of bytes."""

    def __init__(self, slot: UploadSlot, blobs: Blobs, max_bytes: int) -> None:
        super().__init__(blobs, f"{slot.id}/{uuid4().hex[:12]}-upload", max_bytes)
        self.slot = slot

    async def write(self, data: bytes) -> None:
        """Write some bytes.

        Raises:
            UploadTooLarge, UploadSizeMismatch: these are too many.
        """
        announced = self.slot.announced_size
        if self.size + len(data) > announced:
            raise UploadSizeMismatch(f"The upload has more than the {announced} bytes that were announced.")
        await super().write(data)

    async def store(self) -> StoredAudio:
        """Give the object its name. Raises UploadSizeMismatch when fewer bytes were written than announced."""
        if self.size:
            check_announced(self.slot, self.size)
        return await super().store()
