"""Copies that the server makes from key to key, of one version only."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import ClientError

from dictograph.blobs.protocol import Head
from dictograph.blobs.s3.client import S3Client
from dictograph.blobs.s3.errors import is_changed, is_missing
from dictograph.blobs.s3.leftovers import abort_uploads
from dictograph.errors import NotFound, SourceChanged

#: The largest object that one request copies, and the size of parts above that.
_WHOLE = 5 * 2**30
_PART = 2**30

_CHANGED = "The file was changed while it was copied; try again."


async def head(client: S3Client, key: str) -> Head | None:
    """Return size and version of an object; None if it does not exist. Raises StorageOutage."""
    try:
        found = await client.request("head_object", Key=key)
    except ClientError:
        return None
    return Head(found["ContentLength"], found["ETag"])


async def copy(client: S3Client, source: str, target: str, version: str) -> int:
    """Copy an object if it is of this version. Return its size in bytes.

    Some servers ignore the condition, so the version is compared afterwards too.

    Raises:
        NotFound, SourceChanged: then there is no copy.
        StorageOutage.
    """
    found = await head(client, source)
    if found is None:
        raise NotFound("The object does not exist.")
    if found.version != version:
        raise SourceChanged(_CHANGED)
    condition = {"CopySource": {"Bucket": client.address.bucket, "Key": source}, "CopySourceIfMatch": version}
    try:
        await _copy(client, target, condition, found.size)
    except ClientError as error:
        if is_changed(error):
            raise SourceChanged(_CHANGED) from error
        if is_missing(error):
            raise NotFound("The object does not exist.") from error
        raise
    after = await head(client, source)
    if after is not None and after.version != version:
        await client.request("delete_object", Key=target)
        raise SourceChanged(_CHANGED)
    return found.size


async def _copy(client: S3Client, target: str, condition: dict[str, Any], size: int) -> None:
    if size <= _WHOLE:
        await client.request("copy_object", Key=target, **condition)
        return
    try:
        await _copy_parts(client, target, condition, size)
    except BaseException:
        await abort_uploads(client, target)
        raise


async def _copy_parts(client: S3Client, target: str, condition: dict[str, Any], size: int) -> None:
    upload = (await client.request("create_multipart_upload", Key=target))["UploadId"]
    parts = []
    for number, start in enumerate(range(0, size, _PART), start=1):
        bounds = f"bytes={start}-{min(start + _PART, size) - 1}"
        answer = await client.request(
            "upload_part_copy", Key=target, UploadId=upload, PartNumber=number, CopySourceRange=bounds, **condition
        )
        parts.append({"PartNumber": number, "ETag": answer["CopyPartResult"]["ETag"]})
    await client.request("complete_multipart_upload", Key=target, UploadId=upload, MultipartUpload={"Parts": parts})
