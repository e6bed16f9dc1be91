"""References to audio: the address that the client got for its upload, an object's reference, or a URL."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from dictograph.api.backend.responses import FileRefused
from dictograph.api.backend.uploads import OBJECTS
from dictograph.service.compat.backend_uploads import Uploads

_UPLOAD = re.compile(r"uploads/([A-Za-z0-9-]{1,64})(?:/.*)?", re.DOTALL)
_ADDRESS = re.compile(rf"{re.escape(OBJECTS)}/([A-Za-z0-9-]{{1,64}})(?:/.*)?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Uploaded:
    """An object that was uploaded to us, or will be."""

    slot_id: str


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """A URL that has to be fetched."""

    url: str


def resolve(given: str, uploads: Uploads) -> Uploaded | Elsewhere:
    """Return the audio that `url` of a request names. In an address of ours only the path counts, not the host: the
    object is read from storage, and never fetched.

    What lies in the configured bucket is `Elsewhere` too, unless it was uploaded to an address of ours: a worker reads
    it through the storage, and never fetches it.

    Raises:
        FileRefused: the URL is in another bucket, or no bucket is configured; or it is no URL at all.
        InvalidRequest: it names nothing that a client may name.
    """
    given = given.strip()
    if slot_id := uploads.slot_of(given):
        return Uploaded(slot_id)
    if uploads.is_stored(given):
        return Elsewhere(given)
    if given.lower().startswith("s3://"):
        raise FileRefused("No bucket is configured, so nothing can be read from one.", param="url")
    if found := _UPLOAD.fullmatch(given):
        return Uploaded(found[1])
    try:
        parts = urlsplit(given)
    except ValueError as error:
        raise FileRefused("`url` is not a URL.", param="url") from error
    if parts.scheme.lower() in ("", "http", "https") and (found := _ADDRESS.fullmatch(parts.path)):
        return Uploaded(found[1])
    if parts.scheme.lower() not in ("http", "https"):
        raise FileRefused("`url` must be the address that was uploaded to, or an http or https URL.", param="url")
    return Elsewhere(given)
