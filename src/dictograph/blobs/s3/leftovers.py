"""Parts of uploads that were never completed: a kill, a cancel, or a server that was away leaves them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

from dictograph.blobs.s3.client import S3Client


async def abort_uploads(client: S3Client, key: str) -> None:
    """Abort all unfinished uploads of a key. Raises StorageOutage."""
    async for upload in unfinished(client, key):
        if upload["Key"] == key:
            await _forgiving(client, "abort_multipart_upload", Key=key, UploadId=upload["UploadId"])


async def unfinished(client: S3Client, prefix: str) -> AsyncIterator[dict[str, Any]]:
    """Yield the unfinished uploads of keys with a prefix. Raises StorageOutage."""
    marker: dict[str, str] = {}
    while True:
        page = await client.request("list_multipart_uploads", Prefix=prefix, **marker)
        for upload in page.get("Uploads", []):
            yield upload
        if not page.get("IsTruncated"):
            return
        marker = {"KeyMarker": page["NextKeyMarker"], "UploadIdMarker": page.get("NextUploadIdMarker", "")}


async def last_written(client: S3Client, upload: dict[str, Any]) -> datetime | None:
    """Return when the newest part of an upload came, or when it began; None if the upload is gone."""
    newest: datetime = upload["Initiated"]
    marker: dict[str, int] = {}
    while True:
        page = await _forgiving(client, "list_parts", Key=upload["Key"], UploadId=upload["UploadId"], **marker)
        if page is None:
            return None
        newest = max([newest, *(part["LastModified"] for part in page.get("Parts", []))])
        if not page.get("IsTruncated"):
            return newest
        marker = {"PartNumberMarker": page["NextPartNumberMarker"]}


async def _forgiving(client: S3Client, operation: str, **parameters: Any) -> dict[str, Any] | None:
    """Return the answer of a request; None if the upload has ended meanwhile."""
    from botocore.exceptions import ClientError

    try:
        return await client.request(operation, **parameters)
    except ClientError:
        return None
