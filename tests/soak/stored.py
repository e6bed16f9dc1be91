"""What lies in a service's storage, and which of it no row names."""

from __future__ import annotations

from typing import Any, Protocol

from tests.files import files_below
from tests.s3 import S3Server
from tests.service import Service


class Stored(Protocol):
    """A storage as it is found by somebody who is not the service."""

    def names(self) -> list[str]:
        """The names of all objects, and of what was begun and is no object yet."""
        ...


class InFolder:
    """The folder of a service."""

    def __init__(self, service: Service) -> None:
        self._folder = service.data / "blobs"

    def names(self) -> list[str]:
        return [str(path.relative_to(self._folder)) for path in files_below(self._folder)]


class InBucket:
    """The bucket of a service: objects, and parts of uploads."""

    def __init__(self, server: S3Server, service: Service) -> None:
        self._server = server
        self._bucket = str(service.settings["storage_url"]).removeprefix("s3://").rstrip("/")

    def names(self) -> list[str]:
        client = self._server.client()
        pages = client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket)
        objects = [one["Key"] for page in pages for one in page.get("Contents", [])]
        parts: list[dict[str, Any]] = client.list_multipart_uploads(Bucket=self._bucket).get("Uploads") or []
        return [key for key in objects if "dictograph-storage/" not in key] + [f"{one['Key']} (part)" for one in parts]


def stored_of(service: Service, server: S3Server | None) -> Stored:
    return InFolder(service) if server is None else InBucket(server, service)


def unnamed_files(service: Service, stored: Stored) -> list[str]:
    """Stored objects that no row names, and decoded audio that no attempt uses."""
    found = stored.names()  # before the rows: what is stored meanwhile is not seen
    named = {name for (name,) in service.rows("SELECT audio_name FROM transcription_job WHERE audio_name IS NOT NULL")}
    named |= {name for (name,) in service.rows("SELECT object_name FROM upload_slot")}
    decoded = [str(path) for path in files_below(service.data / "scratch") if path.suffix == ".pcm"]
    return [name for name in found if name not in named] + decoded
