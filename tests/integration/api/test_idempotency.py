"""Idempotency-Key: the same request is one job, another one is refused, and so is one that comes too soon."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from sqlalchemy import update

from dictograph.blobs.folder import FolderBlobs
from dictograph.blobs.protocol import BlobWriter
from dictograph.errors import StorageFull
from dictograph.job import Options, Source, SourceKind
from dictograph.service.request import JobRequest, fingerprint
from dictograph.store.tables import idempotency_key
from tests.integration.api.live import FakeWorker, Live, live
from tests.service import ask, eventually

JOBS = "/v1/transcriptions"
KEY = {"idempotency-key": "a key"}


def send(client: httpx.Client, data: bytes = b"sound", **fields: str) -> httpx.Response:
    return client.post(JOBS, files={"file": ("a.wav", data)}, data=fields, headers=KEY)


def code(answer: httpx.Response) -> str:
    return str(answer.json()["error"]["code"])


def test_the_same_request_gives_the_same_job(api: Live, client: httpx.Client) -> None:
    first, second = send(client, language="de"), send(client, language="de", beam_size="5")
    assert (first.status_code, second.status_code) == (202, 202)
    assert first.json() == second.json()
    assert "idempotency-replayed" not in first.headers
    assert second.headers["idempotency-replayed"] == "true"
    assert len(api.files()) == 1


def test_another_request_with_the_key_is_refused(api: Live, client: httpx.Client) -> None:
    assert send(client).status_code == 202
    for answer in (
        send(client, b"other sound"),
        send(client, language="de"),
        send(client, metadata='{"a": 1}'),
        client.post(JOBS, json={"url": "https://example.org/a.wav"}, headers=KEY),
    ):
        assert (answer.status_code, code(answer)) == (422, "idempotency_mismatch")
    assert len(api.files()) == 1
    assert send(client).status_code == 202


def test_urls_have_keys_too(client: httpx.Client) -> None:
    first = client.post(JOBS, json={"url": "https://example.org/a.wav"}, headers=KEY)
    again = client.post(JOBS, json={"url": "https://example.org/a.wav", "task": "transcribe"}, headers=KEY)
    other = client.post(JOBS, json={"url": "https://example.org/b.wav"}, headers=KEY)
    assert first.json()["id"] == again.json()["id"]
    assert code(other) == "idempotency_mismatch"


def test_a_second_request_while_the_first_still_comes_is_refused(api: Live, client: httpx.Client) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def form() -> Iterator[bytes]:
        yield b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\nso'
        begun.set()
        assert go_on.wait(20)
        yield b"und\r\n--x--\r\n"

    answers: list[httpx.Response] = []

    def slow() -> None:
        headers = KEY | {"content-type": "multipart/form-data; boundary=x"}
        answers.append(httpx.post(api.base + JOBS, content=form(), headers=headers, timeout=30))

    sender = threading.Thread(target=slow)
    sender.start()
    assert begun.wait(20)
    eventually(lambda: ask(api.settings.database, "SELECT 1 FROM idempotency_key"))
    early = send(client)
    assert (early.status_code, code(early)) == (409, "idempotency_in_progress")
    go_on.set()
    sender.join(20)
    assert answers[0].status_code == 202
    assert send(client).json()["id"] == answers[0].json()["id"]


def test_of_many_at_once_one_makes_the_job(api: Live) -> None:
    answers: list[httpx.Response] = []
    barrier = threading.Barrier(8)

    def post() -> None:
        with api.client() as client:
            barrier.wait()
            answers.append(send(client))

    threads = [threading.Thread(target=post) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    accepted = [answer for answer in answers if answer.status_code == 202]
    assert accepted
    assert len({answer.json()["id"] for answer in accepted}) == 1
    assert {answer.status_code for answer in answers} <= {202, 409}
    assert len(api.files()) == 1


def test_a_request_that_failed_frees_its_key(api: Live, client: httpx.Client) -> None:
    assert code(send(client, beam_size="0")) == "invalid_option"
    assert code(send(client, b"x" * 1_100_000)) == "upload_too_large"
    assert send(client, b"other").status_code == 202


@pytest.mark.parametrize("key", ["", "x" * 256, "täst"])
def test_keys_are_plain_and_short(client: httpx.Client, key: str) -> None:
    headers = [(b"idempotency-key", key.encode("latin-1"))]
    answer = client.post(JOBS, files={"file": ("a.wav", b"x")}, headers=headers)
    assert (answer.status_code, code(answer)) == (422, "invalid_request")


def test_a_deleted_job_frees_its_key(client: httpx.Client) -> None:
    first = send(client).json()["id"]
    client.delete(f"{JOBS}/{first}")
    second = send(client)
    assert second.status_code == 202
    assert second.json()["id"] != first


class FullDisk(FolderBlobs):
    """A folder whose disk is full."""

    full = True

    async def create(self, name: str) -> BlobWriter:
        if self.full:
            raise StorageFull("The storage is full.")
        return await super().create(name)


def test_a_full_disk_is_said_and_the_key_is_free_afterwards(tmp_path: Path, migrated: Path) -> None:
    blobs = FullDisk(tmp_path / "data" / "blobs")
    with live(tmp_path, blobs, migrated) as api, api.client() as client:
        answer = send(client)
        assert (answer.status_code, code(answer)) == (507, "storage_full")
        blobs.full = False
        assert send(client).status_code == 202


def test_a_request_is_sent_again_after_an_upgrade(client: httpx.Client, hand: FakeWorker) -> None:
    """As version 0.1 stored it: with the digest of all options, whatever they are."""
    first = send(client, b"sound", language="de")
    order = JobRequest(Options(language="de"))
    mark = fingerprint(order, Source(SourceKind.UPLOAD), hashlib.sha256(b"sound").hexdigest())
    stored = update(idempotency_key).where(idempotency_key.c.fingerprint == mark.now).values(fingerprint=mark.before)
    assert hand.database.write_now(lambda c: c.execute(stored).rowcount) == 1
    again = send(client, b"sound", language="de")
    assert (again.status_code, again.json()["id"]) == (202, first.json()["id"])
    assert code(send(client, b"sound", language="en")) == "idempotency_mismatch"
