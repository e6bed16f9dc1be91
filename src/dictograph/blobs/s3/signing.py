"""Signed addresses by which a client uploads into the bucket, without this service in between."""

from __future__ import annotations

from typing import Any

from dictograph.blobs.protocol import DirectUpload
from dictograph.blobs.s3.client import S3Client


async def offer(client: S3Client, key: str, content_type: str, size: int, lifetime: float) -> DirectUpload:
    """Return the addresses for exactly `size` bytes of a type (empty: of any), for `lifetime` seconds.

    Raises StorageOutage: there are no credentials to sign with.
    """
    seconds = max(1, round(lifetime))
    signed: dict[str, Any] = {"Bucket": client.address.bucket, "Key": key, "ContentLength": size}
    if content_type:
        signed["ContentType"] = content_type
    url = await client.sign("generate_presigned_url", "put_object", Params=signed, ExpiresIn=seconds)
    fields = {"Content-Type": content_type} if content_type else {}
    conditions = [["content-length-range", size, size], *([{"Content-Type": content_type}] if content_type else [])]
    form = await client.sign(
        "generate_presigned_post",
        client.address.bucket,
        key,
        Fields=fields,
        Conditions=conditions,
        ExpiresIn=seconds,
    )
    return DirectUpload(url, form["url"], form["fields"])
