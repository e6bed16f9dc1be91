"""Which URLs are those of the bucket: what they name is read through the storage, and never fetched."""

from __future__ import annotations

import pytest

from dictograph.blobs.s3.address import BucketAddress, find_key
from dictograph.errors import InvalidRequest

OWN = ("http://minio:9000", "https://audio.example.org")
SIGNED = "?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=00"


@pytest.mark.parametrize(
    ("endpoints", "url", "key"),
    [
        ((), "s3://bucket/a/talk.mp3", "a/talk.mp3"),
        ((), "S3://bucket/a%20b +ü?x#y.mp3", "a%20b +ü?x#y.mp3"),
        ((), f"https://bucket.s3.amazonaws.com/a%20b%2Bc.mp3{SIGNED}", "a b+c.mp3"),
        ((), f"https://bucket.s3.eu-west-3.amazonaws.com/a.mp3{SIGNED}", "a.mp3"),
        ((), "https://bucket.s3-eu-west-3.amazonaws.com/a.mp3", "a.mp3"),
        ((), "https://bucket.s3.dualstack.eu-west-3.amazonaws.com/a.mp3", "a.mp3"),
        ((), "https://bucket.s3.cn-north-1.amazonaws.com.cn/a.mp3", "a.mp3"),
        ((), "https://s3.eu-west-3.amazonaws.com/bucket/a.mp3", "a.mp3"),
        ((), "https://other.s3.amazonaws.com/a.mp3", None),
        ((), "https://other.s3.amazonaws.com/bucket/a.mp3", None),
        ((), "https://s3.amazonaws.com/other/a.mp3", None),
        ((), "https://bucket.s3.amazonaws.com.evil.example/a.mp3", None),
        ((), "https://example.org/bucket/a.mp3", None),
        (OWN, f"http://minio:9000/bucket/a/b.mp3{SIGNED}", "a/b.mp3"),
        (OWN, "HTTP://MINIO:9000/bucket/a.mp3", "a.mp3"),
        (OWN, "https://audio.example.org:443/bucket/a.mp3", "a.mp3"),
        (OWN, "https://bucket.audio.example.org/a.mp3", "a.mp3"),
        (OWN, "http://minio:9001/bucket/a.mp3", None),
        (OWN, "http://minio:9000/bucketeer/a.mp3", None),
        (OWN, "http://minio:9000/other/bucket/a.mp3", None),
        (OWN, "https://bucket.s3.amazonaws.com/a.mp3", None),
        (OWN, "ftp://minio:9000/bucket/a.mp3", None),
        (OWN, "http://[minio/bucket/a.mp3", None),
        (OWN, "/etc/passwd", None),
    ],
)
def test_whose_a_url_is(endpoints: tuple[str, ...], url: str, key: str | None) -> None:
    assert find_key("bucket", endpoints, url) == key


@pytest.mark.parametrize(
    "url",
    ["s3://other/a.mp3", "s3://bucket", "s3://bucket/", "s3:///a.mp3", "s3:bucket/a", "http://minio:9000/bucket/"],
)
def test_no_object_of_the_bucket(url: str) -> None:
    with pytest.raises(InvalidRequest):
        find_key("bucket", OWN, url)


@pytest.mark.parametrize("prefix", ["", "some/prefix/"])
def test_what_is_the_service_s_own_cannot_be_named(prefix: str) -> None:
    address = BucketAddress("bucket", prefix)
    assert address.location(f"{prefix}slot/0a1b-upload") == "slot/0a1b-upload"
    for name in ("job/0-audio", "job/12-audio", "check/7-check", "dictograph-storage/owner.json"):
        with pytest.raises(InvalidRequest, match="belongs to this service alone"):
            address.location(prefix + name)
    for key in ("talk.mp3", "a/b/talk-audio.mp3", "elsewhere/job/0-audio"):
        assert address.key(address.location(key)) == key


@pytest.mark.parametrize(
    ("url", "bucket", "prefix"),
    [("s3://bucket", "bucket", ""), ("S3://a.b-c/", "a.b-c", ""), (" s3://bucket/a/b/ ", "bucket", "a/b/")],
)
def test_the_setting(url: str, bucket: str, prefix: str) -> None:
    assert BucketAddress.parse(url) == BucketAddress(bucket, prefix)
