"""The bucket itself, and what lies in it beside our objects."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from dictograph.blobs.options import S3Options, StorageOptions
from dictograph.blobs.protocol import audio_name
from dictograph.blobs.s3 import copying
from dictograph.blobs.s3.address import BucketAddress
from dictograph.blobs.s3.blobs import S3Blobs
from dictograph.errors import SourceChanged
from tests.s3 import S3Server

PAGE = "https://app.example.org"
PART = 5 << 20


@pytest.fixture
def bucket(s3: S3Server) -> str:
    name = s3.new_bucket()
    s3.client().create_bucket(Bucket=name)
    return name


def blobs_in(s3: S3Server, bucket: str, **options: Any) -> S3Blobs:
    return S3Blobs(BucketAddress(bucket, "ours/"), s3.options(**options))


def test_a_missing_bucket_is_made_with_cors_and_an_existing_one_is_left_as_it_is(s3: S3Server, bucket: str) -> None:
    new, client = s3.new_bucket(), s3.client()

    async def test() -> None:
        missing, existing = blobs_in(s3, new, origins=(PAGE,)), blobs_in(s3, bucket, origins=(PAGE,))
        assert await missing.lacking() is None, "to look makes nothing"
        assert dict(await missing.notes()) == {}
        for blobs in (missing, existing):
            await blobs.prepare()
        assert await missing.lacking() == []
        assert await existing.lacking() == [f"its CORS does not let pages of {PAGE} upload"]
        assert await blobs_in(s3, bucket).lacking() == []

    asyncio.run(test())
    [rule] = client.get_bucket_cors(Bucket=new)["CORSRules"]
    assert (rule["AllowedOrigins"], "PUT" in rule["AllowedMethods"]) == ([PAGE], True)


def test_what_is_not_ours_is_neither_listed_nor_touched(s3: S3Server, bucket: str) -> None:
    client, blobs = s3.client(), blobs_in(s3, bucket)
    foreign = ["talk.mp3", "ours/talk.mp3", "ours/a/b/0-audio", "ours/job/0-other", "oursjob/0-audio", "job/0-audio"]
    for key in foreign:
        client.put_object(Bucket=bucket, Key=key, Body=b"theirs")
        client.create_multipart_upload(Bucket=bucket, Key=f"{key}.mp3")

    async def listed() -> list[str]:
        return [name async for names in blobs.older_than(-3600) for name in names]

    assert asyncio.run(listed()) == []
    assert len(client.list_multipart_uploads(Bucket=bucket)["Uploads"]) == len(foreign)


@pytest.mark.parametrize("holds", [True, False])
def test_a_copy_in_parts_and_one_whose_source_changes_meanwhile(
    s3: S3Server, bucket: str, monkeypatch: pytest.MonkeyPatch, holds: bool
) -> None:
    """As above 5 GiB; and as on a server that ignores the condition."""
    monkeypatch.setattr(copying, "_WHOLE", PART)
    monkeypatch.setattr(copying, "_PART", PART)
    data = uuid4().bytes * (PART // 16 * 2 + 1)
    client, blobs, target = s3.client(), blobs_in(s3, bucket), audio_name("job", 0)
    client.put_object(Bucket=bucket, Key="theirs", Body=data)
    copy_parts = copying._copy_parts

    async def copied(*arguments: Any) -> None:
        await copy_parts(*arguments)
        if not holds:
            client.put_object(Bucket=bucket, Key="theirs", Body=b"another")

    monkeypatch.setattr(copying, "_copy_parts", copied)

    async def test() -> None:
        head = await blobs.head("/theirs")
        assert head is not None
        if holds:
            assert (await blobs.copy("/theirs", target, head.version)).size == len(data)
        else:
            with pytest.raises(SourceChanged):
                await blobs.copy("/theirs", target, head.version)

    asyncio.run(test())
    found = client.list_objects_v2(Bucket=bucket, Prefix="ours/").get("Contents", [])
    assert [(one["Key"], one["Size"]) for one in found] == ([(f"ours/{target}", len(data))] if holds else [])
    assert "Uploads" not in client.list_multipart_uploads(Bucket=bucket)


@pytest.mark.parametrize(
    ("options", "begins"),
    [
        ({"style": "virtual"}, "http://audio.s3.example.org:9000/ours/"),
        ({"style": "auto"}, "http://s3.example.org:9000/audio/ours/"),
        ({"public_endpoint": "https://files.example.org"}, "https://files.example.org/audio/ours/"),
        ({"endpoint": ""}, "https://audio.s3.eu-west-3.amazonaws.com/ours/"),
        ({"endpoint": "", "style": "path"}, "https://s3.eu-west-3.amazonaws.com/audio/ours/"),
    ],
)
def test_where_the_name_of_the_bucket_stands(options: dict[str, Any], begins: str) -> None:
    keys = {"access_key": "a", "secret_key": "b", "region": "eu-west-3", "endpoint": "http://s3.example.org:9000"}
    blobs = S3Blobs(BucketAddress("audio", "ours/"), StorageOptions(s3=S3Options(**{**keys, **options})))
    blobs._prepared = True
    offered = asyncio.run(blobs.offer_upload("slot/0a-upload", "audio/wav", 7, 60))
    assert offered is not None
    assert offered.url.startswith(begins)
    assert "X-Amz-SignedHeaders=content-length%3Bcontent-type%3Bhost" in offered.url
    assert blobs.find(offered.url) == "slot/0a-upload", "it is known again"
