"""The bucket itself: made when it is missing, with CORS for the pages that may upload; what an existing one lacks."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from botocore.exceptions import ClientError

from dictograph.blobs.s3.client import S3Client
from dictograph.errors import StorageOutage

log = logging.getLogger(__name__)

#: AWS takes no constraint for this region.
_FIRST_REGION = "us-east-1"


async def make_if_missing(client: S3Client) -> None:
    """Make the bucket if it does not exist; an existing one is left as it is.

    Raises:
        StorageOutage: it cannot be made, or the server cannot be asked.
    """
    if await exists(client):
        return
    region = await client.region()
    where = {} if region == _FIRST_REGION else {"CreateBucketConfiguration": {"LocationConstraint": region}}
    await client.request("create_bucket", **where)
    log.info("the bucket %s did not exist; it is made", client.where)
    if client.options.origins:
        await client.request("put_bucket_cors", CORSConfiguration={"CORSRules": [_rule(client.options.origins)]})


async def exists(client: S3Client) -> bool:
    """Return whether the bucket exists. Raises StorageOutage for any other trouble."""
    try:
        await client.request("list_objects_v2", MaxKeys=1, Prefix=client.address.prefix)
    except StorageOutage as error:
        if "(NoSuchBucket)" in error.message:
            return False
        raise
    return True


async def lacking(client: S3Client) -> list[str]:
    """Return in words what an existing bucket lacks for the settings.

    Raises StorageOutage.
    """
    if not client.options.origins:
        return []
    allowed = await _allowed_origins(client)
    if allowed is None or "*" in allowed:
        return []
    missing = [origin for origin in client.options.origins if origin not in allowed]
    return [f"its CORS does not let pages of {', '.join(missing)} upload"] if missing else []


async def _allowed_origins(client: S3Client) -> set[str] | None:
    """Return the origins that may PUT; None if that cannot be known."""
    try:
        rules = (await client.request("get_bucket_cors"))["CORSRules"]
    except ClientError:
        return set()
    except StorageOutage as error:
        if "(NoSuchCORSConfiguration)" in error.message:
            return set()
        return None
    return {origin for rule in rules if "PUT" in rule["AllowedMethods"] for origin in rule["AllowedOrigins"]}


def _rule(origins: Sequence[str]) -> dict[str, Any]:
    return {
        "AllowedOrigins": list(origins),
        "AllowedMethods": ["GET", "HEAD", "PUT", "POST"],
        "AllowedHeaders": ["*"],
        "ExposeHeaders": ["ETag"],
        "MaxAgeSeconds": 3600,
    }


async def must_exist(client: S3Client) -> None:
    """Raise StorageOutage, with the reason, unless the bucket exists and answers."""
    await client.request("list_objects_v2", MaxKeys=1, Prefix=client.address.prefix)
