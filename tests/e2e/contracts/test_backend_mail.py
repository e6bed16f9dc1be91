"""Transcripts by mail; and what the document of the API has in it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from dictograph.service.mail import Mailer
from tests.audio_files import write_noise
from tests.e2e.contracts.backend_client import SETTINGS, Backend
from tests.mail import MailServer, mail_server
from tests.service import service

EMAIL = "POST /api/v1/job/{job_id}/email"
ADDRESS = "reader@example.org"


@pytest.fixture(scope="module")
def mail() -> Iterator[MailServer]:
    with mail_server() as server:
        yield server


@pytest.fixture(scope="module")
def backend(tmp_path_factory: pytest.TempPathFactory, mail: MailServer) -> Iterator[Backend]:
    url = f"smtp://sender:p%40ss@127.0.0.1:{mail.port}"
    settings = {**SETTINGS, "smtp_url": url, "smtp_from": "dictograph@example.org"}
    with service(tmp_path_factory.mktemp("service"), **settings) as up:
        yield Backend(up)


@pytest.fixture(scope="module")
def job(backend: Backend, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return backend.done(write_noise(tmp_path_factory.mktemp("audio") / "Grüße.wav", 2, 1))


def send(backend: Backend, job_id: str, **body: Any) -> requests.Response:
    return backend.session.post(f"{backend.base}/api/v1/job/{job_id}/email", json=body, timeout=30)


@pytest.mark.contract("backend", EMAIL, '200 `{"success": true, "message"}`, and the text is sent')
def test_a_transcript_is_mailed(backend: Backend, mail: MailServer, job: dict[str, Any]) -> None:
    answer = send(backend, job["id"], email=ADDRESS)
    assert answer.status_code == 200
    assert answer.json() == {"success": True, "message": f"The transcript was sent to {ADDRESS}."}
    recipient, message = mail.messages[-1]
    assert recipient == ADDRESS
    assert (message["From"], message["To"]) == ("dictograph@example.org", ADDRESS)
    assert message["Subject"] == "Transcript of Grüße.wav"
    assert message.get_content().strip() == job["result_text"]
    assert mail.logins[-1] == "sender p@ss"


@pytest.mark.contract("backend", EMAIL, '200 `{"success": false}` and why, when the server refuses')
def test_an_address_that_the_server_does_not_take(backend: Backend, mail: MailServer, job: dict[str, Any]) -> None:
    mail.unknown.add("nobody@example.org")
    answer = send(backend, job["id"], email="nobody@example.org")
    assert (answer.status_code, answer.json()["success"]) == (200, False)
    assert "address" in answer.json()["message"]


@pytest.mark.contract("backend", EMAIL, "422 for what is no address, 404 for an unknown job")
def test_what_is_no_address(backend: Backend, mail: MailServer, job: dict[str, Any]) -> None:
    before = len(mail.messages)
    for bad in ("", "nobody", "a@b, c@d", "a@b\r\nBcc: c@d", "<a@b>", "a b@c", 7, None):
        answer = send(backend, job["id"], email=bad)
        assert answer.status_code == 422, bad
        assert isinstance(answer.json()["detail"], str)
    assert send(backend, "unknown", email=ADDRESS).status_code == 404
    assert len(mail.messages) == before


@pytest.mark.contract("backend", EMAIL, '200 `{"success": false}` when the mail server is away')
def test_a_mail_server_that_is_away() -> None:
    with mail_server() as gone:
        port = gone.port
    sent = asyncio.run(Mailer(f"smtp://127.0.0.1:{port}", "dictograph@example.org").send(ADDRESS, "Text", "words"))
    assert not sent.success
    assert "reached" in sent.reason


@pytest.mark.contract("backend", "GET /openapi.json", "the routes of this contract, and the native ones")
def test_the_document_describes_all(backend: Backend) -> None:
    document = backend.session.get(f"{backend.base}/openapi.json", timeout=30).json()
    assert document["openapi"].startswith("3.")
    for path in ("/api/v1/audio/get_presigned_url", "/api/v1/job/status/{job_id}", "/v1/transcriptions", "/"):
        assert path in document["paths"]
