"""The backend's contract with a bucket of a real S3 server as its storage: addresses into the bucket, and what lies
there by any of its names. The clients are as they are: boto3, requests."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
import requests

from tests.audio_files import write_noise
from tests.e2e.contracts.backend_client import SETTINGS, Backend
from tests.s3 import S3Server
from tests.service import eventually, service

GET, POST = "GET /api/v1/audio/get_presigned_url", "POST /api/v1/audio/presigned-url"
TRANSCRIBE = "POST /api/v1/job/transcribe"


@dataclass(frozen=True, slots=True)
class Bucket:
    """A service whose storage is a bucket, and a client of boto3 of its owner."""

    backend: Backend
    name: str
    client: Any
    endpoint: str

    def objects(self) -> list[str]:
        return [one["Key"] for one in self.client.list_objects_v2(Bucket=self.name).get("Contents", [])]

    def read(self, key: str) -> bytes:
        data: bytes = self.client.get_object(Bucket=self.name, Key=key)["Body"].read()
        return data

    def put(self, key: str, data: bytes) -> str:
        """Put an object beside ours; give its `s3:` URL."""
        self.client.put_object(Bucket=self.name, Key=key, Body=data)
        return f"s3://{self.name}/{key}"

    def native(self, url: str) -> dict[str, Any]:
        """The native job of a URL, ended."""
        answer = requests.post(f"{self.backend.base}/v1/transcriptions?wait=60", json={"url": url}, timeout=90)
        found: dict[str, Any] = answer.json()
        return found


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory, s3: S3Server) -> Iterator[Bucket]:
    name = s3.new_bucket()
    with service(tmp_path_factory.mktemp("service"), **SETTINGS, **s3.settings(name, "dictograph")) as up:
        yield Bucket(Backend(up), name, s3.client(), s3.endpoint)


@pytest.fixture(scope="module")
def audio(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_noise(tmp_path_factory.mktemp("audio") / "my talk (1).wav", 2, 1)


def slot_key(bucket: Bucket, url: str) -> str:
    return urlsplit(url).path.removeprefix(f"/{bucket.name}/")


@pytest.mark.contract("backend", GET, "into a bucket of S3: the address is the bucket's, and what it takes is a job")
@pytest.mark.contract("backend", TRANSCRIBE, "the presigned URL of a bucket as it was given")
def test_an_upload_past_the_service(bucket: Bucket, audio: Path) -> None:
    url = bucket.backend.uploaded(audio)
    assert url.startswith(f"{bucket.endpoint}/{bucket.name}/dictograph/")
    made = bucket.backend.transcribe(filename=audio.name, url=url)
    assert made.status_code == 200, made.text
    assert "signature" not in made.json()["url"].lower()
    job = bucket.backend.ended(made.json()["id"])
    assert job["status"] == "completed"
    assert job["result_text"]
    own = f"dictograph/{job['id']}/0-audio"
    assert bucket.read(own) == audio.read_bytes(), "copied on the server, to the job's own name"


@pytest.mark.contract("backend", POST, "`fields` are those of a form that the bucket takes, of exactly the size")
def test_a_form_into_the_bucket(bucket: Bucket, audio: Path) -> None:
    size = audio.stat().st_size
    body: dict[str, Any] = {"filename": audio.name, "content_type": "audio/wav", "file_size": size}
    said = requests.post(f"{bucket.backend.base}/api/v1/audio/presigned-url", json=body, timeout=30).json()
    longer = requests.post(said["form_url"], data=said["fields"], files={"file": b"x" * (size + 1)}, timeout=30)
    assert longer.status_code == 400, longer.text
    sent = requests.post(said["form_url"], data=said["fields"], files={"file": audio.read_bytes()}, timeout=30)
    assert sent.status_code in (200, 201, 204), sent.text
    job = bucket.backend.transcribe(filename=audio.name, url=said["object"]).json()
    assert bucket.backend.ended(job["id"])["status"] == "completed"


@pytest.mark.parametrize("how", ["longer", "shorter", "other type", "other key"])
@pytest.mark.contract("backend", GET, "into a bucket: another size or type is refused, since both are signed")
def test_what_was_not_announced_is_refused(bucket: Bucket, audio: Path, how: str) -> None:
    url, data = bucket.backend.url_for(audio), audio.read_bytes()
    if how == "other type":
        answer = bucket.backend.put(url, data, "audio/mpeg")
    elif how == "other key":
        answer = bucket.backend.put(url.replace("-upload?", "0-upload?"), data)
    else:
        answer = bucket.backend.put(url, data + b"x" if how == "longer" else data[:-1])
    assert answer.status_code in (400, 403), answer.text
    refused = bucket.backend.transcribe(filename=audio.name, url=url)
    assert refused.status_code == 400
    assert "upload the file first" in refused.json()["detail"]


@pytest.mark.contract("backend", TRANSCRIBE, "400 that says so where an upload into a bucket broke off")
def test_an_upload_that_broke_off(bucket: Bucket, audio: Path) -> None:
    """The server in use stores what it got as a shorter object."""
    url, data = bucket.backend.url_for(audio), audio.read_bytes()
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=30)
    connection.putrequest("PUT", f"{parts.path}?{parts.query}")
    connection.putheader("Content-Type", "audio/wav")
    connection.putheader("Content-Length", str(len(data)))
    connection.endheaders(data[:-1000])
    connection.close()
    eventually(lambda: slot_key(bucket, url) in bucket.objects())
    answer = bucket.backend.transcribe(filename=audio.name, url=url)
    assert answer.status_code == 400
    assert f"{len(data)} were announced" in answer.json()["detail"]
    assert bucket.backend.put(url, data).status_code == 200, "it can be sent again"
    assert bucket.backend.transcribe(filename=audio.name, url=url).status_code == 200


@pytest.mark.contract("backend", TRANSCRIBE, "the bytes that it finds in the bucket count, whatever is uploaded after")
def test_what_is_uploaded_afterwards_changes_nothing(bucket: Bucket, audio: Path) -> None:
    url, data = bucket.backend.url_for(audio), audio.read_bytes()
    other = data[:-2] + b"zz"
    assert bucket.backend.put(url, other).status_code == 200
    assert bucket.backend.put(url, data).status_code == 200, "a bucket takes a second PUT"
    job = bucket.backend.transcribe(filename=audio.name, url=url).json()
    assert bucket.backend.put(url, other).status_code == 200
    assert bucket.backend.ended(job["id"])["status"] == "completed"
    assert bucket.read(f"dictograph/{job['id']}/0-audio") == data


@pytest.mark.parametrize("form", ["s3", "plain", "presigned"])
@pytest.mark.contract("backend", TRANSCRIBE, "an object of the bucket by `s3:`, by its plain and by a presigned URL")
def test_an_object_that_lies_in_the_bucket(bucket: Bucket, audio: Path, form: str) -> None:
    key = f"old uploads/{uuid4()}/talk +1.wav"
    url = bucket.put(key, audio.read_bytes())
    if form != "s3":
        url = bucket.client.generate_presigned_url("get_object", Params={"Bucket": bucket.name, "Key": key})
    if form == "plain":
        url = url.partition("?")[0]
    job = bucket.backend.ended(bucket.backend.transcribe(filename="talk.wav", url=url).json()["id"])
    assert job["status"] == "completed", job


def test_the_native_api_reads_the_bucket_too(bucket: Bucket, audio: Path) -> None:
    job = bucket.native(bucket.put(f"{uuid4()}.wav", audio.read_bytes()))
    assert job["status"] == "completed", job
    gone = bucket.native(f"s3://{bucket.name}/no-such-object.wav")
    assert (gone["status"], gone["error"]["code"]) == ("failed", "source_not_found")


def test_nothing_of_another_bucket_or_of_the_service_itself_is_read(bucket: Bucket, audio: Path) -> None:
    job = bucket.backend.done(audio)
    own = f"dictograph/{job['id']}/0-audio"
    for url in (
        "s3://another-bucket/talk.wav",
        f"s3://{bucket.name}/{own}",
        f"{bucket.endpoint}/{bucket.name}/{own}",
        f"s3://{bucket.name}/dictograph/dictograph-storage/owner.json",
        f"s3://{bucket.name}/",
    ):
        answer = bucket.native(url)
        assert answer["error"]["code"] == "invalid_request", url
        assert bucket.backend.transcribe(filename="talk.wav", url=url).status_code in (400, 422)


@pytest.mark.contract("backend", GET, "into a bucket: good for its time")
def test_an_address_expires(tmp_path: Path, s3: S3Server, audio: Path) -> None:
    with service(tmp_path, **SETTINGS, **s3.settings(s3.new_bucket()), backend_upload_expiry="1s") as up:
        backend = Backend(up)
        url = backend.url_for(audio)
        eventually(lambda: backend.put(url, audio.read_bytes()).status_code == 403)
