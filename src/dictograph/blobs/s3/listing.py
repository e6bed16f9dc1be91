"""Our objects in a bucket, by their age. What else lies there is not looked at."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from dictograph.blobs.protocol import NOTES, OBJECT, PART
from dictograph.blobs.s3.client import S3Client
from dictograph.blobs.s3.leftovers import last_written, unfinished

#: Enough keys to find one that is no note: there are only a few of those.
_FEW = 50


async def older_than(client: S3Client, seconds: float) -> AsyncIterator[list[str]]:
    """Yield the names of our objects, and of unfinished uploads with `.part` behind, last written before that time.

    The age is by the server's clock.
    """
    async for page in pages(client, client.address.prefix):
        now = _server_time(page)
        found = page.get("Contents", [])
        if names := [name for one in found if (name := _ours(client, one["Key"])) and _age(now, one) > seconds]:
            yield names
    now = _server_time(await client.request("list_objects_v2", MaxKeys=1, Prefix=client.address.prefix))
    async for upload in unfinished(client, client.address.prefix):
        name = _ours(client, upload["Key"])
        if name and _seconds(now, upload["Initiated"]) > seconds:
            written = await last_written(client, upload)
            if written is not None and _seconds(now, written) > seconds:
                yield [name + PART]


async def is_empty(client: S3Client) -> bool:
    """Return whether there is nothing under our prefix but notes."""
    page = await client.request("list_objects_v2", MaxKeys=_FEW, Prefix=client.address.prefix)
    notes = f"{client.address.prefix}{NOTES}/"
    return all(one["Key"].startswith(notes) for one in page.get("Contents", []))


async def pages(client: S3Client, prefix: str) -> AsyncIterator[dict[str, Any]]:
    """Yield the pages of a listing, of up to 1,000 keys."""
    marker: dict[str, str] = {}
    while True:
        page = await client.request("list_objects_v2", Prefix=prefix, **marker)
        yield page
        if not page.get("IsTruncated"):
            return
        marker = {"ContinuationToken": page["NextContinuationToken"]}


def _ours(client: S3Client, key: str) -> str:
    name = key.removeprefix(client.address.prefix)
    return name if OBJECT.fullmatch(name) and not name.endswith(PART) else ""


def _server_time(page: dict[str, Any]) -> datetime:
    date = page["ResponseMetadata"]["HTTPHeaders"].get("date")
    return parsedate_to_datetime(date) if date else datetime.now(UTC)


def _age(now: datetime, found: dict[str, Any]) -> float:
    return _seconds(now, found["LastModified"])


def _seconds(now: datetime, then: datetime) -> float:
    return (now - then).total_seconds()
